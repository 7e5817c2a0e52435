"""Gaps that only the files of a product together show: missing messages, copies, overlaps.

What each file has of a channel was counted when it was catalogued; here the files are put end to
end, and every gap into the session that it lies in.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from strategy_lab_core.data.activity import open_overlap, open_spans
from strategy_lab_core.data.calendar import (
    NO_SESSION,
    SessionCalendar,
    phase_intervals,
    session_calendar,
    session_date,
)
from strategy_lab_core.data.completeness import COVERAGE_NS
from strategy_lab_core.data.gap_kinds import Gap, GapKind
from strategy_lab_core.data.sequence_gaps import SequenceGap
from strategy_lab_pipeline.db.store import DoubtfulFile, FileChannel
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["FileEvidence", "file_evidence"]

_KINDS = {
    "duplicate": GapKind.DUPLICATE_FILE,
    "covered": GapKind.COVERED_FILE,
    "broken": GapKind.OVERLAPPING_FILES,
}
_TOLD = {
    GapKind.DUPLICATE_FILE: "has the bytes of",
    GapKind.COVERED_FILE: "has no message that is not in",
    GapKind.OVERLAPPING_FILES: "is refused: it shares some messages with",
}


@dataclass(slots=True)
class FileEvidence:
    """What the files say, by session.

    Attributes
    ----------
    messages
        Of whole channels, by session.
    sequence_gaps
        With channel and file, by session.
    doubtful
        Copies and overlaps.
    """

    messages: dict[date, int] = field(default_factory=lambda: defaultdict(int))
    sequence_gaps: dict[date, list[tuple[str, SequenceGap]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    doubtful: tuple[Gap, ...] = ()


def file_evidence(workspace: Workspace, product: str) -> FileEvidence:
    """Return what the catalogue knows of a product's files."""
    calendar = session_calendar(workspace.products[product].calendar)
    found = FileEvidence(
        doubtful=tuple(_doubtful(file) for file in workspace.store.doubtful_files(product))
    )
    by_channel: dict[tuple[int, int], list[FileChannel]] = defaultdict(list)
    for each in workspace.store.whole_channels(product):
        by_channel[each.publisher_id, each.channel_id].append(each)
        for day, messages in _shared_out(workspace, product, each):
            found.messages[day] += messages
    for channels in by_channel.values():
        for where, gap in _gaps(channels, calendar):
            key = int(calendar.session_keys(np.array([gap.after_ns]))[0])
            if key != NO_SESSION:
                found.sequence_gaps[session_date(key)].append((where, gap))
    return found


def _doubtful(found: DoubtfulFile) -> Gap:
    """Return a file that does not count as a gap of the session that it has most rows of."""
    kind = _KINDS[found.file.status]
    session = max(found.rows, key=lambda day: (found.rows[day], day))
    name, other = Path(found.file.path).name, Path(found.other).name
    return Gap(
        session=date.fromisoformat(session), kind=kind, where=name, start_ns=found.file.first_ts,
        end_ns=found.file.last_ts, size=1, unit="files", detail=f"{name} {_TOLD[kind]} {other}",
    )  # fmt: skip


def _shared_out(
    workspace: Workspace, product: str, channel: FileChannel
) -> Iterator[tuple[date, int]]:
    """Yield a file's messages by session, in the proportion of the product's rows."""
    rows = {
        day: count
        for (root, day), count in workspace.store.partition_rows(channel.path).items()
        if root == product
    }
    for day, count in rows.items():
        yield date.fromisoformat(day), channel.messages * count // sum(rows.values())


def _gaps(
    channels: Sequence[FileChannel], calendar: SessionCalendar
) -> Iterator[tuple[str, SequenceGap]]:
    """Yield the gaps of one channel inside its files and between them, in order of time."""
    before: FileChannel | None = None
    for each in channels:
        where = f"channel {each.channel_id}, {Path(each.path).name}"
        border = _border(before, each) if before else None
        if border and _open_ns(calendar, border) <= COVERAGE_NS:
            yield where, border
        yield from ((where, SequenceGap(*gap)) for gap in each.gaps)
        if before is None or each.last_ts > before.last_ts:
            before = each


def _border(before: FileChannel, after: FileChannel) -> SequenceGap | None:
    """Return what is missing between two files; a week begins with lower numbers."""
    missing = after.first_sequence - before.last_sequence - 1
    if missing <= 0 or after.first_ts < before.last_ts:
        return None
    first, last = before.last_sequence + 1, after.first_sequence - 1
    return SequenceGap(first, last, before.last_ts, after.first_ts)


def _open_ns(calendar: SessionCalendar, gap: SequenceGap) -> int:
    """Return how much open time a gap takes: more is a gap in time, and told as such."""
    start, end = np.array([gap.before_ns]), np.array([gap.after_ns])
    keys = [int(calendar.session_keys(at)[0]) for at in (start, end)]
    if NO_SESSION in keys:
        return 0
    days = (session_date(keys[0]), session_date(keys[1]) + timedelta(days=1))
    sessions = calendar.sessions(*days)
    return sum(
        int(open_overlap(start, end, open_spans(phase_intervals(each)))[0]) for each in sessions
    )
