"""One recorded event: the book follows every row, and the rows fill what of ours they would have.

Fills of resting orders happen here, row by row; fills of arriving orders of ours in `exchange`.
Nothing is filled outside the open phase or where the book is not to be trusted.
"""

from typing import NamedTuple

import numpy as np

from strategy_lab_core._jit import POSITIVE, inlined, part
from strategy_lab_core.book.l3_kernels import SNAPSHOT
from strategy_lab_core.engine.arrivals import fire_stops
from strategy_lab_core.engine.exchange import (
    fill_in_queue,
    fill_reached,
    fill_through,
    is_watched,
    trade_left,
    watched,
)
from strategy_lab_core.engine.feed import End, Feed, Seen, is_ring_full, last_place, push
from strategy_lab_core.engine.feed_latency import note_sent
from strategy_lab_core.engine.levels import play_level, play_queues
from strategy_lab_core.engine.market import (
    BY_ORDER,
    Market,
    apply_row,
    arrival_of,
    best_level,
    lots_at_level,
    next_arrival,
)
from strategy_lab_core.engine.orders import narrow_watch
from strategy_lab_core.engine.state import NEVER, NO_ASK, NO_BID, Cursor, Sets
from strategy_lab_core.engine.tape import Tape
from strategy_lab_core.types import Action, Int1D, Phase, Side

__all__ = ["World", "is_open_at", "play_event", "start_cursor"]


class World(NamedTuple):
    """What all parameter sets share: the market, its feed, and where the pass stands."""

    tape: Tape
    market: Market
    feed: Feed
    cursor: Int1D  # see `Cursor`


def start_cursor(*, end_ns: int, flatten_ns: int, calls: int) -> Int1D:
    """Return the numbers of a pass that has not begun."""
    cursor = np.zeros(len(Cursor), np.int64)
    cursor[Cursor.PHASE] = -1
    cursor[Cursor.TRADED_HIGH] = NO_BID
    cursor[Cursor.TRADED_LOW] = NO_ASK
    cursor[Cursor.WATCH_BID] = NO_BID
    cursor[Cursor.WATCH_ASK] = NO_ASK
    cursor[Cursor.BUY_STOP] = NO_ASK
    cursor[Cursor.SELL_STOP] = NO_BID
    cursor[Cursor.END_NS] = end_ns
    cursor[Cursor.FLATTEN_NS] = flatten_ns
    cursor[Cursor.CALLS] = calls
    return cursor


@inlined
def is_open_at(world: World, now_ns: int) -> bool:
    """Say whether orders match at an exchange time not before the last event."""
    if now_ns < world.cursor[Cursor.NEXT_PHASE_NS]:
        return bool(world.cursor[Cursor.IS_OPEN] == 1)
    place = _phase_at(world, now_ns)
    return bool(place >= 0 and world.tape.phases[place, 1] == Phase.OPEN)


@inlined
def _phase_at(world: World, now_ns: int) -> int:
    # Only the market moves the cursor on: a set may be ahead of another's time.
    place = world.cursor[Cursor.PHASE]
    phases = world.tape.phases
    while place + 1 < len(phases) and phases[place + 1, 0] <= now_ns:
        place += 1
    return int(place)


@part
def _begin_phase(world: World, now_ns: int) -> None:
    """Go to the phase at `now_ns`, and note when the next one begins."""
    cursor, phases = world.cursor, world.tape.phases
    place = _phase_at(world, now_ns)
    cursor[Cursor.PHASE] = place
    cursor[Cursor.IS_OPEN] = 1 if is_open_at(world, now_ns) else 0
    cursor[Cursor.NEXT_PHASE_NS] = phases[place + 1, 0] if place + 1 < len(phases) else NEVER


@part
def _fill_traded_through(sets: Sets, side: int, tick: int, now_ns: int, cursor: Int1D) -> None:
    is_hit = False
    for k in range(len(sets.totals)):
        if watched(sets, k, side, tick):
            is_hit = True
            lots = trade_left(sets, k, cursor)
            sets.totals[k]["trade_lots"] = fill_through(sets, k, side, tick, lots, now_ns, cursor)
    if not is_hit:
        narrow_watch(sets, cursor)


@part
def _fill_queued(
    sets: Sets, side: int, tick: int, arrival: int, lots: int, now_ns: int, cursor: Int1D
) -> None:
    is_hit = False
    for k in range(len(sets.totals)):
        if watched(sets, k, side, tick):
            is_hit = True
            trade_left(sets, k, cursor)
            fill_in_queue(sets, k, side, tick, arrival, lots, now_ns, cursor)
    if not is_hit:
        narrow_watch(sets, cursor)


@inlined
def _play_trade(world: World, sets: Sets, row: int, is_live: bool, now_ns: int) -> None:
    """Fill orders of ours that a trade went through; its fills follow as rows."""
    tape, cursor = world.tape, world.cursor
    lots = int(np.int64(tape.rows.size[row]))
    tick = world.market.level_tick[tape.rows.level[row]]
    aggressor = tape.rows.side[row]
    resting_side = 0
    if aggressor == Side.BID:
        resting_side = -1
        cursor[Cursor.BOUGHT] += lots
    elif aggressor == Side.ASK:
        resting_side = 1
        cursor[Cursor.SOLD] += lots
    cursor[Cursor.LAST_TICK] = tick
    cursor[Cursor.TRADE_SIDE] = resting_side
    cursor[Cursor.TRADE_LOTS] = lots
    cursor[Cursor.TRADE_NUMBER] += 1
    if is_live and resting_side != 0:
        cursor[Cursor.TRADED_HIGH] = max(cursor[Cursor.TRADED_HIGH], tick)
        cursor[Cursor.TRADED_LOW] = min(cursor[Cursor.TRADED_LOW], tick)
    beyond = tick + resting_side
    if is_live and resting_side != 0 and is_watched(cursor, resting_side, beyond):
        _fill_traded_through(sets, resting_side, beyond, now_ns, cursor)


@inlined
def _play_fill(world: World, sets: Sets, row: int, now_ns: int) -> None:
    """Give us the lots of a recorded fill of a resting order where we stood before it."""
    rows, cursor = world.tape.rows, world.cursor
    side = 1 if rows.side[row] == Side.BID else -1
    tick = world.market.level_tick[rows.level[row]]
    # A fill on the aggressor's own side reports the aggressor, not a resting order.
    if side == cursor[Cursor.TRADE_SIDE] and is_watched(cursor, side, tick):
        arrival = arrival_of(world.market, rows.order_id[row], side, rows.level[row])
        lots = int(np.int64(rows.size[row]))
        _fill_queued(sets, side, tick, arrival, lots, now_ns, cursor)


@inlined
def _play_arrival(world: World, sets: Sets, row: int, now_ns: int) -> None:
    """Let an order that newly arrives at or through our price trade with us."""
    rows, cursor = world.tape.rows, world.cursor
    side = -1 if rows.side[row] == Side.BID else 1
    tick = world.market.level_tick[rows.level[row]]
    if is_watched(cursor, side, tick):
        order_id, lots = rows.order_id[row], int(np.int64(rows.size[row]))
        fill_reached(sets, side, tick, order_id, lots, now_ns, cursor)


@inlined
def _play_row(world: World, sets: Sets, row: int, is_open: bool, now_ns: int) -> None:
    """Apply a row to the book, and fill what of every set's orders it fills."""
    rows, market = world.tape.rows, world.market
    is_by_order, is_arrival = market.window == BY_ORDER, False
    if is_by_order:
        before = next_arrival(market)
        apply_row(market, rows, row)
        is_arrival = next_arrival(market) != before
    is_live = is_open and world.tape.is_trusted[row]
    if is_arrival:
        if is_live and rows.flags[row] & SNAPSHOT == 0:
            _play_arrival(world, sets, row, now_ns)
    elif rows.action[row] == Action.TRADE and rows.level[row] >= 0:
        _play_trade(world, sets, row, is_live, now_ns)
        if is_live and not is_by_order:
            play_queues(sets, now_ns, world.cursor)
    elif not is_by_order:
        play_level(market, sets, rows, row, is_live, now_ns, world.cursor)
    elif is_live and rows.action[row] == Action.FILL and rows.level[row] >= 0:
        _play_fill(world, sets, row, now_ns)


@inlined
def _mark(market: Market, cursor: Int1D, bid: int, ask: int) -> None:
    """Keep the quote that accounts are marked at: the last two-sided book that can be trusted.

    Before the first one, the one side that there is stands for both.
    """
    if cursor[Cursor.IS_TRUSTED] == 0 or max(bid, ask) < 0:
        return
    if min(bid, ask) >= 0:
        cursor[Cursor.MARK_BID] = market.level_tick[bid]
        cursor[Cursor.MARK_ASK] = market.level_tick[ask]
    elif cursor[Cursor.IS_MARKED] == 0:
        cursor[Cursor.MARK_BID] = market.level_tick[max(bid, ask)]
        cursor[Cursor.MARK_ASK] = market.level_tick[max(bid, ask)]
    cursor[Cursor.IS_MARKED] = 1


@inlined
def _is_news(world: World, bid: int, ask: int, bid_size: int, ask_size: int, is_open: int) -> bool:
    """Say whether anything that is seen has changed since the last row of the feed.

    No branches: in a busy market each of these is a coin toss, all of them together are not.
    """
    cursor, last = world.cursor, world.feed.ring[last_place(world.feed)]
    changes = (last[Seen.BID] ^ bid) | (last[Seen.BID_SIZE] ^ bid_size)
    changes |= (last[Seen.ASK] ^ ask) | (last[Seen.ASK_SIZE] ^ ask_size)
    changes |= (last[Seen.BOUGHT] ^ cursor[Cursor.BOUGHT]) | (last[Seen.SOLD] ^ cursor[Cursor.SOLD])
    changes |= last[Seen.LAST_TICK] ^ cursor[Cursor.LAST_TICK]
    changes |= (last[Seen.IS_OPEN] ^ is_open) | (last[Seen.IS_TRUSTED] ^ cursor[Cursor.IS_TRUSTED])
    return bool(changes != 0 or world.feed.ends[End.COUNTS, 1] == 0)


@inlined
def _publish(world: World, row: int) -> None:
    """Send the book at an event's end on its way to us, and keep the quote for the accounts."""
    market, cursor, feed = world.market, world.cursor, world.feed
    bid, ask = best_level(market, 1), best_level(market, -1)
    bid_tick, bid_size, ask_tick, ask_size = 0, 0, 0, 0
    if bid >= 0:
        bid_tick, bid_size = market.level_tick[bid], lots_at_level(market, 1, bid)
    if ask >= 0:
        ask_tick, ask_size = market.level_tick[ask], lots_at_level(market, -1, ask)
    is_open = cursor[Cursor.IS_OPEN]
    if not _is_news(world, bid_tick, ask_tick, bid_size, ask_size, is_open):
        return
    news = feed.ring[push(feed)]
    news[Seen.LOCAL_NS] = world.tape.local_ns[row]
    news[Seen.EXCHANGE_NS] = world.tape.event_ns[row]
    news[Seen.BID] = bid_tick
    news[Seen.BID_SIZE] = bid_size
    news[Seen.ASK] = ask_tick
    news[Seen.ASK_SIZE] = ask_size
    news[Seen.BOUGHT] = cursor[Cursor.BOUGHT]
    news[Seen.SOLD] = cursor[Cursor.SOLD]
    news[Seen.LAST_TICK] = cursor[Cursor.LAST_TICK]
    news[Seen.IS_OPEN] = is_open
    news[Seen.IS_TRUSTED] = cursor[Cursor.IS_TRUSTED]
    if cursor[Cursor.TELLS] == 1 or is_ring_full(feed):
        cursor[Cursor.IS_STIRRED] = 1
    _mark(market, cursor, bid, ask)


@inlined
def _reach_stops(world: World, sets: Sets, now_ns: int, is_open: bool, is_trusted: bool) -> None:
    """Let the event's trades trigger stops; the next event's begin anew."""
    cursor = world.cursor
    is_reached = cursor[Cursor.TRADED_HIGH] >= cursor[Cursor.BUY_STOP]
    if is_reached or cursor[Cursor.TRADED_LOW] <= cursor[Cursor.SELL_STOP]:
        fire_stops(world.market, sets, now_ns, is_open, is_trusted, cursor)
    cursor[Cursor.TRADED_HIGH] = NO_BID
    cursor[Cursor.TRADED_LOW] = NO_ASK


@inlined
def play_event(world: World, sets: Sets) -> None:
    """Play the rows of the next recorded event."""
    tape, cursor = world.tape, world.cursor
    row = cursor[Cursor.ROW] & POSITIVE
    now_ns = tape.event_ns[row]
    if now_ns >= cursor[Cursor.NEXT_PHASE_NS]:
        _begin_phase(world, now_ns)
    is_open = cursor[Cursor.IS_OPEN] == 1
    cursor[Cursor.TRADE_SIDE] = 0
    if cursor[Cursor.FOLLOWS_FEED] == 1:
        note_sent(tape, sets.line, row)
    while True:
        _play_row(world, sets, row, is_open, now_ns)
        if tape.is_last[row]:
            break
        row = (row + 1) & POSITIVE
    cursor[Cursor.ROW] = row + 1
    is_trusted = tape.is_trusted[row]
    cursor[Cursor.IS_TRUSTED] = 1 if is_trusted else 0
    if cursor[Cursor.TRADED_HIGH] != NO_BID:
        _reach_stops(world, sets, now_ns, is_open, is_trusted)
    _publish(world, row)
