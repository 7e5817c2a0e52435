"""Momentum on order flow: go with the side whose orders have been growing.

R. Cont, A. Kukanov and S. Stoikov (2014), "The price impact of order book events", J. Financial
Econometrics 12(1), 47-88, doi:10.1093/jjfinec/nbt003: over short intervals the mid moves by
about OFI / (2 D) ticks, OFI the order flow imbalance and D the depth at the best prices. That is a
relation within the interval, no forecast: that the flow goes on, and pays for a spread and two
fees, is this template's assumption, and nobody's result. Levels behind the best are not seen, and
what happens between two books that reach us counts as one change.
"""

from typing import Annotated, NamedTuple

from strategy_lab_core._jit import kernel
from strategy_lab_core.features.decay import faded
from strategy_lab_core.features.flow import flow_step
from strategy_lab_core.strategies.parameters import Range
from strategy_lab_core.strategies.quoting import is_two_sided, leave
from strategy_lab_core.strategies.requests import buy_ioc, sell_ioc
from strategy_lab_core.strategies.strategy import Bounds, Memory, View, strategy
from strategy_lab_core.types import Int2D

__all__ = ["FlowMomentumParams", "flow_momentum"]


class FlowMomentumParams(NamedTuple):
    """Enters where the faded flow would explain a move of `threshold_ticks`."""

    threshold_ticks: Annotated[float, Bounds(0.0, 1_000.0), Range(0.5, 6.0)] = 1.5
    # Leaves when it is below
    exit_ticks: Annotated[float, Bounds(-1_000.0, 1_000.0), Range(-1.0, 1.0)] = 0.0
    # Of the flow and the depth
    half_life_ms: Annotated[int, Bounds(1, 86_400_000), Range(100, 30_000, log=True)] = 1_000
    # Leaves after this long
    hold_ms: Annotated[int, Bounds(1, 86_400_000), Range(500, 120_000, log=True)] = 10_000
    max_spread_ticks: Annotated[int, Bounds(1, 1_000)] = 2
    size: Annotated[int, Bounds(1, 100)] = 1  # lots


_BID, _BID_SIZE, _ASK, _ASK_SIZE, _SEEN_NS, _TRIED_NS, _DIRECTION = range(7)  # memory
_FLOW, _DEPTH, _WEIGHT = range(3)  # faded sums


@kernel
def _explained_ticks(memory: Memory, view: View, half_life_ms: int) -> float:
    """Take in the book and return the move that the faded flow explains, OFI / (2 D)."""
    ints, floats = memory.ints, memory.floats
    if ints[_SEEN_NS] == 0:
        flow, elapsed_ms = 0, 0.0
    else:
        flow = flow_step(
            ints[_BID], ints[_BID_SIZE], ints[_ASK], ints[_ASK_SIZE],
            view.bid, view.bid_size, view.ask, view.ask_size,
        )  # fmt: skip
        elapsed_ms = (view.now_ns - ints[_SEEN_NS]) / 1_000_000
    depth = (view.bid_size + view.ask_size) / 2
    floats[_FLOW] = faded(floats[_FLOW], elapsed_ms, half_life_ms) + flow
    floats[_DEPTH] = faded(floats[_DEPTH], elapsed_ms, half_life_ms) + depth
    floats[_WEIGHT] = faded(floats[_WEIGHT], elapsed_ms, half_life_ms) + 1.0
    ints[_BID], ints[_BID_SIZE], ints[_ASK] = view.bid, view.bid_size, view.ask
    ints[_ASK_SIZE], ints[_SEEN_NS] = view.ask_size, view.now_ns
    return float(floats[_FLOW] / (2 * floats[_DEPTH] / floats[_WEIGHT]))


@kernel
def _may_enter(memory: Memory, view: View, p: FlowMomentumParams) -> bool:
    """Say whether the spread, the last try and the session's end leave room for an entry."""
    is_narrow = view.ask - view.bid <= p.max_spread_ticks
    has_waited = view.now_ns - memory.ints[_TRIED_NS] >= p.half_life_ms * 1_000_000
    has_time = view.flatten_ns - view.now_ns > p.hold_ms * 1_000_000
    return bool(is_narrow and has_waited and has_time)


@strategy(FlowMomentumParams)
def flow_momentum(memory: Memory, view: View, p: FlowMomentumParams, requests: Int2D) -> None:
    """Buy at the ask on buying pressure, sell at the bid on the other; leave when it fades."""
    if not is_two_sided(view):
        memory.ints[_SEEN_NS] = 0  # the book that comes next is no change of this one
        memory.floats[:] = 0.0
        return
    signal = _explained_ticks(memory, view, p.half_life_ms)
    if view.position != 0 or view.n_orders > 0:
        is_late = view.now_ns - memory.ints[_TRIED_NS] >= p.hold_ms * 1_000_000
        if is_late or memory.ints[_DIRECTION] * signal < p.exit_ticks:
            leave(view, requests)
        return
    if abs(signal) < p.threshold_ticks or not _may_enter(memory, view, p):
        return
    memory.ints[_TRIED_NS] = view.now_ns
    memory.ints[_DIRECTION] = 1 if signal > 0 else -1
    if signal > 0:
        buy_ioc(requests, view.ask, p.size)
    else:
        sell_ioc(requests, view.bid, p.size)
