"""Messages that are missing from a channel, told by the numbers that the venue gives them.

Only a whole channel can tell: a file that was filtered to some instruments or message types jumps
all the time. A file's channel counts as whole where its numbers nearly always go on by one.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl

from strategy_lab_core.types import Int1D, RecordFlag

__all__ = ["LEAST_MESSAGES", "ChannelNumbers", "SequenceGap", "SequenceTally"]

LEAST_MESSAGES = 500  # numbers of which the file must have so many before it can be whole
FEW_GAPS, MOST_GAPS = (
    3,
    0.001,
)  # a whole channel has at most that many, or that share of its numbers
GIVE_UP_GAPS, GIVE_UP_SHARE = 1_000, 0.02  # from here on no later row can make it whole
RESTART = 1_000  # numbers begin anew each week: a fall by more, to less than half
_NUMBERS = ("publisher_id", "channel_id", "sequence", "ts_recv")


class SequenceGap(NamedTuple):
    """Numbers from `first` to `last`, both inclusive, that no message has.

    `before_ns` and `after_ns` are the `ts_recv` of the messages around them, ns UTC.
    """

    first: int
    last: int
    before_ns: int
    after_ns: int

    @property
    def missing(self) -> int:
        """How many they are."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelNumbers:
    """What one file has of one channel.

    Attributes
    ----------
    first_sequence, first_ts, last_sequence, last_ts
        The first and the last new number in the file's order, and their `ts_recv`.
    messages
        Different numbers.
    is_whole
        Whether gaps can be told; `gaps` is empty otherwise.
    """

    publisher_id: int
    channel_id: int
    first_sequence: int
    last_sequence: int
    first_ts: int
    last_ts: int
    messages: int
    is_whole: bool
    gaps: tuple[SequenceGap, ...]


class SequenceTally:
    """Follows the numbers of all channels of a file, batch by batch in its order."""

    def __init__(self) -> None:
        self._channels: dict[tuple[int, int], _Channel] = {}

    def feed(self, batch: pl.DataFrame) -> None:
        """Follow a batch of canonical ticks of all instruments; no snapshot row is a message."""
        if not {"channel_id", "sequence", "flags"} <= set(batch.columns):
            return  # nobody can say which numbers belong together; statistics are never a whole
        live = (pl.col("flags") & int(RecordFlag.SNAPSHOT)) == 0
        rows = batch.filter(live, pl.col("sequence") > 0).select(_NUMBERS).drop_nulls()
        for (publisher, channel), mine in rows.group_by("publisher_id", "channel_id"):
            key = (int(str(publisher)), int(str(channel)))
            known = self._channels.setdefault(key, _Channel())
            known.follow(mine["sequence"].cast(pl.Int64).to_numpy(), mine["ts_recv"].to_numpy())

    def channels(self) -> list[ChannelNumbers]:
        """Return what was found, by publisher and channel."""
        return [self._channels[key].numbers(*key) for key in sorted(self._channels)]


class _Channel:
    """The numbers of one channel so far."""

    def __init__(self) -> None:
        self._first = self._last = (0, 0)  # number and ts_recv
        self._messages = 0
        self._gaps: list[SequenceGap] = []
        self._given_up = False

    def follow(self, numbers: Int1D, times: Int1D) -> None:
        """Follow the messages on, in their order."""
        if not self._messages:
            self._begin(numbers, times)
        while len(numbers):
            highest = np.maximum.accumulate(np.concatenate([[self._last[0]], numbers]))[1:]
            fallen = (highest - numbers > RESTART) & (2 * numbers < highest)
            cut = int(np.argmax(fallen)) if fallen.any() else len(numbers)
            self._go_on(numbers[:cut], times[:cut])
            numbers, times = numbers[cut:], times[cut:]
            if len(numbers):
                self._fall(numbers, times)

    def _begin(self, numbers: Int1D, times: Int1D) -> None:
        self._first = self._last = (int(numbers[0]), int(times[0]))
        self._messages = 1

    def _fall(self, numbers: Int1D, times: Int1D) -> None:
        """Begin anew, or go back behind a stray number that no message can have had."""
        stray = self._gaps[-1] if self._gaps else None
        if stray and stray.first <= numbers[0] <= stray.last:
            self._gaps.pop()
            self._last = (stray.first - 1, stray.before_ns)
            self._messages -= 1
        else:
            self._last = (int(numbers[0]), int(times[0]))
            self._messages += 1

    def _go_on(self, numbers: Int1D, times: Int1D) -> None:
        """Follow messages of one week."""
        reached = np.maximum.accumulate(np.concatenate([[self._last[0]], numbers]))
        new = np.flatnonzero(numbers > reached[:-1])
        late = numbers[numbers < reached[:-1]]
        at = np.concatenate([[self._last[1]], times[new]])
        ends = np.concatenate([[self._last[0]], numbers[new]])
        self._messages += len(new)
        if not self._given_up:
            for i in np.flatnonzero(np.diff(ends) > 1):
                gap = (int(ends[i]) + 1, int(ends[i + 1]) - 1, int(at[i]), int(at[i + 1]))
                self._gaps.append(SequenceGap(*gap))
            self._fill(np.unique(late))
            allowed = max(GIVE_UP_GAPS, GIVE_UP_SHARE * self._messages)
            self._given_up = len(self._gaps) > allowed
        if len(new):
            self._last = (int(ends[-1]), int(at[-1]))

    def _fill(self, late: Int1D) -> None:
        """Take numbers that came after higher ones out of the gaps."""
        if not len(late) or not self._gaps:
            return
        rest = []
        for gap in self._gaps:
            inside = late[(late >= gap.first) & (late <= gap.last)]
            self._messages += len(inside)
            borders = [gap.first - 1, *map(int, inside), gap.last + 1]
            rest += [
                gap._replace(first=a + 1, last=b - 1) for a, b in pairwise(borders) if b - a > 1
            ]
        self._gaps = rest

    def numbers(self, publisher_id: int, channel_id: int) -> ChannelNumbers:
        """Return what was found."""
        is_whole = (
            not self._given_up
            and self._messages >= LEAST_MESSAGES
            and len(self._gaps) <= max(FEW_GAPS, MOST_GAPS * self._messages)
        )
        return ChannelNumbers(
            publisher_id=publisher_id,
            channel_id=channel_id,
            first_sequence=self._first[0],
            last_sequence=self._last[0],
            first_ts=self._first[1],
            last_ts=self._last[1],
            messages=self._messages,
            is_whole=is_whole,
            gaps=tuple(self._gaps) if is_whole else (),
        )
