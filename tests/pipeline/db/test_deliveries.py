"""Deliveries that repeat messages of others, on SQLite and on PostgreSQL."""

import pytest

from strategy_lab_pipeline.db.store import FileRange, FileRow, Store

HOUR = 3_600 * 10**9


def _range(
    first: int,
    last: int,
    *,
    instrument_id: int = 42,
    channel_id: int = 54,
    rows: int = 0,
    hour: int = 0,
) -> FileRange:
    """Return a range whose times follow its sequence numbers, `hour` hours later."""
    return FileRange(
        publisher_id=1, instrument_id=instrument_id, channel_id=channel_id, product="MNQ",
        first_sequence=first, last_sequence=last, first_ts=first + hour * HOUR,
        last_ts=last + hour * HOUR, rows=rows or last - first + 1, restarts=False,
    )  # fmt: skip


def _deliver(
    store: Store, path: str, *ranges: FileRange, schema: str = "mbo", gone: str = ""
) -> FileRow:
    return store.record_file(
        path, size=10, mtime_ns=5, sha256=f"hash of {path}", format="dbn", schema=schema,
        dataset="GLBX.MDP3", rows=sum(found.rows for found in ranges), first_ts=1, last_ts=9,
        partitions={("MNQ", "2025-01-15"): 1}, ranges=ranges, is_there=lambda other: other != gone,
    )  # fmt: skip


def _used(store: Store) -> list[str]:
    return [file.path for file in store.whole_files_for("MNQ", "2025-01-15")]


def test_record_file__a_part_of_another_file_is_covered(store: Store) -> None:
    """The same messages in another format or a shorter file count once."""
    whole = _deliver(store, "month.dbn", _range(1, 100), _range(1, 50, instrument_id=7))
    part = _deliver(store, "day.csv", _range(20, 30))

    assert (part.status, part.duplicate_of) == ("covered", whole.id)
    assert part.reason == "day.csv: month.dbn has all of its messages, they count once"
    assert _used(store) == ["month.dbn"]


@pytest.mark.parametrize(
    "ranges",
    [
        (_range(50, 150),),
        (_range(20, 30, rows=500),),
        (_range(1, 200),),
        (_range(1, 100, rows=99),),
        (_range(20, 30), _range(1, 5, instrument_id=8)),
    ],
    ids=["the end", "fills a gap", "more on both sides", "other rows", "another instrument"],
)
def test_record_file__a_shared_part_is_refused(store: Store, ranges: tuple[FileRange, ...]) -> None:
    """Neither file can be left out, and no message may count twice."""
    _deliver(store, "a.dbn", _range(1, 100))
    second = _deliver(store, "b.dbn", *ranges)

    assert second.status == "broken"
    assert second.reason.startswith("b.dbn: has messages that a.dbn has too")
    assert "remove one of the files, or cut them apart" in second.reason
    assert _used(store) == ["a.dbn"]
    assert [file.path for file in store.broken_files()] == ["b.dbn"]


@pytest.mark.parametrize(
    ("other", "schema"),
    [
        (_range(101, 200), "mbo"),
        (_range(100, 200), "mbo"),
        (_range(20, 30, instrument_id=7), "mbo"),
        (_range(20, 30, channel_id=55), "mbo"),
        (_range(20, 30, hour=168), "mbo"),
        (_range(20, 30), "trades"),
    ],
    ids=["later", "cut inside a message", "instrument", "channel", "next week", "schema"],
)
def test_record_file__other_messages_are_whole(store: Store, other: FileRange, schema: str) -> None:
    """What only looks alike is kept."""
    _deliver(store, "a.dbn", _range(1, 100))

    assert _deliver(store, "b.dbn", other, schema=schema).status == "whole"
    assert _used(store) == ["a.dbn", "b.dbn"]


def test_record_file__a_file_that_is_gone_gives_way(store: Store) -> None:
    """A month replaces its days once they are deleted, and only then."""
    _deliver(store, "day.dbn", _range(20, 30))

    assert _deliver(store, "early.dbn", _range(1, 100)).status == "broken"
    assert _deliver(store, "month.dbn", _range(1, 100), gone="day.dbn").status == "whole"
    assert _used(store) == ["month.dbn"]


def test_record_file__a_copy_of_the_old_bytes_counts_too(store: Store) -> None:
    """The original was replaced by a longer file while its copy is still there."""

    def deliver(path: str, sha256: str, found: FileRange) -> FileRow:
        return store.record_file(
            path, size=10, mtime_ns=5, sha256=sha256, format="dbn", schema="mbo",
            dataset="GLBX.MDP3", rows=found.rows, first_ts=1, last_ts=9,
            partitions={("MNQ", "2025-01-15"): 1}, ranges=[found], is_there=lambda _: True,
        )  # fmt: skip

    deliver("a.dbn", "short", _range(1, 50))
    assert deliver("b.dbn", "short", _range(1, 50)).status == "duplicate"
    again = deliver("a.dbn", "long", _range(1, 100))

    assert again.status == "broken"
    assert "b.dbn" in again.reason


def test_record_file__a_refused_file_replaces_nothing(store: Store) -> None:
    """A file that is gone keeps its place where the new one can't be used."""
    _deliver(store, "day.dbn", _range(20, 30))
    _deliver(store, "other.dbn", _range(95, 120))

    assert _deliver(store, "month.dbn", _range(1, 100), gone="day.dbn").status == "broken"
    assert _used(store) == ["day.dbn", "other.dbn"]


def test_record_file__snapshots_are_no_messages(store: Store) -> None:
    """Two files may begin with the same snapshot."""
    nothing = FileRange(
        publisher_id=1, instrument_id=42, channel_id=54, product="MNQ", first_sequence=0,
        last_sequence=0, first_ts=0, last_ts=0, rows=0, restarts=True,
    )  # fmt: skip
    _deliver(store, "a.dbn", nothing)

    assert _deliver(store, "b.dbn", nothing).status == "whole"


def test_restarts__are_by_instrument_of_the_product(store: Store) -> None:
    """One channel that begins in the middle is enough to need the past."""
    file = _deliver(store, "a.dbn", _range(1, 9), _range(1, 9, instrument_id=7))

    assert store.restarts(file.id, "MNQ") == {42: False, 7: False}
    assert store.restarts(file.id, "ES") == {}
    assert [row.path for row in store.whole_files_before("MNQ", "mbo", 2)] == ["a.dbn"]
    assert store.whole_files_before("MNQ", "mbo", 1) == []
    assert store.whole_files_before("MNQ", "trades", 2) == []
