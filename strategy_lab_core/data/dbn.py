"""Databento Binary Encoding, versions 1 to 3, plain or zstd: records to tables without a float.

The layouts are databento_dbn's NumPy dtypes. Every record's type and length are checked, because
the vendor's own decoder passes over a cut-off tail without a word.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import cycle
from pathlib import Path
from typing import Any

import databento_dbn as dbn
import numpy as np
import polars as pl
from numpy.typing import NDArray

from strategy_lab_core.data.schemas import LETTER, LINEAGE, ColumnSpec, columns_of
from strategy_lab_core.data.tick_file import COPY_AGAIN, ByteStream, Source, TickFile, ahead
from strategy_lab_core.errors import FormatError, TruncatedFileError
from strategy_lab_core.types import Int1D, IntAny, TickSchema

__all__ = ["DbnHeader", "open_dbn", "read_header", "record_dtype"]

_READ = "Strategy Lab reads mbo, mbp-1, mbp-10, tbbo, trades, status, statistics and definition"
_MAX_METADATA_BYTES = 1 << 28
_BUFFER_BYTES = 1 << 24
_BLOCK_BYTES = 1 << 18
_NS_PER_DAY = 86_400_000_000_000
_DAY_BITS = 17  # days since 1970 up to the year 2328, below the instrument id
_RTYPES = {
    TickSchema.MBO: (0xA0,),
    TickSchema.MBP_1: (0x01,),
    TickSchema.TBBO: (0x01, 0xC5),
    TickSchema.MBP_10: (0x0A,),
    TickSchema.TRADES: (0x00,),
    TickSchema.STATUS: (0x12,),
    TickSchema.STATISTICS: (0x18,),
    TickSchema.DEFINITION: (0x13,),
}
_RECORDS: dict[TickSchema, Any] = {
    TickSchema.MBO: dbn.MBOMsg,
    TickSchema.MBP_1: dbn.MBP1Msg,
    TickSchema.TBBO: dbn.MBP1Msg,
    TickSchema.MBP_10: dbn.MBP10Msg,
    TickSchema.TRADES: dbn.TradeMsg,
    TickSchema.STATUS: dbn.StatusMsg,
}
_BY_VERSION: dict[TickSchema, dict[int, Any]] = {  # layouts that have changed
    TickSchema.STATISTICS: {1: dbn.StatMsgV1, 2: dbn.StatMsgV1, 3: dbn.StatMsg},
    TickSchema.DEFINITION: {
        1: dbn.InstrumentDefMsgV1,
        2: dbn.InstrumentDefMsgV2,
        3: dbn.InstrumentDefMsg,
    },
}
_VERSIONS = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class DbnHeader:
    """What stands before the records.

    `intervals` are (instrument id, first day, day after the last, symbol), days since 1970 in UTC.
    """

    version: int
    schema: TickSchema
    dataset: str
    ts_out: bool
    intervals: tuple[tuple[int, int, int, str], ...]


def record_dtype(schema: TickSchema, version: int, *, ts_out: bool = False) -> np.dtype[np.void]:
    """Return the layout of one record; with `ts_out` 8 bytes of sending time follow it."""
    kind = _BY_VERSION[schema][version] if schema in _BY_VERSION else _RECORDS[schema]
    return np.dtype([*kind._dtypes, ("ts_out", "u8")] if ts_out else kind._dtypes)


def open_dbn(path: Path, *, compression: str | None) -> TickFile:
    """Read the header of a DBN file.

    A file that is cut exactly between two records (plain) or two frames (zstd) can't be told from
    a whole one: the format doesn't say how many records follow.

    Parameters
    ----------
    path
        The file; its content starts with ``DBN``.
    compression
        "zstd" or None.
    """
    with Source((path,)) as source:
        header = read_header(ByteStream(source, path, compression))

    def decode(source: Source, batch_rows: int) -> Iterator[pl.DataFrame]:
        """Yield the records of the file."""
        stream = ByteStream(source, path, compression)
        mapping, row = _SymbolMap(read_header(stream).intervals), 0
        for records in ahead(_records(stream, header, batch_rows)):
            columns = _columns(records, header.schema)
            _check(columns, records.itemsize, header.schema, row, path)
            yield _table(columns, header.schema, mapping)
            row += len(records)

    symbols = {key: symbol for key, _, _, symbol in sorted(header.intervals)}
    return TickFile(path, "dbn", header.schema, header.dataset, symbols, decode)


def read_header(stream: ByteStream) -> DbnHeader:
    """Read magic, version and metadata; the stream then stands at the first record."""
    prefix = stream.read_whole(8)
    if len(prefix) < 8:
        raise TruncatedFileError(
            stream.path, f"ends at byte {len(prefix)}, in its header", COPY_AGAIN
        )
    version, length = prefix[3], int.from_bytes(prefix[4:], "little")
    if prefix[:3] != b"DBN" or version not in _VERSIONS:
        found = f"is version {version} of DBN" if prefix[:3] == b"DBN" else "is not a DBN file"
        raise FormatError(stream.path, found, "versions 1, 2 and 3 are read: convert it")
    if length > _MAX_METADATA_BYTES:
        raise FormatError(stream.path, f"byte 4 gives {length} bytes of metadata", COPY_AGAIN)
    body = stream.read_whole(length)
    if len(body) < length:
        problem = f"ends at byte {stream.offset}, in its metadata of {length} bytes"
        raise TruncatedFileError(stream.path, problem, COPY_AGAIN)
    try:
        metadata = dbn.Metadata.decode(prefix + body)
    except (dbn.DBNError, ValueError, OverflowError) as error:
        raise FormatError(
            stream.path, f"its metadata can't be read: {error}", COPY_AGAIN
        ) from error
    return DbnHeader(
        version,
        _schema(metadata, stream.path),
        metadata.dataset,
        bool(metadata.ts_out),
        tuple(_intervals(metadata)),
    )


def _schema(metadata: dbn.Metadata, path: Path) -> TickSchema:
    name = "of several schemas (a live capture)" if metadata.schema is None else metadata.schema
    try:
        return TickSchema(str(name))
    except ValueError as error:
        raise FormatError(path, f"its records are {name}", _READ) from error


def _intervals(metadata: dbn.Metadata) -> Iterator[tuple[int, int, int, str]]:
    """Yield the mappings from or to instrument ids; symbols that were not found have none."""
    to_id = str(metadata.stype_out) == "instrument_id"
    for symbol_in, entries in metadata.mappings.items():
        for entry in entries:
            key, symbol = entry["symbol"], symbol_in
            if not to_id:
                key, symbol = symbol, key
            if key.isdecimal() and int(key) < 1 << 32:
                yield int(key), _day(entry["start_date"]), _day(entry["end_date"]), symbol


def _day(when: date) -> int:
    days = when.toordinal() - date(1970, 1, 1).toordinal()
    return min(max(days, 0), (1 << _DAY_BITS) - 1)


class _SymbolMap:
    """Symbols by instrument id and UTC day, as two sorted arrays."""

    def __init__(self, intervals: tuple[tuple[int, int, int, str], ...]) -> None:
        ordered = sorted(intervals)
        self._starts = np.array([(i << _DAY_BITS) + start for i, start, _, _ in ordered], np.int64)
        self._ends = np.array([(i << _DAY_BITS) + end for i, _, end, _ in ordered], np.int64)
        self._symbols = pl.Series("symbol", [row[3] for row in ordered] + [None], pl.String)

    def symbols(self, instrument_id: NDArray[np.uint32], ts_ns: Int1D) -> pl.Series:
        """Return one symbol per row, null where no mapping holds on its day."""
        if len(ts_ns):
            ends = [(ids.min(), ids.max()) for ids in (instrument_id, ts_ns)]
            first, last = _keys(*(np.array(pair) for pair in ends))
            if first == last:  # one instrument, one day
                return self._places(np.array([first])).new_from_index(0, len(ts_ns))
        return self._places(_keys(instrument_id, ts_ns))

    def _places(self, keys: Int1D) -> pl.Series:
        place = np.searchsorted(self._starts, keys, side="right") - 1
        if not len(self._starts):
            return self._symbols.gather(place + 1)
        place = np.where(keys < self._ends[place], place, len(self._starts))
        return self._symbols.gather(np.where(place < 0, len(self._starts), place))


def _keys(instrument_id: IntAny, ts_ns: Int1D) -> Int1D:
    """Return instrument and UTC day as one number."""
    days = np.clip(ts_ns // _NS_PER_DAY, 0, (1 << _DAY_BITS) - 1)
    return (instrument_id.astype(np.int64) << _DAY_BITS) + days


def _records(stream: ByteStream, header: DbnHeader, rows: int) -> Iterator[NDArray[np.void]]:
    """Yield records, at most `rows` at a time; their memory is used again for those after next."""
    dtype, first = record_dtype(header.schema, header.version, ts_out=header.ts_out), 0
    size = min(rows, max(_BUFFER_BYTES // dtype.itemsize, 1)) * dtype.itemsize
    buffers = cycle([np.empty(size, np.uint8), np.empty(size, np.uint8)])
    while filled := _fill(stream, (buffer := next(buffers)).data):
        records = np.frombuffer(buffer, dtype, filled // dtype.itemsize)
        yield records
        first += len(records)
        if filled % dtype.itemsize:
            problem = f"ends at byte {stream.offset} of its content, in row {first}"
            raise TruncatedFileError(stream.path, problem, COPY_AGAIN)


def _fill(stream: ByteStream, buffer: memoryview) -> int:
    filled = 0
    while filled < len(buffer) and (part := stream.read(len(buffer) - filled)):
        buffer[filled : filled + len(part)] = part
        filled += len(part)
    return filled


def _columns(records: NDArray[np.void], schema: TickSchema) -> dict[str, NDArray[Any]]:
    """Copy fields to columns, block by block: each block is fetched into the cache once."""
    names = ["length", "rtype", *(spec.name for spec in columns_of(schema)[: -len(LINEAGE)])]
    columns = {name: np.empty(len(records), records.dtype[name]) for name in names}
    step = max(_BLOCK_BYTES // records.itemsize, 1)
    for start in range(0, len(records), step):
        block = records[start : start + step]
        for name in names:
            columns[name][start : start + step] = block[name]
    return columns


def _check(
    columns: dict[str, NDArray[Any]], size: int, schema: TickSchema, first: int, path: Path
) -> None:
    """Refuse a record of another kind or size; the first one is the file's row `first`."""
    length, rtype = columns["length"], columns["rtype"]
    right = length == size // 4
    right &= np.logical_or.reduce([rtype == kind for kind in _RTYPES[schema]])
    if right.all():
        return
    row = int(right.argmin())
    raise FormatError(
        path,
        f"row {first + row} is a record of rtype {rtype[row]} and {int(length[row]) * 4} "
        f"bytes, not {schema.value}'s rtype {_RTYPES[schema][0]} and {size} bytes",
        f"files of one schema are read; if this should be one, {COPY_AGAIN}",
    )


def _table(
    columns: dict[str, NDArray[Any]], schema: TickSchema, mapping: _SymbolMap
) -> pl.DataFrame:
    specs = columns_of(schema)[: -len(LINEAGE)]
    made = pl.DataFrame([_series(columns[spec.name], spec) for spec in specs])
    if schema is TickSchema.DEFINITION:
        return made.with_columns(symbol=pl.col("raw_symbol"))
    ts_recv = made["ts_recv"].to_numpy()
    ts_index = np.where(ts_recv < 0, made["ts_event"].to_numpy(), ts_recv)
    return made.with_columns(mapping.symbols(made["instrument_id"].to_numpy(), ts_index))


def _series(values: NDArray[Any], spec: ColumnSpec) -> pl.Series:
    if spec.dtype == pl.String:
        return pl.Series(spec.name, [_text(value) for value in values], pl.String)
    if spec.dtype == LETTER:
        return pl.Series(spec.name, values.view(np.uint8)).cat.to(LETTER)
    if spec.nullable:  # undefined is the largest value of the field, whose width may have changed
        defined = values != np.iinfo(values.dtype).max
        found = pl.Series(spec.name, values.astype(np.int64))
        return found.set(pl.Series(~defined), None)
    return pl.Series(spec.name, values.view(np.int64) if spec.dtype == pl.Int64 else values)


def _text(value: bytes) -> str:
    """Return a C string; bytes that are not text stay visible as escapes."""
    return value.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")
