"""A carried position rolls: at one moment it is closed in the old contract and opened in the new.

The moment is the first of the session at which both contracts are open, trusted and quoted on both
sides: it is the market's, the same for every parameter set. Both trades take what is displayed
then, at once and with fees. What is lacking there is an error: nothing is filled that nobody shows.
"""

from typing import NamedTuple

import numpy as np

from strategy_lab_core._jit import hot_kernel, inlined
from strategy_lab_core.book.l3 import L3Book
from strategy_lab_core.engine.desk import fresh_order
from strategy_lab_core.engine.exchange import take
from strategy_lab_core.engine.levels import apply_level
from strategy_lab_core.engine.market import (
    BY_ORDER,
    Market,
    apply_row,
    best_level,
    is_full,
    market_of,
)
from strategy_lab_core.engine.orders import end_order, release, remaining
from strategy_lab_core.engine.state import (
    NO_ASK,
    Cursor,
    EndReason,
    OrderKind,
    Sets,
)
from strategy_lab_core.engine.tape import SessionTape, Tape
from strategy_lab_core.engine.used import forget_used
from strategy_lab_core.engine.written import Written
from strategy_lab_core.errors import SimulationError
from strategy_lab_core.types import Bool1D, Int1D, Int2D, Phase

__all__ = ["Roll", "Rolled", "find_roll", "roll_over"]


class Roll(NamedTuple):
    """When a session's positions change the contract, and the old one's market at that moment."""

    at_ns: int
    symbol: str  # of the old contract
    book: L3Book
    level_tick: Int1D
    window: int


class Rolled(NamedTuple):
    """What a roll did to each set; counts are those of the run so far (shape: sets)."""

    at_ns: int
    symbol: str  # of the old contract
    orders: Int1D  # behind the trade that left the old contract
    fills: tuple[Int1D, Int1D, Int1D]  # before both trades, between them, behind them
    mid_twice: tuple[int, int]  # bid + ask in ticks, of the old and the new contract


@inlined
def _apply(tape: Tape, market: Market, row: int, is_quoted: Bool1D) -> None:
    if market.window == BY_ORDER:
        apply_row(market, tape.rows, row)
    else:
        apply_level(market, tape.rows, row)
    is_quoted[row] = best_level(market, 1) >= 0 and best_level(market, -1) >= 0


@hot_kernel
def _play(tape: Tape, market: Market, row: int, end: int, is_quoted: Bool1D) -> int:
    """Apply rows to a book, and note behind which of them both sides are quoted.

    Stops where the book has to grow; returns the next row.
    """
    while row < end and not is_full(market):
        _apply(tape, market, row, is_quoted)
        while not tape.is_last[row]:
            row += 1
            _apply(tape, market, row, is_quoted)
        row += 1
    return row


def _played(session: SessionTape, end: int) -> tuple[L3Book, Bool1D]:
    """Return the book behind the first `end` rows, and whether each row left both sides quoted."""
    book, is_quoted, row = session.book.copy(), np.zeros(end, np.bool_), 0
    while True:
        market = market_of(book.state, session.level_tick, session.window)
        row = _play(session.tape, market, row, end, is_quoted)
        if row >= end:
            return book, is_quoted
        book.reserve(2 * book.capacity)


def _can_trade(session: SessionTape) -> tuple[Int1D, Bool1D]:
    """Return the times at which something happened, and whether one could trade behind each."""
    tape = session.tape
    _, is_quoted = _played(session, len(tape.event_ns))
    last = np.flatnonzero(np.append(tape.event_ns[1:] != tape.event_ns[:-1], np.True_))
    times = tape.event_ns[last]
    return times, is_quoted[last] & tape.is_trusted[last]


def _is_open(phases: Int2D, times: Int1D) -> Bool1D:
    place = np.searchsorted(phases[:, 0], times, side="right") - 1
    is_open: Bool1D = (place >= 0) & (phases[place, 1] == Phase.OPEN)
    return is_open


def find_roll(old: SessionTape, new: SessionTape, symbol: str) -> Roll | None:
    """Return the first moment at which both contracts can be traded, None where there is none.

    Parameters
    ----------
    old, new
        The session of both contracts; neither is used up.
    symbol
        Of the old contract.
    """
    both = [_can_trade(old), _can_trade(new)]
    moments = np.unique(np.concatenate([times for times, _ in both]))
    is_possible = np.ones(len(moments), np.bool_)
    for (times, can_trade), session in zip(both, (old, new), strict=True):
        place = np.searchsorted(times, moments, side="right") - 1
        is_possible &= (place >= 0) & can_trade[place]
        is_possible &= _is_open(session.tape.phases, moments) & (moments <= session.end_ns)
    if not is_possible.any():
        return None
    at_ns = int(moments[np.argmax(is_possible)])
    book, _ = _played(old, int(np.searchsorted(old.tape.event_ns, at_ns, side="right")))
    return Roll(at_ns, symbol, book, old.level_tick, old.window)


@hot_kernel
def _quote(market: Market) -> tuple[int, int]:
    """Return the best bid and ask in ticks, where there are both."""
    bid, ask = best_level(market, 1), best_level(market, -1)
    return int(market.level_tick[bid]), int(market.level_tick[ask])


@hot_kernel
def _trade(
    market: Market, sets: Sets, k: int, side: int, lots: int, now_ns: int, cursor: Int1D
) -> int:
    """Take `lots` from what is displayed, at any price; return how many were not there."""
    order = fresh_order(sets, k, OrderKind.MARKET, side, side * NO_ASK, lots, 0, 0, now_ns)
    sets.orders[k, order]["arrive_ns"] = now_ns
    take(market, sets, k, order, now_ns, cursor)
    left = remaining(sets, k, order)
    if left > 0:
        end_order(sets, k, order, now_ns, EndReason.REMAINDER_CANCELLED)
    sets.orders[k, order]["tick"] = 0  # it had no limit
    release(sets, k, order)
    return left


def roll_over(
    roll: Roll,
    new: Market,
    sets: Sets,
    written: Written,
    cursor: Int1D,
    errors: dict[int, SimulationError],
) -> Rolled:
    """Trade every set's position out of the old contract and into the new one, `new`.

    A set that the loss limit has ended only leaves the old contract. One that does not find enough
    lots on display gets its error in `errors`. `cursor` is the pass's, at the moment of the roll.
    Every array has room for two fills of each lot.
    """
    positions = sets.totals["position"].copy()
    old = market_of(roll.book.state, roll.level_tick, roll.window)
    marks, fills, orders = [], [written.count(sets, "fills")], sets.totals["orders"]
    for market, way in ((old, -1), (new, 1)):
        bid, ask = _quote(market)
        marks.append(bid + ask)
        there = cursor.copy()
        there[[Cursor.MARK_BID, Cursor.MARK_ASK]] = bid, ask
        for k in np.flatnonzero(positions):
            is_over = way > 0 and sets.totals["killed_ns"][k] > 0
            if k in errors or is_over:
                continue
            position = int(positions[k])
            side, lots = way * (1 if position > 0 else -1), abs(position)
            lacking = _trade(market, sets, int(k), side, lots, roll.at_ns, there)
            if lacking:
                errors[int(k)] = _too_thin(roll, position, lacking, way)
                sets.totals[k]["is_stopped"] = 1
        fills.append(written.count(sets, "fills"))
        if way < 0:
            orders = sets.totals["orders"].copy()
            forget_used(sets)  # the new contract's orders have given us nothing yet
    _know_all(sets)
    counted = (fills[0], fills[1], fills[2])
    return Rolled(roll.at_ns, roll.symbol, orders, counted, (marks[0], marks[1]))


def _know_all(sets: Sets) -> None:
    """Let our side know what was rolled: no response to it is waited for."""
    totals = sets.totals
    totals["known_position"], totals["known_cash"] = totals["position"], totals["cash"]
    totals["heard"] = totals["answered"]


def _too_thin(roll: Roll, position: int, lacking: int, way: int) -> SimulationError:
    place = f"leave {roll.symbol}" if way < 0 else "enter the next contract"
    return SimulationError(
        f"a position of {position} could not roll at {roll.at_ns} ns: to {place} {lacking} lots "
        "were lacking on display; carry less, or end the range before the roll"
    )
