"""The state rules against the naive judge, and the intervals that they open."""

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.book.rules import StateRule
from strategy_lab_core.book.trust import Phases, StateJudge
from strategy_lab_core.book.validate import Validator
from strategy_lab_core.data.columns import Table, column
from strategy_lab_core.types import Phase, TickSchema
from tests.core.book.tapes import LONGEST, tapes, to_table
from tests.naive.book import LAST, SNAPSHOT, Record
from tests.naive.trust import judge

OPENED = 2_000
PHASES = (np.array([OPENED], np.int64), np.array([Phase.OPEN], np.uint8))

TIMES = st.sampled_from(list(product([0, 0, 0, 1, -1_000], [0, 0, -5, 5])))


def wellformed(tape: list[Record]) -> list[Record]:
    """Return the records that no row rule takes away."""
    priced = [r for r in tape if r.action == "R" or r.price is not None]
    sized = [r for r in priced if r.action not in "AMTF" or r.size]
    return [r for r in sized if r.action not in "AM" or r.side != "N"]


def names(bits: int) -> set[str]:
    """Return the names of the rules in a mask."""
    return {rule.name.lower() for rule in StateRule if bits & rule}


def validated(ticks: Table, cut: int, seed: Table | None) -> tuple[Table, Table]:
    """Return valid rows and intervals, fed in two batches."""
    validator = Validator(TickSchema.MBO, phases=PHASES, seed=seed)
    parts = [validator.feed(ticks[:cut]), validator.feed(ticks[cut:])]
    assert [len(bad) for _, bad in parts] == [0, 0]
    return parts[0][0].vstack(parts[1][0]), validator.finish()


@st.composite
def timed_tapes(draw: st.DrawFn) -> list[Record]:
    """Draw a tape whose times now and then go back, or lie before the event."""
    tape = wellformed(draw(tapes()))
    for record in tape:
        late, early = draw(TIMES)
        record.ts_recv += late
        record.ts_event = max(1, record.ts_recv + early)
        record.ts_recv = max(1, record.ts_recv)
    return tape


@given(tape=timed_tapes(), cut=st.integers(0, LONGEST), seeded=st.booleans())
def test_rules__agree_with_the_naive_judge(tape: list[Record], cut: int, seeded: bool) -> None:
    """Rules and states of every record, from a seed or from nothing."""
    seed = to_table([]) if seeded else None

    valid, _ = validated(to_table(tape), cut, seed)

    expected = judge(tape, started=seeded, opened_ns=OPENED)
    found = zip(column(valid, "state_rules"), column(valid, "book_state"), strict=True)
    assert [(names(bits), int(state)) for bits, state in found] == [
        (set(judged.rules), judged.state) for judged in expected
    ]


@given(tape=timed_tapes(), cut=st.integers(0, LONGEST))
def test_intervals__hold_every_broken_row_once(tape: list[Record], cut: int) -> None:
    """Per rule, the rows of all intervals add up to the rows that broke it."""
    valid, intervals = validated(to_table(tape), cut, None)

    bits = column(valid, "state_rules")
    for rule in set(StateRule) - {StateRule.MODIFY_OF_UNKNOWN, StateRule.NEGATIVE_LATENCY}:
        of_rule = intervals["rule"].to_numpy() == rule.name.lower()
        rows = column(intervals, "rows")[of_rule].sum()
        assert rows == np.count_nonzero(bits & rule)


def test_intervals__last_until_the_next_snapshot() -> None:
    """An over-cancel marks the time up to the snapshot that restates the book."""
    tape = [
        Record("R", ts_recv=10),
        Record("A", "B", 100, 1, 1, LAST, 20),
        Record("C", "B", 100, 5, 1, LAST, 30),
        Record("C", "B", 100, 5, 1, LAST, 35),
        Record("A", "B", 100, 1, 2, SNAPSHOT, 50),
        Record("A", "B", 100, 1, 3, LAST, 60),
    ]

    valid, intervals = validated(to_table(tape), 3, None)

    assert column(valid, "book_state").tolist() == [0, 0, 2, 2, 0, 0]
    assert intervals.rows() == [
        (7, 30, 50, "over_cancel", 1),
        (7, 35, 50, "unknown_order", 1),
    ]


def test_intervals__open_at_the_end_last_until_the_last_record() -> None:
    """A book that never got a seed is unseeded from first to last."""
    tape = [Record("A", "B", 100, 1, i, LAST, 10 * i) for i in (1, 2, 3)]

    valid, intervals = validated(to_table(tape), 1, None)

    assert column(valid, "book_state").tolist() == [1, 1, 1]
    assert intervals.rows() == [(7, 10, 30, "unseeded", 3)]


def test_restating_feed__is_trusted_again_at_the_next_good_record() -> None:
    """In a feed by price a crossed book ends with the next uncrossed event end."""
    judge_ = StateJudge(7, restates=True, started=False)
    flags = np.array([LAST, LAST, 0, LAST, LAST], np.uint8)
    times = np.array([10, 20, 30, 40, 35], np.int64)

    states, intervals = judge_.judge(
        action=np.full(5, ord("A"), np.uint8),
        flags=flags,
        ts_event=times - 1,
        ts_recv=times,
        crossed=np.array([False, True, False, False, False]),
        broken=np.zeros(5, np.uint16),
    )

    assert states.tolist() == [0, 2, 2, 0, 2]
    assert intervals.rows() == [(7, 20, 40, "crossed_open", 1)]
    assert judge_.finish().rows() == [(7, 35, 35, "time_order", 1)]


def test_phases__closed_before_the_first() -> None:
    """A time before the first interval is closed; a start belongs to its interval."""
    phases = Phases(*PHASES)

    assert phases.at(np.array([OPENED - 1, OPENED])).tolist() == [Phase.CLOSED, Phase.OPEN]
