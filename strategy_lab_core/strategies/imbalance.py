"""Order-book imbalance at the top of the book: join the heavier side's expected move.

The queue imbalance (qb - qa) / (qb + qa) predicts the sign of the next mid move: M. Gould and
J. Bonart (2016), "Queue imbalance as a one-tick-ahead price predictor in a limit order book",
Market Microstructure and Liquidity 2(2), doi:10.1142/S2382626616500064; S. Stoikov (2018), "The
micro-price", Quantitative Finance 18(12), doi:10.1080/14697688.2018.1489139; related to the order
flow imbalance of R. Cont, A. Kukanov and S. Stoikov (2014), J. Financial Econometrics 12(1),
47-88. None of them claims a profit after costs, and this rule pays the spread twice.
"""

from typing import Annotated, NamedTuple

from strategy_lab_core._jit import kernel
from strategy_lab_core.features.book import queue_imbalance
from strategy_lab_core.strategies.parameters import Choice, Range
from strategy_lab_core.strategies.quoting import leave
from strategy_lab_core.strategies.requests import (
    buy_limit,
    buy_market,
    sell_limit,
    sell_market,
)
from strategy_lab_core.strategies.strategy import Bounds, Memory, View, strategy
from strategy_lab_core.types import Int2D

__all__ = ["ImbalanceParams", "imbalance"]


class ImbalanceParams(NamedTuple):
    """Entry above `threshold`; exit when the signal turns, or after `hold_ms`."""

    threshold: Annotated[float, Bounds(0.0, 1.0), Range(0.3, 0.95)] = 0.6
    exit_threshold: Annotated[float, Bounds(-1.0, 1.0), Range(-0.5, 0.5)] = 0.0
    size: Annotated[int, Bounds(1, 100)] = 1
    hold_ms: Annotated[int, Bounds(1, 86_400_000), Range(500, 120_000, log=True)] = 5_000
    max_spread_ticks: Annotated[int, Bounds(1, 1_000)] = 2
    # Enter by joining the best price's queue
    passive: Annotated[bool, Bounds(0, 1), Choice(False, True)] = False


_ENTERED_NS = 0  # places in the strategy's memory
_DIRECTION = 1


@kernel
def _enter(view: View, p: ImbalanceParams, direction: int, requests: Int2D) -> None:
    if p.passive:
        if direction > 0:
            buy_limit(requests, view.bid, p.size)
        else:
            sell_limit(requests, view.ask, p.size)
    elif direction > 0:
        buy_market(requests, p.size)
    else:
        sell_market(requests, p.size)


@strategy(ImbalanceParams, timer_ns=100_000_000)
def imbalance(memory: Memory, view: View, p: ImbalanceParams, requests: Int2D) -> None:
    """Buy when the bid is much the larger side, sell when the ask is; leave when that has gone."""
    if view.is_open == 0 or view.bid_size == 0 or view.ask_size == 0:
        return
    signal = queue_imbalance(view.bid_size, view.ask_size)
    if view.position != 0 or view.n_orders > 0:
        direction = memory.ints[_DIRECTION]
        is_late = view.now_ns - memory.ints[_ENTERED_NS] >= p.hold_ms * 1_000_000
        if is_late or direction * signal < p.exit_threshold:
            leave(view, requests)
        return
    if abs(signal) < p.threshold or view.ask - view.bid > p.max_spread_ticks:
        return
    memory.ints[_ENTERED_NS] = view.now_ns
    memory.ints[_DIRECTION] = 1 if signal > 0 else -1
    _enter(view, p, memory.ints[_DIRECTION], requests)
