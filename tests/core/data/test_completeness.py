"""The score and its factors, and which gap goes where."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from strategy_lab_core.data.activity import ActivityTally
from strategy_lab_core.data.calendar import phase_intervals, session_calendar
from strategy_lab_core.data.clock_steps import ClockStep, ClockTally
from strategy_lab_core.data.completeness import COVERAGE_NS, SessionEvidence, assess
from strategy_lab_core.data.files import open_ticks
from strategy_lab_core.data.gap_kinds import (
    COMPLETENESS_TABLES,
    REASONS,
    SEVERITIES,
    Gap,
    GapKind,
)
from strategy_lab_core.data.schemas import pandera_schema
from strategy_lab_core.data.sequence_gaps import SequenceGap, SequenceTally
from strategy_lab_core.data.silence import Measured
from tests.core.data.test_silence import SESSIONS, measured, times_of, usual, without

S = 1_000_000_000
HOUR = 3600 * S
WEEKS = SESSIONS[:8]


def evidence(number: int, **other: object) -> SessionEvidence:
    """Return a session without a fault."""
    values: dict[str, object] = {
        "session": WEEKS[number], "is_complete": True, "schema": "mbo",
        "measured": usual()[number],
    }  # fmt: skip
    return SessionEvidence(**{**values, **other})  # type: ignore[arg-type]


def partial(number: int, start: float, end: float) -> SessionEvidence:
    """Return a session with rows between two hours after its open."""
    session = WEEKS[number]
    times = times_of(session, number)
    hours = (times - session.open_ns) / HOUR
    found = measured(session, times[(hours >= start) & (hours <= end)])
    return evidence(number, measured=found, is_complete=False)


CLEAN = [evidence(number) for number in range(8)]


def test_clean_sessions__score_one() -> None:
    """With tables of their columns, and no gap."""
    found = assess(WEEKS, CLEAN)
    assert found.gaps == ()
    assert found.sessions["score"].to_list() == [1.0] * 8
    assert found.sessions["session"].to_list() == [each.key for each in WEEKS]
    for name, table in (("completeness", found.sessions), ("gaps", found.gap_table)):
        pandera_schema(name, COMPLETENESS_TABLES[name]).validate(table)


def test_missing_session__has_no_score() -> None:
    """It is one gap from open to close; a day without a session is none."""
    found = assess(WEEKS, [*CLEAN[:2], *CLEAN[3:]])
    (gap,) = found.gaps
    assert (gap.session, gap.kind) == (WEEKS[2].key, GapKind.MISSING_SESSION)
    assert (gap.start_ns, gap.end_ns) == (WEEKS[2].open_ns, WEEKS[2].close_ns)
    row = found.sessions.row(2, named=True)
    assert (row["label"], row["score"], row["gaps"]) == ("missing", 0.0, 1)


def test_partial_session__tells_both_ends() -> None:
    """Exactly where the label says so: more than a minute without rows."""
    found = assess(WEEKS, [*CLEAN[:1], partial(1, 2, 18), *CLEAN[2:]])
    late, early = found.gaps
    assert (late.kind, early.kind) == (GapKind.LATE_START, GapKind.EARLY_END)
    assert late.start_ns == WEEKS[1].open_ns
    assert early.end_ns == WEEKS[1].close_ns
    assert abs(late.size - 2 * HOUR) < HOUR / 4
    for gap in (late, early):
        assert gap.size == gap.end_ns - gap.start_ns > COVERAGE_NS
    assert found.sessions["label"].to_list()[1] == "partial"


def test_session_that_ends_before_the_open__is_all_gap() -> None:
    """Rows of the pre-open only: nothing of the session's activity is there."""
    session = WEEKS[1]
    times = times_of(session, 1)[:2]
    times[:] = session.open_ns - 5 * 60 * S
    only = replace(partial(1, 2, 18), measured=measured(session, times))
    found = assess(WEEKS, [*CLEAN[:1], only, *CLEAN[2:]])
    assert [gap.kind for gap in found.gaps] == [GapKind.EARLY_END]
    assert found.sessions["activity"].to_list()[1] == pytest.approx(0.0)


def test_activity__counts_what_is_usual_and_not_the_clock() -> None:
    """Two lost hours of the night cost less than half an hour of the day."""
    night = assess(WEEKS, [*CLEAN[:1], partial(1, 2, 24), *CLEAN[2:]]).sessions["activity"][1]
    session = WEEKS[1]
    kept = without(times_of(session, 1), session, 16, 30)
    faulty = evidence(1, measured=measured(session, kept))
    found = assess(WEEKS, [*CLEAN[:1], faulty, *CLEAN[2:]])
    assert [gap.kind for gap in found.gaps] == [GapKind.SILENT_STRETCH]
    day = found.sessions["activity"][1]
    assert 0.9 < day < night < 1.0


def test_activity__is_time_without_a_pattern() -> None:
    """Four sessions are none: half the hours are half of it."""
    found = assess(WEEKS[:2], [evidence(0), partial(1, 0, 11.5)])
    assert found.sessions["pattern_sessions"].to_list() == [1, 1]
    assert found.sessions["activity"][1] == pytest.approx(0.5, abs=0.01)


def test_messages__are_a_factor_of_their_own() -> None:
    """Missing ones over all; those lost in a silence count there, and once."""
    hour = WEEKS[1].open_ns + 17 * HOUR
    gap = SequenceGap(100, 149, hour, hour + S)
    lossy = evidence(1, messages=950, sequence_gaps=[("channel 1, a.dbn", gap)])
    found = assess(WEEKS, [*CLEAN[:1], lossy, *CLEAN[2:]])
    assert found.sessions["messages"][1] == pytest.approx(0.95)
    assert found.sessions["score"][1] == pytest.approx(0.95)
    (told,) = found.gaps
    assert (told.kind, told.size, told.unit) == (GapKind.SEQUENCE_GAP, 50, "messages")
    assert (told.start_ns, told.end_ns) == (hour, hour + S)

    session = WEEKS[1]
    kept = without(times_of(session, 1), session, 16, 90)
    both = replace(lossy, measured=measured(session, kept))
    found = assess(WEEKS, [*CLEAN[:1], both, *CLEAN[2:]])
    assert {gap.kind for gap in found.gaps} == {GapKind.SILENT_STRETCH, GapKind.SEQUENCE_GAP}
    assert found.sessions["messages"][1] == 1.0


def test_rows__are_those_outside_quarantine() -> None:
    """And the score is the product of the three."""
    hour = WEEKS[1].open_ns + 17 * HOUR
    gap = ("a", SequenceGap(1, 50, hour, hour + S))
    bad = evidence(1, quarantined_share=0.2, messages=950, sequence_gaps=[gap])
    row = assess(WEEKS, [*CLEAN[:1], bad, *CLEAN[2:]]).sessions.row(1, named=True)
    assert (row["activity"], row["rows"]) == (1.0, 0.8)
    assert row["score"] == pytest.approx(0.95 * 0.8)


def test_clock_and_copies__cost_no_score() -> None:
    """They are told, and take no rows away; only errors are counted as gaps."""
    step = ClockStep("level", WEEKS[1].open_ns + 5, WEEKS[1].open_ns + 9, -7_000_000)
    copy = Gap(
        session=WEEKS[1].key, kind=GapKind.DUPLICATE_FILE, where="b.dbn", start_ns=1, end_ns=2,
        size=1, unit="files", detail="b.dbn has the bytes of a.dbn",
    )  # fmt: skip
    found = assess(WEEKS, [*CLEAN[:1], evidence(1, steps=[step]), *CLEAN[2:]], [copy])
    assert {gap.kind for gap in found.gaps} == {GapKind.CLOCK_STEP, GapKind.DUPLICATE_FILE}
    assert found.sessions["score"][1] == 1.0
    assert found.sessions["gaps"][1] == 0
    (stepped,) = (gap for gap in found.gaps if gap.kind is GapKind.CLOCK_STEP)
    assert (stepped.size, stepped.unit) == (-7_000_000, "ns")
    assert "-7.0 ms" in stepped.detail


def test_schemas__have_patterns_of_their_own() -> None:
    """A session of trades among those of orders is not silent against the orders."""
    session = WEEKS[1]
    trades = evidence(1, schema="trades", measured=measured(session, times_of(session, 9, 0.01)))
    found = assess(WEEKS, [*CLEAN[:1], trades, *CLEAN[2:]])
    assert found.gaps == ()
    assert found.sessions["pattern_sessions"].to_list() == [7, 1, *[7] * 6]


def test_kinds__all_have_reason_and_severity() -> None:
    """None is forgotten."""
    assert set(REASONS) == set(SEVERITIES) == set(GapKind)


@pytest.mark.parametrize(
    ("name", "day", "schema"),
    [
        ("cme_es_mbo/esh4-glbx-mdp3-20231225.mbo.dbn.zst", date(2023, 12, 26), "mbo"),
        ("cme_nq_trades/glbx-mdp3-20250504.trades.csv", date(2025, 5, 5), "trades"),
    ],
)
def test_real_hours__end_early_and_raise_no_other_alarm(
    real_data: Path, name: str, day: date, schema: str
) -> None:
    """A holiday hour of one instrument of its channel, two Sunday hours of trades: cut off only."""
    session = session_calendar("CME Globex Equity").session(day)
    activity = ActivityTally(session, phase_intervals(session))
    clock, numbers = ClockTally(), SequenceTally()
    times = []
    for batch in open_ticks(real_data / name).batches():
        activity.feed(batch)
        clock.feed(batch)
        numbers.feed(batch)
        times.append(batch.filter((pl.col("flags") & 32) == 0)["ts_event"])
    ends = pl.concat(times)
    found = Measured(
        session.open_ns, ends.min(), ends.max(), activity.minutes(), activity.stretches()  # type: ignore[arg-type]
    )  # fmt: skip
    assert not any(each.is_whole for each in numbers.channels())
    one = SessionEvidence(
        session=session, is_complete=False, schema=schema, measured=found, steps=clock.steps()
    )
    result = assess([session], [one])
    assert [gap.kind for gap in result.gaps] == [GapKind.EARLY_END]
    assert session.open_ns + timedelta(hours=3).seconds * S > result.gaps[0].start_ns
