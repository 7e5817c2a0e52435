"""Our side of the line: what a strategy asks for, the limits on it, and what we know of our orders.

Everything here is judged on what has reached us, never on the exchange's state. A request that
breaks a limit is not sent, and counted by its `Refusal`.
"""

from strategy_lab_core._jit import POSITIVE, inlined, part
from strategy_lab_core.engine.feed import Seen
from strategy_lab_core.engine.latency import Leg, delay, rejected_after
from strategy_lab_core.engine.lines import is_sent_within, post_out
from strategy_lab_core.engine.rules import REQUESTS_PER_CALL
from strategy_lab_core.engine.sheets import RequestKind
from strategy_lab_core.engine.state import (
    Counted,
    EndReason,
    Listed,
    MessageKind,
    OrderKind,
    Refusal,
    Sets,
)
from strategy_lab_core.types import NS_PER_SECOND, Int1D, Int2D

__all__ = [
    "cancel_all",
    "fresh_order",
    "handle_requests",
    "has_lost_too_much",
    "live_slot",
    "place",
    "send",
    "send_cancel",
    "send_new",
]

SENT = -1  # instead of a Refusal


@inlined
def _is_over_rate(sets: Sets, k: int, now_ns: int) -> bool:
    """Say whether one more message would be too many within a second.

    What was sent by a mark at least a second ago does not count; only where the rest could be too
    much are the messages themselves looked at.
    """
    totals, limit = sets.totals[k], sets.rules[k]["max_messages_per_second"]
    if now_ns - totals["mark_ns"] >= NS_PER_SECOND:
        totals["sent_before"] = totals["sent_at_mark"]
        totals["sent_at_mark"] = totals["sent"]
        totals["mark_ns"] = now_ns
    if totals["sent"] - totals["sent_before"] < limit:
        return False
    n = totals["sent"] - limit
    return bool(n >= 0 and is_sent_within(sets, k, n, now_ns - NS_PER_SECOND))


@inlined
def _worst_position(sets: Sets, k: int, side: int) -> int:
    """Return the position on `side` if every live order on that side filled, in lots."""
    worst = side * sets.totals[k]["known_position"]
    for i in range(sets.totals[k]["live"]):
        order = sets.lists[k, Listed.LIVE, i] & POSITIVE
        if sets.orders[k, order]["side"] == side:
            size = max(sets.orders[k, order]["known_size"], sets.orders[k, order]["asked_size"])
            worst += size - sets.orders[k, order]["known_filled"]
    return int(worst)


@inlined
def _is_far(sets: Sets, k: int, tick: int, seen: Int1D) -> bool:
    """Say whether a limit price is far from both best prices that we have seen."""
    far = sets.rules[k]["max_distance_ticks"]
    near_bid = seen[Seen.BID_SIZE] > 0 and abs(tick - seen[Seen.BID]) <= far
    near_ask = seen[Seen.ASK_SIZE] > 0 and abs(tick - seen[Seen.ASK]) <= far
    return not (near_bid or near_ask)


@inlined
def send(sets: Sets, k: int, kind: int, order: int, lots: int, tick: int, now_ns: int) -> None:
    """Put a message into the line to the exchange; what the gateway rejects comes back later."""
    wait_ns, entry_ns, rejected_ns = rejected_after(sets.rules, sets.line, k, now_ns), 0, 0
    if wait_ns >= 0:
        rejected_ns = now_ns + wait_ns
    else:
        entry_ns = delay(sets.rules, sets.line, k, Leg.ENTRY, sets.totals[k]["sent"], now_ns)
    post_out(sets, k, now_ns, entry_ns, kind, order, lots, tick, rejected_ns)


@inlined
def send_new(
    sets: Sets,
    k: int,
    kind: int,
    side: int,
    tick: int,
    lots: int,
    tag: int,
    trigger: int,
    now_ns: int,
) -> int:
    """Send a new order, unchecked, and return its slot."""
    order = fresh_order(sets, k, kind, side, tick, lots, tag, trigger, now_ns)
    totals = sets.totals[k]
    totals["is_stale"] = 1
    sets.lists[k, Listed.LIVE, totals["live"] & POSITIVE] = order
    totals["live"] += 1
    send(sets, k, MessageKind.NEW, order, lots, tick, now_ns)
    return order


@inlined
def fresh_order(
    sets: Sets,
    k: int,
    kind: int,
    side: int,
    tick: int,
    lots: int,
    tag: int,
    trigger: int,
    now_ns: int,
) -> int:
    """Write a new order into a free slot, and return it."""
    totals = sets.totals[k]
    totals["free"] -= 1
    order = sets.lists[k, Listed.FREE, totals["free"] & POSITIVE] & POSITIVE
    mine = sets.orders[k, order]
    mine["side"] = side
    mine["tick"] = tick
    mine["size"] = lots
    mine["filled"] = 0
    mine["notional"] = 0
    mine["rank"] = 0
    mine["end_reason"] = EndReason.WORKING
    mine["known_filled"] = 0
    mine["modify_sent"] = 0
    mine["is_over"] = 0
    mine["cancel_sent"] = 0
    mine["is_bracket"] = 0
    mine["arrive_ns"] = -1
    mine["end_ns"] = -1
    mine["queue_ahead"] = -1
    mine["sibling"] = -1
    mine["number"] = totals["orders"]
    mine["kind"] = kind
    mine["tag"] = tag
    mine["trigger"] = trigger
    mine["submit_ns"] = now_ns
    mine["known_tick"] = tick
    mine["known_size"] = lots
    mine["asked_size"] = lots
    mine["wanted"] = lots
    totals["orders"] += 1
    return int(order)


@inlined
def live_slot(sets: Sets, k: int, number: int) -> int:
    """Return the slot of a live order by its number, -1 where there is none."""
    for i in range(sets.totals[k]["live"]):
        order = sets.lists[k, Listed.LIVE, i] & POSITIVE
        if sets.orders[k, order]["number"] == number:
            return int(order)
    return -1


@inlined
def send_cancel(sets: Sets, k: int, order: int, now_ns: int) -> int:
    """Send a cancel of the live order in a slot; -1 or one with a cancel under way is refused."""
    if order < 0 or sets.orders[k, order]["cancel_sent"] != 0:
        return Refusal.UNKNOWN_ORDER
    sets.orders[k, order]["cancel_sent"] = 1
    sets.totals[k]["is_stale"] = 1
    send(sets, k, MessageKind.CANCEL, order, 0, 0, now_ns)
    return SENT


@part
def has_lost_too_much(sets: Sets, k: int, seen: Int1D) -> bool:
    """Say whether the account, as far as we know it, is below the loss limit at the mid we see."""
    limit = sets.rules[k]["max_loss"]
    if limit == 0 or seen[Seen.BID_SIZE] == 0 or seen[Seen.ASK_SIZE] == 0:
        return False
    mid_twice = seen[Seen.BID] + seen[Seen.ASK]
    worth = sets.totals[k]["known_position"] * mid_twice * (sets.rules[k]["tick_value"] // 2)
    return bool(sets.totals[k]["known_cash"] + worth <= -limit)


@part
def cancel_all(sets: Sets, k: int, now_ns: int) -> None:
    """Send a cancel for every live order that has none on its way."""
    for i in range(sets.totals[k]["live"]):
        send_cancel(sets, k, sets.lists[k, Listed.LIVE, i], now_ns)


@inlined
def _check_limits(sets: Sets, k: int, side: int, lots: int, now_ns: int) -> int:
    if lots > sets.rules[k]["max_order_size"]:
        return Refusal.ORDER_SIZE
    if sets.totals[k]["live"] >= sets.rules[k]["max_open_orders"]:
        return Refusal.OPEN_ORDERS
    if _worst_position(sets, k, side) + lots > sets.rules[k]["max_position"]:
        return Refusal.POSITION_LIMIT
    if _is_over_rate(sets, k, now_ns):
        return Refusal.MESSAGE_RATE
    return SENT


@part
def _send_modify(
    sets: Sets, k: int, order: int, tick: int, lots: int, seen: Int1D, now_ns: int
) -> int:
    """Send a modify of the live limit order in a slot, or return why not."""
    orders = sets.orders
    if order < 0 or orders[k, order]["cancel_sent"] != 0 or orders[k, order]["modify_sent"] != 0:
        return Refusal.UNKNOWN_ORDER
    kind, grows_by = orders[k, order]["kind"], lots - orders[k, order]["known_size"]
    if kind not in (OrderKind.LIMIT, OrderKind.POST_ONLY) or lots < 1:
        return Refusal.INVALID
    if _is_far(sets, k, tick, seen):
        return Refusal.PRICE_DISTANCE
    if lots > sets.rules[k]["max_order_size"]:
        return Refusal.ORDER_SIZE
    worst = _worst_position(sets, k, orders[k, order]["side"]) + max(grows_by, 0)
    if worst > sets.rules[k]["max_position"]:
        return Refusal.POSITION_LIMIT
    if _is_over_rate(sets, k, now_ns):
        return Refusal.MESSAGE_RATE
    orders[k, order]["modify_sent"] = 1
    sets.totals[k]["is_stale"] = 1
    orders[k, order]["asked_size"] = lots
    send(sets, k, MessageKind.MODIFY, order, lots, tick, now_ns)
    return SENT


@inlined
def _why_senseless(
    sets: Sets, k: int, kind: int, side: int, tick: int, lots: int, trigger: int, seen: Int1D
) -> int:
    """Return what is wrong with a new order in itself, or SENT."""
    if seen[Seen.IS_TRUSTED] == 0:
        return Refusal.UNTRUSTED
    if kind < RequestKind.LIMIT or kind > RequestKind.STOP_LIMIT:
        return Refusal.INVALID
    if lots < 1 or (side != 1 and side != -1):
        return Refusal.INVALID
    if (sets.rules[k]["order_kinds"] >> kind) & 1 == 0:
        return Refusal.UNSUPPORTED
    has_limit = kind not in (RequestKind.MARKET, RequestKind.STOP)
    if has_limit and _is_far(sets, k, tick, seen):
        return Refusal.PRICE_DISTANCE
    if kind >= RequestKind.STOP and _is_far(sets, k, trigger, seen):
        return Refusal.PRICE_DISTANCE
    return SENT


@part
def place(
    sets: Sets,
    k: int,
    kind: int,
    side: int,
    tick: int,
    lots: int,
    tag: int,
    trigger: int,
    seen: Int1D,
    now_ns: int,
) -> int:
    """Send a new order and return its slot, or -1 where a limit refuses it, which is counted."""
    return _place(sets, k, kind, side, tick, lots, tag, trigger, seen, now_ns)


@inlined
def _place(
    sets: Sets,
    k: int,
    kind: int,
    side: int,
    tick: int,
    lots: int,
    tag: int,
    trigger: int,
    seen: Int1D,
    now_ns: int,
) -> int:
    refusal = _why_senseless(sets, k, kind, side, tick, lots, trigger, seen)
    if refusal == SENT:
        refusal = _check_limits(sets, k, side, lots, now_ns)
    if refusal != SENT:
        sets.counts[k, Counted.REFUSAL, refusal] += 1
        return -1
    limit = 0 if kind in (RequestKind.MARKET, RequestKind.STOP) else tick
    return send_new(sets, k, kind, side, limit, lots, tag, trigger, now_ns)


@part
def _send_bracket(sets: Sets, k: int, request: Int1D, seen: Int1D, now_ns: int) -> int:
    """Send the entry of a bracket, which keeps the prices of the orders that close it."""
    side, tick, lots, stop_loss, profit = request[1], request[2], request[3], request[5], request[6]
    if side * (profit - tick) <= 0 or side * (tick - stop_loss) <= 0:
        return Refusal.INVALID
    if (sets.rules[k]["order_kinds"] >> RequestKind.STOP) & 1 == 0:
        return Refusal.UNSUPPORTED
    entry = place(sets, k, RequestKind.LIMIT, side, tick, lots, request[4], 0, seen, now_ns)
    if entry >= 0:
        sets.totals[k]["reacts"] = 1
        sets.orders[k, entry]["is_bracket"] = 1
        sets.orders[k, entry]["take_profit"] = profit
        sets.orders[k, entry]["stop_loss"] = stop_loss
    return SENT


@inlined
def _handle(sets: Sets, k: int, request: Int1D, seen: Int1D, now_ns: int) -> int:
    """Send one request, or return why not."""
    kind, side, tick, lots = request[0], request[1], request[2], request[3]
    if kind == RequestKind.CANCEL:
        return send_cancel(sets, k, live_slot(sets, k, request[6]), now_ns)
    if kind == RequestKind.MODIFY:
        order = live_slot(sets, k, request[6])
        return _send_modify(sets, k, order, tick, lots, seen, now_ns)
    if kind == RequestKind.BRACKET:
        return _send_bracket(sets, k, request, seen, now_ns)
    _place(sets, k, kind, side, tick, lots, request[4], request[5], seen, now_ns)
    return SENT


@inlined
def handle_requests(sets: Sets, k: int, page: Int2D, seen: Int1D, now_ns: int) -> None:
    """Send what a strategy has written on its page: row 0 holds the count."""
    asked = page[0, 0]
    held = min(asked, REQUESTS_PER_CALL)
    sets.counts[k, Counted.REFUSAL, Refusal.OVERFLOW] += asked - held
    for i in range(held):
        refusal = _handle(sets, k, page[i + 1], seen, now_ns)
        if refusal != SENT:
            sets.counts[k, Counted.REFUSAL, refusal] += 1
