"""Open interest as it was known at each moment: from `statistics` rows to what rolls ask.

A figure counts from its receipt and is for a reference time. A later one for the same time takes
its place; a withdrawal takes it away, and the newest of those that are left counts again.
"""

from collections import defaultdict
from typing import TypeAlias

import polars as pl

from strategy_lab_core.data.contracts import AFTERWARDS
from strategy_lab_core.data.roll_schemas import roll_schema
from strategy_lab_core.types import NS_PER_SECOND, StatType, StatUpdate

__all__ = ["open_interest_rows"]

_AFTERWARDS_NS = int(AFTERWARDS.total_seconds()) * NS_PER_SECOND
_UNDATED = -1  # reference of figures without one: older than all others
_Contract: TypeAlias = tuple[str, int]  # symbol, expiry


def open_interest_rows(statistics: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return an `open_interest` row for each moment at which a contract has another figure.

    Parameters
    ----------
    statistics
        Validated rows of that schema, in any order. An undefined quantity says nothing.
    contracts
        Has `symbol` and `expiration_ns`, as a `contract_sessions` table. A symbol comes back after
        ten years: a figure is of the first such contract that had not expired 31 days before.
        Figures of others, such as spreads, are left out.
    """
    standing: defaultdict[_Contract, dict[int, int]] = defaultdict(dict)
    changes: dict[tuple[int, str, int], int | None] = {}  # the last of several at one moment
    for ts_recv, symbol, expires, ts_ref, action, lots in _published(statistics, contracts):
        figures = standing[symbol, expires]
        before = max(figures, default=None)
        if action == StatUpdate.DELETE:
            figures.pop(ts_ref, None)
        elif lots is None:
            continue
        else:
            figures[ts_ref] = lots
        newest = max(figures, default=None)
        if ts_ref in (before, newest):
            changes[ts_recv, symbol, expires] = None if newest is None else figures[newest]
    rows = [(*key, lots) for key, lots in changes.items()]
    return pl.DataFrame(rows, schema=roll_schema("open_interest"), orient="row")


def _published(
    statistics: pl.DataFrame, contracts: pl.DataFrame
) -> list[tuple[int, str, int, int, int, int | None]]:
    """Return time, symbol, expiry, reference, action and lots of each record, in its order."""
    known = contracts.select("symbol", "expiration_ns").unique().sort("expiration_ns")
    found = (
        statistics.filter(pl.col("stat_type") == int(StatType.OPEN_INTEREST))
        .sort("ts_recv", "sequence", "row")
        .with_columns(pl.col("ts_ref").fill_null(_UNDATED), at=pl.col("ts_recv") - _AFTERWARDS_NS)
        .join_asof(
            known, left_on="at", right_on="expiration_ns", by="symbol", strategy="forward",
            coalesce=False, check_sortedness=False,
        )
        .drop_nulls("expiration_ns")
    )  # fmt: skip
    names = ("ts_recv", "symbol", "expiration_ns", "ts_ref", "update_action", "quantity")
    return found.select(names).rows()
