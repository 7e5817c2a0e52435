"""LOBSTER pairs: exact times and prices, documented mapping, consistent with themselves."""

import zipfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data.files import inspect, open_ticks
from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.errors import FileError, SchemaError, TruncatedFileError
from strategy_lab_core.types import EMPTY_PRICE, TickSchema
from tests.naive.lobster import inconsistent_steps

NAME = "GOOG_2012-06-21_34200000_57600000_{}_{}.csv"
MIDNIGHT_NS = 1_340_251_200 * 10**9  # 2012-06-21 00:00 New York, four hours behind UTC
MESSAGES = [
    "34200.000000001,1,11,100,5800000,1",
    "34200.5,2,11,40,5800000,1",
    "34200.5,4,11,10,5800000,1",
    "34201.123456789,5,0,7,5805000,-1",
    "34202,3,11,50,5800000,1",
    "34203,6,-1,30,5801000,-1",
    "34204,7,0,0,-1,-1",
]
EMPTY_ASK, EMPTY_BID = "9999999999,0", "-9999999999,0"
BOOKS = [
    f"5810000,5,5800000,100,{EMPTY_ASK},5790000,20",
    f"5810000,5,5800000,60,{EMPTY_ASK},5790000,20",
    f"5810000,5,5800000,50,{EMPTY_ASK},5790000,20",
    f"5810000,5,5800000,50,{EMPTY_ASK},5790000,20",
    *[f"5810000,5,5790000,20,{EMPTY_ASK},{EMPTY_BID}"] * 3,
]


def write(folder: Path, messages: list[str], books: list[str], levels: int = 2) -> Path:
    """Write a pair and return its message file."""
    for kind, lines in (("message", messages), ("orderbook", books)):
        name = NAME.format(kind, levels)
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    return folder / NAME.format("message", levels)


def read(path: Path) -> pl.DataFrame:
    """Return all rows."""
    return pl.concat(open_ticks(path).batches())


@pytest.fixture(scope="module")
def goog(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the unpacked pairs of 10 levels and of 1."""
    folder = tmp_path_factory.mktemp("goog")
    for levels in (1, 10):
        name = f"LOBSTER_SampleFile_GOOG_2012-06-21_{levels}.zip"
        with zipfile.ZipFile(real_data / "nasdaq_lobster" / name) as archive:
            archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def ten_levels(goog: Path) -> pl.DataFrame:
    """Return the pair of 10 levels."""
    return read(goog / NAME.format("message", 10))


def test_open_lobster__maps_every_event_type(tmp_path: Path) -> None:
    """Actions and sides of the table in the reader's docstring."""
    found = read(write(tmp_path, MESSAGES, BOOKS))
    assert found.schema == polars_schema(TickSchema.MBP_10)
    assert "".join(found["action"].cast(pl.String)) == "ACTTCTN"
    assert "".join(found["side"].cast(pl.String)) == "BBABBNN"
    assert found["size"].to_list() == [100, 40, 10, 7, 50, 30, 0]
    assert found["depth"].to_list() == [0, 0, 0, 255, 0, 255, 255]
    assert found["sequence"].to_list() == [1, 2, 3, 4, 5, 6, 7]
    assert set(found["flags"]) == {0x80}
    assert set(found["symbol"]) == {"GOOG"}


def test_open_lobster__times_and_prices_are_exact(tmp_path: Path) -> None:
    """Nanoseconds after New York's midnight; ten-thousandths to 1e-9; empty levels undefined."""
    found = read(write(tmp_path, MESSAGES, BOOKS))
    after = [34200 * 10**9 + 1, 34200_500_000_000, 34200_500_000_000, 34201_123_456_789]
    assert found["ts_event"].to_list()[:4] == [MIDNIGHT_NS + ns for ns in after]
    assert found["ts_recv"].to_list() == found["ts_event"].to_list()
    assert found["price"].to_list()[:2] == [580 * 10**9] * 2
    assert found["price"].to_list()[-1] == -100_000
    levels = found.select("bid_px_00", "bid_sz_00", "bid_ct_00", "ask_px_01", "ask_px_09").row(0)
    assert levels == (580 * 10**9, 100, 0, EMPTY_PRICE, EMPTY_PRICE)


def test_open_lobster__one_level_is_mbp_1(tmp_path: Path) -> None:
    """A pair of one level makes no claim about the others."""
    file = open_ticks(write(tmp_path, MESSAGES[:1], ["5810000,5,5800000,100"], 1))
    assert file.schema is TickSchema.MBP_1
    assert next(file.batches()).select("ask_px_00", "bid_sz_00").row(0) == (581 * 10**9, 100)


def test_open_lobster__more_levels_than_ten(tmp_path: Path) -> None:
    """The first ten are read."""
    book = ",".join(f"{5810000 + at},5,{5800000 - at},7" for at in range(12))
    found = read(write(tmp_path, MESSAGES[:1], [book], 12))
    assert found.select("ask_px_09", "bid_px_09").row(0) == (581_000_900_000, 579_999_100_000)


def test_open_lobster__unreadable_cells_are_null(tmp_path: Path) -> None:
    """The row stays, with its book."""
    messages = ["noon,1,11,100,5800000,1", "34200,9,11,x,5800000,1", "34200,1"]
    found = read(write(tmp_path, messages, BOOKS[:3]))
    assert found["ts_event"].is_null().to_list() == [True, False, True]
    assert found["action"].is_null().to_list() == [False, True, True]
    assert found["size"].is_null().to_list() == [False, True, True]
    assert found["bid_sz_00"].to_list() == [100, 60, 50]


def test_open_ticks__either_file_opens_the_pair(tmp_path: Path) -> None:
    """The pair is one tick file, hashed over both."""
    path = write(tmp_path, MESSAGES, BOOKS)
    book = tmp_path / NAME.format("orderbook", 2)
    assert open_ticks(book).paths == open_ticks(path).paths == (path, book)
    before = inspect(path)
    assert before.bytes == path.stat().st_size + book.stat().st_size
    book.write_text(book.read_text().replace("5810000", "5810100"))
    assert inspect(path).sha256 != before.sha256


def test_open_ticks__broken_pairs(tmp_path: Path) -> None:
    """A missing partner, other columns than promised, a date that is none."""
    path = write(tmp_path, MESSAGES, [book + ",1" for book in BOOKS])
    with pytest.raises(SchemaError, match="has 9 columns in row 0, its name promises 8"):
        open_ticks(path)
    path = write(tmp_path, ["1,2,3"], BOOKS)
    with pytest.raises(SchemaError, match="has 3 columns in row 0, its name promises 6 or 7"):
        open_ticks(path)
    (tmp_path / NAME.format("orderbook", 2)).unlink()
    with pytest.raises(FileError, match=r"lacks its order book file GOOG.*orderbook_2\.csv"):
        open_ticks(path)
    wrong = write(tmp_path, MESSAGES, BOOKS)
    for file in (wrong, tmp_path / NAME.format("orderbook", 2)):
        file.rename(tmp_path / file.name.replace("06-21", "06-31"))
    with pytest.raises(FileError, match="no date in its name: 2012-06-31"):
        open_ticks(tmp_path / wrong.name.replace("06-21", "06-31"))


@pytest.mark.parametrize("cut", ["message", "orderbook"])
def test_inspect__a_pair_cut_at_any_byte(tmp_path: Path, cut: str) -> None:
    """Inside a line or between lines: the other file goes on."""
    path = write(tmp_path, MESSAGES, BOOKS)
    file = tmp_path / NAME.format(cut, 2)
    whole = file.read_bytes()
    for end in range(0, len(whole), 3):
        file.write_bytes(whole[:end])
        with pytest.raises(TruncatedFileError, match=rf"{cut}_2\.csv"):
            inspect(path)
    file.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1])
    with pytest.raises(TruncatedFileError, match=r"ends at row 6, but GOOG.* goes on"):
        inspect(path)


@given(st.integers(1, 10))
def test_batches__do_not_depend_on_their_size(
    tmp_path_factory: pytest.TempPathFactory, batch_rows: int
) -> None:
    """Any batch size gives the same rows."""
    folder = tmp_path_factory.getbasetemp()
    file = open_ticks(write(folder, MESSAGES, BOOKS))
    assert pl.concat(file.batches(batch_rows)).equals(next(file.batches()))


def test_inconsistent_steps__finds_a_wrong_book(tmp_path: Path) -> None:
    """The reference itself: a changed size and a skipped message are found."""
    assert inconsistent_steps(read(write(tmp_path, MESSAGES, BOOKS))) == []
    wrong = [*BOOKS[:1], BOOKS[1].replace(",60,", ",61,"), *BOOKS[2:]]
    assert inconsistent_steps(read(write(tmp_path, MESSAGES, wrong))) == [1, 2]


@pytest.mark.real_data
def test_goog__every_published_book_follows_from_the_one_before(ten_levels: pl.DataFrame) -> None:
    """All 147,915 steps of ten levels."""
    assert ten_levels.height == 147_916
    assert sum(ten_levels.null_count().row(0)) == 0
    assert inconsistent_steps(ten_levels) == []


@pytest.mark.real_data
def test_goog__one_level(goog: Path, ten_levels: pl.DataFrame) -> None:
    """The one-level pair is consistent too, and each of its messages is in the other pair."""
    one = read(goog / NAME.format("message", 1))
    assert one.height == 49_482
    assert inconsistent_steps(one) == []
    assert one["ts_event"][0] == MIDNIGHT_NS + 34200_015_105_074
    keys = ["ts_event", "action", "side", "price", "size"]
    assert one.join(ten_levels, on=keys, how="anti").is_empty()
