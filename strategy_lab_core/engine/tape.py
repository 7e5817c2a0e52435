"""The recorded session of one instrument, as the kernels read it: rows, both clocks, phases, trust.

The exchange's clock is the event's `ts_event`, never going back; a snapshot acts at its `ts_recv`,
because its rows carry their orders' own old times. Our clock is the `ts_recv` of the event's last
row plus the configured offset. Session and phases come from the calendar, never from the rows.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from strategy_lab_core.book.l2 import is_differences
from strategy_lab_core.book.l3 import L3Book
from strategy_lab_core.book.l3_kernels import MboRows
from strategy_lab_core.book.replay import seeded_book
from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.columns import Table, column, int64
from strategy_lab_core.engine.config import LatencyConfig
from strategy_lab_core.engine.level_tape import tape_rows
from strategy_lab_core.engine.market import BY_ORDER
from strategy_lab_core.errors import DataError, InstrumentError
from strategy_lab_core.types import (
    NS_PER_SECOND,
    Action,
    BookState,
    Bool1D,
    Int1D,
    Int2D,
    IntAny,
    RecordFlag,
)

__all__ = ["SessionTape", "Tape", "clocks", "event_ends", "session_tape"]

_COVERAGE_NS = 60 * NS_PER_SECOND  # a session is complete with rows this near to open and close


class Tape(NamedTuple):
    """Kernel columns; every array but the phases has one entry per row. Times are ns."""

    rows: MboRows
    event_ns: Int1D  # exchange time of the row's event
    local_ns: Int1D  # when the row's event reaches us
    is_last: Bool1D  # the event ends with this row
    is_trusted: Bool1D
    phases: Int2D  # (shape: intervals, 2): start in ns, `Phase`


@dataclass(frozen=True, slots=True)
class SessionTape:
    """A tape with the book it starts from.

    Attributes
    ----------
    tape, book
        Kernel columns, and the book before the first row (its grid knows every price).
    level_tick
        Price of each level of the book's grid, in ticks (shape: levels).
    tick_size
        1e-9 of the quoted unit.
    session
        Hours from the calendar.
    repair_ns
        Added to every `ts_recv` because the capture clock ran behind; 0 where it did not.
    in_flight
        Most events ever between the exchange and us.
    window
        How much of the book the feed shows (`Market.window`).
    """

    tape: Tape
    book: L3Book
    level_tick: Int1D
    tick_size: int
    session: Session
    repair_ns: int
    in_flight: int
    window: int = BY_ORDER

    def copy(self) -> "SessionTape":
        """Return a tape to run on; a pass uses up its book, the rows are shared."""
        return replace(self, book=self.book.copy())

    @property
    def is_complete(self) -> bool:
        """Whether the rows reach from the open to the close."""
        times = self.tape.event_ns
        late = times[0] > self.session.open_ns + _COVERAGE_NS
        early = times[-1] < self.session.close_ns - _COVERAGE_NS
        return not (late or early)

    @property
    def end_ns(self) -> int:
        """When the simulation ends: at the close, or with the rows of a partial session."""
        last = int(self.tape.event_ns[-1])
        return max(last, self.session.close_ns) if self.is_complete else last


def session_tape(
    ticks: Table,
    session: Session,
    phases: tuple[Int1D, IntAny],
    *,
    tick_size: int,
    latency: LatencyConfig,
    seed: Table | None = None,
) -> SessionTape:
    """Build the tape of one instrument's validated rows of any schema with a book.

    Parameters
    ----------
    ticks
        Rows of one instrument in source order, with the column `book_state`; not empty.
    session, phases
        Hours, and (starts in ns, phase codes) as `data.calendar.phase_intervals` returns them.
    tick_size
        Of the instrument, in 1e-9.
    latency
        Its feed offset, and the base of the clock's repair.
    seed
        Orders that live before the first row, in priority order.
    """
    if is_differences(ticks):  # rows that leave the book alone repeat what others say
        ticks = ticks.filter(column(ticks, "action") != Action.NONE)
    if len(ticks) == 0:
        raise DataError("a session without rows can't be simulated")
    event_end = event_ends(column(ticks, "flags"))
    book = seeded_book(int(column(ticks, "instrument_id")[0]), seed)
    rows, record, window = tape_rows(ticks, book)
    if window == BY_ORDER:
        # Room for the longest event at once: the table is only looked at between two events.
        book.reserve(2 * int(np.diff(event_end, prepend=-1).max()))
    event_ns, local_ns, repair_ns = clocks(ticks, event_end, latency)
    event = np.searchsorted(event_end, record)
    tape = Tape(
        rows=rows,
        event_ns=event_ns[record],
        local_ns=local_ns[record],
        is_last=np.append(event[1:] != event[:-1], np.True_),
        is_trusted=(column(ticks, "book_state") == BookState.TRUSTED)[record],
        phases=np.stack([phases[0], phases[1].astype(np.int64)], axis=1),
    )
    in_flight = _most_in_flight(event_ns[event_end], local_ns[event_end])
    level_tick = _ticks_of(book.grid.prices, tick_size)
    return SessionTape(tape, book, level_tick, tick_size, session, repair_ns, in_flight, window)


def event_ends(flags: IntAny) -> Int1D:
    """Return the last row of each event; a block of snapshot rows is one event."""
    is_snapshot = (flags & RecordFlag.SNAPSHOT) > 0
    is_last = ((flags & RecordFlag.LAST) > 0) & ~is_snapshot
    is_last[:-1] |= is_snapshot[:-1] != is_snapshot[1:]
    is_last[-1] = True
    return np.flatnonzero(is_last)


def clocks(ticks: Table, event_end: Int1D, latency: LatencyConfig) -> tuple[Int1D, Int1D, int]:
    """Return exchange time and local time of every record's event, and the clock's repair, in ns.

    `ticks` are one instrument's well-formed rows, `event_end` the last row of each event.
    """
    ts_event, ts_recv = int64(ticks, "ts_event"), int64(ticks, "ts_recv")
    flags = column(ticks, "flags")
    is_snapshot = (flags & RecordFlag.SNAPSHOT) > 0
    unclocked = (flags & (RecordFlag.SNAPSHOT | RecordFlag.BAD_TS_RECV)) > 0
    at_exchange = np.where(is_snapshot, ts_recv, ts_event)[event_end]
    at_exchange = np.maximum.accumulate(at_exchange)
    feed_ns = np.where(unclocked, 0, ts_recv - ts_event)[event_end]
    measured = feed_ns[~unclocked[event_end]]
    shortest = int(measured.min()) if len(measured) else 0
    repair_ns = latency.base_feed_ns - shortest if shortest < 0 else 0
    received = np.where(unclocked[event_end], at_exchange, ts_recv[event_end] + repair_ns)
    # Nothing reaches us before it happened, or overtakes what was sent before it.
    local = np.maximum(received, at_exchange) + latency.feed_offset_ns
    local = np.maximum.accumulate(local)
    length = np.diff(event_end, prepend=-1)
    return np.repeat(at_exchange, length), np.repeat(local, length), repair_ns


def _most_in_flight(event_ns: Int1D, local_ns: Int1D) -> int:
    """Return how many events have happened and not arrived, at most, with one to spare."""
    happened = np.searchsorted(event_ns, local_ns, side="right")
    return int((happened - np.arange(len(event_ns))).max()) + 1


def _ticks_of(prices: Int1D, tick_size: int) -> Int1D:
    ticks, rest = np.divmod(prices, tick_size)
    if rest.any():
        price = int(prices[rest != 0][0])
        raise InstrumentError(
            f"price {price}e-9 is not on the grid of {tick_size}e-9: validate the ticks first"
        )
    return ticks
