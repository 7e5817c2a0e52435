"""Depth differences: rows that each give one level's new size. The book has to be rebuilt.

A lost message spoils the book until the next snapshot, unlike in feeds that restate their levels.
"""

import numpy as np

from strategy_lab_core.book.l3 import L3Book
from strategy_lab_core.book.l3_kernels import MboRows
from strategy_lab_core.book.level_kernels import replay_levels
from strategy_lab_core.data.columns import Table, column
from strategy_lab_core.types import EMPTY_PRICE, Bool1D, Int2D, IntAny

__all__ = ["after_loss", "best_prices", "difference_rows"]


def difference_rows(book: L3Book, ticks: Table) -> MboRows:
    """Return the kernel columns of a table, entering its prices in the book's grid."""
    return book.rows_of(
        action=column(ticks, "action"),
        side=column(ticks, "side"),
        price=column(ticks, "price", null=EMPTY_PRICE),
        size=column(ticks, "size"),
        order_id=np.zeros(len(ticks), np.uint64),
        flags=column(ticks, "flags"),
        ts_recv=column(ticks, "ts_recv"),
    )


def best_prices(book: L3Book, ticks: Table) -> Int2D:
    """Apply the rows; return best bid and ask after each (shape: rows, 2; `EMPTY_PRICE`: none)."""
    rows = difference_rows(book, ticks)
    best = np.empty((len(ticks), 2), np.int64)
    replay_levels(book.state, rows, best)
    return book.grid.price_of(best)


def after_loss(ticks: Table, last_id: int) -> tuple[Bool1D, int]:
    """Return the rows before which messages were lost, and the id of the last change.

    Parameters
    ----------
    ticks
        Rows of one instrument in source order.
    last_id
        Id of the last change before them, 0 where there was none.
    """
    update: IntAny = column(ticks, "update_id")
    previous = column(ticks, "previous_update_id")
    changes = np.flatnonzero(update != previous)
    before = np.append(np.uint64(last_id), update[changes])
    is_first = update[changes] != before[:-1]  # of its message
    is_lost = is_first & (before[:-1] != 0) & (previous[changes] != before[:-1])
    lost: Bool1D = np.zeros(len(ticks), np.bool_)
    lost[changes[is_lost]] = True
    return lost, int(before[-1])
