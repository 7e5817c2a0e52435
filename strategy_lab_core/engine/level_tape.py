"""Feeds by price as the kernels read them: small rows, each one level's new size, or a trade.

Records that restate their levels (mbp-10, mbp-1, tbbo) are differenced, depth differences are such
rows already. The rows have the columns of market-by-order rows: `book.level_kernels` says what
their actions mean.
"""

from typing import NamedTuple

import numpy as np

from strategy_lab_core.book.differences import difference_rows
from strategy_lab_core.book.l2 import book_depth, is_differences, read_levels
from strategy_lab_core.book.l3 import L3Book
from strategy_lab_core.book.l3_kernels import MboRows
from strategy_lab_core.book.level_kernels import Changes, difference_windows
from strategy_lab_core.data.columns import Table, column
from strategy_lab_core.engine.market import BY_ORDER, UNBOUNDED
from strategy_lab_core.types import EMPTY_PRICE, Action, Int1D, IntAny, RecordFlag

__all__ = ["TapeRows", "tape_rows"]


class TapeRows(NamedTuple):
    """Rows of a tape, and the record that each comes from (shape: rows)."""

    rows: MboRows
    record: Int1D
    window: int  # `Market.window`


def tape_rows(ticks: Table, book: L3Book) -> TapeRows:
    """Return the rows of a table of any feed with a book; their prices enter the book's grid."""
    if is_differences(ticks):
        return TapeRows(difference_rows(book, ticks), np.arange(len(ticks)), UNBOUNDED)
    depth = book_depth(ticks)
    if not depth:
        return TapeRows(book.rows(ticks), np.arange(len(ticks)), BY_ORDER)
    changes = _differenced(ticks, depth)
    return TapeRows(_rows_of(book, ticks, changes), changes.record, depth)


def _rows_of(book: L3Book, ticks: Table, changes: Changes) -> MboRows:
    return book.rows_of(
        action=changes.action,
        side=changes.side,
        price=changes.price,
        size=changes.size,
        order_id=np.zeros(len(changes.record), np.uint64),
        flags=column(ticks, "flags")[changes.record],
        ts_recv=column(ticks, "ts_recv")[changes.record],
    )


def _differenced(ticks: Table, depth: int) -> Changes:
    levels = read_levels(ticks, depth)
    action = column(ticks, "action")
    # tbbo has nothing but trades, and shows the book before each; mbp shows it after every record.
    is_before_trade = bool((action == Action.TRADE).all())
    arguments = (
        levels.prices,
        levels.sizes,
        action,
        column(ticks, "side"),
        column(ticks, "price", null=EMPTY_PRICE),
        column(ticks, "size"),
        column(ticks, "flags") & np.uint8(RecordFlag.SNAPSHOT),
        is_before_trade,
    )
    n_rows = difference_windows(*arguments, _room(0))
    changes = _room(n_rows)
    difference_windows(*arguments, changes)
    return changes


def _room(rows: int) -> Changes:
    def blank(dtype: type[np.generic]) -> IntAny:
        """Return room for one column."""
        return np.zeros(rows, dtype)

    return Changes(
        blank(np.int64), blank(np.uint8), blank(np.uint8), blank(np.int64), blank(np.uint32)
    )
