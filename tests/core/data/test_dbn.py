"""DBN: every version and schema decoded exactly, every cut or foreign record refused by name."""

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import databento_dbn as dbn
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from strategy_lab_core.data.dbn import open_dbn
from strategy_lab_core.data.files import inspect, open_ticks
from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.errors import FileError, FormatError, TruncatedFileError
from strategy_lab_core.types import TickSchema
from tests.naive import dbn_records
from tests.naive.tick_tables import random_ticks

ANY_BYTE = "".join(chr(code) for code in range(256))
DAY = dt.date(1970, 1, 1) + dt.timedelta(days=20_000)
INTERVALS: list[dbn_records.Interval] = [
    (1, DAY, DAY + dt.timedelta(days=2), "MNQZ4"),
    (1, DAY + dt.timedelta(days=2), DAY + dt.timedelta(days=9), "MNQH5"),
    (7, DAY + dt.timedelta(days=1), DAY + dt.timedelta(days=2), "MNQZ4-MNQH5"),
]
SCHEMAS = sorted(dbn_records.RTYPES)


def dbn_bytes(
    ticks: pl.DataFrame, schema: TickSchema, *, version: int = 3, ts_out: bool = False
) -> bytes:
    """Return a whole plain file."""
    start = dbn_records.header(schema.value, INTERVALS, version=version, ts_out=ts_out)
    return start + dbn_records.encode(ticks, schema, version=version, ts_out=ts_out)


def write(path: Path, content: bytes, *, frames: int = 0) -> Path:
    """Write plain bytes, or as so many zstd frames."""
    if frames:
        step = len(content) // frames + 1
        parts = [content[at : at + step] for at in range(0, len(content), step)]
        content = b"".join(pa.compress(part, codec="zstd", asbytes=True) for part in parts)
    path.write_bytes(content)
    return path


def named(ticks: pl.DataFrame) -> pl.DataFrame:
    """Return the table with the symbols that `INTERVALS` give, found one row at a time."""
    keys = zip(ticks["instrument_id"], ticks["ts_recv"], strict=True)
    symbols = [dbn_records.symbol_of(key, ts, INTERVALS) for key, ts in keys]
    return ticks.with_columns(symbol=pl.Series(symbols, dtype=pl.String))


@given(
    schema=st.sampled_from(SCHEMAS),
    rows=st.integers(0, 30),
    seed=st.integers(0, 2**32),
    version=st.sampled_from([1, 2, 3]),
    ts_out=st.booleans(),
    frames=st.integers(0, 3),
    batch_rows=st.integers(1, 40),
)
def test_open_dbn__reads_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    schema: TickSchema,
    rows: int,
    seed: int,
    version: int,
    ts_out: bool,
    frames: int,
    batch_rows: int,
) -> None:
    """Any values, in batches of any size, plain or in several zstd frames, give the same table."""
    ticks = named(random_ticks(schema, rows, seed, ANY_BYTE))
    content = dbn_bytes(ticks, schema, version=version, ts_out=ts_out)
    path = write(tmp_path_factory.getbasetemp() / "ticks.dbn", content, frames=frames)
    file = open_ticks(path)
    batches = list(file.batches(batch_rows, file_hash=file.file_hash()))
    found = pl.concat([pl.DataFrame(schema=polars_schema(schema)), *batches])
    assert (file.format, file.schema, file.dataset) == ("dbn", schema, "GLBX.MDP3")
    assert [batch.height for batch in batches[:-1]] == [batch_rows] * (len(batches) - 1)
    assert_frame_equal(found.drop("file_hash"), ticks.drop("file_hash"))
    assert set(found["file_hash"]) <= {file.file_hash()}


@pytest.mark.parametrize(("version", "bits"), [(1, 32), (2, 32), (3, 64)])
def test_open_dbn__quantities_of_statistics(tmp_path: Path, version: int, bits: int) -> None:
    """The largest value of a version's own width is undefined; all others are figures."""
    figures = [0, -1, -(2 ** (bits - 1)), 2 ** (bits - 1) - 2, None]
    if bits == 64:
        figures += [2**31 - 1, 2**31]  # the first was undefined once
    ticks = random_ticks(TickSchema.STATISTICS, len(figures), 1, "A")
    ticks = ticks.with_columns(quantity=pl.Series(figures, dtype=pl.Int64))
    content = dbn_bytes(ticks, TickSchema.STATISTICS, version=version)
    (found,) = open_ticks(write(tmp_path / "a.dbn", content)).batches()
    assert found["quantity"].to_list() == figures
    assert found["ts_ref"].equals(ticks["ts_ref"])


def test_open_dbn__header_knows_the_symbols(tmp_path: Path) -> None:
    """Of an id with several symbols the latest is named."""
    ticks = random_ticks(TickSchema.MBO, 0, 0, "A")
    file = open_ticks(write(tmp_path / "a.dbn", dbn_bytes(ticks, TickSchema.MBO)))
    assert file.symbols == {1: "MNQH5", 7: "MNQZ4-MNQH5"}
    assert list(file.batches()) == []


def test_open_dbn__mappings_from_ids_and_symbols_not_found(tmp_path: Path) -> None:
    """Asked for by instrument id, the symbol is the other side of the mapping."""
    days = {"start_date": DAY, "end_date": DAY + dt.timedelta(days=5)}
    found = [SimpleNamespace(**days, symbol="MNQH5")]
    lost = [SimpleNamespace(**days, symbol="")]
    metadata: Any = dbn.Metadata
    made = metadata(
        dataset="GLBX.MDP3", start=0, stype_in=dbn.SType.INSTRUMENT_ID, schema=dbn.Schema.MBO,
        stype_out=dbn.SType.RAW_SYMBOL, symbols=["42"], partial=[], not_found=["x"],
        mappings=[SimpleNamespace(raw_symbol="42", intervals=found),
                  SimpleNamespace(raw_symbol="x", intervals=lost)],
    )  # fmt: skip
    ticks = random_ticks(TickSchema.MBO, 3, 1, "A").with_columns(
        instrument_id=pl.lit(42, pl.UInt32)
    )
    path = write(tmp_path / "a.dbn", bytes(made) + dbn_records.encode(ticks, TickSchema.MBO))
    assert open_ticks(path).symbols == {42: "MNQH5"}
    assert next(open_ticks(path).batches())["symbol"].to_list() == ["MNQH5"] * 3


def test_open_dbn__undefined_receive_time_takes_the_symbol_of_the_event(tmp_path: Path) -> None:
    """DBN's undefined time reads as -1; the symbol is then that of `ts_event`'s day."""
    ticks = random_ticks(TickSchema.MBO, 1, 1, "A").with_columns(
        instrument_id=pl.lit(1, pl.UInt32), ts_event=pl.lit(20_000 * 86_400 * 10**9)
    )
    body = bytearray(dbn_bytes(ticks, TickSchema.MBO))
    body[-16:-8] = b"\xff" * 8
    found = next(open_ticks(write(tmp_path / "a.dbn", bytes(body))).batches())
    assert found.select("ts_recv", "symbol").row(0) == (-1, "MNQZ4")


@pytest.mark.parametrize("ids", [[1, 1, 1], [1, 7, 1]], ids=["one instrument", "two"])
def test_open_dbn__symbols_of_a_batch_over_midnight(tmp_path: Path, ids: list[int]) -> None:
    """Each row has the symbol of its own day."""
    midnight = 20_002 * 86_400 * 10**9  # an id's symbol changes
    ticks = random_ticks(TickSchema.MBO, 3, 1, "A").with_columns(
        instrument_id=pl.Series(ids, dtype=pl.UInt32),
        ts_recv=pl.Series([midnight - 1, midnight - 1, midnight]),
    )
    path = write(tmp_path / "a.dbn", dbn_bytes(ticks, TickSchema.MBO))
    found = next(open_ticks(path).batches())["symbol"].to_list()
    assert found == ["MNQZ4", "MNQZ4" if ids[1] == 1 else "MNQZ4-MNQH5", "MNQH5"]


@pytest.mark.parametrize("schema", [TickSchema.MBO, TickSchema.STATUS])
def test_inspect__a_plain_file_cut_at_any_byte(tmp_path: Path, schema: TickSchema) -> None:
    """A cut inside a record is an error; between records the rows before it are all there."""
    ticks = random_ticks(schema, 3, 5, "A")
    content = dbn_bytes(ticks, schema)
    size = len(dbn_records.encode(ticks, schema)) // 3
    start = len(content) - 3 * size
    for end in range(len(content)):
        path = write(tmp_path / "cut.dbn", content[:end])
        if end >= start and (end - start) % size == 0:
            assert inspect(path).rows == (end - start) // size
            continue
        with pytest.raises(TruncatedFileError if end >= 64 else FileError, match=r"cut\.dbn"):
            inspect(path)


def test_inspect__a_zstd_file_cut_at_any_byte(tmp_path: Path) -> None:
    """A frame without its end is an error wherever the cut is."""
    ticks = random_ticks(TickSchema.TRADES, 50, 5, "A")
    content = pa.compress(dbn_bytes(ticks, TickSchema.TRADES), codec="zstd", asbytes=True)
    for end in [*range(0, len(content), 7), len(content) - 1]:
        with pytest.raises(FileError, match=r"cut\.dbn\.zst"):
            inspect(write(tmp_path / "cut.dbn.zst", content[:end]))


def test_batches__rows_before_a_cut_are_handed_out(tmp_path: Path) -> None:
    """Whole records come first; the error names the row and the byte."""
    ticks = random_ticks(TickSchema.MBO, 5, 5, "A")
    path = write(tmp_path / "cut.dbn", dbn_bytes(ticks, TickSchema.MBO)[:-20])
    batches = open_ticks(path).batches(2)
    assert [next(batches).height, next(batches).height] == [2, 2]
    with pytest.raises(TruncatedFileError, match=r"ends at byte \d+ of its content, in row 4"):
        next(batches)


@pytest.mark.parametrize(("byte", "value"), [(0, 13), (1, 22)])
def test_batches__a_foreign_record_is_named(tmp_path: Path, byte: int, value: int) -> None:
    """A wrong length or type stops the reading at its row."""
    ticks = random_ticks(TickSchema.MBO, 5, 5, "A")
    body = bytearray(dbn_bytes(ticks, TickSchema.MBO))
    body[-2 * 56 + byte] = value
    expected = "row 3 is a record of rtype .* bytes, not mbo's rtype 160 and 56 bytes"
    with pytest.raises(FormatError, match=expected):
        inspect(write(tmp_path / "mixed.dbn", bytes(body)))


@pytest.mark.parametrize("schema", ["ohlcv-1m", "bbo-1s", "imbalance", None])
def test_open_dbn__another_schema_lists_what_is_read(tmp_path: Path, schema: str | None) -> None:
    """The message names the schema and the choices."""
    path = write(tmp_path / "other.dbn", dbn_records.header(schema, []))
    expected = f"its records are {schema or 'of several schemas'}.*reads mbo, mbp-1, mbp-10"
    with pytest.raises(FormatError, match=expected):
        open_ticks(path)


def test_open_dbn__another_version_or_damaged_metadata(tmp_path: Path) -> None:
    """Version 4 and metadata that make no sense are format errors."""
    good = dbn_records.header("mbo", INTERVALS)
    with pytest.raises(FormatError, match="is version 4 of DBN; versions 1, 2 and 3 are read"):
        open_ticks(write(tmp_path / "v4.dbn", b"DBN\4" + good[4:]))
    with pytest.raises(FormatError, match="gives 4294967295 bytes of metadata"):
        open_ticks(write(tmp_path / "long.dbn", good[:4] + b"\xff" * 4 + good[8:]))
    with pytest.raises(FormatError, match="metadata can't be read"):
        open_ticks(write(tmp_path / "damaged.dbn", good[:8] + b"\xff" * (len(good) - 8)))
    with pytest.raises(FormatError, match="is not a DBN file"):
        open_dbn(write(tmp_path / "text.dbn", b"ts_recv,ts_event\n"), compression=None)
