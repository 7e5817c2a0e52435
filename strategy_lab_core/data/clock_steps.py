"""Where a clock was set: the delay from event to receipt changes its level, or time goes back.

The shortest delay of many rows hardly moves: queues and bursts only lengthen it. So the floor of
each block of rows is followed, and a floor that jumps and stays is a clock that was set. Where both
clocks of a row are set back together the delay tells nothing, but later rows are older.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from strategy_lab_core.types import NS_PER_SECOND, Int1D, RecordFlag

__all__ = ["BLOCK_NS", "BLOCK_ROWS", "LEAST_STEP_NS", "ClockStep", "ClockTally"]

BLOCK_ROWS, BLOCK_NS = 50, 10 * NS_PER_SECOND  # a block has at least so many rows, so much time
LEAST_STEP_NS = 5_000_000
TIMES_USUAL = 20  # of the usual change from block to block
AROUND, LEAST_BLOCKS = 5, 3  # blocks whose median counts on each side: at most, at least
OLDER_ROWS = 10  # in a row: a single late row is for validation
_LOOK = 4_096  # rows
_NO_DELAY = int(RecordFlag.SNAPSHOT) | int(RecordFlag.BAD_TS_RECV)


class ClockStep(NamedTuple):
    """A clock that was set between two rows.

    Attributes
    ----------
    kind
        "level": the delay from event to receipt changed; "back": receipt went back.
    start_ns, end_ns
        "level": the `ts_event` of the last row before and of the first row after it that tell.
        "back": the `ts_recv` that are gone through twice.
    size_ns
        The change of the delay, or how far time went back (below zero).
    """

    kind: Literal["level", "back"]
    start_ns: int
    end_ns: int
    size_ns: int


class _Block(NamedTuple):
    """Rows one after the other: times of the first, the one of least delay, the last."""

    first_ns: int
    floor_at_ns: int
    last_ns: int
    floor_ns: int


class _Older(NamedTuple):
    """A run of rows older than one before: its first receipt, the newest before it, its length."""

    first_ns: int
    newest_ns: int
    rows: int


_NO_RUN = _Older(0, 0, 0)


class ClockTally:
    """Follows the rows of one file in their order, batch by batch.

    Snapshot rows and rows flagged `BAD_TS_RECV` have no delay and are left out.
    """

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._event, self._delay = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        self._newest = np.iinfo(np.int64).min
        self._older = _NO_RUN
        self._backs: list[ClockStep] = []

    def feed(self, batch: pl.DataFrame) -> None:
        """Follow a batch of ticks on."""
        rows = batch.select("ts_event", "ts_recv", "flags").drop_nulls()
        rows = rows.filter((pl.col("flags") & _NO_DELAY) == 0, pl.col("ts_recv") > 0)
        event, receive = (rows[name].to_numpy() for name in ("ts_event", "ts_recv"))
        self._look_back(receive)
        self._event = np.concatenate([self._event, event])
        self._delay = np.concatenate([self._delay, receive - event])
        self._cut()

    def steps(self) -> list[ClockStep]:
        """Return the steps so far, in order of time; one that both signs show counts once."""
        levels = _level_steps(self._blocks)
        backs = [step for step in self._backs if not any(_same(step, other) for other in levels)]
        return sorted([*levels, *backs], key=lambda step: step.start_ns)

    def _look_back(self, receive: Int1D) -> None:
        """Follow the runs of rows that are older than one before them."""
        newest = np.maximum.accumulate(np.concatenate([[self._newest], receive]))
        older = receive < newest[:-1]
        self._newest = int(newest[-1])
        edges = np.flatnonzero(np.diff(older, prepend=False, append=False))
        if len(older) and not older[0]:
            self._older = _NO_RUN
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            known = self._older if begin == 0 else _NO_RUN
            if not known.rows:
                known = _Older(int(receive[begin]), int(newest[begin]), 0)
            rows = known.rows + int(end - begin)
            if known.rows < OLDER_ROWS <= rows:
                size_ns = known.first_ns - known.newest_ns
                self._backs.append(ClockStep("back", known.first_ns, known.newest_ns, size_ns))
            self._older = known._replace(rows=rows) if end == len(older) else _NO_RUN

    def _cut(self) -> None:
        """Cut full blocks off the rows that wait."""
        start = 0
        while start + BLOCK_ROWS < len(self._event):
            stop = _first_from(self._event, start + BLOCK_ROWS, int(self._event[start]) + BLOCK_NS)
            if stop is None:
                break
            least = start + int(np.argmin(self._delay[start:stop]))
            first, floor_at, last = (int(self._event[i]) for i in (start, least, stop - 1))
            self._blocks.append(_Block(first, floor_at, last, int(self._delay[least])))
            start = stop
        self._event, self._delay = self._event[start:], self._delay[start:]


def _first_from(values: Int1D, start: int, least: int) -> int | None:
    """Return the first place from `start` on with a value of at least `least`; None for none."""
    for begin in range(start, len(values), _LOOK):  # mostly near: no need to compare all of them
        found = np.flatnonzero(values[begin : begin + _LOOK] >= least)
        if len(found):
            return begin + int(found[0])
    return None


def _level_steps(blocks: Sequence[_Block]) -> list[ClockStep]:
    floors = np.array([block.floor_ns for block in blocks], dtype=np.int64)
    if len(floors) < 2 * LEAST_BLOCKS:
        return []
    changes = np.diff(floors)
    limit = max(LEAST_STEP_NS, TIMES_USUAL * float(np.median(np.abs(changes))))
    steps = []
    for begin, end, jumps in _jumps(floors, limit):
        sign = 1 if jumps[0] > 0 else -1
        place = begin + int(np.argmax(sign * changes[begin - 1 : end - 1]))
        before, after = blocks[place - 1], blocks[place]
        # The least delay of the block that holds the step is that of its shorter side.
        ends = (before.floor_at_ns, after.first_ns) if sign > 0 else (
            before.last_ns, after.floor_at_ns)  # fmt: skip
        steps.append(ClockStep("level", *ends, int(jumps[place - begin])))
    return steps


def _jumps(floors: Int1D, limit: float) -> Iterator[tuple[int, int, Int1D]]:
    """Yield runs of places where the median floor after differs from the one before: [begin, end).

    With the differences there, all of one sign.
    """
    places = np.arange(LEAST_BLOCKS, len(floors) - LEAST_BLOCKS + 1)
    jumps = np.array(
        [
            int(np.median(floors[at : at + AROUND]) - np.median(floors[max(at - AROUND, 0) : at]))
            for at in places
        ]
    )
    signs = np.where(np.abs(jumps) >= limit, np.sign(jumps), 0)
    edges = np.flatnonzero(np.diff(signs, prepend=0, append=0))
    for begin, end in pairwise(edges):
        if signs[begin]:
            yield int(places[begin]), int(places[begin]) + int(end - begin), jumps[begin:end]


def _same(back: ClockStep, level: ClockStep) -> bool:
    """Whether a step back in receipt is a step of the delay at the same time."""
    near = abs(level.size_ns) + BLOCK_NS
    overlap = back.start_ns <= level.end_ns + near and level.start_ns - near <= back.end_ns
    return level.size_ns < 0 and overlap
