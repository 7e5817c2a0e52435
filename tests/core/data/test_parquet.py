"""Parquet: canonical tables back unchanged, kindred types read, floats refused by column."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from strategy_lab_core.data.files import inspect, open_ticks
from strategy_lab_core.data.schemas import LETTER, polars_schema
from strategy_lab_core.errors import FileError, SchemaError, TruncatedFileError
from strategy_lab_core.types import TickSchema
from tests.naive.tick_tables import random_ticks

ANY_BYTE = "".join(chr(code) for code in range(256))
SCHEMAS = [TickSchema.MBO, TickSchema.TRADES, TickSchema.TBBO, TickSchema.MBP_10, TickSchema.STATUS,
           TickSchema.STATISTICS]  # fmt: skip


def read(path: Path) -> pl.DataFrame:
    """Return all rows without the lineage, which is that of the file."""
    return pl.concat(open_ticks(path).batches()).drop("file_hash", "row")


def trades(rows: int = 5) -> pl.DataFrame:
    """Return some canonical trades without undefined prices."""
    ticks = random_ticks(TickSchema.TRADES, rows, 3, "ATN")
    return ticks.with_columns(pl.lit("NQM5").alias("symbol"), price=pl.int_range(rows) * 10**9)


@given(
    schema=st.sampled_from(SCHEMAS),
    rows=st.integers(1, 30),
    seed=st.integers(0, 2**32),
    group=st.integers(1, 40),
    batch_rows=st.integers(1, 40),
)
def test_open_parquet__reads_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    schema: TickSchema,
    rows: int,
    seed: int,
    group: int,
    batch_rows: int,
) -> None:
    """Row groups and batches of any size give the same table."""
    ticks = random_ticks(schema, rows, seed, ANY_BYTE)
    path = tmp_path_factory.getbasetemp() / f"{schema.value}.parquet"
    ticks.lazy().sink_parquet(path, row_group_size=group)
    file = open_ticks(path)
    batches = list(file.batches(batch_rows))
    assert (file.format, file.schema) == ("parquet", schema)
    assert [batch.height for batch in batches[:-1]] == [batch_rows] * (len(batches) - 1)
    assert batches[0].schema == polars_schema(schema)
    assert_frame_equal(pl.concat(batches).drop("file_hash"), ticks.drop("file_hash"))


@pytest.mark.parametrize("dtype", [pl.Int32, pl.Int64])
def test_open_parquet__undefined_quantities(tmp_path: Path, dtype: type[pl.DataType]) -> None:
    """They are the largest value of the file's own width, as in DBN's versions."""
    ticks = random_ticks(TickSchema.STATISTICS, 3, 1, "A")
    quantities = pl.Series("quantity", [5, 2**31 - 1, -1], dtype=dtype)
    ticks.with_columns(quantities).write_parquet(tmp_path / "statistics.parquet")
    found = read(tmp_path / "statistics.parquet")["quantity"].to_list()
    assert found == [5, None if dtype is pl.Int32 else 2**31 - 1, -1]


def test_open_parquet__lineage_is_that_of_this_file(tmp_path: Path) -> None:
    """A hash and row numbers in the file don't stand for its own."""
    path = tmp_path / "trades.parquet"
    trades().with_columns(file_hash=pl.lit("other"), row=pl.lit(7)).write_parquet(path)
    found = next(open_ticks(path).batches())
    assert found["row"].to_list() == [0, 1, 2, 3, 4]
    assert set(found["file_hash"]) == {inspect(path).sha256}


def test_open_parquet__kindred_types(tmp_path: Path) -> None:
    """UTC timestamps, decimals, strings, codes and wider integers give the same table."""
    ticks, path = trades(), tmp_path / "trades.parquet"
    kindred = ticks.select(
        pl.col("ts_recv").cast(pl.Datetime("ns", "UTC")),
        pl.col("ts_event").cast(pl.Int64),
        pl.col("instrument_id", "publisher_id", "size", "flags").cast(pl.Int64),
        pl.col("action").cast(pl.String).cast(pl.Categorical),
        pl.col("side").to_physical().cast(pl.UInt8),
        pl.col("depth", "sequence", "ts_in_delta", "symbol"),
        (pl.col("price") // 10**9).cast(pl.Decimal(20, 4)),
    )
    kindred.write_parquet(path)
    assert_frame_equal(read(path), ticks.drop("file_hash", "row"))


def test_open_parquet__coarser_timestamps_and_no_symbol(tmp_path: Path) -> None:
    """Microseconds are a thousand nanoseconds; without symbols they are null."""
    path = tmp_path / "trades.parquet"
    ticks = trades().with_columns(ts_recv=pl.lit(1_746_396_000_051_457_000))
    coarse = ticks.with_columns(pl.col("ts_recv").cast(pl.Datetime("ns", "UTC")))
    coarse.with_columns(pl.col("ts_recv").dt.cast_time_unit("us")).drop("symbol").write_parquet(
        path
    )
    found = read(path)
    assert found["ts_recv"].to_list() == ticks["ts_recv"].to_list()
    assert found["symbol"].to_list() == [None] * 5


def test_open_parquet__values_that_do_not_fit_are_null(tmp_path: Path) -> None:
    """The row stays; only the cell is lost."""
    path = tmp_path / "trades.parquet"
    trades(2).with_columns(
        size=pl.Series([-1, 5]), action=pl.Series(["TT", "T"]), depth=pl.Series([256, 0])
    ).write_parquet(path)
    found = read(path)
    assert found.select("size", "action", "depth").rows() == [(None, None, None), (5, "T", 0)]
    assert found.schema["action"] == LETTER


@pytest.mark.parametrize(
    ("column", "dtype", "message"),
    [
        ("price", pl.Float64, "column price is double, expected an integer in 1e-9"),
        ("ts_event", pl.Datetime("ns"), r"column ts_event is timestamp\[ns\], expected an integer"),
        ("ts_recv", pl.Float64, "column ts_recv is double, expected an integer in ns UTC"),
        ("size", pl.String, "column size is .*string.*, expected UInt32"),
        ("action", pl.Float32, "column action is float, expected letters or their codes"),
        ("symbol", pl.Int64, "column symbol is int64, expected strings"),
    ],
)
def test_open_parquet__a_wrong_type_names_column_found_and_expected(
    tmp_path: Path, column: str, dtype: pl.DataType, message: str
) -> None:
    """Nothing is guessed from floats or times without a zone."""
    path = tmp_path / "trades.parquet"
    wrong = pl.lit(None if column in ("action", "symbol") else 1).cast(dtype).alias(column)
    trades().with_columns(wrong).write_parquet(path)
    with pytest.raises(SchemaError, match=message):
        open_ticks(path)


def test_open_parquet__a_missing_column(tmp_path: Path) -> None:
    """The message names it."""
    path = tmp_path / "trades.parquet"
    trades().drop("side").write_parquet(path)
    with pytest.raises(SchemaError, match="no column side; as trades it needs"):
        open_ticks(path)


def test_inspect__a_parquet_file_cut_at_any_byte(tmp_path: Path) -> None:
    """Without its footer nothing is read."""
    path = tmp_path / "cut.parquet"
    trades(50).write_parquet(path)
    whole = path.read_bytes()
    for end in range(0, len(whole), 31):
        path.write_bytes(whole[:end])
        with pytest.raises(TruncatedFileError, match=r"cut\.parquet"):
            inspect(path)


def test_inspect__a_damaged_page(tmp_path: Path) -> None:
    """What breaks while reading names the row it was at."""
    path = tmp_path / "damaged.parquet"
    table = pa.table(trades(50).drop("action", "side").to_arrow())
    letters = pa.array(["T"] * 50)
    pq.write_table(
        table.append_column("action", letters).append_column("side", letters), path,
        compression="zstd", use_dictionary=False, write_page_checksum=True,
    )  # fmt: skip
    content = bytearray(path.read_bytes())
    content[60:90] = b"\xff" * 30
    path.write_bytes(content)
    with pytest.raises(FileError, match="can't be read after row 0"):
        inspect(path)
