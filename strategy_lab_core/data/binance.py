"""Raw captures of Binance's streams: lines of receive time and JSON, as depth differences.

Every level of every message is a row: `depthUpdate` and the REST snapshot change the book (M, with
the new size, 0 where a level is gone; a snapshot after an `R`), a trade is a T with the aggressor's
side, a bookTicker two N rows, which leave the book alone and say what the venue thinks is best.

* `ts_event` is the transaction time where there is one, else the event time, both in ms; messages
  without either (the spot market's bookTicker and snapshot) take `ts_recv`, flagged BAD_TS_RECV.
* Sizes are integers of the decimals that the venue writes; of the spot market, which pads to eight,
  of 1e-6. A size that is finer, or more than 32 bits of such lots, refuses the file: a level
  without its size would be a wrong book.
* A snapshot is put before the first change that it does not have: its answer may come after some.
  Where those were read in an earlier block of lines, it leaves the book alone too.
* `instrument_id` is the CRC-32 of market and symbol, `sequence` the message's line from 1,
  `publisher_id` 0. A capture holds one instrument.
"""

import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from strategy_lab_core.data import exact
from strategy_lab_core.data.schemas import LETTER, LINEAGE, columns_of
from strategy_lab_core.data.tick_file import COPY_AGAIN, ByteStream, Source, TickFile
from strategy_lab_core.errors import FormatError, TruncatedFileError
from strategy_lab_core.types import EMPTY_PRICE, RecordFlag, TickSchema

__all__ = ["is_capture", "open_binance"]

_START = re.compile(rb"\d{19} \{")
_BLOCK_BYTES = 1 << 22
_NS_PER_MS = 1_000_000
_SPOT_DECIMALS = 6
_MOST_LOTS = 2**32 - 1
_UNCLOCKED = int(RecordFlag.BAD_TS_RECV)
_SNAPSHOT = int(RecordFlag.SNAPSHOT)
_LAST = int(RecordFlag.LAST)

_LEVELS = pl.List(pl.List(pl.String))
_TIMES = {"E": pl.Int64, "T": pl.Int64}
_DIFF = pl.Struct(
    {**_TIMES, "s": pl.String, "U": pl.Int64, "u": pl.Int64, "pu": pl.Int64, "b": _LEVELS,
     "a": _LEVELS}
)  # fmt: skip
_TRADE = pl.Struct(
    {**_TIMES, "s": pl.String, "t": pl.Int64, "p": pl.String, "q": pl.String, "m": pl.Boolean}
)
_TICKER = pl.Struct(
    {**_TIMES, "s": pl.String, "u": pl.Int64, "b": pl.String, "B": pl.String, "a": pl.String,
     "A": pl.String}
)  # fmt: skip
_SNAP = pl.Struct({**_TIMES, "lastUpdateId": pl.Int64, "bids": _LEVELS, "asks": _LEVELS})
_ROW = ("line", "ts_recv", "ms", "action", "side", "price", "size", "update_id", "previous",
        "snapshot")  # fmt: skip


_NO = pl.lit(value=False)


def is_capture(content: bytes) -> bool:
    """Return whether a file that starts so is a raw capture."""
    return _START.match(content) is not None


def open_binance(path: Path, *, compression: str | None) -> TickFile:
    """Return the capture with market and symbol known from its first block of lines.

    Parameters
    ----------
    path
        The file.
    compression
        "zstd", "gzip" or None.
    """
    with Source((path,)) as source:
        start = ByteStream(source, path, compression).read_whole(_BLOCK_BYTES)
    symbols = set(re.findall(rb'"s":"([^"]+)"', start))
    if len(symbols) != 1:
        found = ", ".join(sorted(symbol.decode() for symbol in symbols)) or "none"
        raise FormatError(path, f"holds the symbols {found}", "capture one instrument a file")
    market = "coin-m" if b'"ps":"' in start else "usd-m" if b'"pu":' in start else "spot"
    symbol, decimals = symbols.pop().decode(), _decimals(path, start, market)
    instrument_id = zlib.crc32(f"{market} {symbol}".encode())

    def decode(source: Source, batch_rows: int) -> Iterator[pl.DataFrame]:
        """Yield the rows of the capture."""
        del batch_rows  # blocks of lines are regrouped anyway
        stream = ByteStream(source, path, compression)
        newest = 0
        for lines, first in _blocks(stream):
            rows = _rows(path, lines, first, newest)
            newest = max(newest, _newest(rows))
            table = _table(rows, instrument_id, symbol, decimals)
            _refuse_lost(path, rows, table, decimals)
            yield table

    dataset = f"BINANCE.{market.upper()}"
    return TickFile(path, "binance", TickSchema.DEPTH, dataset, {instrument_id: symbol}, decode)


def _decimals(path: Path, start: bytes, market: str) -> int:
    size = re.search(rb'\["[0-9.]+","[0-9]+\.?([0-9]*)"\]', start)
    if size is None or b'"depthUpdate"' not in start:
        raise FormatError(
            path,
            f"has no change of depth in its first {_BLOCK_BYTES:,} bytes, which tells the market "
            "and its lot",
            "capture depth beside trades and quotes, from the beginning",
        )
    return _SPOT_DECIMALS if market == "spot" else len(size[1])


def _refuse_lost(path: Path, rows: pl.DataFrame, table: pl.DataFrame, decimals: int) -> None:
    """Refuse the first price or size that has no place in the columns."""
    for name, lot in (("price", 9), ("size", decimals)):
        lost = table[name].is_null()
        if lost.any():
            where = int(lost.arg_max() or 0)
            line, value = rows["line"][where], rows[name][where]
            rule = f"a whole number of 1e-{lot}"
            most = f", at most {_MOST_LOTS / 10**lot:,.{lot}f}" if name == "size" else ""
            raise FormatError(
                path,
                f"line {line} has the {name} {value!r}, which must be {rule}{most}",
                "correct the line; a market with such sizes can't be read",
            )


def _blocks(stream: ByteStream) -> Iterator[tuple[list[str], int]]:
    """Yield whole lines in blocks, with the number of the first, counted from 1."""
    rest, first = b"", 1
    while part := stream.read_whole(_BLOCK_BYTES):
        text = rest + part
        end = text.rfind(b"\n") + 1
        lines = text[:end].decode("utf-8", "replace").splitlines()
        yield lines, first
        first, rest = first + len(lines), text[end:]
    if rest:
        raise TruncatedFileError(stream.path, f"ends in the middle of line {first}", COPY_AGAIN)


def _rows(path: Path, lines: list[str], first: int, newest: int) -> pl.DataFrame:
    """Return the rows of a block, snapshots in their place; `newest` change was handed out."""
    text = pl.DataFrame({"text": lines}).with_columns(
        line=pl.int_range(first, first + len(lines), dtype=pl.Int64),
        ts_recv=pl.col("text").str.extract(r"^(\d{19}) \{", 1).cast(pl.Int64),
        json=pl.col("text").str.slice(20),
    )
    kind = (
        pl.when(pl.col("json").str.contains('"lastUpdateId"', literal=True)).then(pl.lit("snap"))
        .when(pl.col("json").str.contains('"e":"depthUpdate"', literal=True)).then(pl.lit("diff"))
        .when(pl.col("json").str.contains('@bookTicker"', literal=True)).then(pl.lit("ticker"))
        .when(pl.col("json").str.contains('"e":"trade"', literal=True)).then(pl.lit("trade"))
    )  # fmt: skip
    text = text.with_columns(kind=pl.when(pl.col("ts_recv").is_not_null()).then(kind))
    if text["kind"].null_count():
        _refuse(path, text.filter(pl.col("kind").is_null())["line"][0])
    diffs = _diffs(_decoded(path, text, "diff", _DIFF))
    snapshots = _snapshots(_decoded(path, text, "snap", _SNAP), diffs, newest)
    others = [
        diffs,
        _trades(_decoded(path, text, "trade", _TRADE)),
        _tickers(_decoded(path, text, "ticker", _TICKER)),
    ]
    placed = [rows.with_columns(place="line") for rows in others]
    # At equal places the first: a snapshot stands before the change that it lacks.
    return pl.concat([snapshots, *placed]).sort("place", maintain_order=True)


def _refuse(path: Path, line: int) -> None:
    problem = f"line {line} is no message of depth, trade or bookTicker"
    raise FormatError(path, problem, "a line is the receive time in ns, a blank, and the JSON")


def _decoded(path: Path, text: pl.DataFrame, kind: str, dtype: pl.Struct) -> pl.DataFrame:
    """Return the fields of the messages of one kind beside their line and receive time."""
    mine = text.filter(pl.col("kind") == kind)
    whole = dtype if kind == "snap" else pl.Struct({"data": dtype})
    try:
        decoded = mine.select("line", "ts_recv", data=pl.col("json").str.json_decode(whole))
    except pl.exceptions.PolarsError:
        for line, message in mine.select("line", "json").iter_rows():
            try:
                json.loads(message)
            except ValueError:
                _refuse(path, line)
        raise
    decoded = decoded.unnest("data")
    return decoded if kind == "snap" else decoded.unnest("data")


def _ms() -> pl.Expr:
    return pl.coalesce("T", "E")


def _levels(messages: pl.DataFrame, columns: tuple[str, str]) -> pl.DataFrame:
    """Return a row for each level of (bids, asks), in the order of the messages."""
    sides = [
        messages.drop(columns).with_columns(
            side=pl.lit(side), level=messages[name], last=pl.lit(side == "A")
        )
        for side, name in zip("BA", columns, strict=True)
    ]
    rows = pl.concat(sides).explode("level", keep_nulls=False, empty_as_null=False)
    rows = rows.sort("line", maintain_order=True)
    return rows.with_columns(price=pl.col("level").list.get(0), size=pl.col("level").list.get(1))


def _diffs(messages: pl.DataFrame) -> pl.DataFrame:
    messages = messages.with_columns(
        ms=_ms(), update_id="u", previous=pl.coalesce("pu", pl.col("U") - 1), snapshot=_NO
    )
    rows = _levels(messages, ("b", "a")).with_columns(action=pl.lit("M")).select(_ROW)
    silent = messages.filter((pl.col("b").list.len() + pl.col("a").list.len()) == 0)
    quiet = silent.with_columns(
        action=pl.lit("N"), side=pl.lit("N"), price=pl.lit(""), size=pl.lit("0")
    ).select(_ROW)
    return pl.concat([rows, quiet]).sort("line", maintain_order=True)


def _trades(messages: pl.DataFrame) -> pl.DataFrame:
    return messages.with_columns(
        ms=_ms(),
        action=pl.lit("T"),
        side=pl.when("m").then(pl.lit("A")).otherwise(pl.lit("B")),  # m: the buyer was resting
        price="p",
        size="q",
        update_id="t",
        previous="t",
        snapshot=_NO,
    ).select(_ROW)


def _tickers(messages: pl.DataFrame) -> pl.DataFrame:
    sides = [
        messages.with_columns(
            ms=_ms(), action=pl.lit("N"), side=pl.lit(side), price=price, size=size,
            update_id="u", previous="u", snapshot=_NO,
        ).select(_ROW)
        for side, price, size in (("B", "b", "B"), ("A", "a", "A"))
    ]  # fmt: skip
    return pl.concat(sides)


def _snapshots(messages: pl.DataFrame, diffs: pl.DataFrame, newest: int) -> pl.DataFrame:
    """Return the snapshots' rows, each in the place of the first change that it does not have."""
    made = [_blank()]
    for message in messages.iter_slices(1):
        known = int(message["lastUpdateId"][0])
        later = diffs.filter(pl.col("update_id") > known)["line"]
        stale = newest > known
        place = min(int(message["line"][0]), int(later[0]) if len(later) else 2**62)
        started = message.with_columns(
            ms=_ms(), update_id="lastUpdateId", previous="lastUpdateId",
            place=pl.lit(place, pl.Int64), snapshot=pl.lit(value=not stale),
        )  # fmt: skip
        rows = _levels(started, ("bids", "asks"))
        rows = rows.with_columns(action=pl.lit("N" if stale else "M")).select(*_ROW, "place")
        clear = started.with_columns(
            action=pl.lit("N" if stale else "R"), side=pl.lit("N"), price=pl.lit(""),
            size=pl.lit("0"),
        ).select(*_ROW, "place")  # fmt: skip
        made += [clear, rows]
    return pl.concat(made)


def _blank() -> pl.DataFrame:
    texts = ("action", "side", "price", "size")
    numbers = [name for name in _ROW if name not in (*texts, "snapshot")]
    types = {**dict.fromkeys(texts, pl.String), **dict.fromkeys(numbers, pl.Int64)}
    types["snapshot"], types["place"] = pl.Boolean, pl.Int64
    return pl.DataFrame(schema={name: types[name] for name in (*_ROW, "place")})


def _newest(rows: pl.DataFrame) -> int:
    changes = rows.filter(pl.col("update_id") != pl.col("previous"))["update_id"]
    newest = changes.max()
    return newest if isinstance(newest, int) else 0


def _table(rows: pl.DataFrame, instrument_id: int, symbol: str, decimals: int) -> pl.DataFrame:
    """Return the canonical columns up to `symbol`."""
    is_last = pl.col("sequence") != pl.col("sequence").shift(-1, fill_value=0)
    is_change = ~pl.col("snapshot")
    size = exact.decimal_e9(pl.col("size"))
    lot = 10 ** (9 - decimals)
    unclocked = pl.col("ms").is_null() | pl.col("snapshot")
    made = rows.rename({"line": "sequence", "previous": "previous_update_id"}).select(
        "ts_recv", "side", "action", "sequence", "update_id", "previous_update_id",
        ts_event=pl.coalesce(pl.col("ms") * _NS_PER_MS, "ts_recv"),
        instrument_id=pl.lit(instrument_id),
        publisher_id=pl.lit(0),
        price=pl.when(pl.col("price") == "").then(EMPTY_PRICE)
        .otherwise(exact.decimal_e9(pl.col("price"))),
        size=pl.when(size % lot == 0).then(size // lot),
        flags=pl.when(unclocked).then(_UNCLOCKED).otherwise(0)
        + pl.when("snapshot").then(_SNAPSHOT).otherwise(0)
        + pl.when(is_last & is_change).then(_LAST).otherwise(0),
        ts_in_delta=pl.lit(0),
        symbol=pl.lit(symbol),
    )  # fmt: skip
    types = {spec.name: spec.dtype for spec in columns_of(TickSchema.DEPTH)[: -len(LINEAGE) + 1]}
    letters = [pl.col(name).cast(LETTER) for name in ("action", "side")]
    return made.with_columns(letters).select(
        pl.col(name).cast(dtype, strict=False) for name, dtype in types.items()
    )
