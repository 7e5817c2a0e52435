"""What a new delivery repeats of the files that are known: its bytes, its messages, a part of them.

The same messages may come under another name, in another format or in a longer file. They are found
by (publisher, instrument, channel, sequence range), never by equal rows: identical rows happen.
Sequence numbers begin anew each week, so the times have to overlap as well. Ranges only tell that
files may share messages: that one has all of another's is for the caller to prove by counting.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, exists, func, select
from sqlalchemy.orm import Session, aliased

from strategy_lab_pipeline.db.models import FileRangeTable, FileTable
from strategy_lab_pipeline.db.records import FileRange, FileRow, from_row

__all__ = [
    "Overlap",
    "compare_bytes",
    "compare_messages",
    "newest_whole",
    "orphans",
    "overlaps",
    "within",
]


@dataclass(frozen=True, slots=True)
class Overlap:
    """A file that may have messages of a new one, and its ranges."""

    file: FileRow
    ranges: tuple[FileRange, ...]


def newest_whole() -> Any:
    """Return the ids of the newest delivery of each path that is neither broken nor forgotten."""
    usable = and_(FileTable.status != "broken", ~FileTable.forgotten)
    return select(func.max(FileTable.id)).where(usable).group_by(FileTable.path)


def orphans() -> Any:
    """Return the files left out for another one that does not count any more, as it was then."""
    newest = select(func.max(FileTable.id)).where(~FileTable.forgotten).group_by(FileTable.path)
    return (
        select(FileTable)
        .where(FileTable.id.in_(newest), FileTable.status.in_(("covered", "broken")))
        .where(FileTable.duplicate_of.is_not(None), FileTable.duplicate_of.not_in(newest_whole()))
        .order_by(FileTable.path)
    )


def compare_bytes(session: Session, row: FileTable) -> None:
    """Set the status of a new delivery: whole, or duplicate where another path has its bytes."""
    query = select(FileTable).where(FileTable.id.in_(newest_whole()))
    query = query.where(FileTable.sha256 == row.sha256, FileTable.path != row.path)
    original = session.scalars(query.order_by(FileTable.id).limit(1)).first()
    row.status = "whole" if original is None else "duplicate"
    row.duplicate_of = None if original is None else original.id
    row.reason = "" if original is None else f"{row.path}: same bytes as {original.path}"


def compare_messages(
    session: Session, row: FileTable, mine: Sequence[FileRange], proven: Collection[tuple[str, str]]
) -> None:
    """Set the status of a new whole delivery whose messages other files have, all or some.

    Parameters
    ----------
    proven
        (a, b): the file with hash a has all messages of the one with hash b.

    A file that has all messages of others takes their place: they are "covered", and so is a new
    one that brings nothing. "broken" is a new file that shares some messages with another one:
    neither can be left out, and none may count twice.
    """
    found = overlaps(session, row.path, row.sha256, row.schema, mine)
    for other in found:
        if (other.file.sha256, row.sha256) in proven:
            row.status, row.duplicate_of = "covered", other.file.id
            row.reason = f"{row.path}: {other.file.path} has all of its messages, they count once"
            return
    rest = [other for other in found if (row.sha256, other.file.sha256) not in proven]
    if rest:
        row.status, row.duplicate_of = "broken", rest[0].file.id
        row.reason = _shared(row.path, mine, rest[0])
        return
    for other in found:
        replaced = session.get_one(FileTable, other.file.id)
        replaced.status, replaced.duplicate_of = "covered", row.id
        replaced.reason = f"{replaced.path}: {row.path} has all of its messages, they count once"


def overlaps(
    session: Session, path: str, sha256: str, schema: str, mine: Sequence[FileRange]
) -> list[Overlap]:
    """Return the files that count and may share messages with one at `path`, older first."""
    counted = [found for found in mine if found.rows]
    if not counted:
        return []
    first, last = min(r.first_ts for r in counted), max(r.last_ts for r in counted)
    ranges = aliased(FileRangeTable)
    near = exists().where(
        ranges.file_id == FileTable.id, ranges.first_ts <= last, ranges.last_ts >= first
    )
    query = (
        select(FileTable)
        .where(FileTable.path != path, FileTable.schema == schema, FileTable.sha256 != sha256)
        .where(FileTable.status.in_(("whole", "duplicate")))
        .where(FileTable.id.in_(newest_whole()), near)
        .order_by(FileTable.id)
    )
    streams = {found.stream: found for found in counted}
    others = []
    for row in session.scalars(query):
        theirs = tuple(from_row(FileRange, found) for found in row.ranges)
        if any(_share(streams[r.stream], r) for r in theirs if r.stream in streams):
            others.append(Overlap(from_row(FileRow, row), theirs))
    return others


def within(inner: Sequence[FileRange], outer: Sequence[FileRange]) -> bool:
    """Return whether each range of `inner` lies in the one of `outer` of the same stream."""
    streams = {found.stream: found for found in outer}
    return all(
        (whole := streams.get(part.stream)) is not None and _contains(whole, part)
        for part in inner
        if part.rows
    )


def _contains(outer: FileRange, inner: FileRange) -> bool:
    return (
        outer.first_sequence <= inner.first_sequence
        and inner.last_sequence <= outer.last_sequence
        and outer.first_ts <= inner.first_ts
        and inner.last_ts <= outer.last_ts
        and outer.rows >= inner.rows
    )


def _share(a: FileRange, b: FileRange) -> bool:
    """Say whether two ranges share messages; files cut inside a message share its number only."""
    if not (a.rows and b.rows and a.first_ts <= b.last_ts and b.first_ts <= a.last_ts):
        return False
    inside = a.first_sequence < b.last_sequence and b.first_sequence < a.last_sequence
    equal = (a.first_sequence, a.last_sequence) == (b.first_sequence, b.last_sequence)
    return inside or equal


def _shared(path: str, mine: Sequence[FileRange], other: Overlap) -> str:
    streams = {found.stream: found for found in other.ranges}
    first = next(
        found
        for found in sorted(mine, key=lambda found: found.stream)
        if found.stream in streams and _share(found, streams[found.stream])
    )
    return (
        f"{path}: has messages that {other.file.path} has too, and neither is known to have all "
        f"of the other's (instrument {first.instrument_id}, sequences {first.first_sequence} to "
        f"{first.last_sequence} here); a message counts once: cut the files apart, or remove one "
        "and tell `strategy-lab forget` which"
    )
