"""Kernels of the book by price: one level in, its size set in place; what two windows differ in.

The arrays are those of the order-by-order book, without orders: `lots` by place, and in `counts`
the number of the row that last changed the level's size, 0 where nobody is there.
"""

from typing import NamedTuple

import numpy as np

from strategy_lab_core._jit import POSITIVE, hot_kernel, inlined, part
from strategy_lab_core.book.l3_kernels import BID_LEVELS, L3State, MboRows
from strategy_lab_core.types import EMPTY_PRICE, Action, Int1D, Int2D, IntAny, Side

__all__ = ["Changes", "clear_levels", "difference_windows", "replay_levels", "set_level"]

# Numba has no `int` of enum members: plain integers for the columns.
_TRADE, _SET = int(Action.TRADE), int(Action.MODIFY)
_BID, _ASK = int(Side.BID), int(Side.ASK)
_INTO_VIEW, _OUT_OF_VIEW, _NONE = int(Action.ADD), int(Action.CANCEL), int(Action.NONE)


@inlined
def set_level(book: L3State, place: int, lots: int, row: int) -> None:
    """Set the lots at a place (0: nobody is there any more); `row` counts from 1."""
    place &= POSITIVE
    if book.lots[place] == lots:
        return
    side, level = place & 1, place >> 1
    was_there = book.counts[place] > 0
    book.lots[place] = lots
    book.counts[place] = row if lots > 0 else 0
    if lots > 0 and not was_there:
        book.meta[BID_LEVELS + side] += 1
        if side == 0:
            book.best[0] = max(book.best[0], level)
        else:
            book.best[1] = min(book.best[1], level)
    elif lots == 0:
        book.meta[BID_LEVELS + side] -= 1
        if book.best[side] == level:
            book.best[side] = _next_best(book, place)


@inlined
def _next_best(book: L3State, place: int) -> int:
    step = 4 * (place & 1) - 2
    while 0 <= place < len(book.counts) and book.counts[place] == 0:
        place += step
    return place >> 1


@part
def clear_levels(book: L3State) -> None:
    """Empty the book."""
    for place in range(len(book.counts)):
        book.lots[place] = 0
        book.counts[place] = 0
    book.best[0] = -1
    book.best[1] = len(book.counts) >> 1
    book.meta[BID_LEVELS] = 0
    book.meta[BID_LEVELS + 1] = 0


@hot_kernel
def replay_levels(book: L3State, rows: MboRows, best: IntAny) -> None:
    """Apply the rows of a feed of differences, writing both best levels after each.

    `best` (int64, shape: rows, 2) gets the level of the best bid and ask, -1 where nobody is there.
    """
    for row in range(len(rows.action)):
        level = rows.level[row]
        if rows.action[row] == Action.CLEAR:
            clear_levels(book)
        elif rows.action[row] == Action.MODIFY and level >= 0 and rows.side[row] != Side.NONE:
            side = int(rows.side[row] == Side.ASK)
            set_level(book, 2 * level + side, int(np.int64(rows.size[row])), row + 1)
        best[row, 0] = book.best[0]
        best[row, 1] = book.best[1] if book.best[1] < len(book.counts) >> 1 else -1


class Changes(NamedTuple):
    """What records of a feed that restates its levels change, one row each (shape: rows).

    `action` is M where a level has another size, 0 if it is gone; A and C where it comes into view
    and goes out of it, so that its size before or after is not known; T for a trade; N where a
    record changes nothing.
    """

    record: Int1D  # row of the record
    action: IntAny  # uint8
    side: IntAny  # uint8
    price: Int1D  # 1e-9
    size: IntAny  # uint32, lots


@inlined
def _write(to: Changes, n: int, record: int, action: int, side: int, price: int, size: int) -> int:
    """Write a change, if there is room at all; return how many there are."""
    if len(to.record) > 0:
        to.record[n] = record
        to.action[n] = action
        to.side[n] = side
        to.price[n] = price
        to.size[n] = size
    return n + 1


@part
def _difference_side(
    to: Changes, n: int, record: int, side: int, is_snapshot: bool, prices: Int2D, sizes: IntAny
) -> int:
    """Write what one side's window has changed from the record before; return how many there are.

    Both windows are walked from the best price on.
    """
    depth = prices.shape[1] >> 1
    first = 0 if side == _BID else depth
    sign = 1 if side == _BID else -1
    old, new = record - 1, record
    i = j = first
    end = first + depth
    while i < end or j < end:
        has_old = i < end and old >= 0 and prices[old, i] != EMPTY_PRICE
        has_new = j < end and prices[new, j] != EMPTY_PRICE
        if not has_old and not has_new:
            break
        if has_new and (not has_old or sign * prices[new, j] > sign * prices[old, i]):
            # Behind a full window stood nobody knows what.
            was_hidden = old < 0 or i == end or is_snapshot
            action = _INTO_VIEW if was_hidden else _SET
            n = _write(to, n, record, action, side, prices[new, j], int(np.int64(sizes[new, j])))
            j += 1
        elif not has_new or sign * prices[old, i] > sign * prices[new, j]:
            action = _OUT_OF_VIEW if j == end else _INTO_VIEW if is_snapshot else _SET
            n = _write(to, n, record, action, side, prices[old, i], 0)
            i += 1
        else:
            if sizes[old, i] != sizes[new, j]:
                action = _INTO_VIEW if is_snapshot else _SET
                n = _write(
                    to, n, record, action, side, prices[new, j], int(np.int64(sizes[new, j]))
                )
            i += 1
            j += 1
    return n


@hot_kernel
def difference_windows(
    prices: Int2D,
    sizes: IntAny,
    action: IntAny,
    side: IntAny,
    price: Int1D,
    size: IntAny,
    is_snapshot: IntAny,
    trades_last: bool,
    to: Changes,
) -> int:
    """Write what each record changes, in order; return the number of rows, which may be too many.

    Parameters
    ----------
    prices, sizes
        Windows: bids, then asks, best first (shape: records, 2 * depth); empty levels last.
    action, side, price, size, is_snapshot
        Of the records.
    trades_last
        A record's window shows the book before its trade (tbbo).
    to
        Room for the rows; where it has none they are only counted.
    """
    n = 0
    for record in range(len(action)):
        before = n
        is_trade = action[record] == _TRADE
        if is_trade and not trades_last:
            n = _write(
                to, n, record, _TRADE, side[record], price[record], int(np.int64(size[record]))
            )
        snapshot = bool(is_snapshot[record])
        n = _difference_side(to, n, record, _BID, snapshot, prices, sizes)
        n = _difference_side(to, n, record, _ASK, snapshot, prices, sizes)
        if is_trade and trades_last:
            n = _write(
                to, n, record, _TRADE, side[record], price[record], int(np.int64(size[record]))
            )
        if n == before:
            n = _write(to, n, record, _NONE, side[record], EMPTY_PRICE, 0)
    return n
