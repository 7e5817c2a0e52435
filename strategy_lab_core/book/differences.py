"""Depth differences: rows that each give one level's new size. The book has to be rebuilt.

A lost message spoils the book until the next snapshot, unlike in feeds that restate their levels.
"""

from typing import NamedTuple

import numpy as np

from strategy_lab_core.book.l3 import L3Book
from strategy_lab_core.book.l3_kernels import MboRows
from strategy_lab_core.book.level_kernels import replay_levels
from strategy_lab_core.data.columns import Table, column
from strategy_lab_core.types import EMPTY_PRICE, Bool1D, Int2D, IntAny, RecordFlag

__all__ = ["LastUpdate", "after_loss", "best_prices", "difference_rows"]


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


class LastUpdate(NamedTuple):
    """What a feed of differences has said last: its id, 0 for nothing yet; and whether whole."""

    number: int = 0
    is_snapshot: bool = False


def after_loss(ticks: Table, last: LastUpdate) -> tuple[Bool1D, LastUpdate]:
    """Return the rows before which messages were lost, and the last update.

    A change names the one before it. The first after a snapshot may overlap it, so that it has to
    begin no later than the snapshot ends; what was lost before a snapshot does not matter any more.

    Parameters
    ----------
    ticks
        Rows of one instrument in source order.
    last
        The update before them.
    """
    update: IntAny = column(ticks, "update_id")
    previous = column(ticks, "previous_update_id")
    is_snapshot = (column(ticks, "flags") & RecordFlag.SNAPSHOT) > 0
    told = np.flatnonzero((update != previous) | is_snapshot)
    before = np.append(np.uint64(last.number), update[told])
    after_snapshot = np.append(last.is_snapshot, is_snapshot[told])
    is_first = (update[told] != before[:-1]) & ~is_snapshot[told]  # of its message
    begins_late = np.where(
        after_snapshot[:-1], previous[told] > before[:-1], previous[told] != before[:-1]
    )
    lost: Bool1D = np.zeros(len(ticks), np.bool_)
    lost[told[is_first & (before[:-1] != 0) & begins_late]] = True
    return lost, LastUpdate(int(before[-1]), bool(after_snapshot[-1]))
