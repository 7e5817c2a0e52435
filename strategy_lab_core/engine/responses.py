"""What we learn from the exchange's responses, and what follows from it on our side of the line."""

from strategy_lab_core._jit import POSITIVE, inlined
from strategy_lab_core.engine.brackets import protect, take_off_sibling, trim, try_later
from strategy_lab_core.engine.lines import incoming
from strategy_lab_core.engine.orders import release, unlist
from strategy_lab_core.engine.state import EndReason, Listed, MessageKind, Sets
from strategy_lab_core.types import Int1D

__all__ = ["hear"]


@inlined
def _learn(sets: Sets, k: int, order: int, n: int) -> None:
    """Take in response `n`: known position, known fills, what is known of an order's changes."""
    totals, orders = sets.totals[k], sets.orders
    heard = incoming(sets, k, n)
    kind = heard["kind"]
    if kind == MessageKind.FILLED:
        orders[k, order]["known_filled"] += heard["lots"]
        bought = orders[k, order]["side"] * heard["lots"]
        totals["known_position"] += bought
        totals["known_cash"] -= bought * heard["tick"] * sets.rules[k]["tick_value"] + heard["fee"]
    is_cancelled = orders[k, order]["end_reason"] == EndReason.CANCELLED
    if kind == MessageKind.CANCEL_REJECTED or (kind == MessageKind.ENDED and is_cancelled):
        # After a rejection by the gateway the order works as before, and may be cancelled again.
        orders[k, order]["cancel_sent"] = 0 if heard["lots"] == 1 else 2
    if kind == MessageKind.MODIFIED:
        orders[k, order]["known_tick"] = heard["tick"]
        orders[k, order]["known_size"] = heard["lots"]
    is_ended_by_modify = kind == MessageKind.ENDED and heard["lots"] == 1
    if kind >= MessageKind.MODIFIED or is_ended_by_modify:
        orders[k, order]["modify_sent"] = 0
        orders[k, order]["asked_size"] = orders[k, order]["known_size"]


@inlined
def _follow_bracket(
    sets: Sets, k: int, order: int, kind: int, lots: int, seen: Int1D, now_ns: int
) -> None:
    """Do what a response to an order of a bracket asks for."""
    orders = sets.orders
    if kind == MessageKind.FILLED and orders[k, order]["is_bracket"] == 1:
        protect(sets, k, order, lots, seen, now_ns)
    if orders[k, order]["sibling"] >= 0:
        if kind == MessageKind.FILLED:
            take_off_sibling(sets, k, order, lots, seen, now_ns)
        elif kind in (MessageKind.MODIFY_REJECTED, MessageKind.CANCEL_REJECTED):
            try_later(sets, k, now_ns)
        elif orders[k, order]["is_over"] == 0:
            trim(sets, k, order, seen, now_ns)


@inlined
def hear(sets: Sets, k: int, seen: Int1D, now_ns: int, is_ending: bool) -> None:
    """Take in the next response; brackets act on it unless the session is being ended flat."""
    totals, orders = sets.totals[k], sets.orders
    n = totals["heard"]
    totals["heard"] = n + 1
    heard = incoming(sets, k, n)
    order, kind = heard["order"] & POSITIVE, heard["kind"]
    if kind == MessageKind.ACCEPTED and totals["reacts"] == 0:
        return  # nothing is known now that was not before
    totals["is_stale"] = 1
    _learn(sets, k, order, n)
    is_full = orders[k, order]["known_filled"] == orders[k, order]["known_size"]
    if orders[k, order]["is_over"] == 0 and (kind == MessageKind.ENDED or is_full):
        orders[k, order]["is_over"] = 1
        totals["live"] = unlist(sets.lists[k, Listed.LIVE], totals["live"], order)
    if not is_ending:
        _follow_bracket(sets, k, order, kind, heard["lots"], seen, now_ns)
    is_under_way = orders[k, order]["cancel_sent"] == 1 or orders[k, order]["modify_sent"] == 1
    if orders[k, order]["is_over"] == 1 and not is_under_way:
        release(sets, k, order)
