"""LOBSTER message + order book pairs: the book file is the feed, the message says what happened.

One row per message, with the published book after it: mbp-1 from one-level pairs, else mbp-10 (the
first ten levels; missing ones empty). Prices (x10000) become 1e-9, times after New York's midnight
of the date in the name become ns UTC, both exactly. LOBSTER doesn't give what follows:

* order counts are 0, `ts_recv` is `ts_event`, `sequence` is the message's number from 1;
* `instrument_id` is the CRC-32 of the ticker, `publisher_id` 0;
* `depth` counts the better levels on the order's side after the message, 255 where the message
  leaves the book alone (types 5, 6 and 7).

==== ===================== ====== ==========================================================
type event                 action side
==== ===================== ====== ==========================================================
1    limit order           A      the order's
2, 3 part, whole cancelled C      the order's; `size` is what goes
4    execution             T      the aggressor's, so the opposite of the resting order's
5    hidden execution      T      likewise
6    cross (auction)       T      N
7    halt                  N      N; `price` is LOBSTER's code: -1 halt, 0 quoting, 1 trading
==== ===================== ====== ==========================================================
"""

import re
import zlib
from collections.abc import Iterator
from datetime import date, datetime
from itertools import zip_longest
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from strategy_lab_core.data import exact
from strategy_lab_core.data.delimited import read_cells, read_line
from strategy_lab_core.data.schemas import LETTER, LINEAGE, columns_of
from strategy_lab_core.data.tick_file import COPY_AGAIN, ByteStream, Source, TickFile, regrouped
from strategy_lab_core.errors import FileError, SchemaError, TruncatedFileError
from strategy_lab_core.types import EMPTY_PRICE, NS_PER_SECOND, RecordFlag, TickSchema

__all__ = ["NO_LEVEL", "is_order_book_name", "message_path", "open_lobster", "order_book_path"]

NO_LEVEL = 255  # `depth` of a message that leaves the book alone
_NAME = re.compile(
    r"^(?P<ticker>.+)_(?P<date>\d{4}-\d{2}-\d{2})_\d+_\d+_(?P<kind>message|orderbook)_"
    r"(?P<levels>[1-9]\d*)\.csv$"
)
_MESSAGE = ["time", "type", "order_id", "size", "price", "direction"]
_E9_PER_UNIT = 100_000  # LOBSTER's prices are in 1e-4
_NO_PRICE = 9_999_999_999
_ACTIONS = {1: "A", 2: "C", 3: "C", 4: "T", 5: "T", 6: "T", 7: "N"}
_RESTING = {1: "B", -1: "A"}
_AGGRESSOR = {1: "A", -1: "B"}
_BLOCK_ROWS = 1 << 14


def message_path(path: Path) -> Path | None:
    """Return the message file of the pair that a LOBSTER file belongs to; None for other names."""
    if not _NAME.match(path.name):
        return None
    return path.with_name(path.name.replace("_orderbook_", "_message_"))


def order_book_path(messages: Path) -> Path:
    """Return the order book file that belongs to a message file."""
    return messages.with_name(messages.name.replace("_message_", "_orderbook_"))


def is_order_book_name(name: str) -> bool:
    """Return whether this is the second file of a LOBSTER pair."""
    found = _NAME.match(name)
    return found is not None and found["kind"] == "orderbook"


def open_lobster(path: Path) -> TickFile:
    """Check the names and first lines of a pair.

    Parameters
    ----------
    path
        The message file; ``..._orderbook_N.csv`` lies beside it.
    """
    found = _NAME.match(path.name)
    if not found:
        raise FileError(path, "isn't named TICKER_DATE_START_END_message_LEVELS.csv", "rename it")
    book, levels = order_book_path(path), found["levels"]
    if not book.is_file():
        raise FileError(path, f"lacks its order book file {book.name}", "put it beside this one")
    widths = (_width(path, 6, 7), _width(book, 4 * int(levels)))
    schema = TickSchema.MBP_1 if levels == "1" else TickSchema.MBP_10
    ticker, midnight_ns = found["ticker"], _midnight_ns(path, found["date"])
    instrument_id = zlib.crc32(ticker.encode())

    def decode(source: Source, batch_rows: int) -> Iterator[pl.DataFrame]:
        """Yield the rows of the pair."""
        del batch_rows  # blocks of lines are regrouped anyway
        row = 0
        for cells in _pairs(source, path, book, widths):
            constants = {
                "instrument_id": pl.lit(instrument_id),
                "publisher_id": pl.lit(0),
                "symbol": pl.lit(ticker),
                "sequence": pl.int_range(row + 1, row + 1 + cells.height),
            }
            yield _table(cells.with_columns(**constants), schema, midnight_ns, widths[1] // 4)
            row += cells.height

    symbols = {instrument_id: ticker}
    return TickFile(path, "lobster", schema, "LOBSTER", symbols, decode, partners=(book,))


def _width(path: Path, *allowed: int) -> int:
    with Source((path,)) as source:
        line, _ = read_line(ByteStream(source, path, None))
    cells = line.count(",") + 1
    if cells not in allowed:
        expected = " or ".join(str(width) for width in allowed)
        problem = f"has {cells} columns in row 0, its name promises {expected}"
        raise SchemaError(path, problem, "take the pair as LOBSTER delivers it")
    return cells


def _midnight_ns(path: Path, day: str) -> int:
    try:
        midnight = datetime.combine(
            date.fromisoformat(day), datetime.min.time(), ZoneInfo("America/New_York")
        )
    except ValueError as error:
        raise FileError(path, f"has no date in its name: {day}", "rename it") from error
    return int(midnight.timestamp()) * NS_PER_SECOND


def _pairs(
    source: Source, path: Path, book: Path, widths: tuple[int, int]
) -> Iterator[pl.DataFrame]:
    """Yield the cells of both files side by side: the message's, then `b0`, `b1`, ..."""
    names = [*_MESSAGE, "participant"][: widths[0]]
    messages = regrouped(read_cells(ByteStream(source, path, None), names), _BLOCK_ROWS)
    levels = [f"b{cell}" for cell in range(widths[1])]
    books = regrouped(read_cells(ByteStream(source, book, None), levels), _BLOCK_ROWS)
    row = 0
    for message, levels_after in zip_longest(messages, books):
        heights = [0 if part is None else part.height for part in (message, levels_after)]
        if heights[0] != heights[1]:
            shorter, longer = (path, book) if heights[0] < heights[1] else (book, path)
            problem = f"ends at row {row + min(heights)}, but {longer.name} goes on"
            raise TruncatedFileError(shorter, problem, COPY_AGAIN)
        yield pl.concat([message, levels_after], how="horizontal")
        row += heights[0]


def _table(cells: pl.DataFrame, schema: TickSchema, midnight_ns: int, levels: int) -> pl.DataFrame:
    """Return the canonical columns up to `symbol`."""
    depth = 1 if schema is TickSchema.MBP_1 else 10
    kind, direction = (exact.integer(pl.col(name)) for name in ("type", "direction"))
    ts_event = exact.decimal_e9(pl.col("time")) + midnight_ns
    rows = cells.select(
        "instrument_id", "publisher_id", "symbol", "sequence",
        *_book(min(levels, depth), depth),
        ts_event=ts_event, ts_recv=ts_event,
        kind=kind, resting=direction.replace_strict(_RESTING, default="N"),
        action=kind.replace_strict(_ACTIONS, default=None, return_dtype=pl.String),
        side=_side(kind, direction),
        price=exact.integer(pl.col("price")) * _E9_PER_UNIT,
        size=exact.integer(pl.col("size")),
        flags=pl.lit(int(RecordFlag.LAST)), ts_in_delta=pl.lit(0),
    )  # fmt: skip
    rows = rows.with_columns(depth=_better_levels(depth))
    types = {spec.name: spec.dtype for spec in columns_of(schema)[: -len(LINEAGE) + 1]}
    return rows.select(pl.col(name).cast(dtype, strict=False) for name, dtype in types.items())


def _side(kind: pl.Expr, direction: pl.Expr) -> pl.Expr:
    resting = direction.replace_strict(_RESTING, default="N")
    aggressor = direction.replace_strict(_AGGRESSOR, default="N")
    return (
        pl.when(kind >= 6)
        .then(pl.lit("N"))
        .when(kind >= 4)
        .then(aggressor)
        .otherwise(resting)
        .cast(LETTER)
    )


def _book(levels: int, depth: int) -> Iterator[pl.Expr]:
    """Yield the level columns: ask price, ask size, bid price, bid size in LOBSTER's order."""
    for level in range(depth):
        for place, side in enumerate(("ask", "bid")):
            px, sz = f"{side}_px_{level:02d}", f"{side}_sz_{level:02d}"
            yield pl.lit(0).alias(f"{side}_ct_{level:02d}")
            if level >= levels:
                yield pl.lit(EMPTY_PRICE).alias(px)
                yield pl.lit(0).alias(sz)
                continue
            price = exact.integer(pl.col(f"b{4 * level + 2 * place}"))
            empty = price.abs() == _NO_PRICE
            yield pl.when(empty).then(EMPTY_PRICE).otherwise(price * _E9_PER_UNIT).alias(px)
            yield exact.integer(pl.col(f"b{4 * level + 2 * place + 1}")).alias(sz)


def _better_levels(depth: int) -> pl.Expr:
    bids = [pl.col(f"bid_px_{level:02d}") for level in range(depth)]
    asks = [pl.col(f"ask_px_{level:02d}") for level in range(depth)]
    price = pl.col("price")
    better_bids = pl.sum_horizontal((px > price) & (px != EMPTY_PRICE) for px in bids)
    better_asks = pl.sum_horizontal(px < price for px in asks)
    return (
        pl.when(pl.col("kind") >= 5)
        .then(NO_LEVEL)
        .when(pl.col("resting") == "B")
        .then(better_bids)
        .otherwise(better_asks)
    )
