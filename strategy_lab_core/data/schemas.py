"""Every column of every tick table: name, type, unit, meaning, allowed range.

One declaration gives the Polars types of raw ticks (any value that fits the type, so that nothing
is lost), the Pandera schema of validated ticks (values inside their range), docs/vocabulary.md and
the column lists in the Dagster UI. Rules that need more than one column or row are in `checks`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import polars as pl

from strategy_lab_core.types import Action, Side, TickSchema

if TYPE_CHECKING:
    import pandera.polars as pa

__all__ = [
    "BOOK_SCHEMAS",
    "LETTER",
    "LINEAGE",
    "MAX_TS_NS",
    "STATE_COLUMNS",
    "ColumnSpec",
    "columns_of",
    "judged_schema",
    "out_of_range",
    "pandera_schema",
    "polars_schema",
    "validated_schema",
]

# All 256 codes, so that a malformed byte survives; the physical value is the byte itself.
LETTER = pl.Enum([chr(code) for code in range(256)])
MAX_TS_NS = 2**62  # year 2116; DBN's undefined timestamp reads as -1


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One column: `low` and `high` are inclusive bounds, `letters` the allowed codes."""

    name: str
    dtype: Any
    unit: str
    meaning: str
    low: int | None = None
    high: int | None = None
    letters: str = ""
    nullable: bool = False


def _letters(codes: type[Action] | type[Side]) -> str:
    return "".join(chr(code) for code in codes)


INSTRUMENT_ID = ColumnSpec("instrument_id", pl.UInt32, "-", "numeric id of the instrument")
PUBLISHER_ID = ColumnSpec("publisher_id", pl.UInt16, "-", "Databento's id of dataset and venue")
TS_EVENT = ColumnSpec(
    "ts_event", pl.Int64, "ns UTC", "matching engine's time; in a snapshot the order's own", 0,
    MAX_TS_NS,
)  # fmt: skip
TS_RECV = ColumnSpec("ts_recv", pl.Int64, "ns UTC", "capture server's receive time", 0, MAX_TS_NS)
ACTION = ColumnSpec(
    "action", LETTER, "-", "A add, C cancel, M modify, R clear, T trade, F fill, N none",
    letters=_letters(Action),
)  # fmt: skip
SIDE = ColumnSpec(
    "side", LETTER, "-", "B bid, A ask, N none; the aggressor's for trades", letters=_letters(Side)
)
PRICE = ColumnSpec(
    "price", pl.Int64, "1e-9", "price; 2^63 - 1 where undefined (a clear, an empty side)"
)
SIZE = ColumnSpec("size", pl.UInt32, "lots", "quantity of the order or trade")
FLAGS = ColumnSpec(
    "flags", pl.UInt8, "bits",
    "128 last of event, 64 top of book, 32 snapshot, 16 by price, 8 bad ts_recv, 4 maybe bad book",
)  # fmt: skip
TS_IN_DELTA = ColumnSpec("ts_in_delta", pl.Int32, "ns", "sending time before ts_recv")
SEQUENCE = ColumnSpec("sequence", pl.UInt32, "-", "venue's message sequence number")
ORDER_ID = ColumnSpec("order_id", pl.UInt64, "-", "venue's order id")
CHANNEL_ID = ColumnSpec("channel_id", pl.UInt8, "-", "venue's channel")
DEPTH = ColumnSpec("depth", pl.UInt8, "levels", "book level at which the update happened, 0 best")
UPDATE_ID = ColumnSpec(
    "update_id", pl.UInt64, "-", "venue's id of the message's last change, or of the trade"
)
PREVIOUS_UPDATE_ID = ColumnSpec(
    "previous_update_id", pl.UInt64, "-",
    "of the change before the message's; `update_id` itself where the message changes nothing",
)  # fmt: skip
SYMBOL = ColumnSpec("symbol", pl.String, "-", "raw symbol of the contract or spread")
FILE_HASH = ColumnSpec("file_hash", pl.String, "sha256", "hash of the source file's bytes")
ROW = ColumnSpec("row", pl.Int64, "rows", "record number in the source file, from 0", 0)
LINEAGE = (SYMBOL, FILE_HASH, ROW)


def _levels(depth: int) -> Iterator[ColumnSpec]:
    for level in range(depth):
        for side in ("bid", "ask"):
            where = f"{side} level {level}"
            price = f"price of {where}; 2^63 - 1 where no level is"
            yield ColumnSpec(f"{side}_px_{level:02d}", pl.Int64, "1e-9", price)
            yield ColumnSpec(f"{side}_sz_{level:02d}", pl.UInt32, "lots", f"size of {where}")
            yield ColumnSpec(f"{side}_ct_{level:02d}", pl.UInt32, "orders", f"orders in {where}")


def _flag(name: str, meaning: str) -> ColumnSpec:
    return ColumnSpec(name, LETTER, "-", f"{meaning}: Y yes, N no, ~ not known", letters="YN~")


_KEYS = (TS_RECV, TS_EVENT, INSTRUMENT_ID, PUBLISHER_ID)
_TRADE = (*_KEYS, ACTION, SIDE, DEPTH, PRICE, SIZE, FLAGS, TS_IN_DELTA, SEQUENCE)
_COLUMNS: dict[TickSchema, tuple[ColumnSpec, ...]] = {
    TickSchema.MBO: (
        *_KEYS, ACTION, SIDE, PRICE, SIZE, ORDER_ID, FLAGS, CHANNEL_ID, TS_IN_DELTA, SEQUENCE,
    ),
    TickSchema.TRADES: _TRADE,
    TickSchema.MBP_1: (*_TRADE, *_levels(1)),
    TickSchema.TBBO: (*_TRADE, *_levels(1)),
    TickSchema.MBP_10: (*_TRADE, *_levels(10)),
    TickSchema.DEPTH: (
        *_KEYS, ACTION, SIDE, PRICE, SIZE, FLAGS, TS_IN_DELTA, SEQUENCE, UPDATE_ID,
        PREVIOUS_UPDATE_ID,
    ),
    TickSchema.STATUS: (
        *_KEYS,
        ColumnSpec("action", pl.UInt16, "-", "DBN's StatusAction: 1 pre-open, 7 trading, 8 halt, "
                   "9 pause, 10 suspend, 11 pre-close, 12 close, 15 not available"),
        ColumnSpec("reason", pl.UInt16, "-", "DBN's StatusReason"),
        ColumnSpec("trading_event", pl.UInt16, "-", "DBN's TradingEvent"),
        _flag("is_trading", "trading"),
        _flag("is_quoting", "quoting"),
        _flag("is_short_sell_restricted", "short sale restriction"),
    ),
    TickSchema.STATISTICS: (
        *_KEYS,
        ColumnSpec("ts_ref", pl.Int64, "ns UTC", "what time it is for; null where undefined",
                   nullable=True),
        PRICE,
        ColumnSpec("quantity", pl.Int64, "lots", "figure that is no price; null where undefined",
                   nullable=True),
        SEQUENCE,
        TS_IN_DELTA,
        ColumnSpec("stat_type", pl.UInt16, "-", "DBN's StatType: 3 settlement price, 6 cleared "
                   "volume, 9 open interest, ..."),
        ColumnSpec("channel_id", pl.UInt16, "-", "venue's channel"),
        ColumnSpec("update_action", pl.UInt8, "-", "1 gives the figure, 2 withdraws it"),
        ColumnSpec("stat_flags", pl.UInt8, "bits", "about the figure, by its type"),
    ),
    TickSchema.DEFINITION: (
        *_KEYS,
        ColumnSpec("raw_symbol", pl.String, "-", "venue's symbol"),
        ColumnSpec("instrument_class", LETTER, "-", "F future, S spread, C call, P put, ..."),
        ColumnSpec("asset", pl.String, "-", "product code, such as MNQ"),
        ColumnSpec("exchange", pl.String, "-", "MIC of the venue"),
        ColumnSpec("currency", pl.String, "-", "currency of the price"),
        ColumnSpec("min_price_increment", pl.Int64, "1e-9", "tick size"),
        ColumnSpec("unit_of_measure_qty", pl.Int64, "1e-9", "contract multiplier"),
        ColumnSpec("display_factor", pl.Int64, "1e-9", "from wire price to displayed price"),
        ColumnSpec("activation", pl.Int64, "ns UTC", "first eligible time"),
        ColumnSpec("expiration", pl.Int64, "ns UTC", "last eligible time"),
        ColumnSpec("maturity_year", pl.UInt16, "-", "year of maturity; 65535 where undefined"),
        ColumnSpec("maturity_month", pl.UInt8, "-", "month of maturity; 255 where undefined"),
    ),
}  # fmt: skip


STATE_COLUMNS = (
    ColumnSpec("state_rules", pl.UInt16, "bits", "state rules that the row broke"),
    ColumnSpec("book_state", pl.UInt8, "-", "whether the book can be trusted after the row"),
)
BOOK_SCHEMAS = (
    TickSchema.MBO, TickSchema.MBP_10, TickSchema.MBP_1, TickSchema.TBBO, TickSchema.DEPTH,
)  # fmt: skip


def columns_of(schema: TickSchema) -> tuple[ColumnSpec, ...]:
    """Return the columns of a tick table in order, lineage last."""
    return (*_COLUMNS[schema], *LINEAGE)


def polars_schema(schema: TickSchema) -> pl.Schema:
    """Return names and types of a tick table; raw and validated ticks share them."""
    return pl.Schema({column.name: column.dtype for column in columns_of(schema)})


def judged_schema(schema: TickSchema) -> pl.Schema:
    """Return names and types of validated ticks as they are stored, with the book's state."""
    added = STATE_COLUMNS if schema in BOOK_SCHEMAS else ()
    return pl.Schema({**polars_schema(schema), **{c.name: c.dtype for c in added}})


@cache
def validated_schema(schema: TickSchema) -> "pa.DataFrameSchema":
    """Return the Pandera schema of validated ticks.

    Collect before validating: on a LazyFrame Pandera looks at the types only.
    """
    return pandera_schema(schema.value, columns_of(schema))


def pandera_schema(name: str, columns: Iterable[ColumnSpec]) -> "pa.DataFrameSchema":
    """Return the Pandera schema of exactly these columns, in this order.

    Values are held to their ranges by one check over all columns: a check for each column is ten
    queries each, 20 ms a call for a tick table of any size.
    """
    import pandera.polars as pa  # with pandas behind it: seconds that most commands don't need

    columns = tuple(columns)
    in_range = ~pl.any_horizontal(map(out_of_range, columns))
    return pa.DataFrameSchema(
        {
            # Nulls and NaN are the check's, too.
            column.name: pa.Column(column.dtype, nullable=True, description=column.meaning)
            for column in columns
        },
        pa.Check(lambda data: data.lazyframe.select(in_range), name="values in range"),
        name=name,
        strict=True,
        ordered=True,
    )


def out_of_range(column: ColumnSpec) -> pl.Expr:
    """Return the expression of values that the column may not hold, a missing one among them."""
    value = pl.col(column.name)
    broken = pl.lit(value=False) if column.nullable else value.is_null()
    if not column.nullable and column.dtype == pl.Float64:
        broken = broken | value.is_nan()
    if column.low is not None:
        broken = broken | (value < column.low)
    if column.high is not None:
        broken = broken | (value > column.high)
    if column.letters:
        broken = broken | ~value.is_in(list(column.letters))
    return broken.fill_null(value=False)
