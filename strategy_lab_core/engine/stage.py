"""Sessions made ready to run on: one by `prepare`, those of a carried run one after the other.

A carried run goes over consecutive sessions of one product. None may be missing between the first
and the last. Where a session has another contract than the one before, positions roll in it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TypeAlias

from strategy_lab_core.book.l2 import book_depth, is_differences
from strategy_lab_core.book.seeds import SeedBuilder
from strategy_lab_core.book.validate import validate
from strategy_lab_core.data.calendar import Session, phase_intervals
from strategy_lab_core.data.columns import Table
from strategy_lab_core.data.instruments import Instrument, Product
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.rolling import Roll, find_roll
from strategy_lab_core.engine.selection import by_session, select
from strategy_lab_core.engine.tape import SessionTape, session_tape
from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.types import NS_PER_SECOND

__all__ = ["SessionTicks", "Stage", "Stages", "Ticks", "prepare", "stages"]


@dataclass(frozen=True, slots=True)
class SessionTicks:
    """One session of a carried run.

    Attributes
    ----------
    session
        Its hours.
    ticks
        Its rows, or a function that reads them when their turn comes.
    seed, status
        As for `backtest`.
    instrument
        The contract that it trades where that is another one in other sessions: what a roll rule
        gives (`data.rolls`); None takes the run's.
    """

    session: Session
    ticks: Table | Callable[[], Table]
    seed: Table | None = None
    status: Table | None = None
    instrument: Instrument | str | None = None


Ticks: TypeAlias = Table | Sequence[SessionTicks]


@dataclass(frozen=True, slots=True)
class Stage:
    """A session made ready to run on.

    Attributes
    ----------
    tape
        Its rows and the book that it begins with; each pass needs a copy.
    instrument, session
        What was chosen, and `choice` why.
    roll
        How positions get into this contract, where the session before had another one.
    """

    tape: SessionTape
    instrument: Instrument
    session: Session
    choice: str
    roll: Roll | None = None


# Prepares a session of this contract; None takes the one that it trades.
Maker: TypeAlias = Callable[[Instrument | None], Stage]


@dataclass(frozen=True, slots=True)
class Stages:
    """The sessions of a run in order of time, each prepared when its turn comes.

    Attributes
    ----------
    makers
        Prepare them, one each.
    close_ns
        The last one's close where the run is carried, 0 where it is one session.
    """

    makers: Sequence[Maker]
    close_ns: int = 0

    def __len__(self) -> int:
        return len(self.makers)

    def __iter__(self) -> Iterator[Stage]:
        """Prepare one after the other; `DataError` where a position can't roll."""
        before: Instrument | None = None
        for make in self.makers:
            stage = make(None)
            if before is not None and before.symbol != stage.instrument.symbol:
                stage = replace(stage, roll=_roll(before, stage, make))
            before = stage.instrument
            yield stage

    def flatten_ns(self, config: BacktestConfig) -> int:
        """Return when a carried run ends flat, 0 where that is the session's own affair."""
        return max(self.close_ns - config.flatten_seconds * NS_PER_SECOND, 0)


def stages(
    ticks: Ticks,
    config: BacktestConfig,
    *,
    session: Session | None = None,
    instrument: Instrument | str | None = None,
    seed: Table | None = None,
    status: Table | None = None,
    products: Mapping[str, Product] | None = None,
) -> Stages:
    """Return the sessions that a run goes over; the parameters are those of `backtest`.

    Raises
    ------
    DataError
        A session of a carried run is missing between its first and its last.
    """
    if isinstance(ticks, Table):
        if session is not None or not config.carry:
            whole = prepare(
                ticks, config, session=session, instrument=instrument, seed=seed, status=status,
                products=products,
            )  # fmt: skip
            return Stages([lambda _: whole])
        ticks = _cut(by_session(ticks, instrument, products), seed, status)
    elif session is not None or seed is not None or status is not None:
        raise ConfigError("ticks", "a table per session", "alone: each brings session and seed")
    if not ticks or not config.carry:
        rule = "carry: true in the configuration, and at least one session"
        raise ConfigError("ticks", f"{len(ticks)} sessions", rule)
    for before, after in pairwise(part.session for part in ticks):
        if before.close_ns != after.previous_close_ns:
            raise DataError(
                f"a carried run needs consecutive sessions: {after.key} does not follow "
                f"{before.key}; give what is between them, or end the range there"
            )
    makers = [partial(_ready, part, config, instrument, products) for part in ticks]
    return Stages(makers, ticks[-1].session.close_ns)


def _ready(
    part: SessionTicks,
    config: BacktestConfig,
    instrument: Instrument | str | None,
    products: Mapping[str, Product] | None,
    contract: Instrument | None,
) -> Stage:
    if contract is not None:  # what is left at a roll need not be traded to the close
        config = replace(config, allow_partial=True)
    return prepare(
        part.ticks if isinstance(part.ticks, Table) else part.ticks(),
        config,
        session=part.session,
        instrument=contract or part.instrument or instrument,
        seed=part.seed,
        status=part.status,
        products=products,
    )


def _cut(
    sessions: Sequence[tuple[Session, Table]], seed: Table | None, status: Table | None
) -> list[SessionTicks]:
    """Give each session of one table what lived before its first row."""
    parts = []
    for session, rows in sessions:
        if len(rows) == 0:
            raise DataError(
                f"a carried run needs consecutive sessions: {session.key} has no row; add its "
                "ticks, or end the range before it"
            )
        parts.append(SessionTicks(session, rows, seed, status))
        if not (is_differences(rows) or book_depth(rows)):
            builder = SeedBuilder(session.close_ns)
            for before in (seed, rows):
                if before is not None:
                    builder.feed(before)
            seed = builder.table()
    return parts


def _roll(old: Instrument, stage: Stage, make: Maker) -> Roll:
    """Return how positions in `old` get into the contract of `stage`; `DataError` if they can't."""
    new, title = stage.instrument, f"a carried run rolls from {old.symbol} in {stage.session.key}"
    same = (old.product.root, old.tick_size, old.multiplier)
    if same != (new.product.root, new.tick_size, new.multiplier):
        raise DataError(f"{title}: {new.symbol} is not the same product, tick and multiplier")
    try:
        left = make(old)
    except DataError as error:
        raise DataError(f"{title}: {error}; add its ticks, or end the range before it") from error
    found = find_roll(left.tape, stage.tape, old.symbol)
    if found is None:
        raise DataError(
            f"{title}: there is no moment at which it and {new.symbol} are both open, trusted and "
            "quoted on both sides; end the range before it"
        )
    return found


def prepare(
    ticks: Table,
    config: BacktestConfig,
    *,
    session: Session | None = None,
    instrument: Instrument | str | None = None,
    seed: Table | None = None,
    status: Table | None = None,
    products: Mapping[str, Product] | None = None,
) -> Stage:
    """Choose instrument and session, and build the tape; the parameters are those of `backtest`."""
    chosen = select(ticks, session=session, instrument=instrument, products=products)
    instrument_id = chosen.instrument.instrument_id
    phases = phase_intervals(chosen.session, status, instrument_id=instrument_id)
    rows = chosen.ticks
    if "book_state" not in rows.columns:
        known = {instrument_id: chosen.instrument}
        rows = validate(rows, instruments=known, phases=phases, seed=seed).valid
    tape = session_tape(
        rows,
        chosen.session,
        phases,
        tick_size=chosen.instrument.tick_size,
        latency=config.latency,
        seed=seed,
    )
    if not tape.is_complete and not config.allow_partial:
        raise DataError(
            f"the session {chosen.session.key} is partial, its rows do not reach from open to "
            "close; set allow_partial to run on it anyway"
        )
    return Stage(tape, chosen.instrument, chosen.session, chosen.reason)
