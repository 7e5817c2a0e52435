"""Our tapes as event arrays of hftbacktest 2.4.4; knows its format, not its code.

Both clocks are those of our tape, where all rows of an event happen and are seen at once, so that
what differs between the two runs is the matching. Prices are whole ticks and sizes lots: exact as
floats. What the peer can't express is rewritten without changing the book: a cancel of some of an
order's lots becomes a modify, an add of a known order a cancel and an add, a modify of an unknown
one an add. What it would refuse to run on is left out and counted (`Skipped`).
"""

from enum import IntEnum
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from strategy_lab_core._jit import kernel
from strategy_lab_core.book.l3_kernels import MboRows
from strategy_lab_core.engine.market import BY_ORDER
from strategy_lab_core.engine.tape import SessionTape
from strategy_lab_core.types import Action, Int1D, RecordFlag, Side

__all__ = ["EVENT", "Kind", "Skipped", "peer_events"]

EVENT = np.dtype(
    [
        ("ev", "u8"),  # `Kind`, whose clocks it is on, and a side
        ("exch_ts", "i8"),
        ("local_ts", "i8"),
        ("px", "f8"),  # ticks
        ("qty", "f8"),  # lots
        ("order_id", "u8"),
        ("ival", "i8"),
        ("fval", "f8"),
    ],
    align=True,
)
_ON_BOTH_CLOCKS = (1 << 31) | (1 << 30)
_BUY, _SELL = 1 << 29, 1 << 28
_BOUNDARY = 64  # bytes: the peer reads events in place, as whole cache lines


class Kind(IntEnum):
    """The peer's kinds of events."""

    DEPTH = 1
    TRADE = 2
    CLEAR = 3
    ADD = 10
    CANCEL = 11
    MODIFY = 12
    FILL = 13


class Skipped(NamedTuple):
    """Rows that the peer would stop at: of orders that are not in the book."""

    fills: int
    cancels: int


_ADD, _CANCEL, _MODIFY = int(Action.ADD), int(Action.CANCEL), int(Action.MODIFY)
_TRADE, _FILL, _CLEAR = int(Action.TRADE), int(Action.FILL), int(Action.CLEAR)
_BID, _ASK, _SNAPSHOT = int(Side.BID), int(Side.ASK), int(RecordFlag.SNAPSHOT)
_K_TRADE, _K_CLEAR, _K_FILL = int(Kind.TRADE), int(Kind.CLEAR), int(Kind.FILL)
_K_ADD, _K_CANCEL, _K_MODIFY = int(Kind.ADD), int(Kind.CANCEL), int(Kind.MODIFY)


def peer_events(session: SessionTape) -> tuple[NDArray[Any], Skipped]:
    """Return a tape of any feed as the peer's events, and what was left out.

    The tape's book must be empty: it begins with a snapshot, a clear or nothing.
    """
    if session.window == BY_ORDER:
        return _order_events(session)
    return _level_events(session), Skipped(0, 0)


def _aligned(length: int) -> NDArray[Any]:
    """Return room for events where the peer may read them in place (shape: length)."""
    room = np.empty(length * EVENT.itemsize + _BOUNDARY, np.uint8)
    first = -room.ctypes.data % _BOUNDARY
    events: NDArray[Any] = room[first : first + length * EVENT.itemsize].view(EVENT)
    return events


def _order_events(session: SessionTape) -> tuple[NDArray[Any], Skipped]:
    tape = session.tape
    events = _aligned(2 * len(tape.event_ns))  # room is only touched where an event is written
    sizes = numba.typed.Dict.empty(numba.types.int64, numba.types.int64)
    skipped = np.zeros(2, np.int64)
    ticks = session.level_tick
    n = _convert(tape.rows, ticks, tape.event_ns, tape.local_ns, sizes, events, skipped)
    return events[:n], Skipped(*(int(count) for count in skipped))


def _level_events(session: SessionTape) -> NDArray[Any]:
    rows, tape = session.tape.rows, session.tape
    is_level = (rows.level >= 0) & np.isin(rows.side, (_BID, _ASK))
    kept = np.flatnonzero((rows.action == _CLEAR) | (is_level & (rows.action != Action.NONE)))
    action, side = rows.action[kept], rows.side[kept]
    events = _aligned(len(kept))
    kind = np.select([action == _CLEAR, action == _TRADE], [_K_CLEAR, _K_TRADE], int(Kind.DEPTH))
    sided = np.select([side == _BID, side == _ASK], [_BUY, _SELL], 0)
    events["ev"] = kind | np.where(action == _CLEAR, 0, sided) | _ON_BOTH_CLOCKS
    events["exch_ts"], events["local_ts"] = tape.event_ns[kept], tape.local_ns[kept]
    events["px"] = session.level_tick[rows.level[kept]]
    events["qty"] = rows.size[kept]
    events["order_id"], events["ival"], events["fval"] = 0, 0, 0.0
    return events


@kernel
def _put(events: Any, n: int, code: int, side: int, tick: int, size: int, order: int) -> int:
    sided = _BUY if side == _BID else _SELL if side == _ASK else 0
    events[n]["ev"] = code | _ON_BOTH_CLOCKS | sided
    events[n]["px"], events[n]["qty"], events[n]["order_id"] = tick, size, order
    events[n]["ival"], events[n]["fval"] = 0, 0.0
    return n + 1


@kernel
def _change(
    events: Any, n: int, action: int, side: int, tick: int, size: int, order: int, sizes: Any
) -> int:
    """Write what an add, a cancel or a modify does to its order."""
    known = sizes.get(order, 0)
    if action == _CANCEL and size >= known:
        del sizes[order]
        return _put(events, n, _K_CANCEL, side, tick, known, order)
    if action == _CANCEL:
        sizes[order] = known - size
        return _put(events, n, _K_MODIFY, side, tick, known - size, order)
    sizes[order] = size
    if action == _MODIFY and known > 0:
        return _put(events, n, _K_MODIFY, side, tick, size, order)
    if known > 0:
        n = _put(events, n, _K_CANCEL, side, tick, known, order)
    return _put(events, n, _K_ADD, side, tick, size, order)


@kernel
def _convert(
    rows: MboRows,
    ticks: Int1D,
    event_ns: Int1D,
    local_ns: Int1D,
    sizes: Any,
    events: Any,
    skipped: Int1D,
) -> int:
    """Write the events; `sizes` keeps the lots of every live order. Return their number."""
    n = 0
    for row in range(len(event_ns)):
        first, action, side = n, int(rows.action[row]), int(rows.side[row])
        order, size = int(rows.order_id[row]), int(rows.size[row])
        tick = int(ticks[rows.level[row]]) if rows.level[row] >= 0 else 0
        in_snapshot = rows.flags[row] & _SNAPSHOT != 0
        if action == _CLEAR or (in_snapshot and (row == 0 or rows.flags[row - 1] & _SNAPSHOT == 0)):
            sizes.clear()
            n = _put(events, n, _K_CLEAR, 0, 0, 0, 0)
        is_known = order in sizes
        if action == _TRADE:
            n = _put(events, n, _K_TRADE, side, tick, size, 0)
        elif action == _FILL and is_known:
            n = _put(events, n, _K_FILL, side, tick, size, order)
        elif action in (_ADD, _MODIFY) or (action == _CANCEL and is_known):
            n = _change(events, n, action, side, tick, size, order, sizes)
        elif action in (_CANCEL, _FILL):
            skipped[int(action == _CANCEL)] += 1
        for each in range(first, n):
            events[each]["exch_ts"], events[each]["local_ts"] = event_ns[row], local_ns[row]
    return n
