"""Parquet files whose bytes depend on their rows alone.

Row groups are cut at a fixed number of rows, whatever the size of the batches that come in. Where
files lie and when they are whole is the lake's affair.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl
import pyarrow.parquet as pq

from strategy_lab_pipeline.errors import LakeError

__all__ = ["ROW_GROUP_ROWS", "TableWriter", "read_batches"]

ROW_GROUP_ROWS = 1 << 18
# Integers as differences: time stamps, sequences and order ids shrink to half of a dictionary's.
_DELTA = (pl.Int64, pl.UInt64, pl.Int32, pl.UInt32)
_OLDEST = pl.CompatLevel.oldest()  # no string views: every Parquet reader knows the types


class TableWriter:
    """Writes one table batch by batch; without any, an empty table of the schema.

    Parameters
    ----------
    schema
        Names and types, in order. Polars' Enum columns are read back as such.
    row_group_rows
        Rows of every row group but the last.
    """

    def __init__(
        self, path: Path, schema: pl.Schema, *, row_group_rows: int = ROW_GROUP_ROWS
    ) -> None:
        self.path, self.schema, self.rows = path, schema, 0
        self._row_group_rows = row_group_rows
        self._pending: list[pl.DataFrame] = []
        self._pending_rows = 0
        arrow = schema.to_frame().to_arrow(compat_level=_OLDEST).schema
        self._file: Any = pq.ParquetWriter(
            path,
            arrow,
            compression="zstd",
            compression_level=1,
            use_dictionary=[name for name, dtype in schema.items() if dtype not in _DELTA] or False,
            column_encoding={
                name: "DELTA_BINARY_PACKED" for name, dtype in schema.items() if dtype in _DELTA
            },
        )

    def write(self, batch: pl.DataFrame) -> None:
        """Append the rows of `batch`.

        Raises
        ------
        LakeError
            Its columns or types are not the schema's.
        """
        if batch.schema != self.schema:
            raise LakeError(f"{self.path.name}: {_difference(self.schema, batch.schema)}")
        self._pending.append(batch)
        self._pending_rows += batch.height
        self.rows += batch.height
        if self._pending_rows >= self._row_group_rows:
            self._flush(keep_rest=True)

    def close(self) -> None:
        """Write what is pending and the footer; a second call does nothing."""
        if self._file.is_open:
            self._flush(keep_rest=False)
            self._file.close()

    def abandon(self) -> None:
        """Close the file without what is pending: it is about to be removed."""
        self._pending.clear()
        if self._file.is_open:
            self._file.close()

    def _flush(self, *, keep_rest: bool) -> None:
        if not self._pending_rows:
            return
        rows = pl.concat(self._pending)
        whole = rows.height - rows.height % self._row_group_rows if keep_rest else rows.height
        for start in range(0, whole, self._row_group_rows):
            group = rows.slice(start, min(self._row_group_rows, whole - start)).rechunk()
            arrow = group.to_arrow(compat_level=_OLDEST)
            self._file.write_table(arrow, row_group_size=self._row_group_rows)
        self._pending = [rows.slice(whole)]
        self._pending_rows = rows.height - whole

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()


def read_batches(path: Path, *, rows: int = ROW_GROUP_ROWS) -> Iterator[pl.DataFrame]:
    """Yield the rows of a table in order, `rows` at a time: memory stays flat."""
    table = pl.scan_parquet(path)
    total = table.select(pl.len()).collect().item()
    for start in range(0, total, rows):
        yield table.slice(start, rows).collect()


def _difference(wanted: pl.Schema, found: pl.Schema) -> str:
    for name, dtype in wanted.items():
        if name not in found:
            return f"column {name} is missing"
        if found[name] != dtype:
            return f"column {name} must be {dtype}, got {found[name]}"
    extra = [name for name in found if name not in wanted]
    return f"unknown columns {', '.join(extra)}" if extra else "columns are in another order"
