"""Whether one file has all messages of another, proven by counting, in batches."""

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from strategy_lab_core.data.files import TickFile
from strategy_lab_pipeline.db.store import FileRange
from strategy_lab_pipeline.stages.tally import STREAM, is_message, with_channel

__all__ = ["has_messages"]

MAX_SEQUENCES = 1 << 27  # of all channels together; a day has less
MOST = np.iinfo(np.uint16).max  # messages of one number
_ENDS = ("first_sequence", "last_sequence", "first_ts", "last_ts")
_CHANNEL = ("publisher_id", "channel_id")


def has_messages(file: TickFile, part: TickFile | None, ranges: Iterable[FileRange]) -> bool:
    """Return whether `file` has every message that another one has.

    Parameters
    ----------
    part
        The other file; None where it can't be read any more. Then `file` has to have exactly as
        many messages inside each range, which fails where the part has gaps that `file` fills.
    ranges
        Of the other file.
    """
    counted = [found for found in ranges if found.rows]
    if part is None:
        return _row_counts(file, counted) == {found.stream: found.rows for found in counted}
    ends = _channel_ends(counted)
    if sum(last - first for first, last in ends.values()) > MAX_SEQUENCES:
        return False
    theirs, mine = _message_counts(part, counted, ends), _message_counts(file, counted, ends)
    return all(bool((mine[channel] >= theirs[channel]).all()) for channel in theirs)


def _row_counts(file: TickFile, ranges: list[FileRange]) -> dict[tuple[int, ...], int]:
    rows: Counter[tuple[int, ...]] = Counter()
    for messages in _messages(file, ranges):
        for *stream, found in messages.group_by(STREAM).len().iter_rows():
            rows[tuple(stream)] += found
    return rows


def _channel_ends(ranges: list[FileRange]) -> dict[tuple[int, ...], tuple[int, int]]:
    ends: dict[tuple[int, ...], tuple[int, int]] = {}
    for found in ranges:
        channel = (found.publisher_id, found.channel_id)
        first, last = ends.get(channel, (found.first_sequence, found.last_sequence))
        ends[channel] = min(first, found.first_sequence), max(last, found.last_sequence)
    return ends


def _message_counts(
    file: TickFile, ranges: list[FileRange], ends: dict[tuple[int, ...], tuple[int, int]]
) -> dict[tuple[int, ...], NDArray[np.uint16]]:
    """Return how many messages of each number a file has, by publisher and channel."""
    counts = {key: np.zeros(last - first + 1, np.uint16) for key, (first, last) in ends.items()}
    for messages in _messages(file, ranges):
        found = messages.group_by(*_CHANNEL, "sequence").len()
        for (publisher, channel), rows in found.group_by(_CHANNEL):
            key = (int(str(publisher)), int(str(channel)))
            places = rows["sequence"].to_numpy() - ends[key][0]
            more = counts[key][places] + rows["len"].to_numpy().astype(np.int64)
            counts[key][places] = np.minimum(more, MOST)
    return counts


def _messages(file: TickFile, ranges: list[FileRange]) -> Iterator[pl.DataFrame]:
    """Yield stream and sequence of the messages inside the ranges."""
    wanted = pl.DataFrame(
        [[getattr(found, name) for name in (*STREAM, *_ENDS)] for found in ranges],
        schema=dict.fromkeys((*STREAM, *_ENDS), pl.Int64),
        orient="row",
    )
    inside = pl.col("sequence").is_between("first_sequence", "last_sequence")
    inside = inside & pl.col("ts_recv").is_between("first_ts", "last_ts")
    for batch in file.batches():
        rows = with_channel(batch).filter(is_message(batch)).drop_nulls(STREAM)
        rows = rows.select(pl.col(*STREAM, "sequence").cast(pl.Int64), "ts_recv")
        yield rows.join(wanted, on=STREAM).filter(inside).select(*STREAM, "sequence")
