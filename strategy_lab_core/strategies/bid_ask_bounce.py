"""Trades bounce between bid and ask: buy where a seller has just sold, sell a spread higher.

R. Roll (1984), "A simple implicit measure of the effective bid-ask spread in an efficient market",
J. Finance 39(4), 1127-1139, doi:10.1111/j.1540-6261.1984.tb03897.x: with a value that does not
move, trades come at bid and ask in turn by chance, and the autocovariance of their changes is
minus a quarter of the squared spread. Assumed: trades tell nothing of the value (in truth they do:
fills come most when the price is about to go through them), and trades between two looks of ours
count as one. Rests in queues and waits; what it earns depends on its place there. A profit is not
claimed.
"""

from typing import Annotated, NamedTuple

from strategy_lab_core._jit import kernel
from strategy_lab_core.features.decay import faded
from strategy_lab_core.features.volatility import bounce_spread
from strategy_lab_core.strategies.parameters import Range
from strategy_lab_core.strategies.quoting import cancel_all, is_two_sided, keep_order, leave
from strategy_lab_core.strategies.strategy import Bounds, Memory, View, strategy
from strategy_lab_core.types import Int2D

__all__ = ["BidAskBounceParams", "bid_ask_bounce"]


class BidAskBounceParams(NamedTuple):
    """Enters while Roll's spread of the trades seen is `min_bounce_ticks` or more."""

    min_bounce_ticks: Annotated[float, Bounds(0.0, 1_000.0), Range(0.1, 2.0)] = 0.5
    # Of the autocovariance
    half_life_trades: Annotated[float, Bounds(1.0, 100_000.0), Range(10.0, 500.0, log=True)] = 50.0
    # An entry rests this long
    patience_ms: Annotated[int, Bounds(1, 86_400_000), Range(200, 60_000, log=True)] = 2_000
    # From the entry to the market order
    hold_ms: Annotated[int, Bounds(1, 86_400_000), Range(1_000, 600_000, log=True)] = 30_000
    size: Annotated[int, Bounds(1, 100)] = 1  # lots


_STAGE, _BOUGHT, _SOLD, _TRADE_TICK, _CHANGE, _ENTERED_NS = range(6)  # places in the memory
_PRODUCTS, _TRADES = 0, 1  # faded sums
_WATCHING, _HAS_TRADE, _HAS_CHANGE = 1, 2, 3  # stages


@kernel
def _take_in(memory: Memory, tick: int, half_life: float) -> None:
    """Add a trade's price to the sums that give Roll's spread."""
    ints, floats = memory.ints, memory.floats
    change = tick - ints[_TRADE_TICK]
    if ints[_STAGE] == _HAS_CHANGE:
        floats[_PRODUCTS] = faded(floats[_PRODUCTS], 1.0, half_life) + change * ints[_CHANGE]
        floats[_TRADES] = faded(floats[_TRADES], 1.0, half_life) + 1.0
    ints[_TRADE_TICK], ints[_CHANGE] = tick, change
    ints[_STAGE] = min(ints[_STAGE] + 1, _HAS_CHANGE)


@kernel
def _traded_side(memory: Memory, view: View, half_life: float) -> int:
    """Return where a trade has come since the last call: 1 at the ask, -1 at the bid, else 0."""
    ints = memory.ints
    has_bought, has_sold = view.bought > ints[_BOUGHT], view.sold > ints[_SOLD]
    ints[_BOUGHT], ints[_SOLD] = view.bought, view.sold
    if ints[_STAGE] == 0:  # what traded before the first call is old
        ints[_STAGE] = _WATCHING
        return 0
    if not (has_bought or has_sold):
        return 0
    _take_in(memory, view.last_tick, half_life)
    if has_bought and view.last_tick == view.ask:
        return 1
    return -1 if has_sold and view.last_tick == view.bid else 0


@kernel
def _take_profit(view: View, requests: Int2D) -> None:
    """Offer the position at the ask, or bid for it at the bid; cancel what is left of the entry."""
    side = 1 if view.position > 0 else -1
    keep_order(view, side, 0, 0, 1, requests)
    keep_order(view, -side, view.ask if side > 0 else view.bid, abs(view.position), 1, requests)


@kernel
def _is_worth_it(memory: Memory, view: View, p: BidAskBounceParams) -> bool:
    """Say whether the bounce is large enough, and whether time is left for it."""
    has_time = view.flatten_ns - view.now_ns > p.hold_ms * 1_000_000
    mean = memory.floats[_PRODUCTS] / max(memory.floats[_TRADES], 1.0)  # 0 while unknown
    return has_time and bounce_spread(mean) >= p.min_bounce_ticks


@strategy(BidAskBounceParams)
def bid_ask_bounce(memory: Memory, view: View, p: BidAskBounceParams, requests: Int2D) -> None:
    """Bid where a trade has hit the bid, then offer at the ask; and the mirror image."""
    if not is_two_sided(view):
        return
    side = _traded_side(memory, view, p.half_life_trades)
    rested_ns = view.now_ns - memory.ints[_ENTERED_NS]
    if view.position != 0:
        if rested_ns >= p.hold_ms * 1_000_000:
            leave(view, requests)
        else:
            _take_profit(view, requests)
    elif view.n_orders > 0:
        tick = view.orders[0, 2]
        if rested_ns >= p.patience_ms * 1_000_000 or (tick != view.bid and tick != view.ask):
            cancel_all(view, requests)
    elif side != 0 and _is_worth_it(memory, view, p):
        memory.ints[_ENTERED_NS] = view.now_ns
        keep_order(view, -side, view.ask if side > 0 else view.bid, p.size, 1, requests)
