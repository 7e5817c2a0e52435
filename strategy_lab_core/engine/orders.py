"""The life of an order of ours at the exchange: it rests, is filled, ends; each step is answered.

Who is filled by what is decided in `exchange`; what we know and when is in `desk`.
"""

from strategy_lab_core._jit import POSITIVE, hot_kernel, inlined, part
from strategy_lab_core.engine.account import book_fill
from strategy_lab_core.engine.fees import fee
from strategy_lab_core.engine.latency import Leg, delay
from strategy_lab_core.engine.lines import incoming, post_in
from strategy_lab_core.engine.own_levels import is_resting, link, unlink
from strategy_lab_core.engine.queue import LOT, UNKNOWN_FRONT
from strategy_lab_core.engine.state import (
    NEW_ORDERS,
    NO_ASK,
    NO_BID,
    Counted,
    Cursor,
    EndReason,
    Listed,
    MessageKind,
    Near,
    Sets,
)
from strategy_lab_core.types import Int1D

__all__ = [
    "answer",
    "end_order",
    "fill_order",
    "has_room",
    "leave_lists",
    "narrow_watch",
    "release",
    "remaining",
    "rest",
    "sample",
    "stir",
    "unlist",
    "wait_for_trigger",
]


@inlined
def has_room(sets: Sets, k: int, headroom: int) -> bool:
    """Say whether every array of a set has room for what one step can write.

    Whatever is written to one of them moves one of four counters on: as long as those have not
    moved by more than there was room for, nobody has to look again.
    """
    totals = sets.totals[k]
    written = totals["sent"] + totals["answered"] + totals["heard"] + totals["samples"]
    if written <= totals["roomy_until"]:
        return True
    totals["roomy_until"] = written + _room_left(sets, k, headroom)
    return bool(written <= totals["roomy_until"])


@part
def _room_left(sets: Sets, k: int, headroom: int) -> int:
    """Return how many rows can be written before some array has too little room for a step."""
    totals = sets.totals[k]
    room = min(
        sets.fills.shape[1] - totals["fills"],
        sets.samples.shape[1] - totals["samples"],
        sets.outbound.shape[1] - (totals["sent"] - totals["arrived"]),
        sets.inbound.shape[1] - (totals["answered"] - totals["heard"]),
        sets.used.shape[1] // 2 - totals["used"],
    )
    if sets.log.shape[1] > 0:
        room = min(room, sets.log.shape[1] - totals["logged"])
    return int(min(room - headroom, totals["free"] - NEW_ORDERS))


@inlined
def stir(sets: Sets, k: int, cursor: Int1D) -> None:
    """Note that the market gave set `k` something to hear, and whether it has room for more."""
    if sets.totals[k]["reacts"] == 1:
        key = 2 * incoming(sets, k, sets.totals[k]["heard"])["arrive_ns"]
        sets.near[Near.DUE_KEY, k] = min(sets.near[Near.DUE_KEY, k], key)
        cursor[Cursor.SOONEST_KEY] = min(cursor[Cursor.SOONEST_KEY], key)
        cursor[Cursor.IS_STIRRED] = 1
    if not has_room(sets, k, cursor[Cursor.HEADROOM]):
        cursor[Cursor.IS_TIGHT] = 1
        cursor[Cursor.IS_STIRRED] = 1


@inlined
def answer(
    sets: Sets,
    k: int,
    now_ns: int,
    kind: int,
    order: int,
    lots: int = 0,
    tick: int = 0,
    cost: int = 0,
) -> int:
    """Send a response from the exchange and return when we shall hear it."""
    n = sets.totals[k]["answered"]
    delay_ns = delay(sets.rules, sets.line, k, Leg.RESPONSE, n, now_ns)
    return post_in(sets, k, now_ns, delay_ns, kind, order, lots, tick, cost)


@inlined
def remaining(sets: Sets, k: int, order: int) -> int:
    """Return the lots that an order still wants."""
    return int(sets.orders[k, order]["size"] - sets.orders[k, order]["filled"])


@hot_kernel
def sample(sets: Sets, k: int, now_ns: int, cursor: Int1D) -> None:
    """Write down the account of set `k` beside the exchange's best bid and ask."""
    n = sets.totals[k]["samples"]
    sets.samples[k, n]["exchange_ns"] = now_ns
    sets.samples[k, n]["position"] = sets.totals[k]["position"]
    sets.samples[k, n]["cash"] = sets.totals[k]["cash"]
    sets.samples[k, n]["bid"] = cursor[Cursor.MARK_BID]
    sets.samples[k, n]["ask"] = cursor[Cursor.MARK_ASK]
    sets.totals[k]["samples"] = n + 1


@inlined
def rest(sets: Sets, k: int, order: int, rank: int, queue_ahead: int, cursor: Int1D) -> None:
    """Let an order rest at the exchange, behind everyone whose arrival number is below `rank`.

    `queue_ahead` are the displayed lots ahead of it, -1 where the feed does not show its price.
    """
    totals, near = sets.totals[k], sets.near
    sets.orders[k, order]["rank"] = rank
    sets.orders[k, order]["queue_ahead"] = queue_ahead
    sets.orders[k, order]["front"] = queue_ahead * LOT if queue_ahead >= 0 else UNKNOWN_FRONT
    sets.orders[k, order]["traded"] = 0
    link(sets, k, order)
    sets.lists[k, Listed.RESTING, totals["resting"] & POSITIVE] = order
    totals["resting"] += 1
    tick = sets.orders[k, order]["tick"]
    if sets.orders[k, order]["side"] > 0:
        near[Near.BEST_BID, k] = max(near[Near.BEST_BID, k], tick)
        cursor[Cursor.WATCH_BID] = max(cursor[Cursor.WATCH_BID], tick)
    else:
        near[Near.BEST_ASK, k] = min(near[Near.BEST_ASK, k], tick)
        cursor[Cursor.WATCH_ASK] = min(cursor[Cursor.WATCH_ASK], tick)


@part
def narrow_watch(sets: Sets, cursor: Int1D) -> None:
    """Set the watched prices to the best ones that any set has: orders have ended since."""
    cursor[Cursor.WATCH_BID] = NO_BID
    cursor[Cursor.WATCH_ASK] = NO_ASK
    for k in range(len(sets.totals)):
        cursor[Cursor.WATCH_BID] = max(cursor[Cursor.WATCH_BID], sets.near[Near.BEST_BID, k])
        cursor[Cursor.WATCH_ASK] = min(cursor[Cursor.WATCH_ASK], sets.near[Near.BEST_ASK, k])


@inlined
def unlist(numbers: Int1D, n: int, order: int) -> int:
    """Take `order` out of the first `n` numbers, keeping their order; return how many are left."""
    kept = 0
    for i in range(n):
        if numbers[i] != order:
            numbers[kept] = numbers[i]
            kept += 1
    return kept


@inlined
def _find_best(sets: Sets, k: int) -> None:
    totals, near = sets.totals[k], sets.near
    near[Near.BEST_BID, k] = NO_BID
    near[Near.BEST_ASK, k] = NO_ASK
    for i in range(totals["resting"]):
        order = sets.lists[k, Listed.RESTING, i] & POSITIVE
        tick = sets.orders[k, order]["tick"]
        if sets.orders[k, order]["side"] > 0:
            near[Near.BEST_BID, k] = max(near[Near.BEST_BID, k], tick)
        else:
            near[Near.BEST_ASK, k] = min(near[Near.BEST_ASK, k], tick)


@inlined
def leave_lists(sets: Sets, k: int, order: int) -> None:
    """Take an order out of what rests, and out of the stops."""
    totals = sets.totals[k]
    if is_resting(sets, k, order):
        unlink(sets, k, order)
        totals["resting"] = unlist(sets.lists[k, Listed.RESTING], totals["resting"], order)
        _find_best(sets, k)
    elif totals["stops"] > 0:
        totals["stops"] = unlist(sets.lists[k, Listed.STOPS], totals["stops"], order)
        _find_first_stops(sets, k)


@part
def wait_for_trigger(sets: Sets, k: int, order: int, cursor: Int1D) -> None:
    """Let a stop wait at the exchange."""
    totals = sets.totals[k]
    sets.lists[k, Listed.STOPS, totals["stops"]] = order
    totals["stops"] += 1
    _find_first_stops(sets, k)
    cursor[Cursor.BUY_STOP] = min(cursor[Cursor.BUY_STOP], totals["buy_stop"])
    cursor[Cursor.SELL_STOP] = max(cursor[Cursor.SELL_STOP], totals["sell_stop"])


@part
def _find_first_stops(sets: Sets, k: int) -> None:
    totals = sets.totals[k]
    totals["buy_stop"] = NO_ASK
    totals["sell_stop"] = NO_BID
    for i in range(totals["stops"]):
        order = sets.lists[k, Listed.STOPS, i]
        trigger = sets.orders[k, order]["trigger"]
        if sets.orders[k, order]["side"] > 0:
            totals["buy_stop"] = min(totals["buy_stop"], trigger)
        else:
            totals["sell_stop"] = max(totals["sell_stop"], trigger)


@inlined
def end_order(sets: Sets, k: int, order: int, now_ns: int, reason: int) -> None:
    """End an order's life at the exchange, whether it rested or not."""
    sets.counts[k, Counted.END, reason] += 1
    sets.orders[k, order]["end_ns"] = now_ns
    sets.orders[k, order]["end_reason"] = reason
    leave_lists(sets, k, order)


@inlined
def release(sets: Sets, k: int, order: int) -> None:
    """Write an order of which nothing is on its way any more to the log, and free its slot."""
    totals = sets.totals[k]
    if sets.log.shape[1] > 0:
        sets.log[k, totals["logged"]] = sets.orders[k, order]
        totals["logged"] += 1
    sets.orders[k, order]["number"] = -1
    sets.lists[k, Listed.FREE, totals["free"] & POSITIVE] = order
    totals["free"] += 1


@part
def fill_order(
    sets: Sets,
    k: int,
    order: int,
    lots: int,
    tick: int,
    is_maker: bool,
    now_ns: int,
    cursor: Int1D,
) -> None:
    """Fill `lots` of an order at `tick`: account, fill row, equity sample, response, end."""
    sets.orders[k, order]["filled"] += lots
    sets.orders[k, order]["notional"] += lots * tick
    cost = fee(sets.rules, k, lots, tick, is_maker)
    side = sets.orders[k, order]["side"]
    book_fill(sets.totals, k, side, lots, tick, sets.rules[k]["tick_value"], cost)
    n = sets.totals[k]["fills"]
    sets.fills[k, n]["order"] = sets.orders[k, order]["number"]
    sets.fills[k, n]["side"] = side
    sets.fills[k, n]["queue_ahead"] = sets.orders[k, order]["queue_ahead"]
    sets.fills[k, n]["exchange_ns"] = now_ns
    kind = MessageKind.FILLED
    sets.fills[k, n]["local_ns"] = answer(sets, k, now_ns, kind, order, lots, tick, cost)
    sets.fills[k, n]["tick"] = tick
    sets.fills[k, n]["lots"] = lots
    sets.fills[k, n]["is_maker"] = 1 if is_maker else 0
    sets.fills[k, n]["fee"] = cost
    sets.fills[k, n]["position_after"] = sets.totals[k]["position"]
    sets.totals[k]["fills"] = n + 1
    sample(sets, k, now_ns, cursor)
    if remaining(sets, k, order) == 0:
        end_order(sets, k, order, now_ns, EndReason.FILLED)
    stir(sets, k, cursor)
