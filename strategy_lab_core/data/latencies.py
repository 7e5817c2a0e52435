"""Files of recorded order latencies: Parquet, or CSV with a header, in exact integers.

Columns request_ns, exchange_ns, response_ns; an empty exchange_ns is a request that was rejected.
What the rows must obey is checked in `engine.latency_rows`.
"""

from pathlib import Path

import polars as pl

from strategy_lab_core.data.columns import Table
from strategy_lab_core.errors import FileError, FormatError, SchemaError

__all__ = ["read_latencies"]

_COLUMNS = ("request_ns", "exchange_ns", "response_ns")
_REMEDY = f"give whole ns UTC in the columns {', '.join(_COLUMNS)}"


def read_latencies(path: Path | str) -> Table:
    """Return the rows of a ``.parquet`` or ``.csv`` file of recorded latencies, as int64.

    Raises
    ------
    FileError
        The file can't be read, has another ending, lacks a column, or has a cell that is no
        integer; the message names the column and the first such row.
    """
    path = Path(path)
    if path.suffix not in (".parquet", ".csv"):
        raise FormatError(path, "ends neither in .parquet nor in .csv", "rename or convert it")
    try:
        read = pl.read_parquet(path) if path.suffix == ".parquet" else _cells(path)
    except OSError as error:
        reason = error.strerror or "no such file"
        raise FileError(path, f"can't be read ({reason})", "check the path") from error
    except pl.exceptions.PolarsError as error:
        raise FormatError(path, f"can't be read: {error}", _REMEDY) from error
    return pl.DataFrame([_whole(path, read, name) for name in _COLUMNS])


def _cells(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema=False)  # as text: no number passes through a float


def _whole(path: Path, read: pl.DataFrame, name: str) -> pl.Series:
    if name not in read.columns:
        raise SchemaError(path, f"has no column {name}", _REMEDY)
    found = read.get_column(name)
    if not (found.dtype.is_integer() or found.dtype in (pl.String, pl.Null)):
        raise SchemaError(path, f"column {name} is {found.dtype}", _REMEDY)
    values = found.cast(pl.Int64, strict=False)
    broken = values.is_null()
    if name == "exchange_ns":
        broken &= found.is_not_null()
    if broken.any():
        row = int(broken.arg_max() or 0)
        raise SchemaError(path, f"column {name} has {found[row]!r} in row {row}", _REMEDY)
    return values
