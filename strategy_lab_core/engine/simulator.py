"""The loop: the recorded market, our messages, the feed and the timers, in order of time.

One pass serves many parameter sets: they share the market and its feed, and nothing else. Between
two things that they share, each set takes its own steps alone, so that it can't matter who else is
in the pass. At equal times the market's event goes first, then our messages reach the exchange,
then responses and the feed reach us, then flattening, timers and samples run. Our messages act
between two events, never inside one. The loop stops to ask for larger arrays, and at a row where it
is told to, and goes on where it was.
"""

from enum import IntEnum

from strategy_lab_core._jit import POSITIVE, hot_kernel, inlined
from strategy_lab_core.engine.feed import deliver, is_ring_full, next_delivery_ns
from strategy_lab_core.engine.market import is_full
from strategy_lab_core.engine.orders import end_order, has_room, release, sample
from strategy_lab_core.engine.own_steps import Step, key_of, next_own, take_step, wind
from strategy_lab_core.engine.recorded import World, play_event
from strategy_lab_core.engine.sheets import Sheets, StrategyFunction
from strategy_lab_core.engine.state import NEVER, Cursor, EndReason, Near, Sets

__all__ = ["Status", "advance", "finish"]


class Status(IntEnum):
    """Why `advance` returned."""

    RUNNING = -1
    DONE = 0
    ARRAYS_FULL = 1
    BOOK_FULL = 2
    PAUSED = 3


@inlined
def _look(world: World, sets: Sets) -> None:
    """Find out when the next thing happens to any set alone, and whether all have room."""
    cursor = world.cursor
    cursor[Cursor.SOONEST_KEY] = 2 * NEVER
    for number in range(len(sets.totals)):
        k = number & POSITIVE
        wind(sets, k)
        when, step = next_own(sets, k, cursor)
        sets.near[Near.DUE_KEY, k] = key_of(when, step)
        cursor[Cursor.SOONEST_KEY] = min(cursor[Cursor.SOONEST_KEY], key_of(when, step))
        if not has_room(sets, k, cursor[Cursor.HEADROOM]):
            cursor[Cursor.IS_TIGHT] = 1


@inlined
def _run_sets(
    world: World,
    sets: Sets,
    sheets: Sheets,
    strategy: StrategyFunction,
    limit_key: int,
) -> None:
    """Take every set's own steps before `limit_key`: nothing that they share happens until then."""
    cursor, due_keys = world.cursor, sets.near[Near.DUE_KEY]
    soonest_key = 2 * NEVER
    for number in range(len(sets.totals)):
        k = number & POSITIVE
        if due_keys[k] < limit_key:
            cursor[Cursor.ACTIVE] = k
            when, step = next_own(sets, k, cursor)
            room = True  # as always between two steps
            while room and key_of(when, step) < limit_key:
                take_step(world, sets, sheets, strategy, k, when, step)
                when, step = next_own(sets, k, cursor)
                room = has_room(sets, k, cursor[Cursor.HEADROOM])
            due_keys[k] = key_of(when, step)
            if not room:
                cursor[Cursor.IS_TIGHT] = 1
        soonest_key = min(soonest_key, due_keys[k])
    cursor[Cursor.SOONEST_KEY] = soonest_key


@inlined
def _play_market(world: World, sets: Sets, last_key: int, pause_row: int) -> int:
    """Play recorded events up to `last_key`, or until something else may be next.

    The loop that a quiet market spends its time in: nothing in it looks at the sets.
    """
    tape, cursor = world.tape, world.cursor
    cursor[Cursor.IS_STIRRED] = 0
    row = cursor[Cursor.ROW] & POSITIVE
    while row < len(tape.event_ns) and 2 * tape.event_ns[row] <= last_key:
        if row >= pause_row:
            return Status.PAUSED
        if is_full(world.market):
            return Status.BOOK_FULL
        play_event(world, sets)
        row = cursor[Cursor.ROW] & POSITIVE
        if cursor[Cursor.IS_STIRRED] == 1:
            break
    return Status.RUNNING


@inlined
def _deliver(world: World, sets: Sets, until_key: int) -> None:
    """Let our side see the next row of the feed, and tell the sets where they are to be told.

    Where nobody is told, only the last of the rows is looked at before `until_key`.
    """
    cursor = world.cursor
    deliver(world.feed, (until_key - 1) >> 1 if cursor[Cursor.TELLS] == 0 else -1)
    if cursor[Cursor.TELLS] == 1:
        cursor[Cursor.TO_TELL] += 1
        _look(world, sets)


def advance(
    world: World,
    sets: Sets,
    sheets: Sheets,
    strategy: StrategyFunction,
    pause_row: int,
) -> int:
    """Run all sets until the end, a row, or until an array needs to grow; return the `Status`."""
    tape, cursor = world.tape, world.cursor
    end_key = key_of(cursor[Cursor.END_NS], Step.DELIVERY) + 1
    _look(world, sets)
    status: int = Status.RUNNING
    while status == Status.RUNNING:
        if cursor[Cursor.IS_TIGHT] == 1:
            cursor[Cursor.IS_TIGHT] = 0
            return Status.ARRAYS_FULL
        delivery_key = key_of(next_delivery_ns(world.feed), Step.DELIVERY)
        last_key = min(cursor[Cursor.SOONEST_KEY], end_key - 1)
        # What we see may be brought up to date later, where nobody is told and there is room.
        if cursor[Cursor.TELLS] == 1 or is_ring_full(world.feed):
            last_key = min(last_key, delivery_key)
        status = _play_market(world, sets, last_key, pause_row)
        if status != Status.RUNNING or cursor[Cursor.IS_STIRRED] == 1:
            continue
        row = cursor[Cursor.ROW]
        market_key = 2 * (tape.event_ns[row] if row < len(tape.event_ns) else NEVER)
        delivery_key = key_of(next_delivery_ns(world.feed), Step.DELIVERY)
        key = min(market_key, delivery_key, end_key)
        if cursor[Cursor.SOONEST_KEY] < key:
            _run_sets(world, sets, sheets, strategy, key)
        elif key == end_key:
            status = Status.DONE
        elif key == delivery_key:
            _deliver(world, sets, min(market_key, cursor[Cursor.SOONEST_KEY], end_key))
    return status


@hot_kernel
def finish(world: World, sets: Sets, k: int) -> None:
    """End the session: what rests or travels expires; sample the account once more."""
    end_ns = world.cursor[Cursor.END_NS]
    for order in range(sets.orders.shape[1]):
        if sets.orders[k, order]["number"] < 0:
            continue
        if sets.orders[k, order]["end_reason"] == EndReason.WORKING:
            end_order(sets, k, order, end_ns, EndReason.EXPIRED)
        release(sets, k, order)
    sample(sets, k, end_ns, world.cursor)
