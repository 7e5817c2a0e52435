"""Databento CSV: exact, every line a row, clear refusals."""

import gzip
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from strategy_lab_core.data import delimited
from strategy_lab_core.data.files import inspect, open_ticks
from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.errors import FormatError, SchemaError, TruncatedFileError
from strategy_lab_core.types import EMPTY_PRICE, TickSchema
from tests.naive.tick_tables import csv_text, random_ticks

LETTERS = "ACMRTFNBXz~"
SCHEMAS = [TickSchema.MBO, TickSchema.TRADES, TickSchema.MBP_1, TickSchema.TBBO, TickSchema.MBP_10,
           TickSchema.STATISTICS]  # fmt: skip
HEADER = (
    "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,depth,price,size,flags,"
    "ts_in_delta,sequence,symbol"
)
LINE = "2025-05-04T22:00:00.1Z,2025-05-04T22:00:00Z,0,1,42,T,N,0,20181.5,16,0,15063,14497,NQM5"


def write(folder: Path, *lines: str, name: str = "trades.csv") -> Path:
    """Write lines of text, each with its end."""
    path = folder / name
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path


def read(path: Path) -> pl.DataFrame:
    """Return all rows."""
    return pl.concat(open_ticks(path).batches())


def test_open_csv__statistics(tmp_path: Path) -> None:
    """An open interest, and a settlement price whose quantity is undefined in either version."""
    path = write(
        tmp_path,
        "ts_recv,ts_event,rtype,publisher_id,instrument_id,ts_ref,price,quantity,sequence,"
        "ts_in_delta,stat_type,channel_id,update_action,stat_flags,symbol",
        "2025-03-11T13:41:07.2Z,2025-03-11T13:41:07Z,24,1,42,2025-03-10T00:00:00Z,,264021,7,"
        "15063,9,310,1,255,MNQH5",
        "2025-03-11T13:41:07.2Z,2025-03-11T13:41:07Z,24,1,42,,20181.5,2147483647,8,0,3,310,1,0,",
        f"2025-03-11T13:41:07.2Z,2025-03-11T13:41:07Z,24,1,42,,20181.5,{2**63 - 1},8,0,3,310,1,0,",
    )
    found = read(path).select("ts_ref", "price", "quantity", "stat_type", "channel_id", "symbol")
    settled = (None, 20_181_500_000_000, None, 3, 310, None)
    assert found.rows() == [
        (1_741_564_800 * 10**9, EMPTY_PRICE, 264_021, 9, 310, "MNQH5"), settled, settled,
    ]  # fmt: skip


@given(
    schema=st.sampled_from(SCHEMAS),
    rows=st.integers(1, 20),
    seed=st.integers(0, 2**32),
    pretty=st.booleans(),
    block=st.integers(1, 3000),
    batch_rows=st.integers(1, 30),
)
def test_open_csv__reads_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    schema: TickSchema,
    rows: int,
    seed: int,
    pretty: bool,
    block: int,
    batch_rows: int,
) -> None:
    """Any values in both spellings, in blocks and batches of any size."""
    ticks = random_ticks(schema, rows, seed, LETTERS).with_columns(symbol=pl.lit("MNQH5"))
    path = tmp_path_factory.getbasetemp() / f"{schema.value}.csv"
    path.write_text(csv_text(ticks, schema, pretty=pretty))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_BLOCK_BYTES", block)
        file = open_ticks(path)
        batches = list(file.batches(batch_rows))
    assert (file.format, file.schema) == ("csv", schema)
    assert [batch.height for batch in batches[:-1]] == [batch_rows] * (len(batches) - 1)
    assert batches[0].schema == polars_schema(schema)
    assert_frame_equal(pl.concat(batches).drop("file_hash"), ticks.drop("file_hash"))


def test_open_csv__unreadable_cells_are_null_and_the_row_stays(tmp_path: Path) -> None:
    """A bad cell costs only itself; an empty price is DBN's undefined price."""
    bad = LINE.replace("20181.5", "twenty").replace(",16,", ",-1,").replace(",T,", ",TT,")
    path = write(tmp_path, HEADER, LINE, bad, LINE.replace("20181.5", ""))
    found = read(path)
    assert found["price"].to_list() == [20_181_500_000_000, None, EMPTY_PRICE]
    assert found["size"].to_list() == [16, None, 16]
    assert found["action"].to_list() == ["T", None, "T"]
    assert found["row"].to_list() == [0, 1, 2]


@pytest.mark.parametrize("line", ["", "1,2,3", LINE + ",more", '"' + LINE, "\ufffd\x00,x"])
def test_open_csv__a_line_with_other_cells_is_one_row(tmp_path: Path, line: str) -> None:
    """Neither blank nor ragged lines nor quotes swallow or shift the rows around them."""
    found = read(write(tmp_path, HEADER, LINE, line, LINE))
    assert found["ts_recv"].is_null().to_list() == [False, True, False]
    assert found["sequence"].to_list()[::2] == [14497, 14497]


def test_open_csv__carriage_returns_byte_order_mark_and_bad_utf8(tmp_path: Path) -> None:
    """Windows line ends and a byte order mark are harmless; other bytes than UTF-8 make nulls."""
    text = f"{HEADER}\r\n{LINE}\r\n".encode()
    path = tmp_path / "trades.csv"
    path.write_bytes(
        b"\xef\xbb\xbf" + text + text.split(b"\r\n")[1].replace(b",T,", b",\xff,") + b"\n"
    )
    found = read(path)
    assert found["symbol"].to_list() == ["NQM5", "NQM5"]
    assert found["action"].to_list() == ["T", None]


def test_open_csv__compressed_and_without_symbols(tmp_path: Path) -> None:
    """Compression is found by content; without a symbol column the symbols are null."""
    lines = [line.rpartition(",")[0] for line in (HEADER, LINE)]
    path = tmp_path / "trades.csv.gz"
    path.write_bytes(gzip.compress("\n".join([*lines, ""]).encode()))
    assert read(path)["symbol"].to_list() == [None]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TruncatedFileError, match="gzip frame ends in the middle"):
        inspect(path)


def test_inspect__a_cut_inside_a_line_is_an_error(tmp_path: Path) -> None:
    """A cut at any byte is found, but exactly between lines, where the rows before it are there."""
    whole = write(tmp_path, HEADER, LINE, LINE).read_bytes()
    path = tmp_path / "cut.csv"
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        if end and whole[end - 1 : end] == b"\n":
            assert inspect(path).rows == whole[:end].count(b"\n") - 1
            continue
        with pytest.raises(TruncatedFileError, match=r"cut\.csv"):
            inspect(path)


def test_inspect__the_cut_row_is_named(tmp_path: Path) -> None:
    """The message has the row and what to do."""
    path = write(tmp_path, HEADER, LINE, LINE)
    path.write_bytes(path.read_bytes()[:-1])
    expected = "row 1 has no line end: the file ends in it, at byte .*copy or download"
    with pytest.raises(TruncatedFileError, match=expected):
        inspect(path)


def test_open_csv__wrong_headers(tmp_path: Path) -> None:
    """Missing, misspelt and repeated columns, and tables of something else, each by name."""
    cases = [
        (HEADER.replace("sequence", "sequense"), SchemaError, r"no column sequence \(is it seq"),
        (HEADER.replace(",side", ""), SchemaError, "no column side; as trades it needs ts_recv"),
        (HEADER + ",price", SchemaError, "has the column price 2 times"),
        ("Date,Open,High,Low,Close", FormatError, "no known format; its columns are Date, Open"),
        ("x" * 70_000, FormatError, "first line is longer than 65536 bytes"),
    ]
    for header, error, message in cases:
        with pytest.raises(error, match=message):
            open_ticks(write(tmp_path, header, LINE))


@pytest.mark.parametrize("schema", [TickSchema.STATUS, TickSchema.DEFINITION])
def test_open_csv__reference_data_come_as_dbn(tmp_path: Path, schema: TickSchema) -> None:
    """Status and definition are not read from CSV."""
    path = write(tmp_path, ",".join(polars_schema(schema)))
    with pytest.raises(FormatError, match=f"{schema.value} is not read from CSV"):
        open_ticks(path)


@pytest.mark.real_data
def test_open_csv__nq_trades_keep_three_instruments_apart(real_data: Path) -> None:
    """Counts and the opening auction's row of data/README.md."""
    found = read(real_data / "cme_nq_trades" / "glbx-mdp3-20250504.trades.csv")
    counts = dict(found.group_by("symbol").len().iter_rows())
    assert counts == {"NQM5": 9846, "NQU5": 27, "NQM5-NQU5": 14}
    assert found.n_unique(["instrument_id", "symbol"]) == 3
    first = found.select("ts_recv", "side", "price", "size").row(0)
    assert first == (1746396000051457985, "N", 20_181_500_000_000, 16)
    spread = found.filter(pl.col("symbol") == "NQM5-NQU5")["price"]
    assert (spread.abs() > 194 * 10**9).all()
    assert (spread.abs() < 200 * 10**9).all()
    assert sum(found.null_count().row(0)) == 0


@pytest.mark.real_data
def test_open_csv__arl_by_order_and_by_level(real_data: Path) -> None:
    """Both spellings of prices, all rows, no null; the first record is a clear."""
    folder = real_data / "nasdaq_arl_mbo_mbp10"
    by_order, by_level = (read(folder / name) for name in ("mbo.csv", "mbp.csv"))
    assert (by_order.height, by_level.height) == (5886, 3928)
    for found in (by_order, by_level):
        assert found.select("action", "price").row(0) == ("R", EMPTY_PRICE)
        assert found["price"][1] == 5_510_000_000
        assert sum(found.null_count().row(0)) == 0
