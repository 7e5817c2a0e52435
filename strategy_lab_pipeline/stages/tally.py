"""What one pass over a file adds up: rows by session, and from where to where its messages go."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from strategy_lab_core.data.calendar import NO_SESSION, session_calendar
from strategy_lab_core.data.instruments import Product
from strategy_lab_core.data.sequence_gaps import SequenceTally
from strategy_lab_core.errors import FileError, InstrumentError
from strategy_lab_core.types import Action, RecordFlag
from strategy_lab_pipeline.db.store import FileChannel, FileRange
from strategy_lab_pipeline.stages.placement import PRODUCT, TIME, Placement

__all__ = ["STREAM", "Tally", "is_message", "with_channel"]

EPOCH = date(1970, 1, 1)
NAMED = 5  # unknown symbols in a remark
STREAM = ("publisher_id", "instrument_id", "channel_id")


class Tally:
    """Rows by product and session, and ranges by instrument and channel, batch by batch.

    Parameters
    ----------
    table
        The products by root.
    """

    def __init__(self, table: Mapping[str, Product]) -> None:
        self._table = table
        self._placement = Placement(table)
        self._rows: Counter[tuple[str, int]] = Counter()
        self._unknown: Counter[str] = Counter()  # rows by symbol
        self._timeless: Counter[str] = Counter()  # rows outside the calendar by product
        self._ranges: dict[tuple[int, int, int], FileRange] = {}
        self._numbers = SequenceTally()

    def add(self, batch: pl.DataFrame) -> None:
        """Count a batch of canonical ticks."""
        self._numbers.feed(batch)  # a channel's numbers are those of all its products
        for (root,), rows in self._placement.place(batch).group_by(PRODUCT, maintain_order=True):
            if root is None:
                nameless = pl.format("instrument {}", pl.col("instrument_id").fill_null(0))
                names = rows.select(pl.col("symbol").fill_null(nameless)).to_series()
                self._unknown.update(dict(names.value_counts().iter_rows()))
                continue
            product = self._table[str(root)]
            days = session_calendar(product.calendar).session_keys(rows[TIME].to_numpy())
            for day, count in zip(*np.unique(days, return_counts=True), strict=True):
                if day == NO_SESSION:
                    self._timeless[product.root] += int(count)
                else:
                    self._rows[product.root, int(day)] += int(count)
            if "sequence" in rows.columns:
                self._add_ranges(rows, product.root)

    def _add_ranges(self, rows: pl.DataFrame, product: str) -> None:
        # A raw cell may be empty: such a row is for validation, it is no message of a range.
        counted, rows = is_message(rows), with_channel(rows).drop_nulls(STREAM)
        clears = pl.lit(value=False)
        if "action" in rows.columns:
            clears = (pl.col("action").to_physical() == int(Action.CLEAR)).fill_null(value=False)
        sequence, ts_recv = pl.col("sequence").filter(counted), pl.col("ts_recv").filter(counted)
        found = rows.group_by(STREAM, maintain_order=True).agg(
            first_sequence=sequence.min().fill_null(0),
            last_sequence=sequence.max().fill_null(0),
            first_ts=ts_recv.min().fill_null(0),
            last_ts=ts_recv.max().fill_null(0),
            rows=counted.sum(),
            restarts=(_is_snapshot(rows) | clears).first(),
        )
        for row in found.iter_rows(named=True):
            stream = (row["publisher_id"], row["instrument_id"], row["channel_id"])
            found_here = FileRange(product=product, **row)
            before = self._ranges.get(stream)
            self._ranges[stream] = found_here if before is None else _joined(before, found_here)

    def require_sessions(self, path: Path) -> None:
        """Raise where the file has rows, and none of them is in a session of a known product."""
        if self._timeless and not self._rows:
            raise FileError(path, "has no row in a session", self._outside())
        if self._unknown and not self._rows:
            names = ", ".join(sorted(self._unknown)[:5])
            raise InstrumentError(
                f"{path}: no product is known for its symbols ({names}); "
                f"known are {', '.join(self._table)}: add theirs to the home's products.yaml, or "
                "leave the file out"
            )

    def remark(self, path: Path) -> str:
        """Return what is to be said of the rows that no partition gets; "" where there are none."""
        parts = [self._outside()] if self._timeless else []
        if self._unknown:
            parts.append(self._nameless())
        return f"{path}: {'; '.join(parts)}: in no session" if parts else ""

    def _outside(self) -> str:
        rows = ", ".join(f"{count} rows of {root}" for root, count in self._timeless.items())
        return f"{rows} have times outside its calendar"

    def _nameless(self) -> str:
        named = [f"{name} ({rows} rows)" for name, rows in self._unknown.most_common(NAMED)]
        more = len(self._unknown) - len(named)
        names = ", ".join(named) + (f" and {more} more" if more else "")
        return f"no product is known for {names}"

    def partitions(self) -> dict[tuple[str, str], int]:
        """Return the rows by product and session."""
        return {
            (product, str(EPOCH + timedelta(days=day))): count
            for (product, day), count in sorted(self._rows.items())
        }

    def channels(self, path: Path) -> list[FileChannel]:
        """Return what the file has of each channel."""
        return [FileChannel(path=str(path), **asdict(each)) for each in self._numbers.channels()]

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


def _is_snapshot(rows: pl.DataFrame) -> pl.Expr:
    if "flags" not in rows.columns:
        return pl.lit(value=False)
    return (pl.col("flags") & int(RecordFlag.SNAPSHOT) > 0).fill_null(value=False)


def is_message(rows: pl.DataFrame) -> pl.Expr:
    """Say of raw rows whether they are numbered and in no snapshot."""
    return ~_is_snapshot(rows) & (pl.col("sequence") > 0).fill_null(value=False)


def with_channel(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with a channel, -1 where the schema has none."""
    return rows if "channel_id" in rows.columns else rows.with_columns(channel_id=pl.lit(-1))
