"""The lookahead finder: whether what was sent by a moment depends on rows that came later.

A strategy sees only its view, so the future can come in only through what was computed from the
ticks before the run: its parameters, the contract, the clock's repair, validation. At each moment
all of that is made again, first without the rows that had not happened, then with random rows in
place of those that had not arrived.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.columns import Table, int64, table
from strategy_lab_core.data.instruments import Instrument, Product
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.run import RunnableStrategy
from strategy_lab_core.engine.selection import select
from strategy_lab_core.engine.stage import Stage, prepare
from strategy_lab_core.errors import ConfigError, StrategyLabError
from strategy_lab_core.probes.halted import NOTHING_SENT, Sent, first_difference, run_until
from strategy_lab_core.probes.noise import with_noise
from strategy_lab_core.probes.times import row_times, with_repaired_clock
from strategy_lab_core.types import Int1D

__all__ = ["Check", "LookaheadResult", "find_lookahead"]

MakeStrategy: TypeAlias = Callable[[Table], RunnableStrategy]
ChooseInstrument: TypeAlias = Callable[[Table], Instrument | str]
Progress: TypeAlias = Callable[[int, int], None]

REMOVED, REPLACED = "rows removed", "rows replaced"


@dataclass(frozen=True, slots=True)
class Check:
    """One test at one moment.

    Attributes
    ----------
    test
        ``"rows removed"`` (those that had not happened) or ``"rows replaced"`` (those that had not
        arrived, by random ones).
    ts
        The moment, ns UTC.
    orders
        Sent by then in the whole run.
    is_leak
        Whether something that was sent by then came out differently.
    ts_submit, sent, instead
        When the first such thing was sent, what the whole run sent, and what came instead.
    inputs
        What was computed differently from the ticks, as sentences; not a leak in itself.
    """

    test: str
    ts: int
    orders: int
    is_leak: bool
    ts_submit: int | None
    sent: str
    instead: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LookaheadResult:
    """All checks, in order of time."""

    checks: tuple[Check, ...]

    @property
    def leaks(self) -> tuple[Check, ...]:
        """The checks that found one."""
        return tuple(check for check in self.checks if check.is_leak)

    @property
    def verdict(self) -> str:
        """Return "leak", "no leak found", or "can't tell" where no order was there to compare."""
        if self.leaks:
            return "leak"
        return "no leak found" if any(check.orders for check in self.checks) else "can't tell"

    def table(self) -> Table:
        """Return a row for each check."""
        names = [name for name in Check.__dataclass_fields__ if name != "inputs"]
        columns: dict[str, Any] = {n: [getattr(each, n) for each in self.checks] for n in names}
        columns["inputs"] = ["; ".join(check.inputs) for check in self.checks]
        return table(columns)


def find_lookahead(
    ticks: Table,
    strategy: RunnableStrategy | None = None,
    config: BacktestConfig | None = None,
    *,
    make_strategy: MakeStrategy | None = None,
    choose_instrument: ChooseInstrument | None = None,
    moments: int = 10,
    random_seed: int = 0,
    repair_is_known: bool = False,
    on_progress: Progress | None = None,
    session: Session | None = None,
    instrument: Instrument | str | None = None,
    seed: Table | None = None,
    status: Table | None = None,
    products: Mapping[str, Product] | None = None,
) -> LookaheadResult:
    """Look for what was sent before a moment and depends on rows that came after it.

    Parameters
    ----------
    ticks, config, session, seed, status, products
        As for `backtest`. Raw ticks are validated anew in every check; a `book_state` that is there
        already is taken as it is.
    strategy, make_strategy
        A strategy, or a function that makes one from the ticks: whatever is computed from them
        before the run (a mean, a table of features) belongs into it. One of the two.
    instrument, choose_instrument
        The contract, or a function that chooses it from the ticks; without either that of
        `backtest`: the one that expires first.
    moments
        How many. Half of them are times at which orders were sent, where data that came a little
        too early shows, the others are anywhere between the first row and the last.
    random_seed
        Of the moments and the random rows.
    repair_is_known
        True takes the repair of a capture clock that ran behind, a constant from the whole session,
        for known before it. By default it is computed anew and reported where it shows.
    on_progress
        Called with checks done and checks in all; with 0 when the first run begins.

    Notes
    -----
    What is not seen: leaks that change no order at these moments; a leak in the engine between the
    exchange and our clock, because random rows replace those that were not there yet in what the
    strategy is made from, while the exchange plays the recorded ones until the moment; what a
    strategy's author learnt from the session and wrote into the code; rows that no run is given.
    """
    if (strategy is None) == (make_strategy is None):
        raise ConfigError("strategy", strategy, "given, or make_strategy, and not both")
    if instrument is not None and choose_instrument is not None:
        raise ConfigError("instrument", instrument, "left out where choose_instrument is given")
    if moments < 1:
        raise ConfigError("moments", moments, "at least 1")
    config = config or BacktestConfig()
    first = select(ticks, session=session, instrument=instrument, products=products)
    if repair_is_known:
        times = row_times(ticks, first.instrument, config.latency)
        ticks = with_repaired_clock(ticks, times)
    makers = _Makers(
        make=make_strategy or _constant(strategy),
        choose=choose_instrument
        or (lambda known: select(known, session=first.session, instrument=instrument,
                                 products=products).instrument),
        config=config,
        session=first.session,
        seed=seed,
        status=status,
        products=products,
    )  # fmt: skip
    return _Finder(makers, ticks, np.random.default_rng(random_seed)).run(moments, on_progress)


def _constant(strategy: Any) -> MakeStrategy:
    return lambda _: strategy


class _Run(NamedTuple):
    """A run that was prepared, and what it was prepared with."""

    stage: Stage
    strategy: RunnableStrategy
    config: BacktestConfig

    def inputs(self) -> dict[str, Any]:
        """Return by name what was computed from the ticks."""
        return {
            "contract": self.stage.instrument.symbol,
            "clock repair in ns": self.stage.tape.repair_ns,
            "strategy": self.strategy.name,
            **self.strategy.parameters,
        }

    def sent(self, halt_ns: int, on_rows: Callable[[int], None] | None = None) -> Sent:
        """Return what it had sent by `halt_ns`."""
        return run_until(self.stage, self.strategy, self.config, halt_ns, on_rows=on_rows)


@dataclass(frozen=True, slots=True)
class _Makers:
    """How a run is made from ticks."""

    make: MakeStrategy
    choose: ChooseInstrument
    config: BacktestConfig
    session: Session
    seed: Table | None
    status: Table | None
    products: Mapping[str, Product] | None

    def prepare(self, known: Table, played: Table, status: Table | None, *, cut: bool) -> _Run:
        """Prepare a run on the rows in `played` with what follows from the rows in `known`."""
        config = replace(self.config, allow_partial=True) if cut else self.config
        try:
            strategy, instrument = self.make(known), self.choose(known)
        except Exception as error:
            if not cut:
                raise
            raise _UnpreparedError(f"from what was known: {error!r}") from error
        stage = prepare(
            played, config, session=self.session, instrument=instrument, seed=self.seed,
            status=status, products=self.products,
        )  # fmt: skip
        return _Run(stage, strategy, config)


class _UnpreparedError(StrategyLabError):
    """A run could not be prepared from the rows that were known."""


class _Finder:
    """The whole run, and its likes at single moments."""

    def __init__(self, makers: _Makers, ticks: Table, rng: np.random.Generator) -> None:
        self._makers, self._ticks, self._rng = makers, ticks, rng
        self._whole = makers.prepare(ticks, ticks, makers.status, cut=False)
        self._times = row_times(ticks, self._whole.stage.instrument, makers.config.latency)

    def run(self, moments: int, on_progress: Progress | None) -> LookaheadResult:
        """Do both tests at every moment."""
        checks: list[Check] = []
        begun = None if on_progress is None else lambda _: on_progress(0, 2 * moments)
        chosen = self._moments(moments, begun)
        for moment in chosen:
            sent = self._whole.sent(moment)
            for test in (REMOVED, REPLACED):
                checks.append(self._check(test, moment, sent))
                if on_progress is not None:
                    on_progress(len(checks), 2 * len(chosen))
        return LookaheadResult(tuple(checks))

    def _moments(self, count: int, begun: Callable[[int], None] | None) -> list[int]:
        """Return moments, ascending: half of them where orders were sent, as far as there are."""
        tape = self._whole.stage.tape
        orders = self._whole.sent(tape.end_ns, begun).orders
        sent_ns = np.unique(np.array([order["ts_submit"] for order in orders], np.int64))
        at_orders: Int1D = self._rng.choice(
            sent_ns, min(-(-count // 2), len(sent_ns)), replace=False
        )
        first, last = int(tape.tape.event_ns[0]), int(tape.tape.event_ns[-1])
        anywhere = self._rng.integers(first, last, count - len(at_orders), endpoint=True)
        return sorted(int(each) for each in (*at_orders, *anywhere))

    def _check(self, test: str, moment: int, sent: Sent) -> Check:
        try:
            run = self._prepared(test, moment)
            inputs = _changed(self._whole.inputs(), run.inputs())
            theirs = run.sent(moment)
        except StrategyLabError as error:
            theirs, inputs = NOTHING_SENT, (f"no run: {error}",)
        found = first_difference(sent, theirs)
        return Check(
            test=test,
            ts=moment,
            orders=len(sent.orders),
            is_leak=found is not None,
            ts_submit=found.ts_submit if found else None,
            sent=found.sent if found else "",
            instead=found.instead if found else "",
            inputs=inputs,
        )

    def _prepared(self, test: str, moment: int) -> _Run:
        """Prepare the run of a test: later rows are gone, or they and those in flight random."""
        has_happened = self._times.exchange_ns <= moment
        status = self._makers.status
        if status is not None:
            status = status.filter(int64(status, "ts_event", null=0) <= moment)
        if test == REMOVED:
            rows = self._ticks.filter(has_happened)
            return self._makers.prepare(rows, rows, status, cut=True)
        has_arrived = self._times.local_ns <= moment
        known = with_noise(self._ticks, ~has_arrived, self._rng)
        played = with_noise(self._ticks, ~has_happened, self._rng)
        return self._makers.prepare(known, played, status, cut=True)


def _changed(whole: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[str, ...]:
    names = dict.fromkeys((*whole, *known))
    return tuple(
        f"{name}: {whole.get(name)} from all rows, {known.get(name)} from those known"
        for name in names
        if whole.get(name) != known.get(name)
    )
