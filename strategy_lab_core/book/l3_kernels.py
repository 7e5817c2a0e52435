"""Kernels of the order-by-order book: one record in, levels and orders changed in place.

The state is a NamedTuple of arrays; `l3.L3Book` allocates and grows it. Order ids are the uint64
of the feed seen as int64, levels are ranks of a `PriceGrid`. Nothing here knows tables or files.
"""

from typing import NamedTuple

from strategy_lab_core._jit import POSITIVE, hot_kernel, inlined, part
from strategy_lab_core.book.order_table import (
    OrderTable,
    empty_orders,
    enter_order,
    find_order,
    remove_order,
)
from strategy_lab_core.book.rules import StateRule
from strategy_lab_core.types import Action, Int1D, IntAny, RecordFlag, Side

__all__ = [
    "ALL_PLACES",
    "BID_LEVELS",
    "LAST",
    "LIVE",
    "META_SIZE",
    "MODE",
    "NEXT_ARRIVAL",
    "NO_PLACE",
    "SNAPSHOT",
    "STARTED",
    "TOUCHED",
    "VACATED",
    "L3State",
    "MboRows",
    "apply_record",
    "apply_row",
    "apply_rows",
]

# Entries of `L3State.meta`.
NEXT_ARRIVAL = 0  # arrival number of the next order: a smaller number is nearer the front
LIVE = 1  # orders in the book
MODE = 2  # what the last row was: 0 a market event, 1 a clear, 2 a snapshot's
SNAPSHOT_TS = 3  # ts_recv of the last snapshot row
STARTED = 4  # 1 after the first seed, clear or snapshot
BID_LEVELS = 5  # levels with orders; asks follow at 6
TOUCHED = 7  # place that the last record changed
VACATED = 8  # the other one, which an order left for it; `NO_PLACE`; `ALL_PLACES`
META_SIZE = 9

NO_PLACE, ALL_PLACES = -1, -2

# Numba has no arithmetic on enum members: plain integers for the bits.
SNAPSHOT = int(RecordFlag.SNAPSHOT)
LAST = int(RecordFlag.LAST)
_TRADE, _FILL = int(Action.TRADE), int(Action.FILL)
_BID, _ASK = int(Side.BID), int(Side.ASK)
_UNKNOWN_ORDER = int(StateRule.UNKNOWN_ORDER)
_OVER_CANCEL = int(StateRule.OVER_CANCEL)
_DUPLICATE_ORDER = int(StateRule.DUPLICATE_ORDER)
_MODIFY_OF_UNKNOWN = int(StateRule.MODIFY_OF_UNKNOWN)


class L3State(NamedTuple):
    """The book of one instrument; arrays are int64."""

    live: OrderTable
    before: OrderTable  # what the last clear or snapshot removed, of the same capacity
    lots: Int1D  # displayed lots by place (shape: 2 * levels)
    counts: Int1D  # orders by place (shape: 2 * levels)
    best: Int1D  # best level of each side; -1 without bids, the number of levels without asks
    meta: Int1D  # counters, see the constants above


class MboRows(NamedTuple):
    """Columns of market-by-order records (shape: rows), each of one fixed width."""

    action: IntAny  # uint8
    side: IntAny  # uint8
    level: IntAny  # int32
    size: IntAny  # uint32, lots
    order_id: Int1D  # bits of the uint64
    flags: IntAny  # uint8
    ts_recv: Int1D  # ns


@inlined
def _enter_level(state: L3State, place: int, lots: int) -> None:
    """Count one more order of `lots` at a place."""
    place &= POSITIVE
    state.meta[TOUCHED] = place
    state.lots[place] += lots
    state.counts[place] += 1
    if state.counts[place] == 1:
        side, level = place & 1, place >> 1
        state.meta[BID_LEVELS + side] += 1
        if side == 0:
            state.best[0] = max(state.best[0], level)
        else:
            state.best[1] = min(state.best[1], level)


@inlined
def _leave_level(state: L3State, place: int, lots: int) -> None:
    """Count one order of `lots` less at a place; find the next best level where it was the last."""
    place &= POSITIVE
    state.meta[TOUCHED] = place
    state.lots[place] -= lots
    state.counts[place] -= 1
    if state.counts[place] > 0:
        return
    side = place & 1
    state.meta[BID_LEVELS + side] -= 1
    if state.best[side] != place >> 1:
        return
    if side == 0:
        while place >= 0 and state.counts[place] == 0:
            place -= 2
    else:
        while place < len(state.counts) and state.counts[place] == 0:
            place += 2
    state.best[side] = place >> 1


@inlined
def _shrink_level(state: L3State, place: int, lots: int) -> None:
    """Take lots from a place without changing its orders."""
    place &= POSITIVE
    state.meta[TOUCHED] = place
    state.lots[place] -= lots


@inlined
def _insert(state: L3State, order_id: int, place: int, lots: int, arrival: int) -> None:
    enter_order(state.live, order_id, place, lots, arrival)
    state.meta[LIVE] += 1
    _enter_level(state, place, lots)


@inlined
def _next_arrival(state: L3State) -> int:
    arrival: int = state.meta[NEXT_ARRIVAL]
    state.meta[NEXT_ARRIVAL] = arrival + 1
    return arrival


@part
def _clear(state: L3State) -> None:
    """Empty the book; a snapshot that follows finds its orders in `before`."""
    empty_orders(state.before)
    for slot in range(len(state.live.orders)):
        order = state.live.orders[slot]
        if order["place"] >= 0:
            enter_order(
                state.before,
                order["order_id"],
                int(order["place"]),
                order["lots"],
                order["arrival"],
            )
    empty_orders(state.live)
    for place in range(len(state.counts)):
        state.lots[place] = 0
        state.counts[place] = 0
    state.best[0] = -1
    state.best[1] = len(state.counts) >> 1
    state.meta[LIVE] = 0
    state.meta[BID_LEVELS] = 0
    state.meta[BID_LEVELS + 1] = 0
    state.meta[VACATED] = ALL_PLACES


@inlined
def _place_of(side: int, level: int, lots: int) -> int:
    """Return the place of an add or modify, -1 where it is malformed."""
    if level < 0 or lots <= 0 or side not in (_BID, _ASK):
        return -1
    return 2 * level + int(side == _ASK)


@inlined
def _add(state: L3State, place: int, lots: int, order_id: int) -> int:
    slot = find_order(state.live, order_id)
    if slot < 0:
        _insert(state, order_id, place, lots, _next_arrival(state))
        return 0
    _move(state, slot, place, lots)
    return _DUPLICATE_ORDER


@inlined
def _move(state: L3State, slot: int, place: int, lots: int) -> None:
    """Give an order a new place and size, at the back of the queue."""
    orders = state.live.orders
    was_at = int(orders[slot]["place"])
    _leave_level(state, was_at, orders[slot]["lots"])
    _enter_level(state, place, lots)
    if state.meta[VACATED] == NO_PLACE:
        state.meta[VACATED] = was_at
    orders[slot]["place"] = place
    orders[slot]["lots"] = lots
    orders[slot]["arrival"] = _next_arrival(state)


@inlined
def _cancel(state: L3State, lots: int, order_id: int) -> int:
    slot = find_order(state.live, order_id)
    if slot < 0:
        return _UNKNOWN_ORDER
    orders = state.live.orders
    place, resting = int(orders[slot]["place"]), orders[slot]["lots"]
    if lots < resting:
        _shrink_level(state, place, lots)
        orders[slot]["lots"] = resting - lots
        return 0
    remove_order(state.live, slot)
    state.meta[LIVE] -= 1
    _leave_level(state, place, resting)
    return _OVER_CANCEL if lots > resting else 0


@inlined
def _modify(state: L3State, place: int, lots: int, order_id: int) -> int:
    slot = find_order(state.live, order_id)
    if slot < 0:
        _insert(state, order_id, place, lots, _next_arrival(state))
        return _MODIFY_OF_UNKNOWN
    orders = state.live.orders
    if orders[slot]["place"] == place and lots <= orders[slot]["lots"]:
        _shrink_level(state, place, orders[slot]["lots"] - lots)
        orders[slot]["lots"] = lots
    else:
        _move(state, slot, place, lots)
    return 0


@inlined
def _snapshot_add(state: L3State, place: int, lots: int, order_id: int) -> None:
    """Enter an order of a snapshot: unchanged orders keep their arrival number."""
    slot = find_order(state.live, order_id)
    if slot >= 0:  # a repeated order id replaces
        known = state.live.orders[slot]
        if known["place"] != place or known["lots"] != lots:
            _move(state, slot, place, lots)
        return
    before = state.before.orders
    old = find_order(state.before, order_id)
    if old >= 0 and before[old]["place"] == place and before[old]["lots"] == lots:
        _insert(state, order_id, place, lots, before[old]["arrival"])
    else:
        _insert(state, order_id, place, lots, _next_arrival(state))


@inlined
def _apply_snapshot(
    state: L3State, action: int, side: int, level: int, lots: int, order_id: int, ts_recv: int
) -> None:
    """Apply one snapshot row: consecutive rows of one `ts_recv` replace the book as one event."""
    meta = state.meta
    if action == Action.CLEAR:
        _clear(state)
        meta[MODE], meta[STARTED] = 1, 1
        return
    if meta[MODE] == 0 or (meta[MODE] == 2 and meta[SNAPSHOT_TS] != ts_recv):
        _clear(state)
    meta[MODE], meta[STARTED], meta[SNAPSHOT_TS] = 2, 1, ts_recv
    place = _place_of(side, level, lots)
    if action == Action.ADD and place >= 0:
        _snapshot_add(state, place, lots, order_id)


@inlined
def apply_record(
    state: L3State,
    action: int,
    side: int,
    level: int,
    lots: int,
    order_id: int,
    flags: int,
    ts_recv: int,
) -> int:
    """Apply one record; return the bits of the life-cycle rules that it breaks (`StateRule`).

    Trades, fills and records without an action leave the book alone, and so do malformed adds and
    modifies (no side, no lots, no price). The caller keeps a slot free.
    """
    if flags & SNAPSHOT:
        _apply_snapshot(state, action, side, level, lots, order_id, ts_recv)
        return 0
    state.meta[MODE] = 0
    if action == Action.ADD:
        place = _place_of(side, level, lots)
        return _add(state, place, lots, order_id) if place >= 0 else 0
    if action == Action.CANCEL:
        return _cancel(state, lots, order_id)
    if action == Action.MODIFY:
        place = _place_of(side, level, lots)
        return _modify(state, place, lots, order_id) if place >= 0 else 0
    if action == Action.CLEAR:
        _clear(state)
        state.meta[MODE], state.meta[STARTED] = 1, 1
    return 0


@inlined
def apply_row(state: L3State, rows: MboRows, row: int) -> int:
    """Apply a row of a feed like `apply_record`."""
    row &= POSITIVE
    action, flags = int(rows.action[row]), int(rows.flags[row])
    if action in (_TRADE, _FILL) and not flags & SNAPSHOT:
        state.meta[MODE] = 0  # nothing more to read
        return 0
    return apply_record(
        state,
        action,
        int(rows.side[row]),
        int(rows.level[row]),
        int(rows.size[row]),
        int(rows.order_id[row]),
        flags,
        int(rows.ts_recv[row]),
    )


@hot_kernel
def apply_rows(state: L3State, rows: MboRows, first: int, broken: IntAny) -> int:
    """Apply rows from `first` on, writing each row's broken rules; stop where the table is full.

    Returns the first row that was not applied.
    """
    limit = len(state.live.orders)
    for number in range(first, len(rows.action)):
        row = number & POSITIVE
        if state.meta[LIVE] >= limit:
            return row
        broken[row] = apply_row(state, rows, row)
    return len(rows.action)
