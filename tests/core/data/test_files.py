"""The right reader by content, refusals that help, and the whole file in one pass."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import databento_dbn as dbn
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data.files import inspect, is_tick_file, open_ticks
from strategy_lab_core.data.schemas import LETTER, ColumnSpec, columns_of, polars_schema
from strategy_lab_core.data.tick_file import ahead, regrouped
from strategy_lab_core.errors import ConfigError, FileError, FormatError, TruncatedFileError
from strategy_lab_core.types import TickSchema
from tests.naive import dbn_records
from tests.naive.tick_tables import csv_text, random_ticks

FORMATS = ["mbo", "mbp-1", "mbp-10", "tbbo", "trades", "status", "statistics", "definition"]


def write_dbn(path: Path, ticks: pl.DataFrame, schema: TickSchema = TickSchema.MBO) -> Path:
    """Write a plain DBN file without symbol mappings."""
    path.write_bytes(dbn_records.header(schema.value, []) + dbn_records.encode(ticks, schema))
    return path


def some_ticks(rows: int = 5, seed: int = 1) -> pl.DataFrame:
    """Return some mbo rows."""
    return random_ticks(TickSchema.MBO, rows, seed, "ACM")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("glbx-mdp3-20250101.mbo.dbn.zst", True),
        ("A.DBN", True),
        ("trades.csv", True),
        ("trades.csv.gz", True),
        ("raw.parquet", True),
        ("old.dbz", True),
        ("part.dbn.frag.zst", True),
        ("GOOG_2012-06-21_34200000_57600000_message_10.csv", True),
        ("GOOG_2012-06-21_34200000_57600000_orderbook_10.csv", False),
        (".hidden.dbn", False),
        ("a.dbn.zst.part", False),
        ("a.dbn.tmp", False),
        ("a.csv~", False),
        ("readme.txt", False),
        ("symbology.json", False),
    ],
)
def test_is_tick_file__by_name(name: str, expected: bool) -> None:
    """Files to read or to refuse aloud; not temporary ones, partners and papers."""
    assert is_tick_file(Path(name)) is expected


def test_open_ticks__content_decides_not_the_name(tmp_path: Path) -> None:
    """A DBN file called CSV is DBN, compressed or not."""
    path = write_dbn(tmp_path / "ticks.csv", some_ticks())
    assert open_ticks(path).format == "dbn"
    path.write_bytes(pa.compress(path.read_bytes(), codec="zstd", asbytes=True))
    assert open_ticks(str(path)).schema is TickSchema.MBO


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.dbn", b"", r"is empty \(0 bytes\)"),
        ("a.dbn.zst", bytes(pa.compress(b"", codec="zstd", asbytes=True)), "empty inside its comp"),
        ("a.zip", b"PK\x03\x04rest", "is a zip archive; unpack it first"),
        ("a.dbz", b"anything", "legacy DBZ format.*convert it"),
        ("renamed.dbn", b"\x51\x2a\x4d\x18rest", "legacy DBZ format"),
        ("a.v1.dbn.frag.zst", b"anything", "fragment of DBN: records without the header"),
        ("a.csv", b"\x0e\xa0\x01\x00", "is in no known format: its first bytes are binary"),
        ("a.parquet", b"PAR1 and no footer", "has no readable footer"),
    ],
)
def test_open_ticks__refuses_with_a_remedy(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    """Every message names the file, what it is and what to do."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FileError, match=message) as raised:
        open_ticks(path)
    assert raised.value.path == path
    assert raised.value.remedy


def test_open_ticks__no_file_a_folder_no_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the operating system refuses is a `FileError` too."""
    with pytest.raises(FileError, match="there is no such file; check the name"):
        open_ticks(tmp_path / "none.dbn")
    with pytest.raises(FileError, match="is a folder; name the files in it"):
        open_ticks(tmp_path)
    path = write_dbn(tmp_path / "a.dbn", some_ticks())
    with pytest.raises(FileError, match="can't be opened: Not a directory"):
        open_ticks(path / "b.dbn")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    for method in ("open", "is_dir"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, method, refuse)
            with pytest.raises(FileError, match="may not be read by this user; give"):
                open_ticks(path)


@pytest.mark.parametrize("kind", ["dbn", "csv", "parquet"])
def test_inspect__hash_rows_times_and_symbols(tmp_path: Path, kind: str) -> None:
    """One pass gives what a reader of the whole table finds."""
    ticks = some_ticks(50).with_columns(symbol=pl.lit("MNQH5"))
    path = tmp_path / f"a.{kind}"
    if kind == "dbn":
        write_dbn(path, ticks)
    elif kind == "csv":
        path.write_text(csv_text(ticks, TickSchema.MBO, pretty=True))
    else:
        ticks.write_parquet(path)
    batches: list[pl.DataFrame] = []
    found = inspect(path, on_batch=batches.append, batch_rows=7)
    assert (found.name, found.format, found.schema, found.rows) == (path.name, kind, "mbo", 50)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.bytes == path.stat().st_size
    assert (found.first_ts, found.last_ts) == (ticks["ts_recv"].min(), ticks["ts_recv"].max())
    expected = dict.fromkeys([1, 7, 42], "MNQH5") if kind != "dbn" else {}
    assert (found.symbols, found.whole) == (expected, True)
    assert [batch.height for batch in batches] == [7] * 7 + [1]
    assert batches[0]["file_hash"].null_count() == 7


@pytest.mark.parametrize(
    ("ids", "expected"),
    [([1, 1, 1, 1], {1: "c"}), ([1, 2, 1, 2], {1: "c", 2: "b"})],
    ids=["one instrument", "two"],
)
def test_inspect__last_symbol_of_an_instrument(
    tmp_path: Path, ids: list[int], expected: dict[int, str]
) -> None:
    """Rows without a symbol don't count."""
    ticks = some_ticks(4).with_columns(
        instrument_id=pl.Series(ids, dtype=pl.UInt32), symbol=pl.Series(["a", "b", "c", None])
    )
    ticks.write_parquet(tmp_path / "a.parquet")
    assert inspect(tmp_path / "a.parquet").symbols == expected


def test_inspect__no_rows(tmp_path: Path) -> None:
    """A header alone is a whole file without times."""
    found = inspect(write_dbn(tmp_path / "a.dbn", some_ticks(0)))
    assert (found.rows, found.first_ts, found.last_ts) == (0, None, None)


def test_batches__a_file_that_changed_meanwhile_is_an_error(tmp_path: Path) -> None:
    """The bytes read must be those that were hashed."""
    path = write_dbn(tmp_path / "a.dbn", some_ticks())
    file = open_ticks(path)
    catalogued = file.file_hash()
    write_dbn(path, some_ticks(seed=2))
    with pytest.raises(FileError, match="changed while it was read"):
        list(file.batches(file_hash=catalogued))


def test_batches__refuses_no_rows_a_batch(tmp_path: Path) -> None:
    """At least one."""
    file = open_ticks(write_dbn(tmp_path / "a.dbn", some_ticks()))
    with pytest.raises(ConfigError, match="batch_rows must be at least 1, got 0"):
        next(file.batches(0))


def test_ahead__makes_one_item_more_than_is_asked_for() -> None:
    """In order, by another thread; an error comes after the items before it."""
    made = threading.Semaphore(0)

    def items() -> Iterator[int]:
        for number in range(3):
            made.release()
            yield number
        raise ValueError("no more")

    found = ahead(items())
    assert next(found) == 0
    assert made.acquire(timeout=10)
    assert made.acquire(timeout=10), "the second is made while the first is in use"
    assert not made.acquire(blocking=False), "the third has to wait"
    assert [next(found), next(found)] == [1, 2]
    with pytest.raises(ValueError, match="no more"):
        next(found)


def test_ahead__ends_its_thread_when_it_is_closed() -> None:
    """Whoever stops in the middle leaves no thread behind."""
    before = threading.active_count()
    found = ahead(iter(range(9)))
    assert next(found) == 0
    assert threading.active_count() == before + 1
    found.close()
    assert threading.active_count() == before
    assert list(ahead(iter(range(9)))) == list(range(9))


@given(st.lists(st.integers(0, 9)), st.integers(1, 12))
def test_regrouped__same_rows_in_equal_tables(heights: list[int], rows: int) -> None:
    """Whatever the sizes that come in."""
    starts = [sum(heights[:at]) for at in range(len(heights))]
    tables = [
        pl.DataFrame({"x": range(start, start + height)}, schema={"x": pl.Int64})
        for start, height in zip(starts, heights, strict=True)
    ]
    found = list(regrouped(tables, rows))
    assert [value for table in found for value in table["x"]] == list(range(sum(heights)))
    assert all(table.height == rows for table in found[:-1])
    assert all(table.height > 0 for table in found)


def oracle(path: Path, schema: TickSchema) -> pl.DataFrame:
    """Return what databento_dbn's own decoder says, record by record."""
    content = path.read_bytes()
    if path.suffix == ".zst":
        content = pa.input_stream(path, compression="zstd").read()
    as_is: Any = dbn.VersionUpgradePolicy.AS_IS
    decoder = dbn.DBNDecoder(upgrade_policy=as_is)
    decoder.write(content)
    specs, types = columns_of(schema)[:-3], polars_schema(schema)
    records = [found for found in decoder.decode() if not isinstance(found, dbn.Metadata)]
    columns = {
        spec.name: [plain(getattr(record, spec.name), spec) for record in records] for spec in specs
    }
    return pl.DataFrame(columns, schema={spec.name: types[spec.name] for spec in specs})


def plain(value: object, spec: ColumnSpec) -> object:
    """Return an enum's value, a tri-state's letter, what is undefined as null or a time as -1."""
    value = getattr(value, "value", value)
    if spec.nullable and value in (2**31 - 1, 2**63 - 1, 2**64 - 1):
        return None
    if spec.dtype == LETTER and not isinstance(value, str):
        return {True: "Y", False: "N", None: "~"}[value]  # type: ignore[index]
    return -1 if value == 2**64 - 1 and spec.dtype == pl.Int64 else value


@pytest.mark.real_data
@pytest.mark.parametrize("version", ["", ".v1", ".v2", ".v3"])
@pytest.mark.parametrize("schema", FORMATS)
def test_format_matrix__equal_to_the_vendors_decoder(
    real_data: Path, schema: str, version: str
) -> None:
    """Every field of every record, in every version there is."""
    found = 0
    for path in (real_data / "dbn_formats").glob(f"test_data.{schema}{version}.dbn*"):
        if ".frag" in path.suffixes:
            continue
        ticks = pl.concat(open_ticks(path).batches())
        assert ticks.drop("symbol", "file_hash", "row").equals(oracle(path, TickSchema(schema)))
        symbols = {"definition": "MSFT", "statistics": None}  # those files map no symbols
        assert set(ticks["symbol"]) == {symbols.get(schema, "ESH1")}
        found += 1
    assert found >= 1 or (schema, version) == ("status", ".v1")


@pytest.mark.real_data
def test_format_matrix__the_rest_is_refused_by_name(real_data: Path) -> None:
    """`.dbz`, `.frag` and the schemas that are no ticks; the other 32 of the 81 files are read."""
    refused = 0
    for path in sorted((real_data / "dbn_formats").iterdir()):
        legacy = {".dbz", ".frag"} & set(path.suffixes)
        if not legacy and path.name.split(".")[1] in FORMATS:
            continue
        expected = "legacy DBZ|fragment of DBN" if legacy else r"its records are .*reads mbo"
        with pytest.raises(FormatError, match=expected):
            inspect(path)
        refused += 1
    assert refused == 49


@pytest.mark.real_data
def test_es_mbo__rows_of_both_files(real_data: Path) -> None:
    """8,725 snapshot rows, then 68,792; equal to the vendor's decoder field by field."""
    folder, rows = real_data / "cme_es_mbo", []
    for path in sorted(folder.iterdir()):
        summary = inspect(path)
        rows.append((summary.rows, summary.symbols))
        ticks = pl.concat(open_ticks(path).batches(10_000))
        assert ticks.drop("symbol", "file_hash", "row").equals(oracle(path, TickSchema.MBO))
        assert set(ticks["symbol"]) == {"ESH4"}
    assert rows == [(8_725, {17077: "ESH4"}), (68_792, {17077: "ESH4"})]
    assert summary.last_ts == 1_703_548_799_446_821_072


@pytest.mark.real_data
def test_es_mbo__a_cut_file_is_truncated(real_data: Path, tmp_path: Path) -> None:
    """The vendor's checksum is checked, and a cut is found at its very end."""
    name = "esh4-glbx-mdp3-20231225.mbo.dbn.zst"
    content = (real_data / "cme_es_mbo" / name).read_bytes()
    path = tmp_path / name
    for end in (3, 1000, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:end])
        with pytest.raises(TruncatedFileError if end > 3 else FileError, match=name):
            inspect(path)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(FileError, match="doesn't match checksum"):
        inspect(path)


@pytest.mark.real_data
def test_es_small__trades_in_mbp_1_equal_the_trades_file(real_data: Path) -> None:
    """Row by row: time, price, size, side and sequence."""
    folder = real_data / "cme_es_small"
    span = "2024-07-01T23-58_2024-07-02T00-02.dbn.zst"
    quotes, trades = (
        pl.concat(open_ticks(folder / f"futures_{schema}_{span}").batches())
        for schema in ("mbp-1", "trades")
    )
    assert (quotes.height, trades.height) == (2_288, 120)
    same = ["ts_event", "ts_recv", "price", "size", "side", "sequence", "symbol"]
    assert quotes.filter(pl.col("action") == "T").select(same).equals(trades.select(same))


@pytest.mark.real_data
def test_es_small__definitions(real_data: Path) -> None:
    """Tick 0.25, multipliers 50 and 20, expiry 13:30 UTC, and a calendar spread."""
    folder = real_data / "cme_es_small"
    found = pl.concat(open_ticks(folder / "futures_definition.dbn.zst").batches())
    columns = ("symbol", "asset", "min_price_increment", "unit_of_measure_qty", "instrument_class")
    expected = [
        ("ESU4", "ES", 25 * 10**7, 50 * 10**9, "F"),
        ("NQU4", "NQ", 25 * 10**7, 20 * 10**9, "F"),
    ]
    assert sorted(found.select(columns).rows()) == expected
    september_20 = 1_726_839_000_000_000_000  # 2024, 13:30 UTC
    assert set(found["expiration"]) == {september_20}
    spreads = pl.concat(open_ticks(folder / "definition-glbx-es-futspread.dbn.zst").batches())
    assert spreads.select("symbol", "instrument_class").rows() == [
        ("ESH5-ESM5", "S"), ("ESM4-ESU4", "S"),
    ]  # fmt: skip
