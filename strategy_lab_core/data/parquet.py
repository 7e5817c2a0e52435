"""Parquet with the canonical columns: our own tables, or Databento's with fixed-point prices.

Integer widths may differ as long as the values fit (a value that doesn't becomes null), letters
may be strings or codes, times may be UTC timestamps, prices decimals. Floats are refused.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from strategy_lab_core.data.databento_csv import checked_schema
from strategy_lab_core.data.schemas import LETTER, LINEAGE, SYMBOL, ColumnSpec, columns_of
from strategy_lab_core.data.tick_file import COPY_AGAIN, Source, TickFile
from strategy_lab_core.errors import FileError, SchemaError, TruncatedFileError

__all__ = ["open_parquet"]

_READ_ROWS = 1 << 16
_UTC = ("UTC", "Etc/UTC", "+00:00")


def open_parquet(path: Path) -> TickFile:
    """Read the footer of a Parquet file and check its column types.

    `file_hash` and `row` are those of this file, whatever such columns in it say. The name tells
    tbbo from mbp-1, whose columns are the same.
    """
    with Source((path,)) as source:
        arrow = _parquet(source, path).schema_arrow
    schema = checked_schema(path, list(arrow.names))
    specs = [spec for spec in columns_of(schema)[: -len(LINEAGE)] if spec is not SYMBOL]
    wanted = [*specs, SYMBOL] if "symbol" in arrow.names else specs
    for spec in wanted:
        _check_type(path, spec, arrow.field(spec.name).type)

    def decode(source: Source, batch_rows: int) -> Iterator[pl.DataFrame]:
        """Yield the rows of the file."""
        names = [spec.name for spec in wanted]
        made = [_column(spec, arrow.field(spec.name).type) for spec in wanted]
        if len(wanted) == len(specs):
            made.append(pl.lit(None, pl.String).alias("symbol"))
        file, row = _parquet(source, path), 0
        try:
            for batch in file.iter_batches(min(batch_rows, _READ_ROWS), columns=names):
                yield pl.DataFrame(pa.Table.from_batches([batch])).select(made)
                row += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise FileError(path, f"can't be read after row {row}: {error}", COPY_AGAIN) from error

    return TickFile(path, "parquet", schema, "", {}, decode)


def _parquet(source: Source, path: Path) -> Any:
    source.open(path)  # permissions, and the hash
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        problem = f"has no readable footer: {error}"
        raise TruncatedFileError(path, problem, COPY_AGAIN) from error


def _check_type(path: Path, spec: ColumnSpec, found: pa.DataType) -> None:
    expected, accepted = _accepted(spec)
    if not accepted(found):
        remedy = "write it with integer columns (Databento: price_type='fixed', pretty_ts=False)"
        problem = f"column {spec.name} is {found}, expected {expected}"
        raise SchemaError(path, problem, remedy)


def _accepted(spec: ColumnSpec) -> tuple[str, Callable[[pa.DataType], bool]]:
    if spec.dtype == LETTER:
        return "letters or their codes", lambda kind: _is_text(kind) or pa.types.is_uint8(kind)
    if spec.dtype == pl.String:
        return "strings", lambda kind: _is_text(kind) or pa.types.is_null(kind)
    if spec.unit == "1e-9":
        return "an integer in 1e-9", lambda kind: pa.types.is_integer(kind) or _is_decimal(kind)
    if spec.unit == "ns UTC":
        return "an integer in ns UTC", lambda kind: pa.types.is_integer(kind) or _is_utc(kind)
    return f"{spec.dtype}", pa.types.is_integer


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_decimal(kind: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(kind) and 0 <= kind.scale <= 9)


def _is_utc(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) and kind.tz in _UTC)


def _column(spec: ColumnSpec, found: pa.DataType) -> pl.Expr:
    column = pl.col(spec.name)
    if spec.dtype == LETTER:
        if pa.types.is_uint8(found):
            return column.cat.to(LETTER)
        return column.cast(pl.String).cast(LETTER, strict=False)
    if spec.dtype == pl.String:
        return column.cast(pl.String)
    if pa.types.is_timestamp(found):
        return column.dt.cast_time_unit("ns").to_physical()
    if pa.types.is_decimal(found):
        # Units of the last decimal are whole numbers: no float, no rounding.
        units = (
            column.cast(pl.String).str.replace(".", "", literal=True).cast(pl.Int64, strict=False)
        )
        scale: int = 10 ** (9 - found.scale)
        return units * scale
    if spec.nullable:  # undefined is the largest value of the file's own type
        column = pl.when(column != np.iinfo(found.to_pandas_dtype()).max).then(column)
    return column.cast(spec.dtype, strict=False)
