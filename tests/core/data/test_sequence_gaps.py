"""Missing numbers of whole channels: exactly those, and none where a file is filtered."""

from collections.abc import Sequence
from itertools import pairwise

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data.sequence_gaps import (
    LEAST_MESSAGES,
    ChannelNumbers,
    SequenceGap,
    SequenceTally,
)
from strategy_lab_core.data.simulate import session_table
from strategy_lab_core.types import RecordFlag
from tests.core.data.test_activity import SESSION
from tests.naive import gaps as naive

LOTS = 2_000


def messages(numbers: Sequence[int], channel: int = 1, flags: int = 128) -> pl.DataFrame:
    """Return a message of each number, a second apart."""
    count = len(numbers)
    columns = {
        "publisher_id": ([1] * count, pl.UInt16),
        "channel_id": ([channel] * count, pl.UInt8),
        "sequence": (list(numbers), pl.UInt32),
        "ts_recv": ([1_000 + i for i in range(count)], pl.Int64),
        "flags": ([flags] * count, pl.UInt8),
    }
    return pl.DataFrame([pl.Series(name, v, t) for name, (v, t) in columns.items()])


def channel(*batches: pl.DataFrame) -> ChannelNumbers:
    """Return what a tally finds of the one channel in these batches."""
    tally = SequenceTally()
    for batch in batches:
        tally.feed(batch)
    (found,) = tally.channels()
    return found


holes = st.lists(
    st.tuples(st.integers(2, LOTS - 60), st.integers(1, 50)), max_size=3, unique_by=lambda h: h[0]
)


def test_tally__statistics_are_no_whole_channel() -> None:
    """They are one kind of message of many: their numbers say nothing, however they go on."""
    tally = SequenceTally()
    tally.feed(messages(range(1, 2 * LEAST_MESSAGES)).drop("flags"))
    assert tally.channels() == []


@given(holes, st.lists(st.integers(1, LOTS), max_size=3), st.randoms())
def test_gaps__are_the_numbers_that_are_not_there(
    lost: list[tuple[int, int]], cuts: list[int], random: object
) -> None:
    """Whatever the batches, and though neighbours may come in the other order."""
    gone = {number for first, size in lost for number in range(first, first + size)}
    numbers = [number for number in range(1, LOTS) if number not in gone]
    for at in range(1, len(numbers) - 1, 97):
        numbers[at], numbers[at + 1] = numbers[at + 1], numbers[at]
    table = messages([each for number in numbers for each in (number, number)])
    edges = sorted({0, table.height, *(min(2 * cut, table.height) for cut in cuts)})
    found = channel(*(table[a:b] for a, b in pairwise(edges)))

    assert found.is_whole
    assert found.messages == len(numbers)
    missing = {n for gap in found.gaps for n in range(gap.first, gap.last + 1)}
    assert missing == naive.missing_numbers(numbers) == gone
    assert sum(gap.missing for gap in found.gaps) == len(gone)


def test_gap__has_the_times_around_it() -> None:
    """Of the message before it and of the one after."""
    found = channel(messages([*range(1, 301), *range(341, 900)]))
    assert found.gaps == (SequenceGap(301, 340, 1_299, 1_300),)
    assert (found.first_sequence, found.last_sequence) == (1, 899)
    assert (found.first_ts, found.last_ts) == (1_000, 1_858)


def test_filtered_file__tells_no_gap() -> None:
    """One instrument of a channel jumps at almost every event: that is no gap."""
    ticks = session_table(SESSION, seed=3, events=2_000)
    found = channel(ticks)
    assert found.messages > LEAST_MESSAGES
    assert (found.is_whole, found.gaps) == (False, ())


def test_short_file__can_not_be_whole() -> None:
    """A few numbers in a row may be luck."""
    assert not channel(messages(range(1, LEAST_MESSAGES))).is_whole
    assert channel(messages(range(1, LEAST_MESSAGES + 1))).is_whole


def test_week__begins_anew() -> None:
    """The numbers start again on Sunday: neither a gap nor late messages."""
    found = channel(messages([*range(90_000, 91_000), *range(1, 800)]))
    assert (found.is_whole, found.gaps, found.messages) == (True, (), 1_799)
    assert (found.first_sequence, found.last_sequence) == (90_000, 799)
    halves = channel(messages(range(90_000, 91_000)), messages(range(1, 800)))
    assert (halves.gaps, halves.messages) == ((), 1_799)


def test_stray_number__is_no_gap() -> None:
    """A garbled number far away does not make all between it a gap of millions."""
    found = channel(messages([*range(1, 700), 3_000_000_000, *range(700, 1_200)]))
    assert (found.is_whole, found.gaps, found.messages) == (True, (), 1_199)


def test_feed__leaves_snapshots_and_empty_cells_out() -> None:
    """They are no messages; a schema without channels tells nothing."""
    snapshot = messages([5, 900_000], flags=int(RecordFlag.SNAPSHOT))
    empty = messages([7]).with_columns(sequence=pl.lit(None, pl.UInt32))
    found = channel(messages(range(1, 600)), snapshot, empty, messages(range(600, 700)))
    assert (found.gaps, found.messages) == ((), 699)
    tally = SequenceTally()
    tally.feed(messages(range(1, 600)).drop("channel_id"))
    assert tally.channels() == []


def test_channels__are_apart() -> None:
    """Each has its own numbers."""
    mixed = pl.concat([messages(range(1, 800)), messages(range(5_000, 5_900), channel=2)])
    tally = SequenceTally()
    tally.feed(mixed.sort("ts_recv"))
    first, second = tally.channels()
    assert (first.channel_id, first.gaps, first.messages) == (1, (), 799)
    assert (second.channel_id, second.gaps, second.messages) == (2, (), 900)


def test_give_up__costs_no_memory() -> None:
    """A file that jumps at every message keeps no list of a million gaps."""
    tally = SequenceTally()
    for start in range(1, 100_000, 10_000):
        tally.feed(messages(range(start, start + 10_000, 2)))
    (found,) = tally.channels()
    assert (found.is_whole, found.messages) == (False, 50_000)
    assert len(tally._channels[1, 1]._gaps) < 12_000
