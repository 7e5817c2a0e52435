"""The warm-up finder: how much of the session a strategy has to see before it does as it should.

The strategy is started again at later moments, with the book of that moment and nothing else. From
some time on it sends what the run over the whole session sends: that time is its warm-up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from strategy_lab_core.book.l2 import is_differences
from strategy_lab_core.book.validate import validate
from strategy_lab_core.data.calendar import Session, phase_intervals
from strategy_lab_core.data.columns import Table, column, table
from strategy_lab_core.data.instruments import Instrument, Product
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.run import RunnableStrategy
from strategy_lab_core.engine.selection import select
from strategy_lab_core.engine.stage import prepare
from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.probes.begun import begun_at
from strategy_lab_core.probes.halted import run_until
from strategy_lab_core.probes.times import row_times, with_repaired_clock
from strategy_lab_core.types import NS_PER_SECOND, Action, BookState, Int1D

__all__ = ["Start", "WarmupResult", "find_warmup"]

_FIRST, _LAST = 0.1, 0.7  # share of the session's time in which the later starts lie


@dataclass(frozen=True, slots=True)
class Start:
    """One later start.

    Attributes
    ----------
    ts
        When, exchange time in ns UTC.
    seconds, rows
        From the start to the last order that was not the whole run's, in time and in rows of the
        instrument; 0 where all were. None where the orders never came to agree.
    agreed
        Orders after that which both runs sent, before the engine ends the session flat.
    orders
        That the whole run sent from the start on.
    """

    ts: int
    seconds: float | None
    rows: int | None
    agreed: int
    orders: int


@dataclass(frozen=True, slots=True)
class WarmupResult:
    """All later starts, in order of time."""

    starts: tuple[Start, ...]

    @property
    def seconds(self) -> float | None:
        """The longest warm-up; None for "never" or where no order was there to compare."""
        found = [each.seconds for each in self._told if each.seconds is not None]
        return max(found) if found and len(found) == len(self._told) else None

    @property
    def rows(self) -> int | None:
        """The warm-up with the most rows; None as for `seconds`."""
        found = [each.rows for each in self._told if each.rows is not None]
        return max(found) if found and len(found) == len(self._told) else None

    @property
    def verdict(self) -> str:
        """Return the warm-up as text, "never", or "can't tell" where nothing was sent."""
        if not self._told:
            return "can't tell"
        return "never" if self.seconds is None else f"{self.seconds:.3f} s, {self.rows} rows"

    @property
    def _told(self) -> list[Start]:
        return [each for each in self.starts if each.orders]

    def table(self) -> Table:
        """Return a row for each start."""
        names = Start.__dataclass_fields__
        return table({name: [getattr(each, name) for each in self.starts] for name in names})


def find_warmup(
    ticks: Table,
    strategy: RunnableStrategy,
    config: BacktestConfig | None = None,
    *,
    starts: int | Sequence[int] = 5,
    on_progress: Callable[[int, int], None] | None = None,
    session: Session | None = None,
    instrument: Instrument | str | None = None,
    seed: Table | None = None,
    status: Table | None = None,
    products: Mapping[str, Product] | None = None,
) -> WarmupResult:
    """Find how long a strategy needs until its orders do not depend on the rows before it began.

    Parameters
    ----------
    ticks, strategy, config, session, instrument, seed, status, products
        As for `backtest`.
    starts
        Moments in ns UTC, or how many, spread over the first part of the session. A moment at which
        the book was not to be trusted moves on to the next event at which it was.
    on_progress
        Called with starts done and starts in all; with 0 when the first run begins.

    Notes
    -----
    Orders agree where everything about them does, what became of them included, but for their
    numbers. A later start begins flat and knows no traded volume. What the engine sends to end the
    session flat is not compared. A warm-up that is longer than the rest of the session is "never"
    here; that is all that one session can tell.
    """
    config = config or BacktestConfig()
    chosen = select(ticks, session=session, instrument=instrument, products=products)
    rows, hours = chosen.ticks, chosen.session
    if "book_state" not in rows.columns:
        known = {chosen.instrument.instrument_id: chosen.instrument}
        phases = phase_intervals(hours, status, instrument_id=chosen.instrument.instrument_id)
        rows = validate(rows, instruments=known, phases=phases, seed=seed).valid
    if is_differences(rows):  # what leaves the book alone is not on the engine's tape
        rows = rows.filter(column(rows, "action") != Action.NONE)
    # The repair comes from the whole session: a later start must not see another clock.
    rows = with_repaired_clock(rows, row_times(rows, chosen.instrument, config.latency))
    count = starts if isinstance(starts, int) else len(starts)
    begun = None if on_progress is None else lambda _: on_progress(0, count)
    later = _Later(rows, chosen.instrument, hours, strategy, config, seed, status, begun)
    found = []
    moments = later.moments(starts)
    for number, moment in enumerate(moments):
        found.append(later.start(moment))
        if on_progress is not None:
            on_progress(number + 1, len(moments))
    return WarmupResult(tuple(found))


class _Later:
    """The run over the whole session, and runs that begin later."""

    def __init__(
        self,
        rows: Table,
        instrument: Instrument,
        session: Session,
        strategy: RunnableStrategy,
        config: BacktestConfig,
        seed: Table | None,
        status: Table | None,
        begun: Callable[[int], None] | None,
    ) -> None:
        self._rows, self._seed, self._strategy = rows, seed, strategy
        self._config = replace(config, allow_partial=True)
        self._options: dict[str, Any] = {
            "session": session, "instrument": instrument, "status": status,
        }  # fmt: skip
        self._event_ns = row_times(rows, instrument, config.latency).exchange_ns
        whole = prepare(rows, config, seed=seed, **self._options)
        self._end_ns = whole.tape.end_ns
        self._flatten_ns = session.close_ns - config.flatten_seconds * NS_PER_SECOND
        sent = run_until(whole, strategy, config, self._end_ns, on_rows=begun)
        self._orders = self._compared(sent.orders)

    def moments(self, starts: int | Sequence[int]) -> list[int]:
        """Return when to start: always right before an event, after a trusted one."""
        first, last = int(self._event_ns[0]), int(self._event_ns[-1])
        if isinstance(starts, int):
            if starts < 1:
                raise ConfigError("starts", starts, "at least 1")
            shares = np.linspace(_FIRST, _LAST, starts)
            starts = [first + int(share * (last - first)) for share in shares]
        outside = [moment for moment in starts if not first < moment <= last]
        if outside or not len(starts):
            raise ConfigError("starts", outside, f"moments in ({first}, {last}]")
        return sorted({self._trusted_from(moment) for moment in starts})

    def _trusted_from(self, moment: int) -> int:
        begins = np.flatnonzero(np.diff(self._event_ns) > 0) + 1
        states = column(self._rows, "book_state")
        fit = begins[(self._event_ns[begins] >= moment) & (states[begins - 1] == BookState.TRUSTED)]
        if not len(fit):
            raise DataError(f"from {moment} on no book can be trusted: name an earlier start")
        return int(self._event_ns[fit[0]])

    def start(self, moment: int) -> Start:
        """Run from `moment` on, and compare."""
        first = int(np.searchsorted(self._event_ns, moment))
        rows, seed = begun_at(self._rows, first, moment, self._seed)
        stage = prepare(rows, self._config, seed=seed, **self._options)
        sent = run_until(stage, self._strategy, self._config, self._end_ns)
        orders = self._compared(sent.orders)
        expected = [order for order in self._orders if order["ts_submit"] >= moment]
        return _compare(moment, expected, orders, self._event_ns)

    def _compared(self, orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the orders that the strategy sent, without the numbers of their run."""
        return [
            {name: value for name, value in order.items() if name != "order_id"}
            for order in orders
            if order["ts_submit"] < self._flatten_ns
        ]


def _compare(
    moment: int, expected: list[dict[str, Any]], orders: list[dict[str, Any]], event_ns: Int1D
) -> Start:
    """Walk back from the end while both runs sent the same."""
    agreed = 0
    while agreed < min(len(expected), len(orders)) and expected[~agreed] == orders[~agreed]:
        agreed += 1
    differing = [run[~agreed]["ts_submit"] for run in (expected, orders) if len(run) > agreed]
    if not differing:
        return Start(moment, 0.0, 0, agreed, len(expected))
    if agreed == 0:
        return Start(moment, None, None, 0, max(len(expected), len(orders)))
    last_ns = max(differing)
    rows = int(np.searchsorted(event_ns, last_ns, "right") - np.searchsorted(event_ns, moment))
    return Start(moment, (last_ns - moment) / NS_PER_SECOND, rows, agreed, len(expected))
