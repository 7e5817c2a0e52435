"""Files of recorded latencies: exact integers in, and a file that is none named."""

from pathlib import Path

import polars as pl
import pytest

from strategy_lab_core.data.latencies import read_latencies
from strategy_lab_core.errors import FileError

ROWS = pl.DataFrame(
    {
        "request_ns": [1_700_000_000_000_000_001, 1_700_000_000_000_000_003],
        "exchange_ns": [1_700_000_000_000_000_002, None],
        "response_ns": [1_700_000_000_000_000_009, 1_700_000_000_000_000_011],
    }
)


def test_read__parquet_and_csv_are_equal(tmp_path: Path) -> None:
    """To the last nanosecond; an empty cell is a null; other columns are left out."""
    table = ROWS.with_columns(venue=pl.lit("X"))
    table.write_parquet(tmp_path / "a.parquet")
    table.write_csv(tmp_path / "a.csv")

    assert read_latencies(tmp_path / "a.parquet").equals(ROWS)
    assert read_latencies(tmp_path / "a.csv").equals(ROWS)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.txt", "", r"neither in \.parquet nor in \.csv"),
        ("a.csv", "request_ns,response_ns\n1,2\n", "no column exchange_ns"),
        ("a.csv", "request_ns,exchange_ns,response_ns\n1,2,3\n1,2.5,3\n", r"'2\.5' in row 1"),
        ("a.csv", "request_ns,exchange_ns,response_ns\n1,2,\n", "response_ns has None in row 0"),
        ("a.csv", "request_ns,exchange_ns,response_ns\n1,99999999999999999999,3\n", "in row 0"),
        ("a.csv", "", "can't be read"),
        ("a.parquet", "no parquet", "can't be read"),
    ],
)
def test_read__names_file_and_cell(tmp_path: Path, name: str, text: str, says: str) -> None:
    """Nothing is rounded, and nothing is guessed."""
    (tmp_path / name).write_text(text)
    with pytest.raises(FileError, match=says) as caught:
        read_latencies(tmp_path / name)
    assert caught.value.path == tmp_path / name


def test_read__a_float_column_is_refused(tmp_path: Path) -> None:
    """A float can't hold today's nanoseconds."""
    ROWS.cast(pl.Float64).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(FileError, match="request_ns is Float64"):
        read_latencies(tmp_path / "a.parquet")
    with pytest.raises(FileError, match=r"can't be read"):
        read_latencies(tmp_path / "absent.csv")
