"""Sessions and phases: known dates, and properties that hold for every moment."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data.calendar import (
    NO_SESSION,
    STATUS_PHASE,
    Session,
    phase_intervals,
    phases_at,
    session_calendar,
    session_date,
)
from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.errors import CalendarError
from strategy_lab_core.types import NS_PER_SECOND, Phase, TickSchema

CALENDARS = ("CME Globex Equity", "CMEGlobex_CL", "CMEGlobex_GC", "NASDAQ", "24/7", "HKEX")
CME = session_calendar("CME Globex Equity")
ALL = CME.sessions(date(2000, 1, 1), date(2035, 12, 31))
CHICAGO = ZoneInfo("America/Chicago")
HOUR = 3600 * NS_PER_SECOND
moments = st.integers(ALL[5].previous_close_ns, ALL[-5].close_ns - 1)
sessions = st.sampled_from(ALL)


def ns(text: str) -> int:
    """Return ns UTC of a UTC time such as "2024-01-02 23:00"."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS_PER_SECOND


def key_of(ts_ns: int) -> int:
    """Return the key of one moment."""
    return int(CME.session_keys(np.array([ts_ns]))[0])


def chicago(ts_ns: int) -> datetime:
    """Return the local time of a moment, whole seconds."""
    return datetime.fromtimestamp(ts_ns // NS_PER_SECOND, UTC).astimezone(CHICAGO)


@pytest.mark.parametrize(
    ("key", "open_", "close", "trade_date"),
    [
        ("2023-12-26", "2023-12-25 23:00", "2023-12-26 22:00", "2023-12-26"),  # over Christmas
        ("2025-01-20", "2025-01-19 23:00", "2025-01-20 18:00", "2025-01-21"),  # holiday halt
        ("2025-01-21", "2025-01-20 23:00", "2025-01-21 22:00", "2025-01-21"),
        ("2025-03-07", "2025-03-06 23:00", "2025-03-07 22:00", "2025-03-07"),  # winter time
        ("2025-03-10", "2025-03-09 22:00", "2025-03-10 21:00", "2025-03-10"),  # summer time
        ("2024-11-28", "2024-11-27 23:00", "2024-11-28 18:00", "2024-11-29"),  # Thanksgiving
        ("2024-11-29", "2024-11-28 23:00", "2024-11-29 18:15", "2024-11-29"),  # clears by itself
    ],
)
def test_session__known_dates(key: str, open_: str, close: str, trade_date: str) -> None:
    """Hours and clearing date of ordinary days, holidays and changes of the clock."""
    session = CME.session(date.fromisoformat(key))
    assert (session.open_ns, session.close_ns) == (ns(open_), ns(close))
    assert session.trade_date == date.fromisoformat(trade_date)


@pytest.mark.parametrize(
    ("moment", "key"),
    [
        ("2023-12-24 00:00", "2023-12-26"),  # the weekend and Christmas lead up to the next one
        ("2023-12-25 23:30", "2023-12-26"),
        ("2023-12-22 21:59", "2023-12-22"),
        ("2023-12-22 22:00", "2023-12-26"),  # the close itself is the next session's
        ("2025-01-20 17:59", "2025-01-20"),
        ("2025-01-20 18:00", "2025-01-21"),
    ],
)
def test_session_keys__known_moments(moment: str, key: str) -> None:
    """A row at the close already belongs to the next session."""
    assert session_date(key_of(ns(moment))) == date.fromisoformat(key)


def test_session__unknown_key_names_the_nearest() -> None:
    """A holiday is no session, and the message says which ones are around it."""
    with pytest.raises(CalendarError, match=r"2023-12-25 .* 2023-12-22, 2023-12-26"):
        CME.session(date(2023, 12, 25))


def test_session_calendar__unknown_name_says_what_was_meant() -> None:
    """A mistyped calendar is answered with the nearest names."""
    with pytest.raises(CalendarError, match="CME Globex Equity"):
        session_calendar("CME Globex Equities")


@pytest.mark.parametrize("name", CALENDARS)
def test_sessions__windows_touch_and_keys_ascend(name: str) -> None:
    """No moment is in two sessions or in none, in any calendar."""
    every = session_calendar(name).sessions(date(2000, 1, 1), date(2035, 12, 31))
    assert len(every) > 8800
    for before, after in pairwise(every):
        assert before.close_ns == after.previous_close_ns
        assert before.key < after.key
        assert before.trade_date <= after.trade_date


def test_sessions__key_is_the_chicago_date_of_the_close() -> None:
    """The key is the local date on which the last interval ends, its open the evening before."""
    for session in ALL:
        assert chicago(session.close_ns).date() == session.key
        assert chicago(session.open_ns).hour == 17
        assert session.pre_open_ns <= session.open_ns < session.close_ns


def test_sessions__bounds_are_inclusive() -> None:
    """Both ends belong to the range, and a range of holidays is empty."""
    week = CME.sessions(date(2023, 12, 22), date(2023, 12, 27))
    assert [s.key.day for s in week] == [22, 26, 27]
    assert CME.sessions(date(2023, 12, 23), date(2023, 12, 25)) == []


def test_session__trade_date_differs_only_for_short_sessions() -> None:
    """A session that clears later closes at noon or earlier, and clears with the next one."""
    mourning = [date(2004, 6, 11), date(2007, 1, 2)]  # before the table of overrides begins
    own = {s.key for s in ALL if s.trade_date == s.key}
    late = [s for s in ALL if s.trade_date != s.key and s.key.year < 2035]
    assert len(late) > 200
    assert [s.key for s in late if chicago(s.close_ns).hour > 12] == mourning
    for session in late:
        assert session.trade_date in own
        assert session.trade_date - session.key <= timedelta(days=4)


@given(moments, st.sampled_from(CALENDARS))
def test_session_keys__each_moment_is_in_its_window(ts_ns: int, name: str) -> None:
    """The key found is that of the one session whose window holds the moment."""
    calendar = session_calendar(name)
    session = calendar.session(session_date(int(calendar.session_keys(np.array([ts_ns]))[0])))
    assert session.previous_close_ns <= ts_ns < session.close_ns


@pytest.mark.parametrize("ts_ns", [-1, 0, 2**62, -(2**63), 2**63 - 1])
def test_session_keys__outside_the_calendar(ts_ns: int) -> None:
    """Undefined and impossible times have no session, and break nothing."""
    assert key_of(ts_ns) == NO_SESSION


@given(moments, st.sampled_from(CALENDARS))
def test_phase_intervals__cover_the_window(ts_ns: int, name: str) -> None:
    """Phases begin at the previous close, end at the close, and change at each border."""
    calendar = session_calendar(name)
    key = int(calendar.session_keys(np.array([ts_ns]))[0])
    session = calendar.session(session_date(key))
    starts, phases = phase_intervals(session)
    for start, end in session.halts:
        assert session.open_ns < start < end < session.close_ns
    assert starts[0] == session.previous_close_ns
    assert starts[-1] == session.close_ns
    assert np.all(np.diff(starts) > 0)
    assert np.all(phases[:-1][1:] != phases[:-1][:-1])
    assert phases[-1] == Phase.CLOSED


def test_phases__one_week() -> None:
    """Pre-open lasts 15 minutes on a weekday, an hour after a weekend or holiday."""
    weekday, after_holiday = CME.session(date(2023, 12, 27)), CME.session(date(2023, 12, 26))
    assert weekday.open_ns - weekday.pre_open_ns == 15 * 60 * NS_PER_SECOND
    assert after_holiday.open_ns - after_holiday.pre_open_ns == HOUR
    times = ["25 21:59", "25 22:00", "25 22:59", "25 23:00", "26 21:59", "26 22:00"]
    at = np.array([ns(f"2023-12-{time}") for time in times])
    expected = [Phase.CLOSED, Phase.PRE_OPEN, Phase.PRE_OPEN, Phase.OPEN, Phase.OPEN, Phase.CLOSED]
    assert CME.phases(at, after_holiday).tolist() == expected


def test_phases__scheduled_halt() -> None:
    """A calendar with a lunch break gives a halt inside the session."""
    session = session_calendar("HKEX").session(date(2025, 7, 3))
    ((start, end),) = session.halts
    at = np.array([start - 1, start, end - 1, end])
    expected = [Phase.OPEN, Phase.HALT, Phase.HALT, Phase.OPEN]
    assert session_calendar("HKEX").phases(at, session).tolist() == expected


def test_session_calendar__always_open() -> None:
    """A venue that never closes has one open phase from midnight to midnight."""
    session = session_calendar("24/7").session(date(2025, 7, 3))
    starts, phases = phase_intervals(session)
    assert starts.tolist() == [ns("2025-07-03 00:00"), ns("2025-07-04 00:00")]
    assert phases.tolist() == [Phase.OPEN, Phase.CLOSED]


def test_session_calendar__equities_trade_before_and_after_the_core_session() -> None:
    """NASDAQ's session runs from 04:00 to 20:00 New York; trade date and key are the same."""
    session = session_calendar("NASDAQ").session(date(2025, 7, 17))
    assert (session.open_ns, session.close_ns) == (ns("2025-07-17 08:00"), ns("2025-07-18 00:00"))
    assert session.trade_date == session.key


def status_table(rows: list[tuple[int, int, int]]) -> pl.DataFrame:
    """Return a status table of (ts_event, instrument_id, action)."""
    table = pl.DataFrame(rows, schema=["ts_event", "instrument_id", "action"], orient="row")
    empty = pl.DataFrame(schema=polars_schema(TickSchema.STATUS))
    return pl.concat([empty, table.cast({"instrument_id": pl.UInt32, "action": pl.UInt16})],
                     how="diagonal")  # fmt: skip


def test_phase_intervals__status_replaces_the_schedule_from_its_first_record() -> None:
    """A recorded halt is seen; what lies before the first record is scheduled."""
    session = CME.session(date(2025, 3, 10))
    noon, later = ns("2025-03-10 16:00"), ns("2025-03-10 16:15")
    rows = [(later, 1, 7), (noon, 1, 8), (noon + 1, 1, 14), (noon, 2, 12)]
    rows += [(session.close_ns, 1, 7), (session.previous_close_ns - 1, 1, 7)]
    starts, phases = phase_intervals(session, status_table(rows), instrument_id=1)
    scheduled = [session.previous_close_ns, session.pre_open_ns, session.open_ns]
    assert starts.tolist() == [*scheduled, noon, later, session.close_ns]
    expected = [Phase.CLOSED, Phase.PRE_OPEN, Phase.OPEN, Phase.HALT, Phase.OPEN, Phase.CLOSED]
    assert phases.tolist() == expected


def test_phase_intervals__status_without_a_word_about_phases() -> None:
    """Records of other sessions and codes leave the schedule as it is."""
    session = CME.session(date(2025, 3, 10))
    status = status_table([(session.open_ns, 1, 14), (session.open_ns, 1, 0), (0, 1, 7)])
    assert np.array_equal(phase_intervals(session, status), phase_intervals(session))


@given(
    sessions,
    st.lists(
        st.tuples(st.integers(-(10**14), 10**14), st.just(1), st.integers(0, 15)), max_size=12
    ),
    st.lists(st.integers(-(10**14), 10**14), min_size=1, max_size=10),
)
def test_phase_intervals__agree_with_a_walk_over_the_records(
    session: Session, records: list[tuple[int, int, int]], offsets: list[int]
) -> None:
    """At any moment the phase is that of the last record before it, else the scheduled one."""
    rows = sorted(((session.open_ns + at, i, code) for at, i, code in records), key=lambda r: r[0])
    at = np.array([session.open_ns + offset for offset in offsets])
    expected = phases_at(*phase_intervals(session), at)
    for place, moment in enumerate(at):
        if not session.previous_close_ns <= moment < session.close_ns:
            continue
        for ts_event, _, code in rows:
            if session.previous_close_ns <= ts_event <= moment and code in STATUS_PHASE:
                expected[place] = STATUS_PHASE[code]
    starts, phases = phase_intervals(session, status_table(rows))
    assert phases_at(starts, phases, at).tolist() == expected.tolist()


def test_clears_on__business_days() -> None:
    """Holidays with hours are no business days; outside the calendar weekdays are."""
    days = {
        "2025-01-20": False, "2025-01-21": True, "2025-01-09": True, "2024-03-29": False,
        "2024-03-30": False, "2040-01-02": True, "2040-01-01": False, "1990-07-04": True,
    }  # fmt: skip
    assert {day: CME.clears_on(date.fromisoformat(day)) for day in days} == days


BARS_WITHOUT_A_TRADE_DATE = {
    "2023-11-23": "the vendor gave Thanksgiving's half session a bar of its own; on other holidays "
    "it is in the next day's",
    "2025-07-04": "a bar of no volume for the half session of Independence Day, whose trades are "
    "in the bar of 2025-07-07",
}


@pytest.mark.real_data
@pytest.mark.parametrize("root", ["MNQ", "MES"])
def test_trade_dates__join_the_real_daily_bars(real_data: Path, root: str) -> None:
    """Six years of daily bars: each trade date has one, and none is over but those explained."""
    bars = pl.read_csv(real_data / "cme_mnq_daily" / f"{root}.csv")
    days = [date.fromisoformat(stamp[:10]) for stamp in bars["Date"]]
    held = CME.sessions(days[0], days[-1])
    trade_dates = {session.trade_date for session in held}
    assert len(days) == len(set(days)) == 1500
    assert sorted(trade_dates - set(days)) == []
    over = sorted(set(days) - trade_dates)
    assert [str(day) for day in over] == sorted(BARS_WITHOUT_A_TRADE_DATE)
