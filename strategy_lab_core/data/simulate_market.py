"""Layout of the simulated market's arrays: orders, queues, sides, and the rows it writes.

Layouts and their sentinels only, shared by the kernels and by `simulate`.
"""

from typing import Any, NamedTuple

import numpy as np

from strategy_lab_core.types import Int1D, Int2D

__all__ = [
    "LEVELS",
    "LIVE",
    "NEXT_ID",
    "NO_RANK",
    "ORDER",
    "QUEUE",
    "ROW",
    "ROWS",
    "SIDE",
    "SLOTS",
    "Market",
]

LEVELS = 1 << 14  # levels of the grid; the fair value starts in the middle
NO_RANK = -1  # the row leaves the book alone
LIVE, SLOTS, NEXT_ID, ROWS = 0, 1, 2, 3  # places in Market.counts

ORDER = np.dtype(
    [
        ("order_id", "i8"),
        ("side", "i8"),  # 0 bid, 1 ask
        ("level", "i8"),
        ("size", "i8"),  # lots; 0 once gone
        ("gtc", "i8"),  # 1: good till cancelled
        ("rank", "i8"),  # row that gave the order its place in the queue
        ("before", "i8"),  # slot ahead in the queue, -1 none
        ("behind", "i8"),
        ("live_at", "i8"),  # place in Market.live
    ]
)
QUEUE = np.dtype([("head", "i8"), ("tail", "i8"), ("lots", "i8")])  # first and last slot, or -1
SIDE = np.dtype([("best", "i8"), ("levels", "i8")])  # best is -1 or LEVELS on an empty side
ROW = np.dtype(
    [
        ("step", "i8"),
        ("action", "i8"),
        ("side", "i8"),
        ("level", "i8"),
        ("size", "i8"),
        ("order_id", "i8"),
        ("last", "i8"),  # 1: the event ends here
        ("rank", "i8"),  # row that gave the order its place; NO_RANK: the book is left alone
    ]
)


class Market(NamedTuple):
    """Orders by slot, queues as linked lists by [side, level], and the rows written so far."""

    orders: Any  # of ORDER
    queues: Any  # of QUEUE, [side, level]
    sides: Any  # of SIDE
    live: Int1D  # slots of live orders, in no order
    touched: Int2D  # slots that the running match has filled, and their lots before it
    counts: Int1D  # live orders, slots used, next order id, rows written
    rows: Any  # of ROW
