"""Strategies that probes are tried on, called seldom enough to run as plain Python."""

from typing import Annotated, NamedTuple

from strategy_lab_core.strategies.requests import (
    buy_limit,
    buy_market,
    cancel,
    sell_market,
)
from strategy_lab_core.strategies.strategy import Bounds, Memory, View, strategy
from strategy_lab_core.types import Int2D

__all__ = ["bidder", "follower"]


class BidderParams(NamedTuple):
    """When it bids, at which price, how much; and when it cancels, in ms after the open."""

    at_ms: Annotated[int, Bounds(0, 10**6)] = 10**6
    tick: Annotated[int, Bounds(-(10**9), 10**9)] = 0  # 0: at the market
    lots: Annotated[int, Bounds(1, 10**6)] = 1
    cancel_at_ms: Annotated[int, Bounds(0, 10**6)] = 10**6


@strategy(BidderParams, on_book=False, timer_ns=100_000_000, ints=2)
def bidder(memory: Memory, view: View, p: BidderParams, requests: Int2D) -> None:
    """Bid once, cancel once."""
    elapsed_ms = (view.now_ns - 1_700_000_000_000_000_000) // 1_000_000
    if memory.ints[0] == 0 and elapsed_ms >= p.at_ms:
        memory.ints[0] = 1
        if p.tick == 0:
            buy_market(requests, p.lots)
        else:
            buy_limit(requests, p.tick, p.lots)
    if memory.ints[1] == 0 and elapsed_ms >= p.cancel_at_ms and view.n_orders > 0:
        memory.ints[1] = 1
        cancel(requests, view.orders[0, 0])


class FollowerParams(NamedTuple):
    """How far it looks back, and whether it forgets."""

    window_ms: Annotated[int, Bounds(1, 10**6)] = 1_000
    forgets: Annotated[bool, Bounds(0, 1)] = True  # False: the first size it saw, it keeps


@strategy(FollowerParams, ints=4)
def follower(memory: Memory, view: View, p: FollowerParams, requests: Int2D) -> None:
    """After each window of the clock, hold what its books were heavier on; never on a timer."""
    if view.is_open == 0 or view.bid_size == 0 or view.ask_size == 0:
        return
    if memory.ints[2] == 0:
        memory.ints[2] = 1 if p.forgets else view.bid_size
    window = view.book_ns // (p.window_ms * 1_000_000)
    if window != memory.ints[0]:
        target = memory.ints[2] if memory.ints[1] > 0 else -memory.ints[2]
        if memory.ints[0] > 0 and view.n_orders == 0 and target > view.position:
            buy_market(requests, target - view.position)
        elif memory.ints[0] > 0 and view.n_orders == 0 and target < view.position:
            sell_market(requests, view.position - target)
        memory.ints[0], memory.ints[1] = window, 0
    if view.wake == 1:
        memory.ints[1] += view.bid_size - view.ask_size
