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
    store: Store,
    path: str,
    *ranges: FileRange,
    schema: str = "mbo",
    sha256: str = "",
    proven: tuple[tuple[str, str], ...] = (),
) -> FileRow:
    return store.record_file(
        path, size=10, mtime_ns=5, sha256=sha256 or f"hash of {path}", format="dbn", schema=schema,
        dataset="GLBX.MDP3", rows=sum(found.rows for found in ranges), first_ts=1, last_ts=9,
        partitions={("MNQ", "2025-01-15"): 1}, ranges=ranges, proven=proven,
    )  # fmt: skip


def _used(store: Store) -> list[str]:
    return [file.path for file in store.whole_files_for("MNQ", "2025-01-15")]


def test_record_file__a_part_of_another_file_is_covered(store: Store) -> None:
    """The same messages in another format or a shorter file count once."""
    whole = _deliver(store, "month.dbn", _range(1, 100), _range(1, 50, instrument_id=7))
    part = _deliver(
        store, "day.csv", _range(20, 30), proven=(("hash of month.dbn", "hash of day.csv"),)
    )

    assert (part.status, part.duplicate_of) == ("covered", whole.id)
    assert part.reason == "day.csv: month.dbn has all of its messages, they count once"
    assert _used(store) == ["month.dbn"]


@pytest.mark.parametrize(
    "ranges",
    [
        (_range(50, 150),),
        (_range(20, 30),),
        (_range(1, 200),),
        (_range(1, 100),),
        (_range(20, 30), _range(1, 5, instrument_id=8)),
    ],
    ids=["the end", "not proven", "more on both sides", "equal ends", "another instrument"],
)
def test_record_file__a_shared_part_is_refused(store: Store, ranges: tuple[FileRange, ...]) -> None:
    """Neither file can be left out, and no message may count twice."""
    _deliver(store, "a.dbn", _range(1, 100))
    second = _deliver(store, "b.dbn", *ranges)

    assert second.status == "broken"
    assert second.reason.startswith("b.dbn: has messages that a.dbn has too")
    assert "neither is known to have all of the other's (instrument 42, " in second.reason
    assert "remove one and tell `strategy-lab forget` which" in second.reason
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


def test_record_file__a_longer_file_takes_the_place_of_its_parts(store: Store) -> None:
    """A month replaces its days where it is proven to have all that they have, and only then."""
    _deliver(store, "monday.dbn", _range(20, 30))
    _deliver(store, "tuesday.dbn", _range(40, 50))
    month = "hash of month.dbn"
    both = ((month, "hash of monday.dbn"), (month, "hash of tuesday.dbn"))

    assert _deliver(store, "early.dbn", _range(1, 100)).status == "broken"
    assert _deliver(store, "month.dbn", _range(1, 100), proven=both[:1]).status == "broken"
    assert _used(store) == ["monday.dbn", "tuesday.dbn"]
    assert _deliver(store, "month.dbn", _range(1, 100), proven=both).status == "whole"
    assert _used(store) == ["month.dbn"]


def test_record_file__a_copy_of_the_old_bytes_counts_too(store: Store) -> None:
    """The original was replaced by a longer file while its copy is still there."""
    _deliver(store, "a.dbn", _range(1, 50), sha256="short")
    assert _deliver(store, "b.dbn", _range(1, 50), sha256="short").status == "duplicate"
    again = _deliver(store, "a.dbn", _range(1, 100), sha256="long")
    assert again.status == "broken"
    assert "b.dbn" in again.reason

    again = _deliver(store, "a.dbn", _range(1, 100), sha256="longer", proven=(("longer", "short"),))
    assert again.status == "whole"
    assert _used(store) == ["a.dbn"]


def test_orphans__are_judged_anew(store: Store) -> None:
    """What was left out for a file comes back when that file gets other bytes."""
    _deliver(store, "month.dbn", _range(1, 100))
    _deliver(store, "day.dbn", _range(20, 30), proven=(("hash of month.dbn", "hash of day.dbn"),))
    _deliver(store, "end.dbn", _range(90, 110))
    assert store.orphans() == []
    assert store.knows_file("day.dbn", 10, 5)

    _deliver(store, "month.dbn", _range(1, 10), sha256="cut")

    assert [file.path for file in store.orphans()] == ["day.dbn", "end.dbn"]
    assert not store.knows_file("day.dbn", 10, 5)
    assert _deliver(store, "day.dbn", _range(20, 30)).status == "whole"
    assert _deliver(store, "end.dbn", _range(90, 110)).status == "whole"
    assert store.orphans() == []
    assert _used(store) == ["day.dbn", "end.dbn", "month.dbn"]


def test_forget__a_file_counts_no_more(store: Store) -> None:
    """Until it comes again; what it stood for and what it kept out is judged anew."""
    _deliver(store, "a.dbn", _range(1, 100))
    assert _deliver(store, "b.dbn", _range(50, 150)).status == "broken"
    assert store.forget(["a.dbn", "c.dbn"]) == ["c.dbn"]
    assert store.forget(["a.dbn"]) == []
    assert store.forget(["a.dbn"]) == ["a.dbn"]

    assert _used(store) == []
    assert store.file_by_path("a.dbn") is None
    assert not store.knows_file("a.dbn", 10, 5)
    assert [file.path for file in store.orphans()] == ["b.dbn"]
    assert _deliver(store, "b.dbn", _range(50, 150)).status == "whole"
    assert store.count_files() == 1
    assert _deliver(store, "a.dbn", _range(1, 40)).delivery == 2
    assert _used(store) == ["a.dbn", "b.dbn"]


def test_forget__a_broken_file_is_no_fault_any_more(store: Store) -> None:
    """It is not listed, and is told of again when it comes again."""
    store.record_broken_file("a.dbn", size=3, mtime_ns=4, reason="cut short")
    store.forget(["a.dbn"])
    assert store.broken_files() == []
    again = store.record_broken_file("a.dbn", size=3, mtime_ns=4, reason="cut short")
    assert (again.delivery, again.reason) == (2, "cut short")
    assert store.broken_files() == [again]


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
