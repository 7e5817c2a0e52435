"""When an order book may be trusted: the state rules, row by row, and the intervals they open.

A broken rule stays open until something restates the book: a snapshot or a clear for books by
order (L3), the next record that keeps the rule for feeds that restate their levels (L2, L1).
Which life-cycle rules a record breaks is found by the book kernels, while they apply it.
"""

from typing import NamedTuple

import numpy as np

from strategy_lab_core._jit import hot_kernel, part
from strategy_lab_core.book.rules import UNRELIABLE_RULES, StateRule
from strategy_lab_core.data.columns import Table, concat, table
from strategy_lab_core.types import Action, Bool1D, Int1D, Int2D, IntAny, Phase, RecordFlag

__all__ = ["Phases", "StateJudge", "empty_intervals", "joined_intervals"]

_RULES = tuple(StateRule)
_ALL = sum(_RULES)
_UNRELIABLE = sum(UNRELIABLE_RULES)
_FLAG_ONLY = int(StateRule.MODIFY_OF_UNKNOWN) | int(StateRule.NEGATIVE_LATENCY)
_CROSSED_OPEN = int(StateRule.CROSSED_OPEN)
_TIME_ORDER = int(StateRule.TIME_ORDER)
_NEGATIVE_LATENCY = int(StateRule.NEGATIVE_LATENCY)
_UNSEEDED = int(StateRule.UNSEEDED)
_SNAPSHOT = int(RecordFlag.SNAPSHOT)
_BAD_TS_RECV = int(RecordFlag.BAD_TS_RECV)
_LAST = int(RecordFlag.LAST)
_CLEAR = int(Action.CLEAR)

# Entries of the memory between batches.
_OPEN = 0  # bits of the rules whose interval is open
_PREVIOUS = 1  # ts_recv of the last record whose capture time is good, ns


class Phases(NamedTuple):
    """Phases of trading: `phases[i]` holds from `starts_ns[i]` on, before the first it is closed.

    Both have the shape (intervals); `starts_ns` ascends, `phases` holds `Phase` codes.
    """

    starts_ns: Int1D
    phases: IntAny

    def at(self, ts_ns: Int1D) -> IntAny:
        """Return the phase at each time as uint8 (shape: times)."""
        padded = np.append(np.uint8(Phase.CLOSED), self.phases).astype(np.uint8)
        return padded[np.searchsorted(self.starts_ns, ts_ns, side="right")]


class _Rows(NamedTuple):
    action: IntAny
    flags: IntAny
    ts_event: Int1D
    ts_recv: Int1D
    crossed: Bool1D  # at an event end in the open phase


@part
def _broken_now(rows: _Rows, row: int, life: int, unseeded: bool, previous: int) -> int:
    """Return the bits of the rules that a market record breaks."""
    broken = _UNSEEDED if unseeded else life
    if rows.crossed[row] and not unseeded:
        broken |= _CROSSED_OPEN
    if rows.flags[row] & _BAD_TS_RECV:
        return broken
    if rows.ts_recv[row] < previous:
        broken |= _TIME_ORDER
    if rows.ts_recv[row] < rows.ts_event[row]:
        broken |= _NEGATIVE_LATENCY
    return broken


@part
def _ended_now(rows: _Rows, row: int, restates: bool, broken: int) -> int:
    """Return the bits of the rules whose intervals a record ends."""
    if restates:
        ended = _ALL & ~_CROSSED_OPEN
        if rows.flags[row] & _LAST:
            ended = _ALL
        return ended & ~broken
    if rows.action[row] == _CLEAR or rows.flags[row] & _SNAPSHOT:
        return _ALL
    return 0


@hot_kernel
def _judge(
    rows: _Rows,
    restates: bool,
    broken: IntAny,
    states: IntAny,
    memory: Int1D,
    running: Int2D,
    closed: Int2D,
) -> int:
    """Judge all rows; return how many intervals were closed.

    `broken` holds the life-cycle bits and receives all others. `running` is start and rows of
    each open interval (shape: rules, 2), `closed` receives rule, start, end, rows.
    """
    found = 0
    for row in range(len(rows.action)):
        now = 0
        starts = rows.action[row] == _CLEAR or rows.flags[row] & _SNAPSHOT != 0
        if not rows.flags[row] & _SNAPSHOT:
            unseeded = memory[_OPEN] & _UNSEEDED != 0 and not starts and not restates
            now = _broken_now(rows, row, int(broken[row]), unseeded, memory[_PREVIOUS])
            if not rows.flags[row] & _BAD_TS_RECV:
                memory[_PREVIOUS] = rows.ts_recv[row]
        broken[row] = now
        was = memory[_OPEN]
        ended = was & _ended_now(rows, row, restates, now)
        opened = now & ~_FLAG_ONLY
        memory[_OPEN] = (was & ~ended) | opened
        states[row] = _state_of(memory[_OPEN])
        if ended or opened:
            found = _note(running, closed, found, was, ended, opened, rows.ts_recv[row])
    return found


@part
def _state_of(opened: int) -> int:
    if opened & _UNSEEDED:
        return 1
    return 2 if opened & _UNRELIABLE else 0


@part
def _note(
    running: Int2D, closed: Int2D, found: int, was: int, ended: int, opened: int, now_ns: int
) -> int:
    """Close and open intervals; return how many are closed by now."""
    for rule in range(len(running)):
        bit = 1 << rule
        if ended & bit:
            closed[found, 0] = rule
            closed[found, 1] = running[rule, 0]
            closed[found, 2] = now_ns
            closed[found, 3] = running[rule, 1]
            found += 1
        if opened & bit:
            if ended & bit or not was & bit:
                running[rule, 0] = now_ns
                running[rule, 1] = 0
            running[rule, 1] += 1
    return found


class StateJudge:
    """Judges the records of one instrument in batches.

    Parameters
    ----------
    instrument_id
        For the table of intervals.
    restates
        The feed restates its levels with every record (L2, L1).
    started
        The book is known already (a seed, or a book known to be empty).
    """

    def __init__(self, instrument_id: int, *, restates: bool, started: bool) -> None:
        self._instrument_id, self._restates = instrument_id, restates
        unseeded = not (restates or started)
        self._memory = np.array([_UNSEEDED if unseeded else 0, np.iinfo(np.int64).min])
        self._running = np.zeros((len(_RULES), 2), np.int64)
        self._last_ns = 0

    def judge(
        self,
        *,
        action: IntAny,
        flags: IntAny,
        ts_event: Int1D,
        ts_recv: Int1D,
        crossed: Bool1D,
        broken: IntAny,
    ) -> tuple[IntAny, Table]:
        """Judge a batch; all arrays have the shape (rows).

        Parameters
        ----------
        action, flags, ts_event, ts_recv
            Columns of the records.
        crossed
            Bid at or above ask at an event end in the open phase.
        broken
            `StateRule` bits (uint16) that the book found; receives all others.

        Returns
        -------
        states
            `BookState` after each record, uint8.
        intervals
            Intervals that ended in this batch: instrument_id, start_ns, end_ns, rule, rows.
        """
        states = np.empty(len(action), np.uint8)
        if not len(action):
            return states, empty_intervals()
        if self._last_ns == 0 and self._memory[_OPEN] & _UNSEEDED:
            self._running[_RULES.index(StateRule.UNSEEDED), 0] = ts_recv[0]
        rows = _Rows(action, flags, ts_event, ts_recv, crossed)
        closed = np.empty((self._most_closings(rows), 4), np.int64)
        found = _judge(rows, self._restates, broken, states, self._memory, self._running, closed)
        self._last_ns = int(ts_recv[-1])
        return states, self._intervals(closed[:found])

    def finish(self) -> Table:
        """Return the intervals that are still open, ending at the last record."""
        opened = [
            (number, self._running[number, 0], self._last_ns, self._running[number, 1])
            for number, rule in enumerate(_RULES)
            if self._memory[_OPEN] & rule and self._running[number, 1]
        ]
        return self._intervals(np.array(opened, np.int64).reshape(-1, 4))

    def _most_closings(self, rows: _Rows) -> int:
        """Return a bound on the intervals that can close in a batch."""
        if self._restates:
            return 2 * len(rows.action) + len(_RULES)
        resets = (rows.action == _CLEAR) | (rows.flags & _SNAPSHOT > 0)
        return len(_RULES) * (int(np.count_nonzero(resets)) + 1)

    def _intervals(self, closed: Int2D) -> Table:
        closed = closed[closed[:, 3] > 0]
        return table(
            {
                "instrument_id": np.full(len(closed), self._instrument_id, np.uint32),
                "start_ns": closed[:, 1].copy(),
                "end_ns": closed[:, 2].copy(),
                "rule": np.array([_RULES[rule].name.lower() for rule in closed[:, 0]], np.str_),
                "rows": closed[:, 3].copy(),
            }
        )


def empty_intervals() -> Table:
    """Return a table of no intervals."""
    return StateJudge(0, restates=True, started=True).finish()


def joined_intervals(parts: list[Table]) -> Table:
    """Return intervals by start, then instrument and rule."""
    return concat([empty_intervals(), *parts]).sort("start_ns", "instrument_id", "rule")
