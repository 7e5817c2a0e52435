"""The strategy of the searches' benchmark: quotes about a middle that leans and tilts."""

from typing import Annotated, NamedTuple

from strategy_lab_core.features.book import queue_imbalance
from strategy_lab_core.strategies.parameters import Range
from strategy_lab_core.strategies.quoting import cancel_all, is_two_sided, quote
from strategy_lab_core.strategies.strategy import Bounds, Memory, View, strategy
from strategy_lab_core.types import Int2D

__all__ = ["QuoterParams", "quoter"]


class QuoterParams(NamedTuple):
    """How far from the middle it quotes; how the middle leans by position, tilts by imbalance."""

    half_ticks: Annotated[float, Bounds(0.0, 100.0), Range(0.5, 6.0)] = 2.0
    lean_ticks: Annotated[float, Bounds(0.0, 100.0), Range(0.01, 4.0, log=True)] = 0.5
    tilt_ticks: Annotated[float, Bounds(-100.0, 100.0), Range(-6.0, 6.0)] = 0.0
    max_position: Annotated[int, Bounds(1, 100)] = 5


@strategy(QuoterParams, on_response=False)
def quoter(memory: Memory, view: View, p: QuoterParams, requests: Int2D) -> None:
    """Keep a bid and an ask of one lot."""
    if not is_two_sided(view):
        cancel_all(view, requests)
        return
    middle = (view.bid + view.ask) / 2 - view.position * p.lean_ticks
    middle += p.tilt_ticks * queue_imbalance(view.bid_size, view.ask_size)
    quote(view, middle - p.half_ticks, middle + p.half_ticks, 1, p.max_position, 1, requests)
