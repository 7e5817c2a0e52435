"""What templates have in common: an order kept at a price, and the way out.

Compiled into the strategies that use it; it judges by the view alone.
"""

import math

from strategy_lab_core._jit import kernel
from strategy_lab_core.features.volatility import watch_volatility
from strategy_lab_core.strategies.requests import (
    buy_limit,
    buy_market,
    cancel,
    modify,
    sell_limit,
    sell_market,
)
from strategy_lab_core.strategies.strategy import Memory, View
from strategy_lab_core.types import NS_PER_SECOND, Int2D

__all__ = [
    "cancel_all",
    "is_two_sided",
    "keep_order",
    "known_volatility",
    "leave",
    "quote",
    "seconds_left",
]

NUMBER, SIDE, TICK, LEFT, LOTS, IS_LEAVING, KIND, IS_CHANGING = range(8)  # columns of View.orders


@kernel
def is_two_sided(view: View) -> bool:
    """Say whether the phase is open and both sides are quoted."""
    return bool(view.is_open == 1 and view.bid_size > 0 and view.ask_size > 0)


@kernel
def seconds_left(view: View) -> float:
    """Return the seconds until the engine takes over to end flat, at least 0."""
    return max(view.flatten_ns - view.now_ns, 0) / NS_PER_SECOND


@kernel
def known_volatility(memory: Memory, view: View, given: float, half_life_s: float) -> float:
    """Return `given` ticks per root second, or where it is 0 what has been measured so far.

    `UNKNOWN` until a half-life has been seen. Takes three integers and two floats of the memory.
    """
    if given > 0:
        return given
    mid_twice = view.bid + view.ask
    return watch_volatility(memory.ints, memory.floats, mid_twice, view.now_ns, half_life_s)


@kernel
def keep_order(
    view: View, side: int, tick: int, lots: int, min_change: int, requests: Int2D
) -> None:
    """Have one limit order of at most `lots` on `side` (+1 or -1), at `tick` or close to it.

    No order where `lots` is below 1. A price is changed by a modify, and only by `min_change` ticks
    or more; what is on its way is waited for. Orders of this function carry their size as the tag.
    """
    is_there = False
    for i in range(view.n_orders):
        order = view.orders[i]
        if order[SIDE] != side:
            continue
        is_there = True
        if order[IS_LEAVING] != 0 or order[IS_CHANGING] != 0:
            continue
        if order[LEFT] > lots:
            cancel(requests, order[NUMBER])
        elif abs(order[TICK] - tick) >= min_change:
            modify(requests, order[NUMBER], tick, order[LOTS])
    if is_there or lots < 1:
        return
    if side > 0:
        buy_limit(requests, tick, lots, lots)
    else:
        sell_limit(requests, tick, lots, lots)


@kernel
def quote(
    view: View,
    bid: float,
    ask: float,
    size: int,
    max_position: int,
    min_change: int,
    requests: Int2D,
) -> None:
    """Keep a bid and an ask of `size` lots near two prices in ticks, without crossing the spread.

    Prices are rounded away from each other. Each side has so few lots that the position stays
    within `max_position`; with 0 only the side that reduces the position is quoted.
    """
    bid_tick = min(math.floor(bid), view.ask - 1)
    ask_tick = max(math.ceil(ask), view.bid + 1)
    bid_lots = min(size, max_position - view.position)
    ask_lots = min(size, max_position + view.position)
    keep_order(view, 1, bid_tick, bid_lots, min_change, requests)
    keep_order(view, -1, ask_tick, ask_lots, min_change, requests)


@kernel
def cancel_all(view: View, requests: Int2D) -> None:
    """Ask to cancel every working order that has no cancel on its way."""
    for i in range(view.n_orders):
        if view.orders[i, IS_LEAVING] == 0:
            cancel(requests, view.orders[i, NUMBER])


@kernel
def leave(view: View, requests: Int2D) -> None:
    """Cancel what still rests; once nothing is on its way, close the position at the market."""
    cancel_all(view, requests)
    if view.n_orders > 0:
        return
    if view.position > 0:
        sell_market(requests, view.position)
    elif view.position < 0:
        buy_market(requests, -view.position)
