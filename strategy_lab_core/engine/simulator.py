"""The loop: the recorded market, our messages, the feed and the timers, in order of time.

At equal times the market's event goes first, then our messages reach the exchange, then responses
and the feed reach us, then flattening and timers run. Our messages act between two events, never
inside one. The loop stops to ask for larger arrays and goes on where it was.
"""

from enum import IntEnum

from strategy_lab_core._jit import hot_kernel, inlined, part
from strategy_lab_core.engine.desk import cancel_all, handle_requests, hear, send_new
from strategy_lab_core.engine.exchange import accept_cancel, accept_new
from strategy_lab_core.engine.feed import End, Seen, deliver, next_delivery_ns
from strategy_lab_core.engine.market import is_full
from strategy_lab_core.engine.orders import end_order, sample
from strategy_lab_core.engine.recorded import World, is_open_at, play_event
from strategy_lab_core.engine.sheets import Sheets, StrategyFunction, Wake, write_view
from strategy_lab_core.engine.state import NEVER, Cursor, EndReason, MessageKind, OrderKind, Sets
from strategy_lab_core.types import NS_PER_SECOND

__all__ = ["Status", "Step", "advance", "finish"]


class Status(IntEnum):
    """Why `advance` returned."""

    DONE = 0
    ARRAYS_FULL = 1
    BOOK_FULL = 2


class Step(IntEnum):
    """What happens next; at equal times the smaller number first."""

    MARKET = 0
    ARRIVAL = 1  # a message of ours reaches the exchange
    RESPONSE = 2
    DELIVERY = 3
    FLATTEN = 4
    TIMER = 5


@inlined
def _next_own(world: World, sets: Sets, k: int) -> tuple[int, int]:
    """Return time and kind of the next thing that is not a recorded event."""
    totals = sets.totals[k]
    when, step = NEVER, Step.ARRIVAL
    if totals["arrived"] < totals["sent"]:
        when = sets.outbound[k, totals["arrived"]]["arrive_ns"]
    if totals["heard"] < totals["answered"]:
        heard_ns = sets.inbound[k, totals["heard"]]["arrive_ns"]
        if heard_ns < when:
            when, step = heard_ns, Step.RESPONSE
    delivery_ns = next_delivery_ns(world.feed)
    if delivery_ns < when:
        when, step = delivery_ns, Step.DELIVERY
    if totals["next_flatten_ns"] < when:
        when, step = totals["next_flatten_ns"], Step.FLATTEN
    if totals["next_timer_ns"] < when:
        when, step = totals["next_timer_ns"], Step.TIMER
    return when, step


@inlined
def _call(
    world: World,
    sets: Sets,
    sheets: Sheets,
    strategy: StrategyFunction,
    k: int,
    now_ns: int,
    wake: int,
) -> None:
    """Call the strategy, unless its book is not to be trusted or the engine is flattening."""
    seen = world.feed.ends[End.SEEN]
    flatten_ns = world.cursor[Cursor.FLATTEN_NS]
    if now_ns >= flatten_ns or seen[Seen.IS_TRUSTED] == 0:
        return
    write_view(sheets, sets, k, seen, now_ns, wake, flatten_ns)
    world.cursor[Cursor.CALLS] += 1
    strategy(
        sheets.ints[k], sheets.floats[k], sheets.views[k], sheets.params[k], sheets.working[k],
        sheets.requests[k],
    )  # fmt: skip
    handle_requests(sets, k, sheets.requests[k], seen, now_ns)


@part
def _close_position(world: World, sets: Sets, k: int, now_ns: int) -> None:
    """Send the market order that ends flat, once per attempt, when no order of ours is alive."""
    seen = world.feed.ends[End.SEEN]
    position = sets.totals[k]["known_position"]
    can_trade = seen[Seen.IS_TRUSTED] == 1 and seen[Seen.IS_OPEN] == 1
    if (
        position == 0
        or not can_trade
        or sets.totals[k]["may_close"] == 0
        or sets.totals[k]["live"] > 0
    ):
        return
    sets.totals[k]["may_close"] = 0
    side = -1 if position > 0 else 1
    send_new(sets, k, OrderKind.MARKET, side, 0, abs(position), 0, now_ns)


@part
def _flatten(world: World, sets: Sets, k: int, now_ns: int) -> None:
    """Cancel everything, then close the position; tried again every second."""
    sets.totals[k]["next_flatten_ns"] += NS_PER_SECOND
    sets.totals[k]["may_close"] = 1
    if world.feed.ends[End.SEEN][Seen.IS_TRUSTED] == 1:
        cancel_all(sets, k, now_ns)
    _close_position(world, sets, k, now_ns)


@inlined
def _sample_until(world: World, sets: Sets, k: int, now_ns: int) -> None:
    """Sample the grid point before `now_ns`, if one has passed and the account has changed."""
    grid_ns = sets.totals[k]["next_sample_ns"]
    if now_ns <= grid_ns:
        return
    spacing = sets.rules[k]["sample_ns"]
    sets.totals[k]["next_sample_ns"] = -(-now_ns // spacing) * spacing
    last = sets.totals[k]["samples"] - 1
    position = sets.totals[k]["position"]
    is_same = sets.samples[k, last]["position"] == position
    is_same = is_same and sets.samples[k, last]["cash"] == sets.totals[k]["cash"]
    same_bid = sets.samples[k, last]["bid"] == world.cursor[Cursor.MARK_BID]
    same_ask = sets.samples[k, last]["ask"] == world.cursor[Cursor.MARK_ASK]
    if not (is_same and (position == 0 or (same_bid and same_ask))):
        sample(sets, k, grid_ns, world.cursor)


@part
def _arrive(world: World, sets: Sets, k: int, now_ns: int) -> None:
    """Let the next message of ours act at the exchange."""
    n = sets.totals[k]["arrived"]
    sets.totals[k]["arrived"] = n + 1
    order = sets.outbound[k, n]["order"]
    if sets.outbound[k, n]["kind"] == MessageKind.CANCEL:
        accept_cancel(sets, k, order, now_ns)
        return
    is_open = is_open_at(world, now_ns)
    is_trusted = world.cursor[Cursor.IS_TRUSTED] == 1
    accept_new(world.market, sets, k, order, now_ns, is_open, is_trusted, world.cursor)


@inlined
def _take_step(
    world: World,
    sets: Sets,
    sheets: Sheets,
    strategy: StrategyFunction,
    k: int,
    now_ns: int,
    step: int,
) -> None:
    """Do the next thing that is not a recorded event."""
    if step == Step.ARRIVAL:
        _sample_until(world, sets, k, now_ns)
        _arrive(world, sets, k, now_ns)
    elif step == Step.RESPONSE:
        hear(sets, k)
        if now_ns >= world.cursor[Cursor.FLATTEN_NS]:
            _close_position(world, sets, k, now_ns)
        _call(world, sets, sheets, strategy, k, now_ns, Wake.RESPONSE)
    elif step == Step.DELIVERY:
        deliver(world.feed)
        if world.cursor[Cursor.CALL_ON_BOOK] == 1:
            _call(world, sets, sheets, strategy, k, now_ns, Wake.BOOK)
    elif step == Step.FLATTEN:
        _flatten(world, sets, k, now_ns)
    else:
        sets.totals[k]["next_timer_ns"] += sets.rules[k]["timer_ns"]
        _call(world, sets, sheets, strategy, k, now_ns, Wake.TIMER)


@inlined
def _has_room(sets: Sets, k: int, headroom: int) -> bool:
    totals = sets.totals[k]
    room = min(
        sets.orders.shape[1] - totals["orders"],
        sets.fills.shape[1] - totals["fills"],
        sets.samples.shape[1] - totals["samples"],
        sets.outbound.shape[1] - totals["sent"],
        sets.inbound.shape[1] - totals["answered"],
        sets.used.shape[1] // 2 - totals["used"],
    )
    return bool(room >= headroom)


def advance(
    world: World,
    sets: Sets,
    sheets: Sheets,
    strategy: StrategyFunction,
    k: int,
    headroom: int,
) -> int:
    """Run set `k` until the end, or until an array needs to grow; return the `Status`."""
    tape, cursor = world.tape, world.cursor
    while True:
        row = cursor[Cursor.ROW]
        market_ns = tape.event_ns[row] if row < len(tape.event_ns) else NEVER
        own_ns, step = _next_own(world, sets, k)
        if min(market_ns, own_ns) > cursor[Cursor.END_NS]:
            return Status.DONE
        if not _has_room(sets, k, headroom):
            return Status.ARRAYS_FULL
        if own_ns < market_ns:
            _take_step(world, sets, sheets, strategy, k, own_ns, step)
            continue
        if is_full(world.market):
            return Status.BOOK_FULL
        _sample_until(world, sets, k, market_ns)
        play_event(world, sets, k)


@hot_kernel
def finish(world: World, sets: Sets, k: int) -> None:
    """End the session: what rests or travels expires; sample the account once more."""
    end_ns = world.cursor[Cursor.END_NS]
    for order in range(sets.totals[k]["orders"]):
        if sets.orders[k, order]["end_reason"] == EndReason.WORKING:
            end_order(sets, k, order, end_ns, EndReason.EXPIRED)
    sample(sets, k, end_ns, world.cursor)
