"""Books by price (L2) and tops of book (L1): feeds in which every record restates the levels.

mbp-10 has ten levels, mbp-1 and tbbo one; tbbo shows the book before the trade. Nothing has to be
rebuilt, so there is no state here: the levels are read from the records.
"""

from typing import NamedTuple

import numpy as np

from strategy_lab_core.data.columns import Table, column
from strategy_lab_core.errors import DataError
from strategy_lab_core.types import EMPTY_PRICE, Bool1D, Int2D, IntAny, RecordFlag

__all__ = ["Levels", "book_depth", "crossed_at_event_ends", "is_differences", "read_levels"]


class Levels(NamedTuple):
    """The levels of each record, best first: bids, then asks (shape: rows, 2 * depth)."""

    prices: Int2D  # 1e-9, EMPTY_PRICE where no level is
    sizes: IntAny  # lots, uint32
    counts: IntAny  # orders, uint32


def is_differences(ticks: Table) -> bool:
    """Return whether a table holds depth differences: a row for each level that has a new size."""
    return "update_id" in ticks.columns


def book_depth(ticks: Table) -> int:
    """Return the levels a side that the records restate: 0 for market-by-order records.

    Raises
    ------
    DataError
        The table holds neither orders nor levels (trades, status, definitions).
    """
    names = set(ticks.columns)
    if "order_id" in names:
        return 0
    if is_differences(ticks):
        raise DataError(
            "depth differences restate no levels: a backtest reads them, replay does not"
        )
    depth = 0
    while f"bid_px_{depth:02d}" in names:
        depth += 1
    if not depth:
        raise DataError(
            "these ticks hold no order book: it takes mbo, mbp-10, mbp-1 or tbbo (a backtest takes "
            f"depth, too); the columns are {', '.join(ticks.columns)}"
        )
    return depth


def read_levels(ticks: Table, depth: int) -> Levels:
    """Return the best `depth` levels of every record, as far as the feed has them."""
    depth = min(depth, book_depth(ticks))
    names = [f"{side}_{{}}_{level:02d}" for side in ("bid", "ask") for level in range(depth)]

    def stack(what: str, null: int) -> IntAny:
        """Return one figure of every level (shape: rows, 2 * depth)."""
        return np.stack([column(ticks, name.format(what), null=null) for name in names], axis=1)

    prices = stack("px", EMPTY_PRICE)
    empty = prices == EMPTY_PRICE
    sizes, counts = (np.where(empty, 0, stack(what, 0)).astype(np.uint32) for what in ("sz", "ct"))
    return Levels(prices, sizes, counts)


def crossed_at_event_ends(bids: IntAny, asks: IntAny, flags: IntAny) -> Bool1D:
    """Return where the best bid is at or above the best ask at an event end (shape: rows).

    Prices are 1e-9 with `EMPTY_PRICE` where a side is empty.
    """
    last = flags & RecordFlag.LAST > 0
    crossed: Bool1D = last & (bids >= asks) & (bids != EMPTY_PRICE) & (asks != EMPTY_PRICE)
    return crossed
