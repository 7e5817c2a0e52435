"""The catalogue of files, on SQLite and on PostgreSQL."""

from collections.abc import Mapping

import pytest

from strategy_lab_pipeline.db.store import FileRow, Store

PARTITIONS = {("MNQ", "2025-01-15"): 70, ("MNQ", "2025-01-16"): 30}


def _whole(
    store: Store,
    path: str,
    sha256: str,
    *,
    first_ts: int = 1,
    mtime_ns: int = 5,
    partitions: Mapping[tuple[str, str], int] = PARTITIONS,
) -> FileRow:
    return store.record_file(
        path, size=1000, mtime_ns=mtime_ns, sha256=sha256, format="dbn", schema="mbo",
        dataset="GLBX.MDP3", rows=100, first_ts=first_ts, last_ts=2**62, partitions=partitions,
    )  # fmt: skip


def _broken(store: Store, path: str, *, mtime_ns: int = 5) -> FileRow:
    return store.record_broken_file(path, size=10, mtime_ns=mtime_ns, reason=f"{path}: cut at 10")


def _paths(store: Store, session: str = "2025-01-15") -> list[str]:
    return [file.path for file in store.whole_files_for("MNQ", session)]


def test_record_file__returns_what_it_was_told(store: Store) -> None:
    """Nothing is lost between the call and the table."""
    row = _whole(store, "a.dbn", "aa")
    assert row == FileRow(
        id=1, path="a.dbn", delivery=1, sha256="aa", size=1000, mtime_ns=5, status="whole",
        reason="", duplicate_of=None, format="dbn", schema="mbo", dataset="GLBX.MDP3", rows=100,
        first_ts=1, last_ts=2**62, seen_at_ns=1,
    )  # fmt: skip
    assert store.file_by_path("a.dbn") == row
    assert store.partition_rows("a.dbn") == PARTITIONS


def test_record_file__the_same_again_is_nothing_new(store: Store) -> None:
    """A file seen twice is one delivery, also when it was only touched."""
    first = _whole(store, "a.dbn", "aa")
    again = _whole(store, "a.dbn", "aa", mtime_ns=6)
    assert (again.id, again.delivery, again.seen_at_ns) == (first.id, 1, first.seen_at_ns)
    assert store.knows_file("a.dbn", 1000, 6)
    assert not store.knows_file("a.dbn", 1000, 5)


def test_record_file__every_change_is_a_delivery(store: Store) -> None:
    """A, B, A are three deliveries: the third must run again."""
    found = [_whole(store, "a.dbn", sha256).delivery for sha256 in ("aa", "bb", "aa")]
    assert found == [1, 2, 3]
    assert [row.delivery for row in store.files_by_hash("aa")] == [1, 3]


def test_record_file__replaces_the_partitions(store: Store) -> None:
    """A corrected calendar moves rows of the same bytes to other sessions."""
    _whole(store, "a.dbn", "aa")
    _whole(store, "a.dbn", "aa", partitions={("MNQ", "2025-01-16"): 100})
    assert store.partition_rows("a.dbn") == {("MNQ", "2025-01-16"): 100}
    assert store.all_partitions() == [("MNQ", "2025-01-16")]


def test_record_file__names_the_original_of_a_duplicate(store: Store) -> None:
    """The same bytes under another name are counted once."""
    original = _whole(store, "a.dbn", "aa")
    copy = _whole(store, "0.dbn", "aa")
    assert (copy.status, copy.duplicate_of) == ("duplicate", original.id)
    assert copy.reason == "0.dbn: same bytes as a.dbn"
    assert _paths(store) == ["a.dbn"]


def test_whole_files_for__takes_the_copy_when_the_original_changed(store: Store) -> None:
    """The bytes are still there, under the other name."""
    _whole(store, "a.dbn", "aa")
    _whole(store, "copy.dbn", "aa")
    _whole(store, "a.dbn", "bb", first_ts=2)
    assert _paths(store) == ["copy.dbn", "a.dbn"]


def test_whole_files_for__is_ordered_by_time_then_path(store: Store) -> None:
    """The order does not depend on the order of arrival."""
    for path, sha256, first_ts in (("c", "1", 7), ("b", "2", 9), ("a", "3", 9)):
        _whole(store, path, sha256, first_ts=first_ts)
    assert _paths(store) == ["c", "a", "b"]
    assert _paths(store, "2025-01-17") == []


def test_record_broken_file__is_recorded_once(store: Store) -> None:
    """The next look at the same broken file finds it known."""
    first = _broken(store, "a.dbn")
    assert _broken(store, "a.dbn") == first
    assert store.knows_file("a.dbn", 10, 5)
    assert store.broken_files() == [first]
    assert first.reason == "a.dbn: cut at 10"


def test_record_broken_file__keeps_the_data_of_the_delivery_before(store: Store) -> None:
    """Bad input never costs data."""
    _whole(store, "a.dbn", "aa")
    assert _broken(store, "a.dbn").delivery == 2
    assert _paths(store) == ["a.dbn"]
    assert store.all_partitions() == sorted(PARTITIONS)


def test_broken_files__forgets_what_was_repaired(store: Store) -> None:
    """A whole delivery after a broken one is the newest."""
    _broken(store, "a.dbn")
    repaired = _whole(store, "a.dbn", "aa")
    assert (repaired.delivery, repaired.status) == (2, "whole")
    assert store.broken_files() == []


def test_count_files__counts_paths(store: Store) -> None:
    """Deliveries of one path are one file."""
    assert store.count_files() == 0
    _whole(store, "a.dbn", "aa")
    _whole(store, "a.dbn", "bb")
    _broken(store, "b.dbn")
    assert store.count_files() == 2


@pytest.mark.parametrize("path", ["'; DROP TABLE files; --", "ünï/çødé 文.dbn", "a%s:b?c"])
def test_record_file__takes_any_name(store: Store, path: str) -> None:
    """Names reach the database as values, never as SQL."""
    _whole(store, path, "aa")
    assert store.file_by_path(path) is not None
    assert store.count_files() == 1
