"""A LOBSTER pair agrees with itself: published book and next message give the next book.

Works on the mbp table of the reader, one row at a time, on price -> size dictionaries.
"""

from typing import Any

import polars as pl

from strategy_lab_core.data.lobster import NO_LEVEL
from strategy_lab_core.types import EMPTY_PRICE

Book = dict[str, dict[int, int]]


def inconsistent_steps(ticks: pl.DataFrame) -> list[int]:
    """Return the rows whose published book isn't the previous one changed by their message.

    A level that newly enters the window is taken from the row: where the changed book has fewer
    levels than the window, only those it has are compared, and nothing may be published between
    them.
    """
    depth = sum(name.startswith("bid_px_") for name in ticks.columns)
    wrong, before = [], None
    for at, row in enumerate(ticks.iter_rows(named=True)):
        published = {side: _levels(row, side, depth) for side in ("bid", "ask")}
        if before is not None:
            changed = _changed(before, row)
            if any(not _agree(changed[side], published[side], side, depth) for side in changed):
                wrong.append(at)
        before = published
    return wrong


def _levels(row: dict[str, Any], side: str, depth: int) -> dict[int, int]:
    pairs = [(row[f"{side}_px_{at:02d}"], row[f"{side}_sz_{at:02d}"]) for at in range(depth)]
    return {price: size for price, size in pairs if price != EMPTY_PRICE}


def _changed(before: Book, row: dict[str, Any]) -> Book:
    book = {side: dict(levels) for side, levels in before.items()}
    if row["depth"] == NO_LEVEL:
        return book
    resting = row["side"] if row["action"] != "T" else {"B": "A", "A": "B"}[row["side"]]
    levels = book["bid" if resting == "B" else "ask"]
    sign = 1 if row["action"] == "A" else -1
    levels[row["price"]] = levels.get(row["price"], 0) + sign * row["size"]
    if levels[row["price"]] == 0:
        del levels[row["price"]]
    return book


def _agree(changed: dict[int, int], published: dict[int, int], side: str, depth: int) -> bool:
    best_first = sorted(changed.items(), reverse=side == "bid")[:depth]
    shown = list(published.items())
    return shown[: len(best_first)] == best_first
