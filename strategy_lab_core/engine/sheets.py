"""What crosses the line between the engine and a strategy: arrays of one fixed layout.

The engine fills the view and the list of working orders, calls the strategy, and reads what it
requests. Authors meet these arrays as named tuples (`strategies.strategy`); here is their layout,
and the one signature that every compiled strategy has: three arrays, as each costs seven numbers to
hand over.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias

import numba
import numpy as np

from strategy_lab_core._jit import JIT_DISABLED, POSITIVE, inlined
from strategy_lab_core.engine.feed import Seen
from strategy_lab_core.engine.rules import REQUESTS_PER_CALL
from strategy_lab_core.engine.state import Listed, Sets
from strategy_lab_core.types import Float1D, Float2D, Int1D, Int2D

__all__ = [
    "PAGE_WIDTH",
    "REQUEST_ROWS",
    "STRATEGY_SIGNATURE",
    "RequestKind",
    "Sheets",
    "StrategyFunction",
    "ViewField",
    "Wake",
    "blank_sheets",
    "write_view",
]

# (ints, floats, page) of `Sheets` -> number of requests
StrategyFunction: TypeAlias = Callable[[Int1D, Float1D, Int2D], int]

if JIT_DISABLED:
    STRATEGY_SIGNATURE: Any = None
else:
    _I1 = numba.types.Array(numba.types.int64, 1, "C")
    _F1 = numba.types.Array(numba.types.float64, 1, "C")
    _I2 = numba.types.Array(numba.types.int64, 2, "C")
    STRATEGY_SIGNATURE = numba.types.int64(_I1, _F1, _I2)


class RequestKind(IntEnum):
    """First number of a request; then side, tick, lots, tag, trigger, order number.

    The first seven are those of `OrderKind`.
    """

    LIMIT = 1
    MARKET = 2
    IOC = 3
    FOK = 4
    POST_ONLY = 5
    STOP = 6
    STOP_LIMIT = 7
    CANCEL = 8
    MODIFY = 9
    BRACKET = 10  # a limit order; the trigger is its stop-loss, the order number its take-profit


class Wake(IntEnum):
    """Why the strategy is called."""

    BOOK = 1
    RESPONSE = 2
    TIMER = 3


class ViewField(IntEnum):
    """Places in the view; prices in ticks, times in ns."""

    NOW_NS = 0
    WAKE = 1
    BID = 2
    BID_SIZE = 3
    ASK = 4
    ASK_SIZE = 5
    POSITION = 6  # as far as the responses have told us
    WORKING = 7  # rows in use in the list of working orders
    BOUGHT = 8
    SOLD = 9
    LAST_TICK = 10
    BOOK_NS = 11  # exchange time of the book that is seen
    IS_OPEN = 12
    FLATTEN_NS = 13  # local time at which the engine takes over to end flat


REQUEST_ROWS = 1 + REQUESTS_PER_CALL
PAGE_WIDTH = 8


class Sheets(NamedTuple):
    """Arrays of every parameter set's strategy; the first axis is the set."""

    ints: Int2D  # the view, then the strategy's own
    floats: Float2D  # the parameters, then the strategy's own
    # (set, row, field): the number of requests alone in its row, the requests, and from
    # `REQUEST_ROWS` on the working orders: number, side, tick, lots left, tag, 1 while a cancel is
    # on its way, `OrderKind`, 1 while a modify is.
    pages: Int2D


def blank_sheets(params: Float2D, *, n_ints: int, n_floats: int, max_open_orders: int) -> Sheets:
    """Return zeroed sheets for the parameter sets in `params` (shape: sets, parameters)."""
    n_sets = len(params)
    return Sheets(
        ints=np.zeros((n_sets, len(ViewField) + n_ints), np.int64),
        floats=np.hstack((params, np.zeros((n_sets, n_floats)))),
        pages=np.zeros((n_sets, REQUEST_ROWS + max_open_orders, PAGE_WIDTH), np.int64),
    )


@inlined
def _write_working(sheets: Sheets, sets: Sets, k: int) -> None:
    if sets.totals[k]["is_stale"] == 0:
        return
    sets.totals[k]["is_stale"] = 0
    orders = sets.orders
    for i in range(sets.totals[k]["live"]):
        order = sets.lists[k, Listed.LIVE, i] & POSITIVE
        row = sheets.pages[k, REQUEST_ROWS + i]
        row[0] = orders[k, order]["number"]
        row[1] = orders[k, order]["side"]
        row[2] = orders[k, order]["known_tick"]
        row[3] = orders[k, order]["known_size"] - orders[k, order]["known_filled"]
        row[4] = orders[k, order]["tag"]
        row[5] = 1 if orders[k, order]["cancel_sent"] != 0 else 0
        row[6] = orders[k, order]["kind"]
        row[7] = orders[k, order]["modify_sent"]


@inlined
def write_view(
    sheets: Sheets, sets: Sets, k: int, seen: Int1D, now_ns: int, wake: int, flatten_ns: int
) -> None:
    """Write what set `k` knows at local time `now_ns`, and clear its requests."""
    view = sheets.ints[k]
    view[ViewField.NOW_NS] = now_ns
    view[ViewField.WAKE] = wake
    view[ViewField.BID] = seen[Seen.BID]
    view[ViewField.BID_SIZE] = seen[Seen.BID_SIZE]
    view[ViewField.ASK] = seen[Seen.ASK]
    view[ViewField.ASK_SIZE] = seen[Seen.ASK_SIZE]
    view[ViewField.POSITION] = sets.totals[k]["known_position"]
    view[ViewField.WORKING] = sets.totals[k]["live"]
    view[ViewField.BOUGHT] = seen[Seen.BOUGHT]
    view[ViewField.SOLD] = seen[Seen.SOLD]
    view[ViewField.LAST_TICK] = seen[Seen.LAST_TICK]
    view[ViewField.BOOK_NS] = seen[Seen.EXCHANGE_NS]
    view[ViewField.IS_OPEN] = seen[Seen.IS_OPEN]
    view[ViewField.FLATTEN_NS] = flatten_ns
    sheets.pages[k, 0, 0] = 0
    _write_working(sheets, sets, k)
