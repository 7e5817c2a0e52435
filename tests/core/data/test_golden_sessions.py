"""The calendar against dates whose hours are known from elsewhere: tests/golden/sessions.csv.

The table was written from the sources named in it, in local time and, by the dates of the clock
changes, in UTC; nothing in it was printed by the calendar.
"""

import csv
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.errors import CalendarError
from tests.golden.disagreements import table

ROOT = Path(__file__).parents[3]
with (ROOT / "tests/golden/sessions.csv").open(encoding="utf-8") as file:
    GOLDEN = list(csv.DictReader(file))
EQUITY = "CME Globex Equity"


def utc_ns(text: str) -> int:
    """Return ns of a UTC time such as "2025-01-09 14:30"."""
    since = datetime.fromisoformat(text) - datetime(1970, 1, 1)  # noqa: DTZ001
    return int(since.total_seconds()) * 10**9


def pairs(text: str) -> tuple[tuple[int, ...], ...]:
    """Return the halts of a row."""
    return (tuple(utc_ns(part) for part in text.split("/")),) if text else ()


def test_golden__covers_the_years_with_a_source_each() -> None:
    """At least 120 dates of the index futures from 2018 to 2026, some in every year."""
    equity = [row for row in GOLDEN if row["calendar"] == EQUITY and row["session"] >= "2018"]
    assert len({row["session"] for row in equity}) >= 120
    assert {row["session"][:4] for row in equity} == {str(year) for year in range(2018, 2027)}
    assert all(row["source"].strip() for row in GOLDEN)


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: f"{row['calendar']} {row['session']}")
def test_golden__hours_and_clearing_date(row: dict[str, str]) -> None:
    """Open, close, halts and trade date to the nanosecond; days without trading have no session."""
    calendar, key = session_calendar(row["calendar"]), date.fromisoformat(row["session"])
    if not row["open_utc"]:
        with pytest.raises(CalendarError):
            calendar.session(key)
        return
    session = calendar.session(key)
    assert (session.open_ns, session.close_ns) == (
        utc_ns(row["open_utc"]),
        utc_ns(row["close_utc"]),
    )
    assert session.halts == pairs(row["halt_utc"])
    assert str(session.trade_date) == row["trade_date"]


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: f"{row['calendar']} {row['session']}")
def test_golden__local_and_utc_times_are_the_same(row: dict[str, str]) -> None:
    """The table's own two columns agree, in winter and summer time."""
    for column in ("open", "close", "halt"):
        local = [part for part in row[f"{column}_local"].split("/") if part]
        chicago = ZoneInfo("America/Chicago")
        found = [datetime.fromisoformat(part).replace(tzinfo=chicago) for part in local]
        ns = [int(moment.timestamp()) * 10**9 for moment in found]
        assert ns == [utc_ns(part) for part in row[f"{column}_utc"].split("/") if part]


def test_disagreements__docs_list_all_of_them() -> None:
    """The page has every session on which the calendar is not the base library's."""
    page = (ROOT / "docs/calendar.md").read_text(encoding="utf-8")
    for line in table():
        assert line in page, f"run python -m tests.golden.disagreements and put in: {line}"
    assert page.count("| CME") == len([line for line in table() if line.startswith("| CME")])
