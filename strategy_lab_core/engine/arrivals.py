"""What a message of ours does when it reaches the exchange: it is rejected, trades, rests, changes.

Also what a trade does to our stops. Which recorded lots an order then gets is in `exchange`.
"""

from strategy_lab_core._jit import inlined, part
from strategy_lab_core.engine.exchange import take, unused_before
from strategy_lab_core.engine.lines import outgoing, post_in
from strategy_lab_core.engine.market import (
    Market,
    best_level,
    is_within,
    lots_ahead,
    next_arrival,
)
from strategy_lab_core.engine.orders import (
    answer,
    end_order,
    leave_lists,
    remaining,
    rest,
    stir,
    wait_for_trigger,
)
from strategy_lab_core.engine.state import (
    NO_ASK,
    NO_BID,
    Cursor,
    EndReason,
    Listed,
    MessageKind,
    Near,
    OrderKind,
    Sets,
)
from strategy_lab_core.types import Int1D

__all__ = ["accept_cancel", "accept_modify", "accept_new", "fire_stops", "turn_back"]


@inlined
def _reaches_own(sets: Sets, k: int, order: int) -> bool:
    """Say whether the limit of an order is at or through an order of ours on the other side."""
    if sets.orders[k, order]["side"] > 0:
        return bool(sets.orders[k, order]["tick"] >= sets.near[Near.BEST_ASK, k])
    return bool(sets.orders[k, order]["tick"] <= sets.near[Near.BEST_BID, k])


@part
def _crosses_own(market: Market, sets: Sets, k: int, order: int) -> bool:
    """Say whether an incoming order would reach an order of ours on the other side."""
    if not _reaches_own(sets, k, order):
        return False
    side, lots = sets.orders[k, order]["side"], remaining(sets, k, order)
    own = sets.near[Near.BEST_ASK if side > 0 else Near.BEST_BID, k]
    return bool(unused_before(market, sets, k, side, own, lots) < lots)


@inlined
def _why_closed(is_open: bool, is_trusted: bool) -> int:
    if not is_open:
        return EndReason.REJECTED_PHASE
    return EndReason.WORKING if is_trusted else EndReason.REJECTED_UNTRUSTED


@part
def _why_refused(market: Market, sets: Sets, k: int, order: int) -> int:
    """Return why an order that begins to trade is rejected, or WORKING; sets protection limits."""
    orders, side, kind = sets.orders, sets.orders[k, order]["side"], sets.orders[k, order]["kind"]
    best = best_level(market, -side)
    protection = side * sets.rules[k]["protection_ticks"]
    if kind == OrderKind.STOP:
        orders[k, order]["tick"] = orders[k, order]["trigger"] + protection
    elif kind == OrderKind.MARKET:
        if best < 0:
            return EndReason.REJECTED_NO_MARKET
        orders[k, order]["tick"] = market.level_tick[best] + protection
    tick = orders[k, order]["tick"]
    if kind == OrderKind.POST_ONLY and is_within(market, best, side, tick):
        return EndReason.REJECTED_WOULD_TRADE
    if kind == OrderKind.FOK:
        lots = orders[k, order]["size"]
        if unused_before(market, sets, k, side, tick + side, lots) < lots:
            return EndReason.REJECTED_FILL_OR_KILL
    if _crosses_own(market, sets, k, order):
        return EndReason.REJECTED_OWN_CROSS
    return EndReason.WORKING


@inlined
def _may_rest(sets: Sets, k: int, kind: int) -> bool:
    if kind in (OrderKind.IOC, OrderKind.FOK):
        return False
    is_market = kind in (OrderKind.MARKET, OrderKind.STOP)
    return not (is_market and sets.rules[k]["cancel_remainder"] == 1)


@part
def _reject(sets: Sets, k: int, order: int, now_ns: int, reason: int) -> None:
    end_order(sets, k, order, now_ns, reason)
    answer(sets, k, now_ns, MessageKind.ENDED, order)


@part
def _trade_and_rest(
    market: Market, sets: Sets, k: int, order: int, now_ns: int, cursor: Int1D
) -> None:
    """Let an order take what it may, and rest with what is left, or not."""
    orders = sets.orders
    take(market, sets, k, order, now_ns, cursor)
    if remaining(sets, k, order) == 0:
        return
    if not _may_rest(sets, k, orders[k, order]["kind"]):
        _reject(sets, k, order, now_ns, EndReason.REMAINDER_CANCELLED)
        return
    _join_queue(market, sets, k, order, cursor)


@inlined
def _join_queue(market: Market, sets: Sets, k: int, order: int, cursor: Int1D) -> None:
    ahead = lots_ahead(market, sets.orders[k, order]["side"], sets.orders[k, order]["tick"])
    rest(sets, k, order, next_arrival(market), ahead, cursor)


@inlined
def _is_passive(market: Market, sets: Sets, k: int, order: int) -> bool:
    """Say whether an order just joins a queue: a limit order that reaches nobody."""
    arrived = sets.orders[k, order]
    if arrived["kind"] not in (OrderKind.LIMIT, OrderKind.POST_ONLY):
        return False
    side = arrived["side"]
    is_marketable = is_within(market, best_level(market, -side), side, arrived["tick"])
    return not (is_marketable or _reaches_own(sets, k, order))


@inlined
def accept_new(
    market: Market,
    sets: Sets,
    k: int,
    order: int,
    now_ns: int,
    is_open: bool,
    is_trusted: bool,
    cursor: Int1D,
) -> None:
    """Handle an order's arrival at the exchange: reject it, or trade and let the rest rest."""
    sets.orders[k, order]["arrive_ns"] = now_ns
    reason = _why_closed(is_open, is_trusted)
    if reason == EndReason.WORKING and _is_passive(market, sets, k, order):
        answer(sets, k, now_ns, MessageKind.ACCEPTED, order)
        _join_queue(market, sets, k, order, cursor)
    else:
        _judge_new(market, sets, k, order, now_ns, reason, cursor)


@part
def _judge_new(
    market: Market, sets: Sets, k: int, order: int, now_ns: int, reason: int, cursor: Int1D
) -> None:
    """Handle the arrival of an order that may do more than join a queue."""
    is_stop = sets.orders[k, order]["kind"] in (OrderKind.STOP, OrderKind.STOP_LIMIT)
    if reason == EndReason.WORKING and not is_stop:
        reason = _why_refused(market, sets, k, order)
    if reason != EndReason.WORKING:
        _reject(sets, k, order, now_ns, reason)
        return
    answer(sets, k, now_ns, MessageKind.ACCEPTED, order)
    if is_stop:
        wait_for_trigger(sets, k, order, cursor)
    else:
        _trade_and_rest(market, sets, k, order, now_ns, cursor)


@inlined
def accept_cancel(sets: Sets, k: int, order: int, now_ns: int) -> None:
    """Handle a cancel's arrival: it comes too late where the order is already over."""
    if sets.orders[k, order]["end_reason"] != EndReason.WORKING:
        answer(sets, k, now_ns, MessageKind.CANCEL_REJECTED, order)
        return
    end_order(sets, k, order, now_ns, EndReason.CANCELLED)
    answer(sets, k, now_ns, MessageKind.ENDED, order)


@part
def accept_modify(
    market: Market,
    sets: Sets,
    k: int,
    order: int,
    tick: int,
    lots: int,
    now_ns: int,
    is_live: bool,
    cursor: Int1D,
) -> None:
    """Handle a modify's arrival at a limit order.

    The order keeps its place where the price stays and the size does not grow, else it leaves the
    queue and comes anew. A size that is filled already ends it. Where it is over, where nothing
    trades, or where it would trade with an order of ours, the modify is rejected.
    """
    asked = sets.orders[k, order]
    if asked["end_reason"] != EndReason.WORKING or not is_live:
        answer(sets, k, now_ns, MessageKind.MODIFY_REJECTED, order)
        return
    if lots <= asked["filled"]:
        end_order(sets, k, order, now_ns, EndReason.REMAINDER_CANCELLED)
        answer(sets, k, now_ns, MessageKind.ENDED, order, 1)
        return
    if asked["kind"] not in (OrderKind.LIMIT, OrderKind.POST_ONLY):
        asked["size"] = lots  # a bracket takes lots off its stop: nothing else of it can change
        answer(sets, k, now_ns, MessageKind.MODIFIED, order, lots, tick)
        return
    old_tick, old_size = asked["tick"], asked["size"]
    asked["tick"] = tick
    asked["size"] = lots
    if tick == old_tick and lots <= old_size:
        answer(sets, k, now_ns, MessageKind.MODIFIED, order, lots, tick)
        return
    is_within_best = is_within(market, best_level(market, -asked["side"]), asked["side"], tick)
    would_trade = asked["kind"] == OrderKind.POST_ONLY and is_within_best
    if would_trade or _crosses_own(market, sets, k, order):
        asked["tick"] = old_tick
        asked["size"] = old_size
        answer(sets, k, now_ns, MessageKind.MODIFY_REJECTED, order)
        return
    answer(sets, k, now_ns, MessageKind.MODIFIED, order, lots, tick)
    leave_lists(sets, k, order)
    _trade_and_rest(market, sets, k, order, now_ns, cursor)


@part
def turn_back(sets: Sets, k: int, n: int, now_ns: int) -> None:
    """Send back the `n`-th message to the exchange, which the gateway rejects.

    We hear it when the recorded row says, not before what was answered earlier. Matching never
    knew of it: a rejected order has no times at the exchange.
    """
    rejected = outgoing(sets, k, n)
    order, kind, is_cancel = rejected["order"], MessageKind.MODIFY_REJECTED, 0
    if rejected["kind"] == MessageKind.NEW:
        kind = MessageKind.ENDED
        end_order(sets, k, order, -1, EndReason.REJECTED_GATEWAY)
    elif rejected["kind"] == MessageKind.CANCEL:
        kind, is_cancel = MessageKind.CANCEL_REJECTED, 1
    back_ns = max(rejected["rejected_ns"] - now_ns, 0)
    post_in(sets, k, now_ns, back_ns, kind, order, is_cancel, 0, 0)


@part
def fire_stops(
    market: Market, sets: Sets, now_ns: int, is_open: bool, is_trusted: bool, cursor: Int1D
) -> None:
    """Turn the stops that the event's trades have reached into orders, by age, set by set."""
    high, low = cursor[Cursor.TRADED_HIGH], cursor[Cursor.TRADED_LOW]
    cursor[Cursor.BUY_STOP] = NO_ASK
    cursor[Cursor.SELL_STOP] = NO_BID
    for k in range(len(sets.totals)):
        i = 0
        while i < sets.totals[k]["stops"]:
            order = sets.lists[k, Listed.STOPS, i]
            side, trigger = sets.orders[k, order]["side"], sets.orders[k, order]["trigger"]
            if (side > 0 and high < trigger) or (side < 0 and low > trigger):
                i += 1
                continue
            leave_lists(sets, k, order)
            reason = _why_closed(is_open, is_trusted)
            if reason == EndReason.WORKING:
                reason = _why_refused(market, sets, k, order)
            if reason != EndReason.WORKING:
                _reject(sets, k, order, now_ns, reason)
            else:
                _trade_and_rest(market, sets, k, order, now_ns, cursor)
            if sets.totals[k]["heard"] < sets.totals[k]["answered"]:
                stir(sets, k, cursor)
        cursor[Cursor.BUY_STOP] = min(cursor[Cursor.BUY_STOP], sets.totals[k]["buy_stop"])
        cursor[Cursor.SELL_STOP] = max(cursor[Cursor.SELL_STOP], sets.totals[k]["sell_stop"])
