"""Databento's CSV of ticks and statistics: exact integers, every line a row.

Prices are decimals or integers in 1e-9, times ISO 8601 or integers in ns. The first block of lines
with a price decides for the whole file: with a decimal point anywhere, all prices are decimals.
An empty price is DBN's undefined price; any other cell that can't be read exactly becomes null,
and so does an undefined quantity, whichever version's.
"""

import difflib
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from strategy_lab_core.data import exact
from strategy_lab_core.data.delimited import read_cells, read_line
from strategy_lab_core.data.schemas import LETTER, LINEAGE, ColumnSpec, columns_of
from strategy_lab_core.data.tick_file import ByteStream, Source, TickFile
from strategy_lab_core.errors import FormatError, SchemaError
from strategy_lab_core.types import EMPTY_PRICE, TickSchema

__all__ = ["checked_schema", "open_csv"]

_MARKS = {  # the first of these columns that is there tells the schema
    "raw_symbol": TickSchema.DEFINITION,
    "trading_event": TickSchema.STATUS,
    "stat_type": TickSchema.STATISTICS,
    "bid_px_01": TickSchema.MBP_10,
    "bid_px_00": TickSchema.MBP_1,
    "order_id": TickSchema.MBO,
}
_UNDEFINED = (2**31 - 1, 2**63 - 1)  # quantities, up to DBN version 2 and since


def open_csv(path: Path, *, compression: str | None) -> TickFile:
    """Read the header of a Databento CSV file; further columns are left out.

    Parameters
    ----------
    path
        The file. Its name tells tbbo from mbp-1, whose columns are the same.
    compression
        "zstd", "gzip" or None.
    """
    with Source((path,)) as source:
        header, _ = read_line(ByteStream(source, path, compression))
    names = header.split(",")
    schema = checked_schema(path, names)
    if schema in (TickSchema.DEFINITION, TickSchema.STATUS):
        raise FormatError(path, f"{schema.value} is not read from CSV", "download it as DBN")

    def decode(source: Source, batch_rows: int) -> Iterator[pl.DataFrame]:
        """Yield the lines of the file."""
        del batch_rows  # blocks of lines are regrouped anyway
        stream = ByteStream(source, path, compression)
        _, rest = read_line(stream)
        yield from _tables(read_cells(stream, _unique(names), rest), schema)

    return TickFile(path, "csv", schema, "", {}, decode)


def checked_schema(path: Path, names: list[str]) -> TickSchema:
    """Return the schema that has these columns, or say which of them are missing."""
    schema = _nearest_schema(path, names)
    wanted = [spec.name for spec in columns_of(schema)[: -len(LINEAGE)]]
    missing = [name for name in wanted if name not in names]
    repeated = [name for name in wanted if names.count(name) > 1]
    if not missing and not repeated:
        return schema
    if len(missing) == len(wanted):
        problem = f"is in no known format; its columns are {', '.join(names)[:200]}"
        raise FormatError(path, problem, "Databento's CSV names its columns in the first line")
    if repeated:
        problem = f"has the column {repeated[0]} {names.count(repeated[0])} times"
    else:
        others = [name for name in names if name not in wanted]
        problem = f"has no column {', '.join(_with_guess(name, others) for name in missing)}"
    found = ", ".join(names)
    raise SchemaError(
        path,
        f"{problem}; as {schema.value} it needs {', '.join(wanted)}; found {found[:500]}",
        "export it with all columns of its schema, named as Databento does",
    )


def _nearest_schema(path: Path, names: list[str]) -> TickSchema:
    for column, schema in _MARKS.items():
        if column in names:
            return TickSchema.TBBO if column == "bid_px_00" and "tbbo" in path.name else schema
    return TickSchema.TRADES


def _with_guess(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, 1)
    return f"{name} (is it {near[0]}?)" if near else name


def _unique(names: list[str]) -> list[str]:
    """Return names for the parser: those of columns left out may be empty or repeated."""
    return [name if names.index(name) == i else f"{i}:{name}" for i, name in enumerate(names)]


def _tables(blocks: Iterator[pl.DataFrame], schema: TickSchema) -> Iterator[pl.DataFrame]:
    specs = columns_of(schema)[: -len(LINEAGE)]
    prices = [spec.name for spec in specs if _is_price(spec)]
    decimal: bool | None = None
    for cells in blocks:
        if decimal is None:
            decimal = _decimal_prices(cells.select(prices))
        columns = [_column(spec, decimal=decimal or False).alias(spec.name) for spec in specs]
        yield cells.select(*columns, _symbol(cells))


def _is_price(spec: ColumnSpec) -> bool:
    return spec.unit == "1e-9"


def _decimal_prices(cells: pl.DataFrame) -> bool | None:
    """Return whether these prices have a decimal point; None where there is no price."""
    filled = cells.select(pl.any_horizontal(pl.all().str.contains("[0-9]")).any()).item()
    pointed = cells.select(pl.any_horizontal(pl.all().str.contains(".", literal=True)).any()).item()
    return bool(pointed) if filled else None


def _column(spec: ColumnSpec, *, decimal: bool) -> pl.Expr:
    cell = pl.col(spec.name)
    if _is_price(spec):
        price = exact.decimal_e9(cell) if decimal else exact.integer(cell)
        return pl.when(cell == "").then(EMPTY_PRICE).otherwise(price).cast(pl.Int64)
    if spec.unit == "ns UTC":
        return exact.timestamp_ns(cell)
    if spec.nullable:
        quantity = exact.integer(cell)
        return pl.when(~quantity.is_in(_UNDEFINED)).then(quantity)
    return exact.letter(cell) if spec.dtype == LETTER else exact.integer(cell, spec.dtype)


def _symbol(cells: pl.DataFrame) -> pl.Expr:
    if "symbol" not in cells.columns:
        return pl.lit(None, pl.String).alias("symbol")
    return pl.when(pl.col("symbol") != "").then("symbol").alias("symbol")
