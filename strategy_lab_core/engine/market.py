"""What the engine asks the book, in integer ticks.

The book's levels are ranks of prices; `level_tick` says which price each is. Sides are +1 (bids)
and -1 (asks) here, as for our own orders. The book is never changed by our orders. A book by price
is the same arrays without orders (`book.level_kernels`): each level stands as one order whose id is
new whenever its size changes.
"""

from typing import NamedTuple

import numpy as np

from strategy_lab_core._jit import POSITIVE, inlined, part
from strategy_lab_core.book.l3_kernels import (
    BID_LEVELS,
    LIVE,
    NEXT_ARRIVAL,
    L3State,
    MboRows,
    apply_record,
)
from strategy_lab_core.book.order_table import find_order
from strategy_lab_core.types import Int1D

__all__ = [
    "BY_ORDER",
    "UNBOUNDED",
    "Market",
    "apply_row",
    "arrival_of",
    "best_level",
    "is_full",
    "is_within",
    "list_orders",
    "listed_order",
    "lots_ahead",
    "lots_at_level",
    "market_of",
    "next_arrival",
    "next_level",
]


BY_ORDER = -1  # `Market.window` where the feed shows every order
UNBOUNDED = 0  # depth differences: whatever is better than the worst level shown is known


class Market(NamedTuple):
    """The exchange's book of one instrument."""

    book: L3State
    level_tick: Int1D  # price of each level in ticks, ascending
    scratch: Int1D  # room for the slots of one level's orders
    window: int = BY_ORDER  # levels a side that a feed by price shows; `UNBOUNDED`: all it knows


@inlined
def apply_row(market: Market, rows: MboRows, row: int) -> None:
    """Apply one recorded row to the book."""
    apply_record(
        market.book,
        int(rows.action[row]),
        int(rows.side[row]),
        int(rows.level[row]),
        int(rows.size[row]),
        int(rows.order_id[row]),
        int(rows.flags[row]),
        int(rows.ts_recv[row]),
    )


@inlined
def is_full(market: Market) -> bool:
    """Say whether the order table needs to grow before the next event."""
    return bool(market.book.meta[LIVE] >= len(market.book.live.orders) >> 1)


@inlined
def next_arrival(market: Market) -> int:
    """Return the arrival number that the next order will get: whoever has less is ahead of it."""
    return int(market.book.meta[NEXT_ARRIVAL])


@inlined
def arrival_of(market: Market, order_id: int, side: int, level: int) -> int:
    """Return an order's arrival number, -1 where it is not in the book on that side and level."""
    slot = find_order(market.book.live, order_id)
    place = 2 * level + (0 if side > 0 else 1)
    if slot < 0 or market.book.live.orders[slot]["place"] != place:
        return -1
    return int(market.book.live.orders[slot]["arrival"])


@inlined
def best_level(market: Market, side: int) -> int:
    """Return the best level of a side, -1 where nobody is there."""
    if side > 0:
        return int(market.book.best[0])
    level = market.book.best[1]
    return int(level) if level < len(market.level_tick) else -1


@inlined
def next_level(market: Market, side: int, level: int) -> int:
    """Return the next worse level of a side that has orders, -1 where there is none."""
    row = 0 if side > 0 else 1
    level -= side
    while 0 <= level < len(market.level_tick) and market.book.counts[2 * level + row] == 0:
        level -= side
    return level if level < len(market.level_tick) else -1


@inlined
def is_within(market: Market, level: int, side: int, limit_tick: int) -> bool:
    """Say whether an incoming order on `side` with this limit may trade at `level` (-1: no)."""
    return level >= 0 and bool(side * market.level_tick[level] <= side * limit_tick)


@inlined
def lots_at_level(market: Market, side: int, level: int) -> int:
    """Return the displayed lots of a side at a level."""
    return int(market.book.lots[(2 * level + (0 if side > 0 else 1)) & POSITIVE])


@inlined
def _has_price(market: Market, level: int, tick: int) -> bool:
    return 0 <= level < len(market.level_tick) and bool(market.level_tick[level] == tick)


@part
def _level_from(market: Market, tick: int) -> int:
    """Return the first level whose price is not below `tick`."""
    return int(np.searchsorted(market.level_tick, tick))


@inlined
def _level_near(market: Market, side: int, tick: int) -> int:
    """Return the level of a price, or the one that it would be inserted before.

    Around the best price hardly a tick is without a level: it is as many levels away as ticks.
    """
    best = best_level(market, side)
    if best >= 0:
        level = best + tick - market.level_tick[best]
        if _has_price(market, level, tick):
            return int(level)
    return _level_from(market, tick)


@inlined
def lots_ahead(market: Market, side: int, tick: int) -> int:
    """Return the displayed lots of a side at any price, 0 where the book has no such level.

    -1 where a feed by price does not show whether anybody is there: the price is worse than its
    last level.
    """
    level = _level_near(market, side, tick)
    lots = 0
    if _has_price(market, level, tick):
        lots = lots_at_level(market, side, level)
    if lots == 0 and market.window != BY_ORDER and not _is_shown(market, side, level):
        return -1
    return lots


@part
def _is_shown(market: Market, side: int, level: int) -> bool:
    """Say whether a feed by price would show orders of a side at `level`, where it shows none.

    So it is while its window has room, and where a worse level is in it. A price without a level
    is asked for by the rank that it would have.
    """
    row = 0 if side > 0 else 1
    if market.window > market.book.meta[BID_LEVELS + row]:
        return True
    return next_level(market, side, level if side > 0 else level - 1) >= 0


@part
def list_orders(market: Market, side: int, level: int) -> int:
    """Write the slots of a level's orders into `scratch`, the oldest first; return their number.

    Looks through the whole table: called only where an order of ours takes liquidity. Of a book by
    price it is the level's place that is written.
    """
    orders, slots = market.book.live.orders, market.scratch
    place = 2 * level + (0 if side > 0 else 1)
    in_level = market.book.counts[place]
    if market.window != BY_ORDER:
        slots[0] = place
        return int(in_level > 0)
    found = 0
    for slot in range(len(orders)):
        if orders[slot]["place"] != place:
            continue
        i = found
        while i > 0 and orders[slots[i - 1]]["arrival"] > orders[slot]["arrival"]:
            slots[i] = slots[i - 1]
            i -= 1
        slots[i] = slot
        found += 1
        if found == in_level:
            break
    return found


@inlined
def listed_order(market: Market, i: int) -> tuple[int, int]:
    """Return the venue's id and the displayed lots of the `i`-th order in `scratch`."""
    at = market.scratch[i]
    if market.window != BY_ORDER:
        return int(market.book.counts[at]), int(market.book.lots[at])
    order = market.book.live.orders[at]
    return int(order["order_id"]), int(order["lots"])


def market_of(book: L3State, level_tick: Int1D, window: int = BY_ORDER) -> Market:
    """Return the market of a book whose grid knows every price of the session."""
    return Market(book, level_tick, np.zeros(len(book.live.orders), np.int64), window)
