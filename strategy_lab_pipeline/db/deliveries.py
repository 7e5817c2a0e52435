"""What a new delivery repeats of the files that are known: its bytes, its messages, a part of them.

The same messages may come under another name, in another format or in a longer file. They are found
by (publisher, instrument, channel, sequence range), never by equal rows: identical rows happen.
Sequence numbers begin anew each week, so the times have to overlap as well.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from strategy_lab_pipeline.db.models import FileRangeTable, FileTable

__all__ = ["compare_bytes", "compare_messages", "newest_whole"]


def newest_whole() -> Any:
    """Return the ids of the newest delivery of each path that is not broken."""
    whole = FileTable.status != "broken"
    return select(func.max(FileTable.id)).where(whole).group_by(FileTable.path)


def compare_bytes(session: Session, row: FileTable) -> None:
    """Set the status of a new delivery: whole, or duplicate where another path has its bytes."""
    query = select(FileTable).where(FileTable.id.in_(newest_whole()))
    query = query.where(FileTable.sha256 == row.sha256, FileTable.path != row.path)
    original = session.scalars(query.order_by(FileTable.id).limit(1)).first()
    row.status = "whole" if original is None else "duplicate"
    row.duplicate_of = None if original is None else original.id
    row.reason = "" if original is None else f"{row.path}: same bytes as {original.path}"


def compare_messages(session: Session, row: FileTable, is_there: Callable[[str], bool]) -> None:
    """Set the status of a new whole delivery whose messages other files have, all or some.

    "covered" where one file has them all; "broken" where files share some, because neither can be
    left out. A file that is gone gives way to one that has all that it had.
    """
    others = _overlapping(session, row)
    replaced = [
        other for other in others if not is_there(other.path) and _covers(session, row, other)
    ]
    rest = [other for other in others if other not in replaced]
    if rest:
        other = next((other for other in rest if _covers(session, other, row)), rest[0])
        row.duplicate_of = other.id
        if _covers(session, other, row):
            row.status = "covered"
            row.reason = f"{row.path}: {other.path} has all of its messages, they count once"
        else:
            row.status, row.reason = "broken", _shared(session, row, other)
        return
    for other in replaced:
        other.status, other.duplicate_of = "covered", row.id
        other.reason = f"{other.path}: gone; {row.path} has all of its messages"


def _overlapping(session: Session, row: FileTable) -> list[FileTable]:
    mine, theirs = aliased(FileRangeTable), aliased(FileRangeTable)
    query = (
        select(FileTable)
        .join(theirs, theirs.file_id == FileTable.id)
        .join(mine, _same_stream(mine, theirs))
        .where(mine.file_id == row.id, FileTable.path != row.path)
        .where(FileTable.schema == row.schema, FileTable.sha256 != row.sha256)
        .where(FileTable.status.in_(("whole", "duplicate")))
        .where(FileTable.id.in_(newest_whole()), _overlap(mine, theirs))
        .distinct()
        .order_by(FileTable.id)
    )
    return list(session.scalars(query))


def _covers(session: Session, whole: FileTable, part: FileTable) -> bool:
    """Return whether every message of `part` is one of `whole`."""
    inner, outer = aliased(FileRangeTable), aliased(FileRangeTable)
    contained = and_(
        outer.first_sequence <= inner.first_sequence,
        outer.last_sequence >= inner.last_sequence,
        outer.first_ts <= inner.first_ts,
        outer.last_ts >= inner.last_ts,
        outer.rows >= inner.rows,
        or_(
            outer.first_sequence < inner.first_sequence,
            outer.last_sequence > inner.last_sequence,
            outer.rows == inner.rows,
        ),
    )
    missing = (
        select(func.count())
        .select_from(inner)
        .outerjoin(outer, and_(outer.file_id == whole.id, _same_stream(inner, outer), contained))
        .where(inner.file_id == part.id, inner.rows > 0, outer.file_id.is_(None))
    )
    return session.scalar(missing) == 0


def _shared(session: Session, row: FileTable, other: FileTable) -> str:
    mine, theirs = aliased(FileRangeTable), aliased(FileRangeTable)
    query = (
        select(mine)
        .join(theirs, _same_stream(mine, theirs))
        .where(mine.file_id == row.id, theirs.file_id == other.id, _overlap(mine, theirs))
        .order_by(mine.instrument_id)
        .limit(1)
    )
    found = session.scalars(query).one()
    return (
        f"{row.path}: has messages that {other.path} has too, and neither has all of the other's "
        f"(instrument {found.instrument_id}, sequences {found.first_sequence} to "
        f"{found.last_sequence} here); a message counts once: remove one of the files, or cut "
        "them apart"
    )


def _same_stream(a: Any, b: Any) -> ColumnElement[bool]:
    return and_(
        a.publisher_id == b.publisher_id,
        a.instrument_id == b.instrument_id,
        a.channel_id == b.channel_id,
    )


def _overlap(a: Any, b: Any) -> ColumnElement[bool]:
    """Say whether two ranges share messages; files cut inside a message share its number only."""
    inside = and_(a.first_sequence < b.last_sequence, b.first_sequence < a.last_sequence)
    equal = and_(a.first_sequence == b.first_sequence, a.last_sequence == b.last_sequence)
    at_once = and_(a.first_ts <= b.last_ts, b.first_ts <= a.last_ts)
    return and_(a.rows > 0, b.rows > 0, at_once, or_(inside, equal))
