"""Kernels of a book's best levels: kept up to date record by record, written as rows.

What a record changes (`l3_kernels.TOUCHED`, `VACATED`) is nearly always the size of a level that
is shown or of one that isn't: both are written alike, the latter to cells that nobody reads,
because which of them it is is a coin toss. Only a level that comes or goes moves others.
"""

from typing import NamedTuple

import numpy as np

from strategy_lab_core._jit import POSITIVE, hot_kernel, inlined, part
from strategy_lab_core.book.l3_kernels import (
    ALL_PLACES,
    LAST,
    LIVE,
    NO_PLACE,
    TOUCHED,
    VACATED,
    L3State,
    MboRows,
    apply_row,
)
from strategy_lab_core.types import Int1D, IntAny

__all__ = ["NO_CELL", "Window", "empty_window", "replay_rows"]

NO_CELL = 2**32 - 1  # the level in a written book where there is none
_ANYWHERE = -(2**62)


class Window(NamedTuple):
    """The best levels of each side, and where each level of the book stands among them."""

    # Levels, then lots, then orders, each of bids and then asks, and room for what is not shown:
    # uint32 (shape: 10 * depth + 1).
    cells: IntAny
    # By place, the cell of its level, 6 * depth where it is not shown: int32 (shape: 2 * levels).
    cell_of: IntAny
    # Nearness of the last level shown of each side, where a level more has no room (shape: 2): the
    # level for bids, its complement for asks; larger is better.
    worst: Int1D

    @property
    def depth(self) -> int:
        """Levels a side."""
        return len(self.cells) // 10


def empty_window(depth: int, n_places: int) -> Window:
    """Return a window on a book without levels."""
    return Window(
        np.full(10 * depth + 1, NO_CELL, np.uint32),
        np.full(n_places, 6 * depth, np.int32),
        np.full(2, _ANYWHERE),
    )


@part
def _redraw_side(state: L3State, window: Window, side: int) -> None:
    """Write the best levels of one side anew."""
    width = len(window.cells) // 5
    hidden, depth = 3 * width, width >> 1
    step = 4 * side - 2
    place = 2 * state.best[side] + side
    window.worst[side] = _ANYWHERE
    for cell in range(side * depth, (side + 1) * depth):
        if window.cells[cell] != NO_CELL:
            before = 2 * np.int64(window.cells[cell]) + side
            if window.cell_of[before] == cell:
                window.cell_of[before] = hidden
        while 0 <= place < len(state.counts) and state.counts[place] == 0:
            place += step
        if 0 <= place < len(state.counts):
            window.cell_of[place] = cell
            window.cells[cell] = place >> 1
            window.cells[cell + width] = state.lots[place]
            window.cells[cell + 2 * width] = state.counts[place]
            window.worst[side] = (place >> 1) ^ -side
            place += step
        else:
            window.cells[cell] = NO_CELL
            window.cells[cell + width] = 0
            window.cells[cell + 2 * width] = 0
            window.worst[side] = _ANYWHERE


@inlined
def _follow_place(state: L3State, window: Window, place: int) -> None:
    """Bring the window up to date with what happened at a place."""
    place &= POSITIVE
    width = len(window.cells) // 5
    side = place & 1
    cell = np.int64(window.cell_of[place])
    is_shown, near = cell < 3 * width, (place >> 1) ^ -side
    if is_shown != ((state.counts[place] > 0) & (near >= window.worst[side])):
        _redraw_side(state, window, side)
    else:
        window.cells[cell + width] = state.lots[place]
        window.cells[cell + 2 * width] = state.counts[place]


@inlined
def _follow(state: L3State, window: Window) -> None:
    """Bring the window up to date with the last record."""
    _follow_place(state, window, state.meta[TOUCHED])
    vacated = state.meta[VACATED]
    if vacated != NO_PLACE:
        if vacated == ALL_PLACES:
            _redraw_side(state, window, 0)
            _redraw_side(state, window, 1)
        else:
            _follow_place(state, window, vacated)
        state.meta[VACATED] = NO_PLACE


@inlined
def _write_best(state: L3State, side: int, row: int, books: IntAny) -> None:
    """Write the best level of one side: cheaper than keeping a window of one level."""
    level = state.best[side]
    if 0 <= level < len(state.counts) >> 1:
        place = (2 * level + side) & POSITIVE
        books[row, side] = level
        books[row, 2 + side] = state.lots[place]
        books[row, 4 + side] = state.counts[place]
    else:
        books[row, side] = NO_CELL
        books[row, 2 + side] = 0
        books[row, 4 + side] = 0


@hot_kernel
def replay_rows(
    state: L3State,
    rows: MboRows,
    first: int,
    every: bool,
    written: int,
    broken: IntAny,
    at: IntAny,
    window: Window,
    books: IntAny,
) -> tuple[int, int]:
    """Apply rows from `first` on and write the best levels at event ends or after every record.

    `broken` receives the rules that each row breaks, `at` the row of each written book, `books`
    (uint32, shape: rows, 6 * depth) the book itself. Stops where the table of orders is full;
    returns the first row not applied and the number of books written so far.
    """
    limit = len(state.live.orders)
    only_best = books.shape[1] == 6
    for number in range(first, len(rows.action)):
        row, place = number & POSITIVE, written & POSITIVE
        if state.meta[LIVE] >= limit:
            return row, written
        broken[row] = apply_row(state, rows, row)
        if not only_best:
            _follow(state, window)
        if every or rows.flags[row] & LAST:
            at[place] = row
            if only_best:
                _write_best(state, 0, place, books)
                _write_best(state, 1, place, books)
            else:
                for cell in range(books.shape[1]):
                    books[place, cell] = window.cells[cell]
            written += 1
    return len(rows.action), written
