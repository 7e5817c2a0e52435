"""The simulated exchange: orders in price-time queues, matched, and every change a row.

What an exchange does, whoever asks for it and why: that is in `simulate_kernels`.
"""

import numpy as np

from strategy_lab_core._jit import kernel, part
from strategy_lab_core.data.simulate_market import (
    LEVELS,
    LIVE,
    NEXT_ID,
    NO_RANK,
    ROWS,
    SLOTS,
    Market,
)
from strategy_lab_core.types import Action, Side

__all__ = ["aggress", "cancel", "end_event", "modify", "new_slot", "play_auction", "rest"]

_ADD, _CANCEL, _MODIFY = int(Action.ADD), int(Action.CANCEL), int(Action.MODIFY)
_TRADE, _FILL = int(Action.TRADE), int(Action.FILL)
_SIDES = np.array([int(Side.BID), int(Side.ASK)])
_NO_SIDE = int(Side.NONE)


@part
def _write(market: Market, step: int, action: int, slot: int, size: int, rank: int) -> None:
    """Write a row about the order in `slot`."""
    order = market.orders[slot]
    row = market.rows[market.counts[ROWS]]
    row["step"] = step
    row["action"] = action
    row["side"] = _SIDES[order["side"]]
    row["level"] = order["level"]
    row["size"] = size
    row["order_id"] = order["order_id"]
    row["rank"] = rank
    market.counts[ROWS] += 1


@part
def end_event(market: Market) -> None:
    """Mark the last row as the end of its event."""
    market.rows[market.counts[ROWS] - 1]["last"] = 1


@part
def new_slot(market: Market, side: int, level: int, size: int, gtc: int) -> int:
    """Return the slot of a new order, which rests nowhere yet."""
    slot = market.counts[SLOTS]
    order = market.orders[slot]
    order["order_id"] = market.counts[NEXT_ID]
    order["side"] = side
    order["level"] = level
    order["size"] = size
    order["gtc"] = gtc
    market.counts[SLOTS] += 1
    market.counts[NEXT_ID] += 1
    return int(slot)


@part
def _join(market: Market, slot: int) -> None:
    """Put the order at the end of the queue of its level."""
    order = market.orders[slot]
    side, level = order["side"], order["level"]
    queue, book_side = market.queues[side, level], market.sides[side]
    order["before"] = queue["tail"]
    order["behind"] = -1
    if queue["tail"] < 0:
        queue["head"] = slot
        book_side["levels"] += 1
    else:
        market.orders[queue["tail"]]["behind"] = slot
    queue["tail"] = slot
    queue["lots"] += order["size"]
    best = book_side["best"]
    if best < 0 or best >= LEVELS or (level > best if side == 0 else level < best):
        book_side["best"] = level


@part
def _leave(market: Market, slot: int) -> None:
    """Take the order out of its queue; the best price moves where its level empties."""
    order = market.orders[slot]
    side, level = order["side"], order["level"]
    queue, book_side = market.queues[side, level], market.sides[side]
    if order["before"] < 0:
        queue["head"] = order["behind"]
    else:
        market.orders[order["before"]]["behind"] = order["behind"]
    if order["behind"] < 0:
        queue["tail"] = order["before"]
    else:
        market.orders[order["behind"]]["before"] = order["before"]
    queue["lots"] -= order["size"]
    if queue["head"] < 0:
        book_side["levels"] -= 1
        if level == book_side["best"]:
            book_side["best"] = _next_best(market, side, level)


@part
def _next_best(market: Market, side: int, level: int) -> int:
    step = 1 if side == 1 else -1
    while 0 <= level < LEVELS and market.queues[side, level]["head"] < 0:
        level += step
    return level


@part
def _enlist(market: Market, slot: int) -> None:
    count = market.counts[LIVE]
    market.live[count] = slot
    market.orders[slot]["live_at"] = count
    market.counts[LIVE] = count + 1


@part
def _strike(market: Market, slot: int) -> None:
    count = market.counts[LIVE] - 1
    moved = market.live[count]
    place = market.orders[slot]["live_at"]
    market.live[place] = moved
    market.orders[moved]["live_at"] = place
    market.counts[LIVE] = count


@part
def rest(market: Market, step: int, slot: int) -> None:
    """Rest the order in the book, by an add row."""
    order, row = market.orders[slot], market.counts[ROWS]
    _join(market, slot)
    _enlist(market, slot)
    order["rank"] = row
    _write(market, step, _ADD, slot, order["size"], row)


@part
def cancel(market: Market, step: int, slot: int) -> None:
    """Take the order off the book."""
    order = market.orders[slot]
    _leave(market, slot)
    _strike(market, slot)
    _write(market, step, _CANCEL, slot, order["size"], order["rank"])
    order["size"] = 0


@part
def modify(market: Market, step: int, slot: int, level: int, size: int) -> None:
    """Move or resize; only a smaller size at the same price keeps the place in the queue."""
    order = market.orders[slot]
    if level == order["level"] and size <= order["size"]:
        market.queues[order["side"], level]["lots"] -= order["size"] - size
        order["size"] = size
    else:
        _leave(market, slot)
        order["level"] = level
        order["size"] = size
        _join(market, slot)
        order["rank"] = market.counts[ROWS]
    _write(market, step, _MODIFY, slot, size, order["rank"])


@part
def _take(market: Market, slot: int, lots: int) -> None:
    """Take filled lots from the order; it leaves the book when none are left."""
    order = market.orders[slot]
    if lots == order["size"]:
        _leave(market, slot)
        _strike(market, slot)
    else:
        market.queues[order["side"], order["level"]]["lots"] -= lots
    order["size"] -= lots


@part
def _list(market: Market, slot: int, touched: int) -> int:
    """List an order that is about to be filled, with its lots; return the number listed."""
    market.touched[0, touched] = slot
    market.touched[1, touched] = market.orders[slot]["size"]
    return touched + 1


@part
def _settle(market: Market, step: int, touched: int) -> None:
    """Write the change of every filled order: a cancel when it is gone, else a modify."""
    for k in range(touched):
        slot = market.touched[0, k]
        order = market.orders[slot]
        if order["size"] == 0:
            _write(market, step, _CANCEL, slot, market.touched[1, k], order["rank"])
        else:
            _write(market, step, _MODIFY, slot, order["size"], order["rank"])


@part
def aggress(market: Market, step: int, side: int, lots: int, reach: int, rests: bool) -> None:
    """Match an incoming order level by level up to `reach` levels beyond the best.

    A trade row and its fill rows per level, then the changes of the filled orders, then the
    remainder as an add where it `rests`.
    """
    opposite = market.sides[1 - side]
    limit = opposite["best"] + (reach if side == 0 else -reach)
    incoming = new_slot(market, side, limit, lots, 0)
    touched = 0
    while lots > 0 and opposite["levels"] > 0:
        level = opposite["best"]
        if level > limit if side == 0 else level < limit:
            break
        queue = market.queues[1 - side, level]
        traded = min(lots, queue["lots"])
        market.orders[incoming]["level"] = level
        _write(market, step, _TRADE, incoming, traded, NO_RANK)
        lots -= traded
        while traded > 0:
            slot = queue["head"]
            filled = min(traded, market.orders[slot]["size"])
            touched = _list(market, slot, touched)
            _take(market, slot, filled)
            _write(market, step, _FILL, slot, filled, NO_RANK)
            traded -= filled
    _settle(market, step, touched)
    market.orders[incoming]["level"] = limit
    market.orders[incoming]["size"] = lots if rests else 0
    if lots > 0 and rests:
        rest(market, step, incoming)


@part
def _match_best(market: Market, touched: int, known_bid: int, known_ask: int) -> tuple[int, int]:
    """Match the first bid with the first ask; return the lots and the number of orders listed.

    `known_bid` and `known_ask` are the orders of the match before: they are listed already.
    """
    bid = market.queues[0, market.sides[0]["best"]]["head"]
    ask = market.queues[1, market.sides[1]["best"]]["head"]
    lots = min(market.orders[bid]["size"], market.orders[ask]["size"])
    for slot in (bid, ask):
        if slot not in (known_bid, known_ask):
            touched = _list(market, slot, touched)
        _take(market, slot, lots)
    return lots, touched


@kernel
def play_auction(market: Market, step: int, fair: float) -> None:
    """Uncross the book at one price: a side-less trade, its fills, then the orders' changes.

    Matching best against best gives the largest volume; the price is the one nearest the fair
    value at which every match is allowed.
    """
    bids, asks = market.sides[0], market.sides[1]
    volume, touched, bid, ask = 0, 0, -1, -1
    low, high = 0, LEVELS - 1
    while bids["levels"] > 0 and asks["levels"] > 0 and bids["best"] >= asks["best"]:
        low, high = asks["best"], bids["best"]
        pair = market.queues[0, high]["head"], market.queues[1, low]["head"]
        lots, touched = _match_best(market, touched, bid, ask)
        bid, ask = pair
        volume += lots
    if volume == 0:
        return
    price = min(max(int(fair + 0.5), low), high)
    start = market.counts[ROWS]
    _write(market, step, _TRADE, market.touched[0, 0], volume, NO_RANK)
    market.rows[start]["order_id"] = 0
    for k in range(touched):
        slot = market.touched[0, k]
        _write(market, step, _FILL, slot, market.touched[1, k] - market.orders[slot]["size"], -1)
    for row in range(start, market.counts[ROWS]):
        market.rows[row]["side"] = _NO_SIDE
        market.rows[row]["level"] = price
    _settle(market, step, touched)
    end_event(market)
