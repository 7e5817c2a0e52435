"""Kernels that play one session of a limit order market and write its market-by-order rows.

A small market: a fair value that walks at random, and four kinds of message to the exchange of
`simulate_matching`. Randomness comes in as arrays of draws, times and latencies are added outside:
`simulate` turns the rows written here into DBN records.
"""

from strategy_lab_core._jit import kernel, part
from strategy_lab_core.data.simulate_market import LEVELS, LIVE, ROWS, SLOTS, Market
from strategy_lab_core.data.simulate_matching import (
    aggress,
    cancel,
    end_event,
    modify,
    new_slot,
    rest,
)
from strategy_lab_core.types import Float1D, Float2D, Int1D

__all__ = [
    "DRAWS",
    "carry_in",
    "play_open",
    "play_pre_open",
    "purge_day_orders",
]

DRAWS = 8  # uniform draws that one step may use

_MIN_LEVELS = 12  # a thinner side gets an order before anything else happens
_TARGET_LIVE = 320  # orders alive, both sides, towards which adds and cancels lean
_SPAN = 30  # levels behind the best in which most orders are placed
_SWEEP = 3  # levels beyond the best that an aggressive order reaches at most
_ROOM = 400  # rows that one step may write at most
_GTC_SHARE = 0.25
_FAIR_STEP = 0.22  # levels per step, standard deviation
_IMBALANCE_PULL = 0.03  # levels per step that a fully one-sided touch moves the fair value
_REVERSION = 2e-5  # share of the distance to the middle of the grid that comes back in a step


@kernel
def carry_in(market: Market, order_id: Int1D, side: Int1D, level: Int1D, size: Int1D) -> None:
    """Rest good-till-cancelled orders of earlier sessions, in priority order, as rows of step -1.

    Side is 0 for bid, 1 for ask.
    """
    for k in range(side.shape[0]):
        slot = new_slot(market, side[k], level[k], size[k], 1)
        market.orders[slot]["order_id"] = order_id[k]
        rest(market, -1, slot)
        end_event(market)


@part
def _lots(draw: float) -> int:
    """Draw an order size: mostly 1 to 3 lots, now and then 20."""
    return min(1 + int(0.6 / (1.02 - draw) - 0.58), 20)


@part
def _far_order(market: Market, draw: float, fair: float, tries: int) -> int:
    """Choose a live order; of `tries` the one farthest from the fair value."""
    count = market.counts[LIVE]
    chosen = -1
    farthest = -1.0
    for k in range(tries):
        slot = market.live[int(draw * count + k * 0.38196601 * count) % count]
        distance = abs(market.orders[slot]["level"] - fair)
        if distance > farthest:
            farthest = distance
            chosen = slot
    return chosen


@kernel
def play_pre_open(
    market: Market, start: int, stop: int, fair: float, draws: Float2D, noise: Float1D
) -> None:
    """Play steps `start` (inclusive) to `stop` (exclusive): orders gather and may cross."""
    for step in range(start, stop):
        if market.counts[ROWS] + _ROOM > market.rows.shape[0]:
            return
        draw = draws[step]
        side = 0 if draw[0] < 0.5 else 1
        level = int(fair + 0.5 + 8.0 * noise[step] + (-5 if side == 0 else 5))
        many = market.counts[LIVE] > 80
        if draw[1] < 0.12 and many:
            cancel(market, step, _far_order(market, draw[2], fair, 2))
        elif draw[1] < 0.22 and many:
            slot = _far_order(market, draw[2], fair, 1)
            modify(market, step, slot, market.orders[slot]["level"], _lots(draw[3]))
        else:
            gtc = 1 if draw[4] < _GTC_SHARE else 0
            rest(market, step, new_slot(market, side, level, _lots(draw[3]), gtc))
        end_event(market)


@part
def _middle(market: Market, fair: float) -> float:
    if market.sides[0]["levels"] == 0 or market.sides[1]["levels"] == 0:
        return fair
    return float(0.5 * (market.sides[0]["best"] + market.sides[1]["best"]))


@part
def _imbalance(market: Market) -> float:
    """Return (bid lots - ask lots) / (their sum) at the best prices; 0 for an empty side."""
    if market.sides[0]["levels"] == 0 or market.sides[1]["levels"] == 0:
        return 0.0
    bid = market.queues[0, market.sides[0]["best"]]["lots"]
    ask = market.queues[1, market.sides[1]["best"]]["lots"]
    return float((bid - ask) / (bid + ask))


@part
def _next_fair(market: Market, fair: float, noise: float) -> float:
    """Walk the fair value: noise, the pull of the touch's imbalance, mild mean reversion."""
    pull = _IMBALANCE_PULL * _imbalance(market)
    fair += _FAIR_STEP * noise + pull - _REVERSION * (fair - LEVELS / 2)
    return min(max(fair, 500.0), LEVELS - 500.0)


@part
def _passive_level(market: Market, side: int, fair: float, draw: float, depth: float) -> int:
    """Draw a level that does not cross: inside the spread, at the best or behind it."""
    other = 1 - side
    ours = int(market.sides[side]["best"])
    theirs = int(market.sides[other]["best"])
    if market.sides[other]["levels"] == 0:
        theirs = int(fair) + (2 if side == 0 else -2)
    towards = 1 if side == 0 else -1
    if market.sides[side]["levels"] == 0:
        return theirs - towards
    spread = (theirs - ours) * towards
    if spread > 1 and draw < 0.45:
        return ours + towards
    if draw < 0.6:
        return ours
    return ours - towards * int(_SPAN * depth * depth)


@part
def _step_add(market: Market, step: int, side: int, fair: float, draw: Float1D) -> None:
    level = _passive_level(market, side, fair, draw[2], draw[3])
    if market.sides[side]["levels"] < _MIN_LEVELS and market.sides[side]["levels"] > 0:
        level = market.sides[side]["best"] + (-1 if side == 0 else 1) * int(1 + _SPAN * draw[3])
    gtc = 1 if draw[4] < _GTC_SHARE else 0
    rest(market, step, new_slot(market, side, level, _lots(draw[5]), gtc))


@part
def _step_modify(market: Market, step: int, fair: float, draw: Float1D) -> None:
    """Change a random order: move it, make it larger, or smaller."""
    slot = _far_order(market, draw[2], fair, 1)
    order = market.orders[slot]
    level, size = order["level"], order["size"]
    if draw[3] < 0.5:
        level = _passive_level(market, order["side"], fair, draw[4], draw[5])
    moved = level != order["level"]
    if not moved and (draw[3] < 0.75 or size == 1):
        size += _lots(draw[5])
    elif not moved:
        size = 1 + int((size - 1) * draw[5])
    modify(market, step, slot, level, size)


@part
def _step_aggress(market: Market, step: int, side: int, draw: Float1D, eager: bool) -> None:
    touch = market.queues[1 - side, market.sides[1 - side]["best"]]["lots"]
    lots = _lots(draw[3])
    if eager and draw[4] < 0.5:  # take the whole level, and now and then the next ones
        lots = touch + (lots if draw[5] < 0.4 else 0)
    reach = _SWEEP if draw[6] < 0.5 else 0
    aggress(market, step, side, lots, reach, draw[7] < 0.6)


@kernel
def play_open(
    market: Market, start: int, stop: int, fair: float, draws: Float2D, noise: Float1D
) -> float:
    """Play steps `start` (inclusive) to `stop` (exclusive) of trading; return the fair value.

    Every step is one event of one to a few dozen rows; bids stay below asks at its end.
    """
    for step in range(start, stop):
        if market.counts[ROWS] + _ROOM > market.rows.shape[0]:
            return fair
        draw = draws[step]
        fair = _next_fair(market, fair, noise[step])
        gap = fair - _middle(market, fair)
        lean = min(max(0.5 + 0.25 * gap + 0.15 * _imbalance(market), 0.04), 0.96)
        thin = 0 if market.sides[0]["levels"] < market.sides[1]["levels"] else 1
        crowd = (market.counts[LIVE] - _TARGET_LIVE) / _TARGET_LIVE
        trade = 0.03 + 0.06 * min(abs(gap), 4.0)
        side = 0 if draw[0] < lean else 1
        if market.sides[thin]["levels"] < _MIN_LEVELS:
            _step_add(market, step, thin, fair, draw)
        elif draw[1] < trade:
            _step_aggress(market, step, side, draw, abs(gap) > 1.0)
        elif draw[1] < trade + (1.0 - trade) * 0.18:
            _step_modify(market, step, fair, draw)
        elif draw[1] < trade + (1.0 - trade) * min(max(0.59 - 0.3 * crowd, 0.25), 0.95):
            _step_add(market, step, side, fair, draw)
        elif abs(gap) > 1.0 and draw[3] < 0.5:  # the side that the fair value leaves behind
            wrong = 1 if gap > 0 else 0
            cancel(market, step, market.queues[wrong, market.sides[wrong]["best"]]["tail"])
        else:
            cancel(market, step, _far_order(market, draw[2], fair, 2))
        end_event(market)
    return fair


@kernel
def purge_day_orders(market: Market, step: int) -> None:
    """Cancel what is not good till cancelled, oldest first, in one event."""
    first = market.counts[ROWS]
    for slot in range(market.counts[SLOTS]):
        if market.orders[slot]["size"] > 0 and market.orders[slot]["gtc"] == 0:
            cancel(market, step, slot)
    if market.counts[ROWS] > first:
        end_event(market)
