"""What happens to one parameter set alone: its messages arrive, it hears, its clock strikes.

A step begins with what has come by then, and ends with what the strategy asks for. At equal times
our messages reach the exchange first, then responses and the feed reach us, then flattening, timers
and samples run. Nothing here knows of the other sets.
"""

from enum import IntEnum

from strategy_lab_core._jit import POSITIVE, inlined, part
from strategy_lab_core.engine.arrivals import accept_cancel, accept_modify, accept_new, turn_back
from strategy_lab_core.engine.brackets import trim_again
from strategy_lab_core.engine.desk import (
    cancel_all,
    handle_requests,
    has_lost_too_much,
    send_new,
)
from strategy_lab_core.engine.feed import End, Seen
from strategy_lab_core.engine.feed_latency import note_heard
from strategy_lab_core.engine.latency import LatencyModel
from strategy_lab_core.engine.lines import incoming, take_out
from strategy_lab_core.engine.orders import has_room, sample
from strategy_lab_core.engine.recorded import World, is_open_at
from strategy_lab_core.engine.responses import hear
from strategy_lab_core.engine.sheets import Sheets, StrategyFunction, Wake, write_view
from strategy_lab_core.engine.state import NEVER, Cursor, MessageKind, OrderKind, Sets
from strategy_lab_core.types import NS_PER_SECOND, Int1D

__all__ = ["Step", "key_of", "next_own", "take_step", "wind"]


class Step(IntEnum):
    """What happens next; at equal times the smaller number first."""

    MARKET = 0
    ARRIVAL = 1  # a message of ours reaches the exchange
    RESPONSE = 2
    DELIVERY = 3
    FLATTEN = 4
    TIMER = 5
    SAMPLE = 6  # of the account, on its grid
    TRIM = 7  # what a bracket could not take off is tried again


@inlined
def next_own(sets: Sets, k: int, cursor: Int1D) -> tuple[int, int]:
    """Return time and kind of the next thing that happens to set `k` alone.

    A response that nothing follows from is taken in by the next step on our side.
    """
    totals = sets.totals[k]
    if totals["is_stopped"] == 1:
        return NEVER, Step.ARRIVAL
    if totals["told"] != cursor[Cursor.TO_TELL]:
        return 0, Step.DELIVERY
    when, step = totals["next_arrival_ns"], Step.ARRIVAL
    if totals["reacts"] == 1 and totals["heard"] < totals["answered"]:
        heard_ns = incoming(sets, k, totals["heard"])["arrive_ns"]
        if heard_ns < when:
            when, step = heard_ns, Step.RESPONSE
    if totals["next_clock_ns"] < when:
        when = totals["next_clock_ns"]
        if totals["next_flatten_ns"] == when:
            step = Step.FLATTEN
        elif totals["next_timer_ns"] == when:
            step = Step.TIMER
        elif totals["next_sample_ns"] == when:
            step = Step.SAMPLE
        else:
            step = Step.TRIM
    return when, step


@inlined
def wind(sets: Sets, k: int) -> None:
    """Set the clock of set `k` to the first of what it is to do by the time."""
    totals = sets.totals[k]
    own_ns = min(totals["next_flatten_ns"], totals["next_timer_ns"])
    rest_ns = min(totals["next_sample_ns"], totals["next_trim_ns"])
    totals["next_clock_ns"] = min(own_ns, rest_ns)


@inlined
def key_of(when: int, step: int) -> int:
    """Return a number that orders what happens to one set and what happens to all.

    At equal times the market comes first, then arrivals and responses, the delivery, the rest.
    """
    return 2 * when + (1 if step >= Step.DELIVERY else 0)


@inlined
def _is_ending(world: World, sets: Sets, k: int, now_ns: int) -> bool:
    """Say whether the engine is ending the session flat for set `k`."""
    return bool(now_ns >= world.cursor[Cursor.FLATTEN_NS] or sets.totals[k]["killed_ns"] != 0)


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
    """Call the strategy, unless its book is not to be trusted or the engine ends flat.

    The loss limit is judged first, at every delivery too that the strategy is not called for; where
    it is reached, flattening begins at once.
    """
    seen = world.feed.ends[End.SEEN]
    flatten_ns = world.cursor[Cursor.FLATTEN_NS]
    if _is_ending(world, sets, k, now_ns) or seen[Seen.IS_TRUSTED] == 0:
        return
    if sets.rules[k]["max_loss"] > 0 and has_lost_too_much(sets, k, seen):
        sets.totals[k]["killed_ns"] = now_ns
        sets.totals[k]["next_flatten_ns"] = now_ns
        return
    if (world.cursor[Cursor.CALLS] >> wake) & 1 == 0:
        return  # only the loss was to be judged
    write_view(sheets, sets, k, seen, now_ns, wake, flatten_ns)
    sets.totals[k]["calls"] += 1
    strategy(sheets.ints[k], sheets.floats[k], sheets.pages[k])
    handle_requests(sets, k, sheets.pages[k], seen, now_ns)


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
    send_new(sets, k, OrderKind.MARKET, side, 0, abs(position), 0, 0, now_ns)


@part
def _flatten(world: World, sets: Sets, k: int, now_ns: int) -> None:
    """Cancel everything, then close the position; tried again every second."""
    sets.totals[k]["reacts"] = 1  # from now on to each order that is over
    sets.totals[k]["next_flatten_ns"] += NS_PER_SECOND
    sets.totals[k]["may_close"] = 1
    if world.feed.ends[End.SEEN][Seen.IS_TRUSTED] == 1:
        cancel_all(sets, k, now_ns)
    _close_position(world, sets, k, now_ns)


@inlined
def _sample_grid(world: World, sets: Sets, k: int, grid_ns: int) -> None:
    """Sample the account at a grid point, if it has changed since the last sample."""
    sets.totals[k]["next_sample_ns"] += sets.rules[k]["sample_ns"]
    last = sets.totals[k]["samples"] - 1
    position = sets.totals[k]["position"]
    is_same = sets.samples[k, last]["position"] == position
    is_same = is_same and sets.samples[k, last]["cash"] == sets.totals[k]["cash"]
    same_bid = sets.samples[k, last]["bid"] == world.cursor[Cursor.MARK_BID]
    same_ask = sets.samples[k, last]["ask"] == world.cursor[Cursor.MARK_ASK]
    if not (is_same and (position == 0 or (same_bid and same_ask))):
        sample(sets, k, grid_ns, world.cursor)


@inlined
def _has_room(world: World, sets: Sets, k: int) -> bool:
    return has_room(sets, k, world.cursor[Cursor.HEADROOM])


@inlined
def _is_next_arrival(sets: Sets, k: int, now_ns: int) -> bool:
    """Say whether a message of set `k` reaches the exchange at `now_ns`."""
    return bool(sets.totals[k]["next_arrival_ns"] == now_ns)


@inlined
def _is_next_response(sets: Sets, k: int, now_ns: int) -> bool:
    """Say whether a response to set `k` has come by `now_ns`."""
    n = sets.totals[k]["heard"]
    return bool(n < sets.totals[k]["answered"] and incoming(sets, k, n)["arrive_ns"] <= now_ns)


@inlined
def _hear_all(world: World, sets: Sets, k: int, now_ns: int, is_ending: bool) -> None:
    """Take in the responses that have come, one only where each is to be reacted to."""
    is_judged = sets.rules[k]["max_loss"] > 0 or (world.cursor[Cursor.CALLS] >> Wake.RESPONSE) & 1
    while True:
        hear(sets, k, world.feed.ends[End.SEEN], now_ns, is_ending)
        if is_ending:
            _close_position(world, sets, k, now_ns)
        if is_judged or not _is_next_response(sets, k, now_ns):
            break
        # What a response made us send may arrive before the next one.
        if _is_next_arrival(sets, k, now_ns) or not _has_room(world, sets, k):
            break


@inlined
def _catch_up(world: World, sets: Sets, k: int, now_ns: int, is_due: bool) -> bool:
    """Take in the responses that have come by now; say whether there is room for a step as well.

    Where they are what is due, they are the step.
    """
    if not _is_next_response(sets, k, now_ns):
        return True
    _hear_all(world, sets, k, now_ns, is_due and _is_ending(world, sets, k, now_ns))
    return is_due or (not _is_next_response(sets, k, now_ns) and _has_room(world, sets, k))


@inlined
def _arrive(world: World, sets: Sets, k: int, now_ns: int) -> None:
    """Let the next message of ours act at the exchange."""
    n = sets.totals[k]["arrived"]
    arriving = take_out(sets, k)
    order = arriving["order"] & POSITIVE
    is_open = is_open_at(world, now_ns)
    is_trusted = world.cursor[Cursor.IS_TRUSTED] == 1
    if arriving["rejected_ns"] > 0:
        turn_back(sets, k, n, now_ns)
    elif arriving["kind"] == MessageKind.CANCEL:
        accept_cancel(sets, k, order, now_ns)
    elif arriving["kind"] == MessageKind.MODIFY:
        tick, lots, is_live = arriving["tick"], arriving["lots"], is_open and is_trusted
        accept_modify(world.market, sets, k, order, tick, lots, now_ns, is_live, world.cursor)
    else:
        accept_new(world.market, sets, k, order, now_ns, is_open, is_trusted, world.cursor)


@inlined
def _arrive_all(world: World, sets: Sets, k: int, now_ns: int) -> None:
    """Let the messages of ours act that reach the exchange together, as mostly they do."""
    while True:
        _arrive(world, sets, k, now_ns)
        if not (_is_next_arrival(sets, k, now_ns) and _has_room(world, sets, k)):
            break


@inlined
def _act(world: World, sets: Sets, k: int, now_ns: int, step: int) -> int:
    """Do what a step on our side is but for calling the strategy; return the `Wake`, 0 for none."""
    if step == Step.FLATTEN:
        _flatten(world, sets, k, now_ns)
    elif step == Step.SAMPLE:
        _sample_grid(world, sets, k, now_ns)
    elif step == Step.TRIM:
        seen = world.feed.ends[End.SEEN]
        trim_again(sets, k, seen, now_ns, _is_ending(world, sets, k, now_ns))
    elif step == Step.DELIVERY:
        sets.totals[k]["told"] = world.cursor[Cursor.TO_TELL]
        return Wake.BOOK
    elif step == Step.RESPONSE:
        return Wake.RESPONSE
    else:
        sets.totals[k]["next_timer_ns"] += sets.rules[k]["timer_ns"]
        return Wake.TIMER
    return 0


@inlined
def take_step(
    world: World,
    sets: Sets,
    sheets: Sheets,
    strategy: StrategyFunction,
    k: int,
    now_ns: int,
    step: int,
) -> None:
    """Do the next thing that happens to one set alone."""
    if step == Step.ARRIVAL:
        _arrive_all(world, sets, k, now_ns)
        return
    seen_ns = world.feed.ends[End.SEEN, Seen.LOCAL_NS]
    if step == Step.DELIVERY:
        now_ns = seen_ns
    if sets.rules[k]["latency_model"] == LatencyModel.FEED:
        note_heard(world.tape, sets.line, max(now_ns, seen_ns))
    if _catch_up(world, sets, k, now_ns, step == Step.RESPONSE):
        wake = _act(world, sets, k, now_ns, step)
        if wake != 0:  # the strategy's one place in the code: it is compiled in here
            _call(world, sets, sheets, strategy, k, now_ns, wake)
    wind(sets, k)
