"""Market-by-order records to DBN bytes and files.

Records are rows of `RECORD`, DBN's own layout of an mbo message. Reading is in the readers; what
the records say is up to the caller.
"""

import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import databento_dbn as dbn
import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.types import NS_PER_SECOND, TickSchema

__all__ = ["RECORD", "Records", "empty_records", "to_records", "utc_date", "write_dbn"]

RECORD = np.dtype(
    [
        ("length", "u1"),  # of the record, in units of 4 bytes
        ("rtype", "u1"),
        ("publisher_id", "<u2"),
        ("instrument_id", "<u4"),
        ("ts_event", "<u8"),  # ns UTC
        ("order_id", "<u8"),
        ("price", "<i8"),  # 1e-9
        ("size", "<u4"),  # lots
        ("flags", "u1"),
        ("channel_id", "u1"),
        ("action", "u1"),  # ASCII code
        ("side", "u1"),  # ASCII code
        ("ts_recv", "<u8"),  # ns UTC
        ("ts_in_delta", "<i4"),  # ns
        ("sequence", "<u4"),
    ]
)
Records = NDArray[Any]  # rows of RECORD
_MBO_RTYPE = 0xA0


@dataclass(frozen=True, slots=True)
class _Interval:
    start_date: date
    end_date: date
    symbol: str


@dataclass(frozen=True, slots=True)
class _Mapping:
    raw_symbol: str
    intervals: tuple[_Interval, ...]


def utc_date(ts_ns: int) -> date:
    """Return the UTC date of a time in ns."""
    return datetime.fromtimestamp(ts_ns // NS_PER_SECOND, UTC).date()


def empty_records(count: int) -> Records:
    """Return `count` zeroed records with the header of an mbo message of CME's dataset."""
    records = np.zeros(count, dtype=RECORD)
    records["length"], records["rtype"] = RECORD.itemsize // 4, _MBO_RTYPE
    records["publisher_id"] = 1
    return records


def to_records(table: pl.DataFrame) -> Records:
    """Return the rows of a canonical mbo table as records; lineage columns are left behind."""
    records = empty_records(table.height)
    for name in polars_schema(TickSchema.MBO):
        if name in RECORD.names:  # type: ignore[operator]
            records[name] = table[name].to_physical().to_numpy()
    return records


def _metadata(
    first_day: date, days: int, symbols: dict[int, str], dataset: str, version: int
) -> bytes:
    end_day = first_day + timedelta(days=days)
    start, end = (
        int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * NS_PER_SECOND
        for day in (first_day, end_day)
    )
    mappings: Any = [
        _Mapping(symbol, (_Interval(first_day, end_day, str(number)),))
        for number, symbol in symbols.items()
    ]
    library: Any = dbn  # its stubs type enum members as strings
    metadata = dbn.Metadata(
        dataset,
        start,
        library.SType.RAW_SYMBOL,
        library.SType.INSTRUMENT_ID,
        library.Schema.MBO,
        symbols=list(symbols.values()),
        mappings=mappings,
        end=end,
        version=version,
    )
    return bytes(metadata)


def write_dbn(
    path: Path,
    rows: pl.DataFrame | Records,
    symbols: dict[int, str],
    *,
    dataset: str = "GLBX.MDP3",
    version: int = 3,
) -> None:
    """Write mbo rows as one DBN file; it appears whole or not at all.

    Parameters
    ----------
    path
        The file; zstd-compressed where its name ends in ``.zst``.
    rows
        A canonical mbo table or records, in the order to be written, at least one.
    symbols
        Symbol of every instrument id.
    dataset, version
        Databento's dataset code and the DBN version of the header.
    """
    records = to_records(rows) if isinstance(rows, pl.DataFrame) else rows
    first, last = int(records["ts_recv"].min()), int(records["ts_recv"].max())
    days = (utc_date(last) - utc_date(first)).days + 1
    header = _metadata(utc_date(first), days, symbols, dataset, version)
    compression = "zstd" if path.suffix == ".zst" else None
    draft = path.with_name(path.name + ".part")
    with pa.output_stream(str(draft), compression=compression) as stream:
        stream.write(header)
        stream.write(np.ascontiguousarray(records).tobytes())
    with draft.open("rb") as written:
        os.fsync(written.fileno())
    draft.replace(path)
