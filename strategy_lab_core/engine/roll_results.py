"""Which contract each order and fill of a run was in, and what its rolls cost."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np

from strategy_lab_core.data.columns import Table, column, int64, repeated, table
from strategy_lab_core.engine.rolling import Rolled
from strategy_lab_core.types import EMPTY_PRICE, Side

__all__ = ["Contract", "rolls_table", "with_symbol"]


_TEXTS = ("session", "from_symbol", "to_symbol")
_NUMBERS = ("ts", "position", "from_price", "to_price", "cost")


class Contract(NamedTuple):
    """A contract that a run was in, and how many orders and fills the run had when it left it."""

    symbol: str
    orders: int
    fills: int


def with_symbol(
    rows: Table, contracts: Sequence[Contract], *, by: Literal["orders", "fills"]
) -> Table:
    """Return a table of orders or fills with the column `symbol`.

    Parameters
    ----------
    by
        Which of them it is: their number in the run is the table's first column.
    """
    number = int64(rows, rows.columns[0])
    until = np.searchsorted(number, [getattr(each, by) for each in contracts])
    symbols = [each.symbol for each in contracts]
    return rows.hstack(repeated("symbol", symbols, np.diff(until, prepend=0)))


def rolls_table(
    fills: Table,
    rolled: Sequence[tuple[str, str, Rolled]],
    k: int,
    *,
    tick_size: int,
    tick_value: int,
) -> Table:
    """Return a row for each change of the contract; money in money units.

    Parameters
    ----------
    fills
        Of set `k`, the run's.
    rolled
        Session and symbol of the contract that was entered, with what the roll did.

    `position` is what was closed, `cost` what both trades were worse than the middle of bid and
    ask, and their fees. The average prices are rounded to 1e-9, null where nothing was held.
    """
    rows = [
        _row(fills, session, symbol, each, k, tick_size, tick_value)
        for session, symbol, each in rolled
    ]
    columns: dict[str, Any] = {
        name: [row[i] for row in rows] for i, name in enumerate((*_TEXTS, *_NUMBERS))
    }
    columns |= {name: np.array(columns[name], np.int64) for name in _NUMBERS}
    return table(columns, empty_as_null=("from_price", "to_price"))


def _row(
    fills: Table,
    session: str,
    symbol: str,
    rolled: Rolled,
    k: int,
    tick_size: int,
    tick_value: int,
) -> tuple[str | int, ...]:
    ends = [int(each[k]) for each in rolled.fills]
    position, cost, prices = 0, 0, []
    for way, (start, end) in enumerate(pairwise(ends)):
        part = fills[start:end]
        lots, ticks = int64(part, "size"), int64(part, "price") // tick_size
        side = np.where(column(part, "side") == Side.BID, 1, -1)
        worse = int(np.sum(side * lots * (2 * ticks - rolled.mid_twice[way])))
        cost += worse * (tick_value // 2) + int(int64(part, "fee").sum())
        position -= int(np.sum(side * lots)) if way == 0 else 0
        n = max(int(lots.sum()), 1)
        mean = (2 * int(np.sum(lots * ticks)) * tick_size + n) // (2 * n)
        prices.append(mean if len(part) else EMPTY_PRICE)
    return (session, rolled.symbol, symbol, rolled.at_ns, position, *prices, cost)
