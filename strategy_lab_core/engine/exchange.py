"""Matching of our orders against the recorded market, which they never change.

Every rule of docs/semantics.md that fills an order is one kernel here. They are called with the
book as it stands at that record; when they are called is decided in `simulator`. The fills are
optimistic in one way: nobody reacts to our orders.
"""

from strategy_lab_core._jit import POSITIVE, inlined, part
from strategy_lab_core.engine.market import (
    Market,
    best_level,
    is_within,
    list_orders,
    listed_order,
    next_level,
)
from strategy_lab_core.engine.orders import fill_order, narrow_watch, remaining
from strategy_lab_core.engine.queue import lots_for_us
from strategy_lab_core.engine.state import (
    Cursor,
    Listed,
    Near,
    Sets,
)
from strategy_lab_core.engine.used import add_used, used_lots
from strategy_lab_core.types import Int1D

__all__ = [
    "fill_in_queue",
    "fill_reached",
    "fill_through",
    "is_watched",
    "take",
    "trade_left",
    "unused_before",
    "watched",
]


@inlined
def is_watched(cursor: Int1D, side: int, tick: int) -> bool:
    """Say whether some set may have an order on `side` at `tick` or where it would trade first."""
    return bool(side * cursor[Cursor.WATCH_BID if side > 0 else Cursor.WATCH_ASK] >= side * tick)


@inlined
def watched(sets: Sets, k: int, side: int, tick: int) -> bool:
    """Say whether an order of ours on `side` rests at `tick` or where it would trade first."""
    if side > 0:
        return bool(sets.near[Near.BEST_BID, k] >= tick)
    return bool(sets.near[Near.BEST_ASK, k] <= tick)


@inlined
def _best_resting(sets: Sets, k: int, side: int, tick: int) -> int:
    """Return our first order on `side` in price-time priority, at `tick` or better; -1 if none."""
    best = -1
    for i in range(sets.totals[k]["resting"]):
        order = sets.lists[k, Listed.RESTING, i] & POSITIVE
        ahead = side * sets.orders[k, order]["tick"]
        if sets.orders[k, order]["side"] != side or ahead < side * tick:
            continue
        if best < 0 or ahead > side * sets.orders[k, best]["tick"]:
            best = order
    return best


@inlined
def trade_left(sets: Sets, k: int, cursor: Int1D) -> int:
    """Return the lots of the recorded trade in progress that have not served set `k`."""
    if sets.totals[k]["trade_number"] != cursor[Cursor.TRADE_NUMBER]:
        sets.totals[k]["trade_number"] = cursor[Cursor.TRADE_NUMBER]
        sets.totals[k]["trade_lots"] = cursor[Cursor.TRADE_LOTS]
    return int(sets.totals[k]["trade_lots"])


@part
def fill_through(
    sets: Sets, k: int, side: int, tick: int, lots: int, now_ns: int, cursor: Int1D
) -> int:
    """Fill our orders on `side` at `tick` or better with up to `lots`; return what is left over.

    They trade at their own prices, the best first, then the oldest.
    """
    while lots > 0:
        order = _best_resting(sets, k, side, tick)
        if order < 0:
            break
        ours = min(lots, remaining(sets, k, order))
        own_tick = sets.orders[k, order]["tick"]
        fill_order(sets, k, order, ours, own_tick, True, now_ns, cursor)
        lots -= ours
    return lots


@part
def fill_in_queue(
    sets: Sets,
    k: int,
    side: int,
    tick: int,
    filled_arrival: int,
    lots: int,
    now_ns: int,
    cursor: Int1D,
) -> None:
    """Give our orders at `tick` the lots of a recorded fill of an order behind them."""
    i = 0
    while i < sets.totals[k]["resting"]:
        order = sets.lists[k, Listed.RESTING, i] & POSITIVE
        left = min(lots, sets.totals[k]["trade_lots"])
        ours = 0
        if sets.orders[k, order]["side"] == side and sets.orders[k, order]["tick"] == tick:
            rank = sets.orders[k, order]["rank"]
            ours = lots_for_us(rank, filled_arrival, left, remaining(sets, k, order))
        if ours > 0:
            resting = sets.totals[k]["resting"]
            fill_order(sets, k, order, ours, tick, True, now_ns, cursor)
            lots -= ours
            sets.totals[k]["trade_lots"] -= ours
            i -= resting - sets.totals[k]["resting"]  # a full order has left the list
        i += 1


@part
def _fill_from_arrival(
    sets: Sets,
    k: int,
    side: int,
    tick: int,
    order_id: int,
    size: int,
    now_ns: int,
    cursor: Int1D,
) -> None:
    """Fill our orders on `side` from a displayed order that arrives at or through their price."""
    lots = size - used_lots(sets, k, order_id)
    if lots > 0:
        left = fill_through(sets, k, side, tick, lots, now_ns, cursor)
        if left < lots:
            add_used(sets, k, order_id, lots - left)


@part
def fill_reached(
    sets: Sets, side: int, tick: int, order_id: int, lots: int, now_ns: int, cursor: Int1D
) -> None:
    """Fill every set's orders on `side` from a displayed order that arrives at `tick`."""
    is_hit = False
    for k in range(len(sets.totals)):
        if watched(sets, k, side, tick):
            is_hit = True
            _fill_from_arrival(sets, k, side, tick, order_id, lots, now_ns, cursor)
    if not is_hit:
        narrow_watch(sets, cursor)


@part
def unused_before(market: Market, sets: Sets, k: int, side: int, tick: int, enough: int) -> int:
    """Return the unused lots that a `side` order finds strictly before `tick`, up to `enough`."""
    total = 0
    level = best_level(market, -side)
    while total < enough and is_within(market, level, side, tick - side):
        for i in range(list_orders(market, -side, level)):
            order_id, size = listed_order(market, i)
            total += max(size - used_lots(sets, k, order_id), 0)
        level = next_level(market, -side, level)
    return total


@part
def _take_level(
    market: Market,
    sets: Sets,
    k: int,
    order: int,
    level: int,
    now_ns: int,
    cursor: Int1D,
) -> None:
    """Trade an incoming order with the unused lots displayed at one level, oldest first."""
    tick = market.level_tick[level]
    for i in range(list_orders(market, -sets.orders[k, order]["side"], level)):
        order_id, size = listed_order(market, i)
        unused = size - used_lots(sets, k, order_id)
        lots = min(unused, remaining(sets, k, order))
        if lots > 0:
            add_used(sets, k, order_id, lots)
            fill_order(sets, k, order, lots, tick, False, now_ns, cursor)


@inlined
def take(market: Market, sets: Sets, k: int, order: int, now_ns: int, cursor: Int1D) -> None:
    """Walk the other side of the book up to the order's limit."""
    side, limit = sets.orders[k, order]["side"], sets.orders[k, order]["tick"]
    level = best_level(market, -side)
    while remaining(sets, k, order) > 0 and is_within(market, level, side, limit):
        _take_level(market, sets, k, order, level, now_ns, cursor)
        level = next_level(market, -side, level)
