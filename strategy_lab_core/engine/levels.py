"""What a row of a feed by price does: a level's new size moves our place, a trade works it off.

The counterpart of the rules for market-by-order rows in `exchange`. Which lots were ahead of us is
the queue model's guess (`queue`). The guess is not moved where the book is not to be trusted or
nothing trades: it is then too large, never too small.
"""

import numpy as np

from strategy_lab_core._jit import POSITIVE, inlined, part
from strategy_lab_core.book.l3_kernels import SNAPSHOT, MboRows
from strategy_lab_core.book.level_kernels import clear_levels, set_level
from strategy_lab_core.engine.exchange import fill_reached, is_watched, trade_left, watched
from strategy_lab_core.engine.market import UNBOUNDED, Market, lots_at_level, next_level
from strategy_lab_core.engine.orders import fill_order, narrow_watch, remaining
from strategy_lab_core.engine.own_levels import first_at, set_of, slot_of
from strategy_lab_core.engine.queue import LOT, UNKNOWN_FRONT, front_after_change, lots_beyond
from strategy_lab_core.engine.rules import EXPONENT_SCALE
from strategy_lab_core.engine.state import Cursor, Listed, Sets
from strategy_lab_core.types import Action, Int1D, Side

__all__ = ["apply_level", "play_level", "play_queues"]

_TOP_OF_BOOK = 1  # `Market.window` of mbp-1 and tbbo


@inlined
def _keep_order(sets: Sets, k: int, side: int, tick: int) -> None:
    """Let none of our orders at a price have more ahead of it than a younger one there."""
    least = UNKNOWN_FRONT
    for i in range(sets.totals[k]["resting"] - 1, -1, -1):
        mine = sets.orders[k, sets.lists[k, Listed.RESTING, i]]
        if mine["side"] == side and mine["tick"] == tick:
            least = min(least, mine["front"])
            mine["front"] = least


@part
def _work_off(
    sets: Sets, k: int, side: int, tick: int, lots: int, now_ns: int, cursor: Int1D
) -> None:
    """Take a trade at `tick` off what is ahead of our orders there; they get what is behind.

    The trade's lots are handed out from the front of the queue to its back, each once: an order
    of ours begins where it stands, or where the last one of ours ended.
    """
    _keep_order(sets, k, side, tick)
    served = (lots - trade_left(sets, k, cursor)) * LOT
    i = 0
    while i < sets.totals[k]["resting"]:
        order = sets.lists[k, Listed.RESTING, i]
        i += 1
        mine = sets.orders[k, order]
        if mine["side"] != side or mine["tick"] != tick:
            continue
        begin = max(mine["front"], served)
        ours = min(lots_beyond(lots, begin), remaining(sets, k, order))
        mine["front"] = max(mine["front"] - lots * LOT, 0)
        mine["traded"] += lots
        if ours > 0:
            served = begin + ours * LOT
            resting = sets.totals[k]["resting"]
            sets.totals[k]["trade_lots"] -= ours
            fill_order(sets, k, order, ours, tick, True, now_ns, cursor)
            i -= resting - sets.totals[k]["resting"]  # a full order has left the list


@inlined
def _work_off_all(sets: Sets, side: int, tick: int, now_ns: int, cursor: Int1D) -> None:
    is_hit = False
    for k in range(len(sets.totals)):
        if watched(sets, k, side, tick):
            is_hit = True
            _work_off(sets, k, side, tick, cursor[Cursor.TRADE_LOTS], now_ns, cursor)
    if not is_hit:
        narrow_watch(sets, cursor)


@inlined
def play_queues(sets: Sets, now_ns: int, cursor: Int1D) -> None:
    """Let the recorded trade in progress work off the queues at its price."""
    side, tick = cursor[Cursor.TRADE_SIDE], cursor[Cursor.LAST_TICK]
    if side != 0 and is_watched(cursor, side, tick):
        _work_off_all(sets, side, tick, now_ns, cursor)


@inlined
def _move(sets: Sets, k: int, order: int, before: int, after: int, was_hidden: bool) -> None:
    """Bring one order's place up to date with a change of its level."""
    mine, rules = sets.orders[k, order], sets.rules[k]
    if was_hidden:
        mine["front"] = min(mine["front"], after * LOT)
    else:
        exponent = rules["queue_exponent"] / EXPONENT_SCALE
        mine["front"] = front_after_change(
            rules["queue_model"], exponent, mine["front"], mine["traded"], before, after
        )
    mine["traded"] = 0


@inlined
def _move_all(sets: Sets, side: int, tick: int, before: int, after: int, was_hidden: bool) -> None:
    reference = first_at(sets, side, tick)
    while reference != 0:
        k, order = set_of(reference), slot_of(reference)
        if sets.orders[k, order]["tick"] == tick:
            _move(sets, k, order, before, after, was_hidden)
        reference = sets.orders[k, order]["next"]


@inlined
def _react(
    market: Market,
    sets: Sets,
    side: int,
    level: int,
    before: int,
    was_hidden: bool,
    row: int,
    now_ns: int,
    cursor: Int1D,
) -> None:
    """Move our places in the queue of a level that has changed; fill us with what newly arrives."""
    tick, after = market.level_tick[level], lots_at_level(market, side, level)
    if market.window == UNBOUNDED and before == 0:
        was_hidden = was_hidden or next_level(market, side, level) < 0
    _move_all(sets, side, tick, before, after, was_hidden)
    can_arrive = after > before and not was_hidden and market.window != _TOP_OF_BOOK
    if can_arrive and is_watched(cursor, -side, tick):
        fill_reached(sets, -side, tick, row + 1, after - before, now_ns, cursor)


@inlined
def apply_level(market: Market, rows: MboRows, row: int) -> None:
    """Let a row of a feed by price set its level, and look at nothing of ours."""
    level, side, is_clear = rows.level[row], rows.side[row], rows.action[row] == Action.CLEAR
    if is_clear:
        clear_levels(market.book)
    if level >= 0 and (side == Side.BID or side == Side.ASK) and rows.action[row] != Action.TRADE:
        place = 2 * level + (0 if side == Side.BID else 1)
        set_level(market.book, place, int(np.int64(rows.size[row])), row + 1)


@inlined
def play_level(
    market: Market,
    sets: Sets,
    rows: MboRows,
    row: int,
    is_live: bool,
    now_ns: int,
    cursor: Int1D,
) -> None:
    """Set a level, and look at our orders where that may concern one of them."""
    level, action = rows.level[row], rows.action[row]
    if action == Action.CLEAR:
        clear_levels(market.book)
    is_bid, is_ask = rows.side[row] == Side.BID, rows.side[row] == Side.ASK
    if level < 0 or not (is_bid | is_ask):
        return
    side = 1 if is_bid else -1
    place = (2 * level + (0 if side > 0 else 1)) & POSITIVE
    before, after = market.book.lots[place], int(np.int64(rows.size[row]))
    set_level(market.book, place, after, row + 1)
    if not is_live or action == Action.CANCEL or before == after:
        return
    tick = market.level_tick[level]
    if first_at(sets, side, tick) != 0 or is_watched(cursor, -side, tick):
        was_hidden = action == Action.ADD or rows.flags[row] & SNAPSHOT != 0
        _react(market, sets, side, level, before, was_hidden, row, now_ns, cursor)
