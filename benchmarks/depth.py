"""The same session as a feed by price: depth differences made from market-by-order rows.

Every row of ours that changes a level becomes its new size, trades stay, fills go; both clocks and
the trust in the book are those of the rows. So the engines see one market in two feeds.
"""

from typing import Any

import numba
import numpy as np

from strategy_lab_core._jit import kernel
from strategy_lab_core.book.l3_kernels import MboRows
from strategy_lab_core.data.columns import table
from strategy_lab_core.engine.config import LatencyConfig
from strategy_lab_core.engine.tape import SessionTape, session_tape
from strategy_lab_core.types import Action, BookState, Bool1D, Int1D, Int2D, RecordFlag, Side

__all__ = ["depth_session"]

_PLACE_AND_LOTS: Any = numba.typeof((1, 1))  # type: ignore[no-untyped-call]
_ROW, _ACTION, _SIDE, _LEVEL, _LOTS, _LAST = range(6)
_ADD, _CANCEL, _MODIFY = int(Action.ADD), int(Action.CANCEL), int(Action.MODIFY)
_TRADE, _CLEAR = int(Action.TRADE), int(Action.CLEAR)
_BID, _ASK, _SNAPSHOT = int(Side.BID), int(Side.ASK), int(RecordFlag.SNAPSHOT)


def depth_session(session: SessionTape) -> SessionTape:
    """Return the tape of depth differences of a market-by-order tape that starts without a book."""
    tape = session.tape
    made = np.zeros((2 * len(tape.event_ns), 6), np.int64)
    live = numba.typed.Dict.empty(numba.types.int64, _PLACE_AND_LOTS)
    levels = np.zeros(2 * len(session.level_tick), np.int64)
    n = _differences(tape.rows, tape.is_last, live, levels, made)
    made = made[:n]
    row = made[:, _ROW]
    is_snapshot = tape.rows.flags[row] & _SNAPSHOT
    last = np.where(made[:, _LAST] == 1, int(RecordFlag.LAST), 0)
    states = np.where(tape.is_trusted[row], BookState.TRUSTED, BookState.UNRELIABLE)
    ticks = table(
        {
            "ts_event": tape.event_ns[row],
            "ts_recv": tape.local_ns[row],
            "instrument_id": np.ones(n, np.uint32),
            "action": made[:, _ACTION].astype(np.uint8),
            "side": made[:, _SIDE].astype(np.uint8),
            "price": session.level_tick[made[:, _LEVEL]] * session.tick_size,
            "size": made[:, _LOTS].astype(np.uint32),
            "flags": (last | is_snapshot).astype(np.uint8),
            "update_id": np.arange(1, n + 1, dtype=np.uint64),
            "previous_update_id": np.arange(n, dtype=np.uint64),
            "book_state": states.astype(np.uint8),
        }
    )
    phases = (tape.phases[:, 0], tape.phases[:, 1])
    latency = LatencyConfig(feed_offset_ns=0)  # it is in the local times already
    return session_tape(
        ticks, session.session, phases, tick_size=session.tick_size, latency=latency
    )


@kernel
def _write(made: Int2D, n: int, row: int, action: int, place: int, lots: int) -> int:
    side = _ASK if place & 1 else _BID
    made[n, _ROW], made[n, _ACTION], made[n, _SIDE] = row, action, side
    made[n, _LEVEL], made[n, _LOTS] = place >> 1, lots
    return n + 1


@kernel
def _take_out(order: int, live: Any, levels: Int1D) -> int:
    """Take an order out of its level; return the place, -1 where nobody knows it."""
    if order not in live:
        return -1
    place, lots = live[order]
    del live[order]
    levels[place] -= lots
    return int(place)


@kernel
def _differences(rows: MboRows, is_last: Bool1D, live: Any, levels: Int1D, made: Int2D) -> int:
    """Write the differences; `live` has place and lots of each order. Return their number."""
    n = event = 0
    for row in range(len(is_last)):
        action, order, lots = int(rows.action[row]), int(rows.order_id[row]), int(rows.size[row])
        place = 2 * int(rows.level[row]) + int(rows.side[row] == _ASK)
        in_snapshot = rows.flags[row] & _SNAPSHOT != 0
        if action == _CLEAR or (in_snapshot and (row == 0 or rows.flags[row - 1] & _SNAPSHOT == 0)):
            live.clear()
            levels[:] = 0
            n = _write(made, n, row, _CLEAR, 0, 0)
        if action == _TRADE:
            n = _write(made, n, row, _TRADE, place, lots)
            made[n - 1, _SIDE] = rows.side[row]
        elif action in (_ADD, _CANCEL, _MODIFY):
            left = live[order][1] - lots if action == _CANCEL and order in live else lots
            was = _take_out(order, live, levels)
            if action != _CANCEL or (was >= 0 and left > 0):
                place = place if action != _CANCEL else was
                live[order] = (place, left)
                levels[place] += left
            if was >= 0 and was != place:
                n = _write(made, n, row, _MODIFY, was, levels[was])
            if action != _CANCEL or was >= 0:
                n = _write(made, n, row, _MODIFY, place, levels[place])
        if is_last[row] and n > event:
            made[n - 1, _LAST] = 1
            event = n
    return n
