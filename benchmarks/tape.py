"""The tape of the benchmarks: seeded market-by-order rows with the mix of a busy future.

About A 42 %, C 42 %, M 5 %, F 9 %, T 3 %; 4,000 live orders on 365 prices, one instrument. It
exists for timing: nothing about markets can be learnt from it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_lab_core._jit import kernel
from strategy_lab_core.book.l3 import L3Book
from strategy_lab_core.book.l3_kernels import (
    LIVE,
    L3State,
    apply_record,
)
from strategy_lab_core.book.order_table import find_order
from strategy_lab_core.types import NS_PER_SECOND, Action, Int1D, Int2D, RecordFlag, Side

__all__ = ["INSTRUMENT_ID", "ROWS", "SYMBOL", "TICK", "make_tape"]

ROWS = 7_000_000
LEVELS = 365
LIVE_ORDERS = 4_000
OPEN_NS = 1_736_953_200 * NS_PER_SECOND  # 2025-01-15 15:00 UTC
SPAN_NS = 19_800 * NS_PER_SECOND  # five and a half hours
TICK, FIRST_PRICE = 250_000_000, 21_000 * 1_000_000_000
INSTRUMENT_ID, SYMBOL = 42_005_347, "MNQH5"
FIRST_ID = 6_412_777_162_812
ACTION, SIDE, LEVEL, SIZE, ORDER, LAST = range(6)
_LAST = int(RecordFlag.LAST)
_BID, _ASK = int(Side.BID), int(Side.ASK)
_ADD, _CANCEL, _MODIFY = int(Action.ADD), int(Action.CANCEL), int(Action.MODIFY)
_TRADE, _FILL = int(Action.TRADE), int(Action.FILL)


@kernel
def _write(
    state: L3State, rows: Int2D, row: int, action: int, side: int, level: int, size: int, order: int
) -> int:
    """Write one row, apply it, and return the next row's number."""
    rows[row, ACTION], rows[row, SIDE], rows[row, LEVEL] = action, side, level
    rows[row, SIZE], rows[row, ORDER], rows[row, LAST] = size, order, 1
    apply_record(state, action, side, level, size, order, _LAST, 0)
    return row + 1


@kernel
def _quote_level(state: L3State, side: int, rng: Any) -> int:
    """Return a level for a new order, mostly near the touch, never crossing the other side."""
    distance = int(rng.exponential(25.0))
    if side == _BID:
        return max(0, min(int(state.best[1]) - 1, LEVELS - 2) - distance)
    return min(LEVELS - 1, max(int(state.best[0]) + 1, 1) + distance)


@kernel
def _front(state: L3State, place: int) -> int:
    """Return the slot of the first order in the queue at a place."""
    orders, found = state.live.orders, -1
    for slot in range(len(orders)):
        if orders[slot]["place"] == place and (
            found < 0 or orders[slot]["arrival"] < orders[found]["arrival"]
        ):
            found = slot
    return found


@kernel
def _trade(state: L3State, rows: Int2D, row: int, rng: Any) -> int:
    """Write a trade with three fills of the best side, and their cancels."""
    towards_middle = 0.5 + 0.01 * (LEVELS // 2 - state.best[0])
    book_side = int(rng.random() < towards_middle)
    aggressor, resting = (_ASK, _BID) if book_side == 0 else (_BID, _ASK)
    row = _write(state, rows, row, _TRADE, aggressor, state.best[book_side], 3, 0)
    return _fills(state, rows, row, book_side, resting)


@kernel
def _fills(state: L3State, rows: Int2D, row: int, book_side: int, resting: int) -> int:
    first = row
    for _ in range(3):
        level = state.best[book_side]
        slot = _front(state, 2 * level + book_side)
        if slot < 0:
            break
        order = state.live.orders[slot]["order_id"]
        size = min(3, state.live.orders[slot]["lots"])
        row = _write(state, rows, row, _FILL, resting, level, size, order)
        row = _write(state, rows, row, _CANCEL, resting, level, size, order)
    for part in range(first - 1, row - 1):
        rows[part, LAST] = 0
    return row


@kernel
def _simulate(state: L3State, rows: Int2D, ids: Int1D, rng: Any) -> None:
    """Fill `rows`; `ids` has room for the live orders."""
    row = known = 0
    next_id = FIRST_ID
    while row < len(rows):
        draw = rng.random()
        if draw < 0.036 and row + 7 <= len(rows) and state.meta[LIVE] > 100:
            row = _trade(state, rows, row, rng)
        elif draw < 0.51 + 0.00005 * (LIVE_ORDERS - state.meta[LIVE]) or known == 0:
            side = _BID if rng.random() < 0.5 else _ASK
            level = _quote_level(state, side, rng)
            row = _write(state, rows, row, _ADD, side, level, 1 + int(rng.random() * 5), next_id)
            if known == len(ids):
                known = _forget(state, ids, known)
            ids[known] = next_id
            known += 1
            next_id += 1 + int(rng.random() * 40)
        else:
            picked = int(rng.random() * known)
            slot = find_order(state.live, ids[picked])
            if slot >= 0 and draw < 0.93:
                place, lots = state.live.orders[slot]["place"], state.live.orders[slot]["lots"]
                side = _ASK if place & 1 else _BID
                row = _write(state, rows, row, _CANCEL, side, place >> 1, lots, ids[picked])
            elif slot >= 0:
                side = _ASK if state.live.orders[slot]["place"] & 1 else _BID
                level = _quote_level(state, side, rng)
                size = 1 + int(rng.random() * 5)
                row = _write(state, rows, row, _MODIFY, side, level, size, ids[picked])
                continue
            known -= 1
            ids[picked] = ids[known]


@kernel
def _forget(state: L3State, ids: Int1D, known: int) -> int:
    """Drop the ids of orders that were filled; return how many are left."""
    kept = 0
    for number in range(known):
        if find_order(state.live, ids[number]) >= 0:
            ids[kept] = ids[number]
            kept += 1
    return kept


def make_tape(rows: int = ROWS, *, seed: int = 7) -> dict[str, NDArray[Any]]:
    """Return market-by-order columns (shape: rows) in the widths of the tick table."""
    rng = np.random.default_rng(seed)
    book = L3Book(orders=2 * LIVE_ORDERS)  # full enough to find the front of a queue fast
    book.grid.extend(np.arange(LEVELS, dtype=np.int64))
    nothing = np.empty(0, np.int64)
    book.rows_of(
        action=nothing, side=nothing, price=np.arange(LEVELS), size=nothing, order_id=nothing,
        flags=nothing, ts_recv=nothing,
    )  # fmt: skip
    made = np.zeros((rows, 6), np.int64)
    _simulate(book.state, made, np.empty(4 * LIVE_ORDERS, np.int64), rng)
    ts_event = OPEN_NS + np.sort(rng.integers(0, SPAN_NS, rows))
    delay = rng.integers(20_000, 90_000, rows)
    return {
        "ts_recv": np.maximum.accumulate(ts_event + delay),
        "ts_event": ts_event,
        "instrument_id": np.full(rows, INSTRUMENT_ID, np.uint32),
        "publisher_id": np.ones(rows, np.uint16),
        "action": made[:, ACTION].astype(np.uint8),
        "side": made[:, SIDE].astype(np.uint8),
        "price": FIRST_PRICE + TICK * made[:, LEVEL],
        "size": made[:, SIZE].astype(np.uint32),
        "order_id": made[:, ORDER].astype(np.uint64),
        "flags": np.where(made[:, LAST], _LAST, 0).astype(np.uint8),
        "channel_id": np.zeros(rows, np.uint8),
        "ts_in_delta": np.full(rows, 15_000, np.int32),
        "sequence": np.arange(1, rows + 1, dtype=np.uint32),
    }
