"""Random canonical tables for the readers, and their text as Databento writes it in CSV."""

import datetime as dt
import random

import polars as pl

from strategy_lab_core.data.schemas import LETTER, ColumnSpec, columns_of, polars_schema
from strategy_lab_core.types import EMPTY_PRICE, TickSchema

RANGES = {
    pl.UInt8: (0, 2**8 - 1),
    pl.UInt16: (0, 2**16 - 1),
    pl.UInt32: (0, 2**32 - 1),
    pl.UInt64: (0, 2**64 - 1),
    pl.Int32: (-(2**31), 2**31 - 1),
    pl.Int64: (-(2**63), 2**63 - 1),
}
NARROW = (-(2**31), 2**31 - 2)  # quantities that every version of DBN can hold
DAY_NS = 86_400_000_000_000
PRICE_LIMIT = 9_223_372_034 * 10**9


def random_ticks(schema: TickSchema, rows: int, seed: int, letters: str) -> pl.DataFrame:
    """Return a canonical table of any values that the types hold; symbol and hash are null."""
    rng = random.Random(seed)
    specs = columns_of(schema)[:-3]
    columns = {spec.name: [_value(spec, rng, letters) for _ in range(rows)] for spec in specs}
    columns["instrument_id"] = [rng.choice([1, 7, 42]) for _ in range(rows)]
    schema_of = polars_schema(schema)
    made = pl.DataFrame(columns, schema={spec.name: schema_of[spec.name] for spec in specs})
    return made.with_columns(
        symbol=pl.lit(None, pl.String), file_hash=pl.lit(None, pl.String),
        row=pl.int_range(rows, dtype=pl.Int64),
    )  # fmt: skip


def _value(spec: ColumnSpec, rng: random.Random, letters: str) -> int | str | None:
    if spec.nullable and rng.random() < 0.3:
        return None
    if spec.dtype == LETTER:
        return rng.choice(letters)
    if spec.unit == "ns UTC":
        return rng.randrange(20_000 * DAY_NS, 20_005 * DAY_NS)
    if spec.unit == "1e-9":
        return rng.choice([EMPTY_PRICE, rng.randint(-PRICE_LIMIT, PRICE_LIMIT), rng.randint(-9, 9)])
    low, high = NARROW if spec.name == "quantity" else RANGES[spec.dtype]
    return rng.choice([low, high, rng.randint(low, high)])


def csv_text(ticks: pl.DataFrame, schema: TickSchema, *, pretty: bool) -> str:
    """Return a Databento CSV: with `pretty` decimal prices and ISO times, else integers."""
    specs = columns_of(schema)[:-3]
    lines = [",".join([*(spec.name for spec in specs), "symbol"])]
    for row in ticks.iter_rows(named=True):
        cells = [_cell(spec, row[spec.name], pretty) for spec in specs]
        lines.append(",".join([*cells, row["symbol"] or ""]))
    return "\n".join(lines) + "\n"


def _cell(spec: ColumnSpec, value: int | str | None, pretty: bool) -> str:
    if value is None:
        undefined = "" if pretty else str(2**64 - 1)
        return undefined if spec.unit == "ns UTC" else str(2**63 - 1)
    if not pretty or isinstance(value, str):
        return str(value)
    if spec.unit == "1e-9":
        return "" if value == EMPTY_PRICE else decimal_text(value)
    if spec.unit == "ns UTC":
        second = dt.datetime.fromtimestamp(value // 10**9, dt.UTC)
        return f"{second:%Y-%m-%dT%H:%M:%S}.{value % 10**9:09d}Z"
    return str(value)


def decimal_text(value: int) -> str:
    """Return an integer in 1e-9 as a decimal with nine places."""
    return f"{'-' if value < 0 else ''}{abs(value) // 10**9}.{abs(value) % 10**9:09d}"
