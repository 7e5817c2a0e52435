"""Random sessions as feeds by price, made from market-by-order rows with the slow book."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from strategy_lab_core.data.columns import Table
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.types import EMPTY_PRICE
from tests.core.engine.tapes import TICK, to_table
from tests.naive.book import LAST, SNAPSHOT, NaiveBook
from tests.naive.level_engine import Window
from tests.naive.tape import Row, events_of

Levels = dict[tuple[str, int], int]


def _window(book: NaiveBook, side: str, depth: int) -> list[tuple[int, int]]:
    return [(price, size) for price, size, _ in book.levels(side)[:depth]]


def windows_of(rows: Sequence[Row], depth: int, *, merged: bool) -> list[Window]:
    """Return a record for each row, restating `depth` levels a side.

    `merged` shows the book after the whole event in each of its records, a trade's included.
    """
    book, made = NaiveBook(), []
    for event in events_of(list(rows), BacktestConfig())[0]:
        shown = []
        for row in event.rows:
            book.apply(row)
            shown.append((_window(book, "B", depth), _window(book, "A", depth)))
        for row, window in zip(event.rows, shown, strict=True):
            bids, asks = shown[-1] if merged else window
            action = "C" if row.action == "F" else row.action
            made.append(Window(**{**vars(row), "action": action}, bids=bids, asks=asks))
    return made


def trades_of(rows: Sequence[Row]) -> list[Window]:
    """Return what tbbo has of a session: a record for each trade, with the prices before it."""
    made = []
    for before, row in zip([None, *windows_of(rows, 1, merged=False)], rows, strict=False):
        if row.action == "T" and before is not None and not row.flags & SNAPSHOT:
            fields = {**vars(row), "flags": row.flags | LAST}
            made.append(Window(**fields, bids=before.bids, asks=before.asks))
    return made


def differences_of(rows: Sequence[Row]) -> list[Row]:
    """Return the trades, and a row for each level that has a new size; a snapshot restates all."""
    book, made = NaiveBook(), []
    before: Levels = {}
    for event in events_of(list(rows), BacktestConfig())[0]:
        is_snapshot = bool(event.rows[0].flags & SNAPSHOT)
        written: list[Row] = []
        for row in event.rows:
            book.apply(row)
            after = {(s, price): size for s in "BA" for price, size, _ in book.levels(s)}
            if row.action == "T":
                written.append(replace(row))
            elif row.action == "R" and not is_snapshot:
                written.append(replace(row))
                before = {}
            if not is_snapshot:
                written += _changed(row, before, after)
                before = after
        if is_snapshot:
            last = event.rows[-1]
            clear = replace(last, action="R", side="N", price=None, size=0)
            written, before = [clear, *_changed(last, {}, after)], after
        elif written:
            written[-1].flags |= LAST
        made += written
    return made


def _changed(row: Row, before: Levels, after: Levels) -> list[Row]:
    return [
        replace(row, action="M", side=side, price=price, size=after.get((side, price), 0),
                flags=row.flags & ~LAST, order_id=0)
        for side, price in sorted({*before, *after})
        if before.get((side, price), 0) != after.get((side, price), 0)
    ]  # fmt: skip


def feed_of(rows: list[Row], feed: str, depth: int) -> tuple[Table, list[Row], int | None]:
    """Return a feed's table, its rows for the slow engine, and its levels a side."""
    if feed == "mbo":
        return to_table(rows), rows, None
    if feed == "differences":
        made = differences_of(rows)
        return difference_table(made), made, None
    depth = 1 if feed in ("mbp-1", "tbbo") else depth
    merged = feed == "mbp-10 merged"
    windows = trades_of(rows) if feed == "tbbo" else windows_of(rows, depth, merged=merged)
    return window_table(windows, depth), list(windows), depth


def window_table(rows: Sequence[Window], depth: int) -> Table:
    """Return the validated table of records that restate `depth` levels."""
    columns = {}
    for level in range(depth):
        for name in ("bid", "ask"):
            windows = [getattr(row, f"{name}s") for row in rows]
            here = [window[level] if level < len(window) else None for window in windows]
            prices = [EMPTY_PRICE if cell is None else cell[0] * TICK for cell in here]
            columns[f"{name}_px_{level:02d}"] = np.array(prices, np.int64)
            sizes = [0 if cell is None else cell[1] for cell in here]
            columns[f"{name}_sz_{level:02d}"] = np.array(sizes, np.uint32)
            columns[f"{name}_ct_{level:02d}"] = np.ones(len(rows), np.uint32)
    return to_table(list(rows)).drop("order_id").hstack(pl.DataFrame(columns))


def difference_table(rows: Sequence[Row]) -> Table:
    """Return the validated table of depth differences."""
    ids = pl.Series("update_id", np.arange(len(rows)), pl.UInt64)
    return to_table(list(rows)).drop("order_id").with_columns(ids)
