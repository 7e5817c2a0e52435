"""The strategy of the engine's benchmarks: one order on each side, looked at every 100 ms."""

from typing import Annotated, NamedTuple

from strategy_lab_core.strategies.requests import buy_limit, cancel, sell_limit
from strategy_lab_core.strategies.strategy import Bounds, Memory, View, strategy
from strategy_lab_core.types import Int2D

__all__ = ["MakerParams", "maker"]


class MakerParams(NamedTuple):
    """How far behind the best prices it quotes and leans by its position; how much it quotes."""

    offset: Annotated[int, Bounds(0, 100)] = 1
    lean: Annotated[int, Bounds(0, 100)] = 1
    max_position: Annotated[int, Bounds(1, 1_000)] = 5
    lots: Annotated[int, Bounds(1, 100)] = 1


@strategy(MakerParams, on_book=False, on_response=False, timer_ns=100_000_000)
def maker(memory: Memory, view: View, p: MakerParams, requests: Int2D) -> None:
    """Quote on each side; a quote that is no longer where it should be is replaced."""
    if view.is_open == 0 or view.bid_size == 0 or view.ask_size == 0:
        return
    shift = p.lean * view.position
    buy, sell = view.bid - p.offset - shift, view.ask + p.offset - shift
    wants_buy, wants_sell = view.position < p.max_position, view.position > -p.max_position
    for i in range(view.n_orders):
        is_buy = view.orders[i, 1] > 0
        if is_buy and wants_buy and view.orders[i, 2] == buy:
            wants_buy = False
        elif not is_buy and wants_sell and view.orders[i, 2] == sell:
            wants_sell = False
        elif view.orders[i, 5] == 0:
            cancel(requests, view.orders[i, 0])
    if wants_buy:
        buy_limit(requests, buy, p.lots)
    if wants_sell:
        sell_limit(requests, sell, p.lots)
