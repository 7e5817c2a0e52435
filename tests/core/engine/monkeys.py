"""A strategy without sense: it asks for anything at any time, the same for the same seed."""

from typing import Annotated, NamedTuple

from strategy_lab_core._jit import kernel
from strategy_lab_core.strategies.requests import (
    buy_bracket,
    buy_fok,
    buy_ioc,
    buy_limit,
    buy_market,
    buy_post_only,
    buy_stop,
    buy_stop_limit,
    cancel,
    modify,
    sell_bracket,
    sell_fok,
    sell_ioc,
    sell_limit,
    sell_market,
    sell_post_only,
    sell_stop,
    sell_stop_limit,
)
from strategy_lab_core.strategies.strategy import Bounds, Memory, View, strategy
from strategy_lab_core.types import Int2D

__all__ = ["monkey", "scheduled"]


ANYTHING, CHANGES, STOPS, BRACKETS = range(4)


class MonkeyParams(NamedTuple):
    """How often it acts, how far from the best price, how much nonsense, what it is fond of."""

    seed: Annotated[int, Bounds(1, 10**9)] = 1
    act_every: Annotated[int, Bounds(1, 100)] = 3
    reach: Annotated[int, Bounds(1, 20)] = 3
    max_lots: Annotated[int, Bounds(1, 20)] = 5
    nonsense: Annotated[bool, Bounds(0, 1)] = False
    modifies: Annotated[bool, Bounds(0, 1)] = True
    mood: Annotated[int, Bounds(ANYTHING, BRACKETS)] = ANYTHING


@kernel
def _ask(view: View, p: MonkeyParams, draw: int, tag: int, requests: Int2D) -> None:
    lots = 1 + (draw // 7) % p.max_lots
    offset = (draw // 11) % (2 * p.reach) - p.reach
    kind = (draw // 13) % 23
    if kind > 9:
        _ask_special(view, kind, draw, offset, lots, tag, requests)
        if p.modifies and view.n_orders > 0 and 14 <= kind < 20:
            order = view.orders[draw % view.n_orders]
            modify(requests, order[0], order[2] + (offset if kind % 2 else 0), lots)
    elif kind < 4:
        buy_limit(requests, view.bid + offset, lots, tag)
    elif kind < 7:
        sell_limit(requests, view.ask + offset, lots, tag)
    elif kind == 7:
        buy_market(requests, lots)
    elif kind == 8:
        sell_market(requests, lots)
    elif view.n_orders > 0:
        cancel(requests, view.orders[draw % view.n_orders, 0])


@kernel
def _ask_in_mood(view: View, p: MonkeyParams, draw: int, tag: int, requests: Int2D) -> None:
    lots, choice = 1 + (draw // 7) % p.max_lots, (draw // 19) % 4
    offset = (draw // 11) % (2 * p.reach) - p.reach
    if view.n_orders > 0 and choice < (1 if p.mood == BRACKETS else 2):
        order = view.orders[draw % view.n_orders]
        if p.modifies and draw % 3:
            modify(requests, order[0], order[2] + (offset if draw % 2 else 0), lots)
        else:
            cancel(requests, order[0])
    elif p.mood == STOPS:
        _ask_stop(view, 15 + (draw // 29) % 4, offset, lots, tag, requests)
    elif p.mood == BRACKETS:
        _ask_bracket(view, draw % 2, offset // 2, lots, tag, requests)
    else:
        _ask_quote(view, (draw // 29) % 4, offset // 2, lots, tag, requests)


@kernel
def _ask_quote(view: View, kind: int, offset: int, lots: int, tag: int, requests: Int2D) -> None:
    if kind == 0:
        buy_limit(requests, view.bid + offset, lots, tag)
    elif kind == 1:
        sell_limit(requests, view.ask - offset, lots, tag)
    elif kind == 2:
        buy_post_only(requests, view.bid - offset, lots, tag)
    else:
        sell_post_only(requests, view.ask + offset, lots, tag)


@kernel
def _ask_bracket(
    view: View, is_buy: int, offset: int, lots: int, tag: int, requests: Int2D
) -> None:
    if is_buy:
        tick = view.ask + offset
        buy_bracket(requests, tick, lots, tick + 1, tick - 1, tag)
    else:
        tick = view.bid - offset
        sell_bracket(requests, tick, lots, tick - 1, tick + 1, tag)


@kernel
def _ask_special(
    view: View, kind: int, draw: int, offset: int, lots: int, tag: int, requests: Int2D
) -> None:
    if kind == 10:
        buy_ioc(requests, view.ask + offset, lots, tag)
    elif kind == 11:
        sell_ioc(requests, view.bid + offset, lots, tag)
    elif kind == 12:
        buy_fok(requests, view.ask + offset, lots, tag)
    elif kind == 13:
        sell_fok(requests, view.bid + offset, lots, tag)
    elif kind == 14:
        buy_post_only(requests, view.bid + offset, lots, tag)
        sell_post_only(requests, view.ask + offset, lots, tag)
    elif kind == 20:
        tick = view.bid + offset
        buy_bracket(requests, tick, lots, tick + 1, tick - 1, tag)
    elif kind >= 21:
        sell_bracket(requests, view.ask, lots, view.ask - 1, view.ask + offset + 2, tag)
    elif kind >= 15:
        _ask_stop(view, kind, offset, lots, tag, requests)


@kernel
def _ask_stop(view: View, kind: int, offset: int, lots: int, tag: int, requests: Int2D) -> None:
    if kind == 15:
        buy_stop(requests, view.ask + offset, lots, tag)
    elif kind == 16:
        sell_stop(requests, view.bid + offset, lots, tag)
    elif kind == 17:
        buy_stop_limit(requests, view.ask + offset, view.ask + offset + 1, lots, tag)
    elif kind == 18:
        sell_stop_limit(requests, view.bid + offset, view.bid + offset - 1, lots, tag)


@kernel
def _ask_nonsense(view: View, lots: int, requests: Int2D) -> None:
    buy_limit(requests, -(2**60), lots)
    sell_limit(requests, view.ask, -3)
    cancel(requests, 10**9)
    modify(requests, 10**9, view.bid, 1)
    buy_stop(requests, 2**60, 1)
    for _ in range(20):
        sell_market(requests, 10**12)


@strategy(MonkeyParams, timer_ns=250_000_000)
def monkey(memory: Memory, view: View, p: MonkeyParams, requests: Int2D) -> None:
    """Draw a request, or several, from a small generator of its own."""
    if memory.ints[0] == 0:
        memory.ints[0] = p.seed
    for turn in range(2):
        memory.ints[0] = (memory.ints[0] * 1_103_515_245 + 12_345) % 2_147_483_648
        draw = memory.ints[0] >> 8
        if draw % p.act_every != 0:
            continue
        if p.mood != ANYTHING and draw // 17 % 4:
            _ask_in_mood(view, p, draw, turn, requests)
        else:
            _ask(view, p, draw, turn, requests)
        if p.nonsense and draw % 5 == 0:
            _ask_nonsense(view, 1, requests)


class ScheduleParams(NamedTuple):
    """Which schedule."""

    seed: Annotated[int, Bounds(1, 10**9)] = 1


@strategy(ScheduleParams, on_book=False, timer_ns=50_000_000)
def scheduled(memory: Memory, view: View, p: ScheduleParams, requests: Int2D) -> None:
    """Buy at a price, now and then, that depends on nothing but how often it was called."""
    if view.wake != 3:
        return
    if memory.ints[0] == 0:
        memory.ints[0] = p.seed
    memory.ints[0] = (memory.ints[0] * 1_103_515_245 + 12_345) % 2_147_483_648
    draw = memory.ints[0] >> 8
    if draw % 3 == 0:
        buy_limit(requests, 997 + (draw // 3) % 5, 1 + (draw // 15) % 6)
