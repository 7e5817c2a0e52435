"""Silence against the product's own pattern: a quiet night is none, a busy hour without rows is."""

from datetime import timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data.activity import ActivityTally
from strategy_lab_core.data.calendar import Session, phase_intervals
from strategy_lab_core.data.silence import (
    LEAST_SESSIONS,
    SMOOTHING,
    Measured,
    Pattern,
    pattern_of,
    silences,
)
from strategy_lab_core.types import Int1D
from tests.core.data.test_activity import rows
from tests.naive import gaps as naive
from tests.pipeline.faulty_week import CALENDAR, FIRST

S = 1_000_000_000
HOUR = 3600
SESSIONS = CALENDAR.sessions(FIRST, FIRST + timedelta(days=25))
HOLIDAY = CALENDAR.session(FIRST + timedelta(days=7))  # closes at noon in Chicago
DAY = np.repeat([0.02, 0.01, 0.002, 0.3, 1.0, 0.6], [2, 5, 3, 5, 6, 2])  # rows a second, by hour


@cache
def times_of(session: Session, seed: int, level: float = 1.0) -> Int1D:
    """Return the times of a session's rows: bursts of one to forty, begun by chance alone."""
    rng = np.random.default_rng(seed)
    seconds = (session.close_ns - session.open_ns) // S
    begun = rng.poisson(level * DAY[np.arange(seconds) // HOUR])
    starts = np.repeat(np.arange(seconds), begun) * S + rng.integers(0, S, begun.sum())
    burst = np.repeat(starts, rng.geometric(0.3, len(starts)).clip(1, 40))
    within = session.open_ns + burst + rng.integers(0, S // 2, len(burst))
    ends = [session.open_ns + 1, session.close_ns - 1]
    return np.sort(np.concatenate([within[within < session.close_ns], ends]))


def measured(session: Session, times: Int1D) -> Measured:
    """Return the activity of rows at these times."""
    tally = ActivityTally(session, phase_intervals(session))
    tally.feed(rows(times))
    ends = int(times.min()), int(times.max())
    return Measured(session.open_ns, *ends, tally.minutes(), tally.stretches())


@cache
def usual(count: int = 12, level: float = 1.0) -> tuple[Measured, ...]:
    """Return so many sessions without a fault."""
    return tuple(
        measured(session, times_of(session, seed, level))
        for seed, session in enumerate(SESSIONS[:count])
    )


@cache
def usual_pattern() -> Pattern:
    """Return the pattern of the usual sessions."""
    return pattern_of(usual())


def without(times: Int1D, session: Session, hour: float, minutes: float) -> Int1D:
    """Return the times but those in some minutes from an hour after the open on."""
    start = session.open_ns + int(hour * HOUR * S)
    return times[(times < start) | (times >= start + int(minutes * 60 * S))]


def test_rates__equal_a_median_minute_by_minute() -> None:
    """Of the sessions' smoothed shares, holidays and halts included."""
    sessions = usual(6)
    both = [
        list(zip(each.minutes["open_seconds"], each.minutes["active_seconds"], strict=True))
        for each in sessions
    ]
    expected = naive.smoothed_rates(both, SMOOTHING)
    assert pattern_of(sessions).rates == pytest.approx([1.0 if r is None else r for r in expected])


@pytest.mark.parametrize("level", [0.05, 1.0, 5.0])
def test_clean_sessions__are_not_silent(level: float) -> None:
    """Busy products and thin ones, the short holiday among them, judged by their own pattern."""
    sessions = usual(12, level)
    pattern = pattern_of(sessions)
    assert pattern.is_known
    assert [silences(pattern, each) for each in sessions] == [[]] * 12


@pytest.mark.parametrize("level", [0.1, 0.4])
def test_slow_session__is_judged_at_its_own_level(level: float) -> None:
    """A day before a holiday has a tenth of the rows: that is no outage."""
    pattern = usual_pattern()
    slow = [measured(each, times_of(each, 100 + n, level)) for n, each in enumerate(SESSIONS)]
    assert [silences(pattern, each) for each in slow] == [[]] * len(slow)


@given(st.floats(15.2, 19.5), st.floats(6.0, 30.0), st.integers(50, 80))
def test_busy_hours__a_silence_is_found_at_its_place(
    hour: float, minutes: float, seed: int
) -> None:
    """From the last row before it to the first after it, and nothing else in the session."""
    session = SESSIONS[3]
    times = times_of(session, seed)
    kept = without(times, session, hour, minutes)
    (found,) = silences(usual_pattern(), measured(session, kept))
    start = session.open_ns + int(hour * HOUR * S)
    assert found.start_ns == kept[kept < start].max()
    assert found.end_ns == kept[kept >= start].min()
    assert found.expected > 0.4 * 60 * minutes * (1 - np.exp(-DAY[int(hour)]))


@given(st.floats(7.0, 9.4), st.integers(50, 80))
def test_thin_hours__half_an_hour_without_a_row_is_none(hour: float, seed: int) -> None:
    """The product has seven rows an hour then: the same half hour in the day would be a gap."""
    session = SESSIONS[3]
    kept = without(times_of(session, seed), session, hour, 30)
    found = measured(session, kept)
    assert silences(usual_pattern(), found) == []
    assert found.stretches.filter(pl.col("end_ns") - pl.col("start_ns") >= 1800 * S).height


def test_pattern__is_not_moved_by_faults_in_the_minority() -> None:
    """Two sessions of seven with the same silence: both are found, the pattern knows better."""
    faulty = [
        measured(each, without(times_of(each, n), each, 16, 20)) if n in (2, 5) else usual(7)[n]
        for n, each in enumerate(SESSIONS[:7])
    ]
    pattern = pattern_of(faulty)
    assert [len(silences(pattern, each)) for each in faulty] == [0, 0, 1, 0, 0, 1, 0]


def test_few_sessions__are_no_pattern() -> None:
    """Nothing is called silent then, whatever is missing."""
    few = usual(LEAST_SESSIONS - 1)
    pattern = pattern_of(few)
    assert not pattern.is_known
    session = SESSIONS[0]
    kept = measured(session, without(times_of(session, 0), session, 16, 120))
    assert silences(pattern, kept) == []
    assert pattern_of([]).sessions == 0


def test_ends__are_no_silence() -> None:
    """What lies before the first row or after the last is a late start or an early end."""
    session = SESSIONS[3]
    times = times_of(session, 3)
    part = times[times > session.open_ns + 4 * HOUR * S]
    part = part[part < session.open_ns + 18 * HOUR * S]
    assert silences(usual_pattern(), measured(session, part)) == []


def test_limit__doubles_for_a_day_of_another_length() -> None:
    """A session that is cut short has another shape near its close."""
    pattern = Pattern(np.ones(1380), 12, usual=10.0, open_seconds=23 * HOUR)
    whole, short = (measured(each, times_of(each, 1)) for each in (SESSIONS[0], HOLIDAY))
    assert (pattern.limit(whole), pattern.limit(short)) == (40.0, 80.0)


def test_weights__of_parts_add_up() -> None:
    """Any cut of the session weighs as much as its parts; halts and what lies outside nothing."""
    pattern, each = usual_pattern(), usual()[0]
    close = SESSIONS[0].close_ns
    cuts = np.linspace(each.open_ns, close, 50).astype(np.int64)
    parts = pattern.weights_between(each, cuts[:-1], cuts[1:])
    whole = pattern.weights_between(each, cuts[:1], cuts[-1:])
    assert parts.sum() == pytest.approx(whole[0])
    outside = pattern.weights_between(each, np.array([close]), np.array([close + HOUR * S]))
    assert outside[0] == 0.0
