"""What the store returns and takes about gaps: plain frozen values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from strategy_lab_pipeline.db.records import FileRow

__all__ = ["DoubtfulFile", "FileChannel", "FoundGap", "GapRow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChannel:
    """What one file has of one channel's messages, over all products.

    Parameters
    ----------
    path
        Of the file.
    first_sequence, last_sequence, first_ts, last_ts
        The first and the last new number in the file's order, and their `ts_recv`, ns UTC.
    messages
        Different numbers.
    is_whole
        Whether missing numbers are gaps.
    gaps
        First and last missing number, `ts_recv` of the messages before and after.
    """

    path: str
    publisher_id: int
    channel_id: int
    first_sequence: int
    last_sequence: int
    first_ts: int
    last_ts: int
    messages: int
    is_whole: bool
    gaps: Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class DoubtfulFile:
    """A file that does not count beside another one, and its rows by session of one product."""

    file: FileRow
    other: str
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundGap:
    """A gap as it is found: see `gap_kinds.Gap` in core; `place` is its `where`."""

    session: str
    kind: str
    severity: str
    place: str
    start_ns: int
    end_ns: int
    size: int
    unit: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRow(FoundGap):
    """A gap with what became of it.

    Parameters
    ----------
    state
        "open", "repaired", "replaced" by another one, or "withdrawn".
    found_at_ns, closed_at_ns
        When it was found and when it was found no more, ns UTC.
    repair
        The files that brought the rows, or why it ended; "" while it is open.
    """

    product: str
    state: str
    found_at_ns: int
    closed_at_ns: int | None
    repair: str
