"""The obvious slow DBN writer: one record at a time through `struct`, no NumPy layouts."""

import datetime as dt
import struct
from types import SimpleNamespace
from typing import Any

import databento_dbn as dbn
import polars as pl

from strategy_lab_core.types import TickSchema

RTYPES = {
    TickSchema.MBO: 160,
    TickSchema.MBP_1: 1,
    TickSchema.TBBO: 1,
    TickSchema.MBP_10: 10,
    TickSchema.TRADES: 0,
    TickSchema.STATUS: 18,
    TickSchema.STATISTICS: 24,
}
Interval = tuple[int, dt.date, dt.date, str]


def header(
    schema: str | None, intervals: list[Interval], *, version: int = 3, ts_out: bool = False
) -> bytes:
    """Return magic, version and metadata; intervals are (instrument id, from, to, symbol)."""
    mappings: dict[str, list[Any]] = {}
    for key, start, end, symbol in intervals:
        entry = SimpleNamespace(start_date=start, end_date=end, symbol=str(key))
        mappings.setdefault(symbol, []).append(entry)
    metadata: Any = dbn.Metadata
    made = metadata(
        dataset="GLBX.MDP3", start=0, stype_in=dbn.SType.RAW_SYMBOL, version=version,
        stype_out=dbn.SType.INSTRUMENT_ID, schema=schema and dbn.Schema.from_str(schema),
        symbols=list(mappings), partial=[], not_found=[], ts_out=ts_out,
        mappings=[SimpleNamespace(raw_symbol=k, intervals=v) for k, v in mappings.items()],
    )  # fmt: skip
    return bytes(made)


def encode(
    ticks: pl.DataFrame, schema: TickSchema, *, version: int = 3, ts_out: bool = False
) -> bytes:
    """Return the records of a canonical table."""
    rows = ticks.iter_rows(named=True)
    return b"".join(_record(row, schema, version, ts_out) for row in rows)


def symbol_of(instrument_id: int, ts_ns: int, intervals: list[Interval]) -> str | None:
    """Return the symbol whose interval holds the UTC day of `ts_ns`."""
    day = dt.date(1970, 1, 1) + dt.timedelta(days=ts_ns // 86_400_000_000_000)
    for key, start, end, symbol in intervals:
        if key == instrument_id and start <= day < end:
            return symbol
    return None


def _record(row: dict[str, Any], schema: TickSchema, version: int, ts_out: bool) -> bytes:
    body = _statistic(row, version) if schema is TickSchema.STATISTICS else _body(row, schema)
    body += b"\1" * 8 if ts_out else b""
    return _head(row, schema, 16 + len(body)) + body


def _head(row: dict[str, Any], schema: TickSchema, size: int) -> bytes:
    ids = (row["publisher_id"], row["instrument_id"], row["ts_event"])
    return struct.pack("<BBHIQ", size // 4, RTYPES[schema], *ids)


def _body(row: dict[str, Any], schema: TickSchema) -> bytes:
    if schema is TickSchema.STATUS:
        numbers = struct.pack(
            "<QHHH", row["ts_recv"], row["action"], row["reason"], row["trading_event"]
        )
        names = ("is_trading", "is_quoting", "is_short_sell_restricted")
        return numbers + bytes(ord(row[name]) for name in names) + bytes(7)
    letters = (ord(row["action"]), ord(row["side"]))
    stamps = struct.pack("<QiI", row["ts_recv"], row["ts_in_delta"], row["sequence"])
    if schema is TickSchema.MBO:
        order = (row["order_id"], row["price"], row["size"], row["flags"], row["channel_id"])
        return struct.pack("<QqIBBBB", *order, *letters) + stamps
    trade = struct.pack("<qIBBBB", row["price"], row["size"], *letters, row["flags"], row["depth"])
    levels = {TickSchema.MBP_1: 1, TickSchema.TBBO: 1, TickSchema.MBP_10: 10}.get(schema, 0)
    return trade + stamps + b"".join(_level(row, level) for level in range(levels))


def _statistic(row: dict[str, Any], version: int) -> bytes:
    """Return a record's body: 32 bits of quantity up to version 2, 64 since."""
    wide = version == 3
    undefined = {"ts_ref": 2**64 - 1, "quantity": 2**63 - 1 if wide else 2**31 - 1}
    row = {name: undefined.get(name) if value is None else value for name, value in row.items()}
    figures = (row["ts_ref"], row["price"], row["quantity"], row["sequence"], row["ts_in_delta"])
    codes = (row["stat_type"], row["channel_id"], row["update_action"], row["stat_flags"])
    numbers = struct.pack("<QQq" + ("q" if wide else "i") + "Ii", row["ts_recv"], *figures)
    return numbers + struct.pack("<HHBB", *codes) + bytes(18 if wide else 6)


def _level(row: dict[str, Any], level: int) -> bytes:
    values = [
        row[f"{side}_{what}_{level:02d}"] for what in ("px", "sz", "ct") for side in ("bid", "ask")
    ]
    return struct.pack("<qqIIII", *values)
