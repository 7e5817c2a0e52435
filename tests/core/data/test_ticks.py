"""Several files as one table."""

from pathlib import Path

import polars as pl
import pytest

from strategy_lab_core.data.files import inspect
from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.data.ticks import read_ticks, tick_files
from strategy_lab_core.errors import ConfigError, FileError
from strategy_lab_core.types import TickSchema
from tests.naive import dbn_records
from tests.naive.tick_tables import csv_text, random_ticks


def write(path: Path, *, first_ts: int, schema: TickSchema = TickSchema.MBO) -> Path:
    """Write three rows that begin at `first_ts`."""
    ticks = random_ticks(schema, 3, 1, "A").with_columns(ts_recv=first_ts + pl.int_range(3))
    if path.suffix == ".csv":
        path.write_text(csv_text(ticks, schema, pretty=False))
    else:
        path.write_bytes(dbn_records.header(schema.value, []) + dbn_records.encode(ticks, schema))
    return path


def test_read_ticks__a_folder_in_order_of_time_then_name(tmp_path: Path) -> None:
    """Formats may differ; papers and half-copied files are left alone."""
    for name, first in (("c.dbn", 10), ("a.csv", 20), ("b.dbn", 20)):
        write(tmp_path / name, first_ts=first)
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "d.dbn.part").write_bytes(b"")
    found = read_ticks(tmp_path)
    assert found.schema == polars_schema(TickSchema.MBO)
    assert found["ts_recv"].to_list() == [10, 11, 12, 20, 21, 22, 20, 21, 22]
    assert found["row"].to_list() == [0, 1, 2] * 3
    hashes = [inspect(tmp_path / name).sha256 for name in ("c.dbn", "a.csv", "b.dbn")]
    assert found["file_hash"].to_list() == [name for name in hashes for _ in range(3)]


def test_read_ticks__one_file_named_twice_is_read_once(tmp_path: Path) -> None:
    """By name as string or path, alone or in its folder."""
    path = write(tmp_path / "a.dbn", first_ts=1)
    assert read_ticks(str(path)).height == 3
    assert read_ticks([path, tmp_path]).height == 3


def test_read_ticks__a_file_without_rows(tmp_path: Path) -> None:
    """An empty table of the schema."""
    path = tmp_path / "a.dbn"
    path.write_bytes(dbn_records.header("mbo", []))
    assert read_ticks(path).schema == polars_schema(TickSchema.MBO)
    assert read_ticks(path).is_empty()


def test_read_ticks__several_schemas_are_named(tmp_path: Path) -> None:
    """One table has one schema."""
    write(tmp_path / "a.dbn", first_ts=1)
    write(tmp_path / "b.dbn", first_ts=1, schema=TickSchema.TRADES)
    expected = r"files of one schema: read each by itself, got 'mbo \(a.dbn\), trades \(b.dbn\)'"
    with pytest.raises(ConfigError, match=expected):
        read_ticks(tmp_path)
    with pytest.raises(ConfigError, match="got 'no file'"):
        read_ticks([])


def test_read_ticks__a_folder_without_tick_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing to read, or no permission to look."""
    with pytest.raises(FileError, match="holds no tick file; name a folder with"):
        read_ticks(tmp_path)

    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(FileError, match=r"may not be read by this user; .*of a folder chmod"):
        read_ticks(tmp_path)


def test_tick_files__in_order_of_time_whatever_the_schema(tmp_path: Path) -> None:
    """Files without rows come first."""
    write(tmp_path / "a.dbn", first_ts=20)
    write(tmp_path / "b.csv", first_ts=10, schema=TickSchema.TRADES)
    (tmp_path / "c.dbn").write_bytes(dbn_records.header("mbo", []))
    assert [file.path.name for file in tick_files(tmp_path)] == ["c.dbn", "b.csv", "a.dbn"]


@pytest.mark.real_data
def test_read_ticks__both_es_files(real_data: Path) -> None:
    """Christmas Eve first, then Christmas."""
    found = read_ticks(real_data / "cme_es_mbo")
    assert found.height == 8_725 + 68_792
    assert found["sequence"][-1] == 59_585
    assert set(found["symbol"]) == {"ESH4"}
