"""The one border between tables and kernels: columns out as NumPy arrays, arrays back as a table.

Layers that may not import a dataframe library annotate with `Table` and use these functions.
Arrays are always contiguous, writable and of one width per column, because every other form would
make Numba compile another specialisation.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from strategy_lab_core.data.schemas import LETTER
from strategy_lab_core.errors import DataError
from strategy_lab_core.types import EMPTY_PRICE, Int1D, IntAny

__all__ = [
    "Table",
    "column",
    "concat",
    "from_bytes",
    "int64",
    "repeated",
    "rows_digest",
    "table",
    "to_bytes",
]

Table: TypeAlias = pl.DataFrame


def column(ticks: Table, name: str, *, null: int | None = None) -> IntAny:
    """Return one column as an array of its stored width (shape: rows); letters as uint8 codes.

    Parameters
    ----------
    ticks
        Any table.
    name
        The column.
    null
        What stands in the array where the table has a null; without it a null is an error.
    """
    series = _series(ticks, name)
    if series.dtype == LETTER:
        series = series.to_physical().cast(pl.UInt8)
    if series.null_count():
        if null is None:
            row = series.is_null().arg_max()
            raise DataError(f"column {name} has no value in row {row}: quarantine such rows first")
        series = series.fill_null(null)
    return np.ascontiguousarray(series.to_numpy(writable=True))


def int64(ticks: Table, name: str, *, null: int | None = None) -> Int1D:
    """Return one integer or letter column as int64 (shape: rows), as `column` does."""
    return column(ticks, name, null=null).astype(np.int64, copy=False)


def table(
    columns: Mapping[str, NDArray[Any] | Sequence[str]],
    *,
    letters: Collection[str] = ("action", "side"),
    empty_as_null: Collection[str] = (),
) -> Table:
    """Return a table of equally long arrays, in the mapping's order.

    Parameters
    ----------
    columns
        Name to array (shape: rows); the width is kept. Strings may come as a sequence, and an
        empty one is of strings.
    letters
        Columns that become letters where their array is uint8 (ASCII codes).
    empty_as_null
        Price columns (1e-9) in which `EMPTY_PRICE` becomes null.
    """
    made = pl.DataFrame([_made(name, values, letters) for name, values in columns.items()])
    prices = [name for name in columns if name in empty_as_null]
    if not prices:
        return made
    found = pl.col(prices)
    return made.with_columns(pl.when(found != EMPTY_PRICE).then(found))


def repeated(name: str, texts: Sequence[str], counts: IntAny) -> Table:
    """Return a table of one column of strings, each as often as `counts` says (shape: texts)."""
    each = pl.Series(name, texts, dtype=pl.String)
    return each.gather(np.repeat(np.arange(len(texts)), counts)).to_frame()


def concat(tables: Sequence[Table]) -> Table:
    """Return the rows of several tables of the same columns, one after the other."""
    return pl.concat(tables, rechunk=True)


def to_bytes(table: Table) -> bytes:
    """Return a table as an Arrow file, which `from_bytes` reads with its very types."""
    sink = BytesIO()
    table.write_ipc(sink)
    return sink.getvalue()


def from_bytes(content: bytes) -> Table:
    """Return the table of an Arrow file."""
    return pl.read_ipc(BytesIO(content))


def rows_digest(table: Table) -> str:
    """Return 64 hex digits of a table's columns and rows in their order, however it lies in memory.

    A row counts by a hash of 64 bits; another version of the library may give other digits.
    """
    digest = hashlib.sha256(repr(table.schema).encode())
    digest.update(table.hash_rows(seed=0).to_numpy().tobytes())
    return digest.hexdigest()


def _series(ticks: Table, name: str) -> pl.Series:
    if name not in ticks.columns:
        raise DataError(f"the table has no column {name}; it has {', '.join(ticks.columns)}")
    return ticks.get_column(name)


def _made(name: str, values: NDArray[Any] | Sequence[str], letters: Collection[str]) -> pl.Series:
    if len(values) == 0 and not isinstance(values, np.ndarray):
        return pl.Series(name, values, dtype=pl.String)
    series = pl.Series(name, values)
    if name in letters and series.dtype == pl.UInt8:
        return series.cat.to(LETTER)
    return series
