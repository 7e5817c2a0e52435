"""The lake: versions are whole or not there, and nothing leads out of it."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from strategy_lab_pipeline import lake as lake_module
from strategy_lab_pipeline.drafts import MANIFEST
from strategy_lab_pipeline.errors import LakeError, UnsafePathError
from strategy_lab_pipeline.lake import CLAIM, DRAFTS, Draft, Lake, PublishedVersion

SCHEMA = pl.Schema({"ts": pl.Int64})
VERSION = "0123456789abcdef"
KEY = ("raw_ticks", "MNQ", "2025-01-15", VERSION)
OTHER = ("raw_ticks", "MNQ", "2025-01-16", VERSION)

PUBLISH = """
import sys
from pathlib import Path
from strategy_lab_pipeline.lake import Lake
with Lake(Path(sys.argv[1])).publish(*sys.argv[2:6]) as draft:
    draft.text("a.txt", sys.argv[6])
"""


def _publish(lake: Lake, key: tuple[str, str, str, str] = KEY, rows: int = 3) -> PublishedVersion:
    with lake.publish(*key) as draft:
        with draft.table("mbo", SCHEMA) as table:
            table.write(pl.DataFrame({"ts": range(rows)}, schema=SCHEMA))
        draft.json("notes.json", {"b": 1, "a": "ü"})
    return draft.published


def _elsewhere(root: Path, key: tuple[str, str, str, str] = KEY, text: str = "x") -> None:
    """Publish in a process that then ends."""
    subprocess.run([sys.executable, "-c", PUBLISH, str(root), *key, text], check=True)


def _no_rows() -> list[tuple[str, str, str, str]]:
    return []


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return an empty lake."""
    return Lake(tmp_path / "lake")


def test_publish__puts_a_whole_version_in_its_place(lake: Lake) -> None:
    """The version has its files, their hashes and a manifest that tells the same."""
    published = _publish(lake)
    assert published.path == lake.root.joinpath(*KEY)
    assert [(file["name"], file["rows"]) for file in published.files] == [
        ("mbo.parquet", 3), ("notes.json", None),
    ]  # fmt: skip
    assert _names(published.path) == [MANIFEST, "mbo.parquet", "notes.json"]
    assert (published.path / "notes.json").read_text() == '{\n "a": "ü",\n "b": 1\n}\n'
    assert pl.read_parquet(published.path / "mbo.parquet")["ts"].to_list() == [0, 1, 2]
    assert lake.find(*KEY) == published


def test_publish__the_same_bytes_have_the_same_data_version(lake: Lake) -> None:
    """It depends on names and contents, not on the partition; one more row changes it."""
    assert _publish(lake).data_version == _publish(lake, OTHER).data_version
    assert _publish(lake, OTHER, rows=4).data_version != _publish(lake).data_version


def test_publish__again_keeps_the_version_that_is_there(lake: Lake) -> None:
    """Equal bytes are not written twice."""
    first = _publish(lake)
    inode = first.path.stat().st_ino
    assert _publish(lake) == first
    assert first.path.stat().st_ino == inode


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "manifest"])
def test_publish__replaces_a_damaged_version(lake: Lake, damage: str) -> None:
    """Publishing again repairs it."""
    published = _publish(lake)
    table = published.path / "mbo.parquet"
    if damage == "truncate":
        table.write_bytes(table.read_bytes()[:-1])
    elif damage == "flip":
        table.write_bytes(b"X" + table.read_bytes()[1:])
    elif damage == "remove":
        table.unlink()
    else:
        (published.path / MANIFEST).write_text("{")
    assert (lake.find(*KEY) is None) == (damage != "flip")
    assert _publish(lake) == published
    assert table.read_bytes()[:4] == b"PAR1"


def test_publish__that_fails_in_the_last_step_brings_the_old_version_back(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other bytes replace a version; where they can't, it stays."""
    published = _publish(lake)
    rename = Path.rename

    def refuse_drafts(self: Path, target: Path) -> Path:
        if self.parent.name == DRAFTS and (self / "mbo.parquet").stat().st_size != size:
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    size = (published.path / "mbo.parquet").stat().st_size
    monkeypatch.setattr(Path, "rename", refuse_drafts)
    with pytest.raises(OSError, match="Input/output"):
        _publish(lake, rows=300)
    assert lake.find(*KEY) == published


def test_publish__closes_what_the_caller_left_open(lake: Lake) -> None:
    """A table is whole even when nobody closed it."""
    with lake.publish(*KEY) as draft:
        draft.table("mbo", SCHEMA).write(pl.DataFrame({"ts": [7]}, schema=SCHEMA))
    assert pl.read_parquet(draft.published.path / "mbo.parquet")["ts"].to_list() == [7]


def test_publish__that_fails_leaves_nothing(lake: Lake) -> None:
    """Neither draft nor version, and the version before stays."""

    def write_half(draft: Draft) -> None:
        draft.table("mbo", SCHEMA).write(pl.DataFrame({"ts": [7]}, schema=SCHEMA))
        raise KeyError

    with pytest.raises(KeyError), lake.publish(*KEY) as draft:
        write_half(draft)
    assert _names(lake.root / DRAFTS) == []
    assert lake.find(*KEY) is None
    with pytest.raises(LakeError, match="not published yet"):
        _ = draft.published


def test_publish__on_a_full_disk_leaves_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Space may run out at the very last sync."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    lake.root.mkdir()
    (lake.root / DRAFTS).mkdir()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"), lake.publish(*KEY) as draft:
        draft.text("a.txt", "x")
    assert _names(lake.root / DRAFTS) == []
    assert _names(lake.root) == [DRAFTS]


def test_publish__cut_off_while_writing_a_table_leaves_nothing(tmp_path: Path) -> None:
    """A file that may not grow is what a full disk or a quota looks like to the Parquet writer."""
    code = """
import sys, random
from pathlib import Path
import polars as pl
from strategy_lab_pipeline.lake import Lake
schema = pl.Schema({"x": pl.Float64})
with Lake(Path(sys.argv[1])).publish("raw_ticks", "MNQ", "2025-01-15", "0" * 16) as draft:
    with draft.table("mbo", schema) as table:
        for _ in range(20):
            values = [random.random() for _ in range(1 << 16)]
            table.write(pl.DataFrame({"x": values}, schema=schema))
"""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    done = subprocess.run(
        [sys.executable, "-B", "-c", code, str(tmp_path)],
        preexec_fn=limit, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert _names(tmp_path) == [DRAFTS]
    assert _names(tmp_path / DRAFTS) == []


def test_publish__the_same_version_at_once_ends_with_one(lake: Lake) -> None:
    """Threads that publish one version find the same; those with other bytes leave the last's."""
    with ThreadPoolExecutor(4) as pool:
        same = list(pool.map(lambda _: _publish(lake), range(8)))
        assert len({version.data_version for version in same}) == 1
        others = list(pool.map(lambda rows: _publish(lake, rows=rows), range(8)))
    found = lake.find(*KEY)
    assert found is not None
    assert found in others
    assert not [path for path in (lake.root / DRAFTS).iterdir() if path.is_dir()]


def test_table__refuses_to_be_written_twice(lake: Lake) -> None:
    """The second would silently replace the first."""
    with lake.publish(*KEY) as draft:
        draft.table("mbo", SCHEMA)
        with pytest.raises(LakeError, match="table mbo is written twice"):
            draft.table("mbo", SCHEMA)


BAD = ["..", ".", "", "a/b", "/etc", "a\\b", ".hidden", "a\nb", "a~b", "ü", "x" * 200, "a\x00"]


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("place", range(4))
def test_version_path__refuses_unsafe_names(lake: Lake, name: str, place: int) -> None:
    """No piece of a key leads out of its folder or hides in it."""
    key: list[Any] = list(KEY)
    key[place] = name
    with pytest.raises(UnsafePathError):
        lake.version_path(*key)


@pytest.mark.parametrize("name", [*BAD, MANIFEST])
def test_path__refuses_unsafe_file_names(lake: Lake, name: str) -> None:
    """The same for files; the manifest is the lake's own."""
    with pytest.raises(UnsafePathError), lake.publish(*KEY) as draft:
        draft.path(name)
    assert lake.find(*KEY) is None


@pytest.mark.parametrize("kind", ["folder", "link", "hidden"])
def test_publish__refuses_what_is_no_plain_file(lake: Lake, tmp_path: Path, kind: str) -> None:
    """A version holds plain files: what it says is what it holds."""

    def add(folder: Path) -> None:
        if kind == "folder":
            (folder / "sub").mkdir()
        elif kind == "link":
            (folder / "link").symlink_to(tmp_path)
        else:
            (folder / ".hidden").touch()

    with pytest.raises(UnsafePathError), lake.publish(*KEY) as draft:
        add(draft.folder)
    assert _names(lake.root / DRAFTS) == []


@pytest.mark.parametrize("depth", range(4))
def test_publish__follows_no_link_below_the_lake(lake: Lake, tmp_path: Path, depth: int) -> None:
    """A link could lead anywhere; the root itself may be one."""
    outside = tmp_path / "outside"
    outside.mkdir()
    link = lake.root.joinpath(*KEY[: depth + 1])
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    with pytest.raises(UnsafePathError, match="symbolic links"):
        _publish(lake)
    assert lake.sweep(_no_rows) == []
    assert _names(outside) == []
    (tmp_path / "alias").symlink_to(outside)
    assert _publish(Lake(tmp_path / "alias")).files


def test_sweep__keeps_known_versions_and_removes_orphans(lake: Lake) -> None:
    """A crash between the files and the row leaves an orphan."""
    _elsewhere(lake.root, KEY)
    _elsewhere(lake.root, OTHER)
    assert lake.sweep(lambda: [KEY]) == [lake.root.joinpath(*OTHER)]
    assert lake.find(*KEY) is not None
    assert lake.find(*OTHER) is None
    assert _names(lake.root / DRAFTS) == []


def test_sweep__leaves_what_a_living_process_published(lake: Lake) -> None:
    """Its row may come in a moment; once it is known the claim has done its work."""
    _publish(lake)
    assert lake.sweep(_no_rows) == []
    assert lake.find(*KEY) is not None
    assert [name.endswith(CLAIM) for name in _names(lake.root / DRAFTS)] == [True]
    assert lake.sweep(lambda: [KEY]) == []
    assert _names(lake.root / DRAFTS) == []


def test_sweep__leaves_the_drafts_of_the_living(lake: Lake) -> None:
    """A sweep beside running work disturbs nothing."""
    with lake.publish(*KEY) as draft:
        draft.text("a.txt", "x")
        assert lake.sweep(_no_rows) == []
    assert draft.published.path.is_dir()


def test_sweep__asks_for_rows_after_looking_at_claims(lake: Lake) -> None:
    """A process that records its row and ends while the sweep begins loses nothing."""
    _elsewhere(lake.root)
    rows: list[tuple[str, str, str, str]] = []

    def known() -> list[tuple[str, str, str, str]]:
        rows.append(KEY)  # as if it had been written in the last moment
        return rows

    assert lake.sweep(known) == []


def test_sweep__leaves_strange_files_alone(lake: Lake) -> None:
    """What the lake did not write is not its to remove."""
    _publish(lake)
    strange = [lake.root / "README.md", lake.root / "raw_ticks/MNQ/2025-01-15/notes/mine.txt"]
    for path in strange:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    lake.sweep(lambda: [KEY])
    assert all(path.exists() for path in strange)


def test_sweep__waits_a_day_for_other_machines(lake: Lake) -> None:
    """Only the other machine knows whether the writer of a draft lives."""
    _publish(lake)
    draft = lake.root / DRAFTS / f"{'~'.join(KEY)}~1-2-00000000-ffffffff~00000000"
    draft.mkdir()
    (draft / "a.txt").touch()
    assert lake.sweep(lambda: [KEY]) == []
    old = time.time() - lake_module.FOREIGN_DRAFT_AGE_S - 60
    for path in (draft / "a.txt", draft):
        os.utime(path, (old, old))
    assert lake.sweep(lambda: [KEY]) == [draft]


def test_sweep__of_a_lake_that_is_not_there_does_nothing(lake: Lake) -> None:
    """The first command of all begins with a sweep."""
    assert lake.sweep(_no_rows) == []
    assert not lake.root.exists()


def test_manifest__lists_the_files_by_name(lake: Lake) -> None:
    """A version explains itself without the database."""
    published = _publish(lake)
    assert json.loads((published.path / MANIFEST).read_text()) == list(published.files)
