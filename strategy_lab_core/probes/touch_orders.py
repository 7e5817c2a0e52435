"""Open-loop orders at the touch: the same schedule whatever fills, for comparing queue models."""

from typing import Annotated, NamedTuple

from strategy_lab_core.strategies.quoting import is_two_sided
from strategy_lab_core.strategies.requests import buy_limit, cancel, sell_limit
from strategy_lab_core.strategies.strategy import Bounds, Memory, View, strategy
from strategy_lab_core.types import Int2D

__all__ = ["TouchOrdersParams", "touch_orders"]


class TouchOrdersParams(NamedTuple):
    """One lot a side in each slot of `every_ms`, from a drawn moment on and for `hold_ms`."""

    every_ms: Annotated[int, Bounds(300, 3_600_000)] = 10_000
    hold_ms: Annotated[int, Bounds(100, 3_600_000)] = 8_000  # less than every_ms by 200 or more
    seed: Annotated[int, Bounds(0, 1_000_000)] = 0


_SLOT, _JOINED_NS = range(2)  # places in the memory
_PRIME = 1_000_003


@strategy(TouchOrdersParams, on_book=False, on_response=False, timer_ns=100_000_000, ints=2)
def touch_orders(memory: Memory, view: View, p: TouchOrdersParams, requests: Int2D) -> None:
    """Join the best bid and the best ask; cancel both after a while, filled or not.

    A slot's orders are gone before the next slot's come: orders of one side never meet.
    """
    every_ns, hold_ns = p.every_ms * 1_000_000, p.hold_ms * 1_000_000
    slot = view.now_ns // every_ns
    draw = slot % _PRIME + p.seed
    draw = (draw * draw + 7_919 * draw + p.seed) % _PRIME
    start_ns = slot * every_ns + draw * ((every_ns - hold_ns - 100_000_000) // _PRIME)
    if view.now_ns - memory.ints[_JOINED_NS] >= hold_ns:
        for i in range(view.n_orders):
            if view.orders[i, 5] == 0:
                cancel(requests, view.orders[i, 0])
    is_due = slot != memory.ints[_SLOT] and view.now_ns >= start_ns
    has_time = view.now_ns + hold_ns < view.flatten_ns
    if is_due and has_time and view.is_open == 1 and is_two_sided(view):
        memory.ints[_SLOT], memory.ints[_JOINED_NS] = slot, view.now_ns
        buy_limit(requests, view.bid, 1, slot)
        sell_limit(requests, view.ask, 1, slot)
