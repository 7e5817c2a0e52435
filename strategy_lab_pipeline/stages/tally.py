"""What one pass over a file adds up: rows by session, and from where to where its messages go."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.instruments import Product, product_of, products
from strategy_lab_core.data.sessions import index_times
from strategy_lab_core.errors import InstrumentError
from strategy_lab_core.types import Action, RecordFlag
from strategy_lab_pipeline.db.store import FileRange

__all__ = ["Tally"]

EPOCH = date(1970, 1, 1)
_STREAM = ("publisher_id", "instrument_id", "channel_id")


class Tally:
    """Rows by product and session, and ranges by instrument and channel, batch by batch."""

    def __init__(self) -> None:
        self._rows: Counter[tuple[str, int]] = Counter()
        self._unknown: Counter[str] = Counter()
        self._ranges: dict[tuple[int, int, int], FileRange] = {}

    def add(self, batch: pl.DataFrame) -> None:
        """Count a batch of canonical ticks."""
        for (symbol,), rows in batch.group_by("symbol", maintain_order=True):
            product = _product_or_none(str(symbol))
            if product is None:
                self._unknown[str(symbol)] += rows.height
            else:
                days = session_calendar(product.calendar).session_keys(index_times(rows))
                for day, count in zip(*np.unique(days, return_counts=True), strict=True):
                    self._rows[product.root, int(day)] += int(count)
                if "sequence" in rows.columns:
                    self._add_ranges(rows, product.root)

    def _add_ranges(self, rows: pl.DataFrame, product: str) -> None:
        # A raw cell may be empty: such a row is for validation, it is no message of a range.
        is_snapshot = (pl.col("flags") & int(RecordFlag.SNAPSHOT) > 0).fill_null(value=False)
        counted = ~is_snapshot & (pl.col("sequence") > 0).fill_null(value=False)
        clears = pl.lit(value=False)
        if "action" in rows.columns:
            clears = (pl.col("action").to_physical() == int(Action.CLEAR)).fill_null(value=False)
        if "channel_id" not in rows.columns:
            rows = rows.with_columns(channel_id=pl.lit(-1))
        rows = rows.drop_nulls(_STREAM)
        sequence, ts_recv = pl.col("sequence").filter(counted), pl.col("ts_recv").filter(counted)
        found = rows.group_by(_STREAM, maintain_order=True).agg(
            first_sequence=sequence.min().fill_null(0),
            last_sequence=sequence.max().fill_null(0),
            first_ts=ts_recv.min().fill_null(0),
            last_ts=ts_recv.max().fill_null(0),
            rows=counted.sum(),
            restarts=(is_snapshot | clears).first(),
        )
        for row in found.iter_rows(named=True):
            stream = (row["publisher_id"], row["instrument_id"], row["channel_id"])
            found_here = FileRange(product=product, **row)
            before = self._ranges.get(stream)
            self._ranges[stream] = found_here if before is None else _joined(before, found_here)

    def require_products(self, path: Path) -> None:
        """Raise an `InstrumentError` where no product is known for any of the symbols."""
        if self._unknown and not self._rows:
            names = ", ".join(sorted(self._unknown)[:5])
            raise InstrumentError(
                f"{path}: no product is known for its symbols ({names}); "
                f"known are {', '.join(products())}: leave the file out"
            )

    def partitions(self) -> dict[tuple[str, str], int]:
        """Return the rows by product and session."""
        return {
            (product, str(EPOCH + timedelta(days=day))): count
            for (product, day), count in sorted(self._rows.items())
        }

    def ranges(self) -> list[FileRange]:
        """Return the range of each instrument and channel."""
        return [self._ranges[stream] for stream in sorted(self._ranges)]


def _joined(before: FileRange, after: FileRange) -> FileRange:
    """Return the range of both; one without numbered rows has no ends."""
    if not before.rows:
        return replace(after, restarts=before.restarts)
    if not after.rows:
        return before
    return replace(
        before,
        first_sequence=min(before.first_sequence, after.first_sequence),
        last_sequence=max(before.last_sequence, after.last_sequence),
        first_ts=min(before.first_ts, after.first_ts),
        last_ts=max(before.last_ts, after.last_ts),
        rows=before.rows + after.rows,
    )


def _product_or_none(symbol: str) -> Product | None:
    try:
        return product_of(symbol)
    except InstrumentError:
        return None
