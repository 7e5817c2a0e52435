"""Brackets: what an entry fills is closed by a limit order or a stop, and one cancels the other.

All of it happens on our side of the line, when a fill is heard: the exchange knows nothing of it.
So what reduces the other order is late by a response and an entry, and both can fill. The orders
are limits and stops like any other, and judged by the limits.
"""

from strategy_lab_core._jit import inlined, part
from strategy_lab_core.engine.desk import live_slot, place, send, send_cancel
from strategy_lab_core.engine.feed import Seen
from strategy_lab_core.engine.state import NEVER, Listed, MessageKind, OrderKind, Sets
from strategy_lab_core.types import NS_PER_SECOND, Int1D

__all__ = ["protect", "take_off_sibling", "trim", "trim_again", "try_later"]


@part
def protect(sets: Sets, k: int, entry: int, lots: int, seen: Int1D, now_ns: int) -> None:
    """Send the two orders that close `lots` of a bracket's entry, the stop first."""
    orders = sets.orders
    side, tag = -orders[k, entry]["side"], orders[k, entry]["tag"]
    trigger, tick = orders[k, entry]["stop_loss"], orders[k, entry]["take_profit"]
    stop = place(sets, k, OrderKind.STOP, side, 0, lots, tag, trigger, seen, now_ns)
    profit = place(sets, k, OrderKind.LIMIT, side, tick, lots, tag, 0, seen, now_ns)
    if stop >= 0 and profit >= 0:
        orders[k, stop]["sibling"] = orders[k, profit]["number"]
        orders[k, profit]["sibling"] = orders[k, stop]["number"]


@part
def take_off_sibling(sets: Sets, k: int, order: int, lots: int, seen: Int1D, now_ns: int) -> None:
    """Take what one order has closed off the other, if that still works."""
    other = live_slot(sets, k, sets.orders[k, order]["sibling"])
    if other >= 0:
        sets.orders[k, other]["wanted"] -= lots
        trim(sets, k, other, seen, now_ns)


@inlined
def try_later(sets: Sets, k: int, now_ns: int) -> None:
    """Have set `k` trim its brackets again in a second: a halt or a distrust may be over then."""
    later_ns = now_ns + NS_PER_SECOND
    sets.totals[k]["next_trim_ns"] = min(sets.totals[k]["next_trim_ns"], later_ns)


@part
def trim_again(sets: Sets, k: int, seen: Int1D, now_ns: int, is_ending: bool) -> None:
    """Take off what could not be taken off before, unless the session is being ended flat."""
    sets.totals[k]["next_trim_ns"] = NEVER
    if is_ending:
        return
    for i in range(sets.totals[k]["live"]):
        order = sets.lists[k, Listed.LIVE, i]
        if sets.orders[k, order]["sibling"] >= 0:
            trim(sets, k, order, seen, now_ns)


@inlined
def trim(sets: Sets, k: int, order: int, seen: Int1D, now_ns: int) -> None:
    """Cancel or reduce an order of which less is wanted than works; one change at a time."""
    asked = sets.orders[k, order]
    if asked["cancel_sent"] != 0 or asked["wanted"] >= asked["known_size"]:
        return
    if seen[Seen.IS_TRUSTED] == 0:
        try_later(sets, k, now_ns)
    elif asked["wanted"] <= asked["known_filled"]:
        send_cancel(sets, k, order, now_ns)
    elif asked["modify_sent"] == 0:
        asked["modify_sent"] = 1
        asked["asked_size"] = asked["wanted"]
        send(sets, k, MessageKind.MODIFY, order, asked["wanted"], asked["known_tick"], now_ns)
