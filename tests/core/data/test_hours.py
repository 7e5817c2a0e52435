"""Overrides of opening hours: what each kind does, and refusals that say what is wrong."""

import re
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from strategy_lab_core.data.calendar import Session, session_calendar
from strategy_lab_core.data.hours import read_overrides
from strategy_lab_core.data.instruments import load_products
from strategy_lab_core.errors import CalendarError, ConfigError, FileError

PAGE = Path(__file__).parents[3] / "docs/calendar.md"
ROW = """
- calendars: [CME Globex Equity]
  date: 2025-07-08
  what: close
  value: "12:00"
  source: a test
"""


def written(folder: Path, text: str) -> Path:
    """Return the path of a new override file with this text."""
    path = folder / "hours.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def session(folder: Path, text: str, day: int = 8) -> Session:
    """Return a session of July 2025 under one's own overrides."""
    return session_calendar("CME Globex Equity", written(folder, text)).session(date(2025, 7, day))


def chicago(day: int, hour: int, minute: int = 0) -> int:
    """Return ns UTC of a Chicago time in July 2025."""
    moment = datetime(2025, 7, day, hour, minute, tzinfo=ZoneInfo("America/Chicago"))
    return int(moment.timestamp()) * 10**9


def test_overrides__earlier_close(tmp_path: Path) -> None:
    """The session ends at the given local time, and the next window begins there."""
    assert session(tmp_path, ROW).close_ns == chicago(8, 12)
    assert session(tmp_path, ROW, 9).previous_close_ns == chicago(8, 12)
    assert session(tmp_path, ROW, 9).close_ns == chicago(9, 16)


def test_overrides__later_rows_win(tmp_path: Path) -> None:
    """A stretch of dates, and one day of it closed after all."""
    days = ROW.replace("date: 2025-07-08", "first: 2025-07-01\n  last: 2025-07-31").replace(
        "what: close", "what: full_close"
    )
    closed = ROW.replace("what: close", "what: closed").replace('  value: "12:00"\n', "")
    calendar = session_calendar("CME Globex Equity", written(tmp_path, days + closed))
    keys = {
        one.key.day: one.close_ns for one in calendar.sessions(date(2025, 7, 1), date(2025, 7, 9))
    }
    assert list(keys) == [1, 2, 3, 4, 7, 9]
    assert keys[7] == chicago(7, 12)
    assert keys[3] == chicago(3, 12, 15)  # no full session: it keeps its own early close


def test_overrides__halt_and_the_close_before_it(tmp_path: Path) -> None:
    """A halt is inside the session; a close before its end, in whatever row, leaves none."""
    halt = ROW.replace("what: close", "what: halt").replace("12:00", "10:00-10:30")
    assert session(tmp_path, halt).halts == ((chicago(8, 10), chicago(8, 10, 30)),)
    early = ROW.replace("12:00", "10:15")
    assert session(tmp_path, halt + early).halts == ()
    assert session(tmp_path, early + halt).halts == ()


def test_overrides__of_another_calendar_are_left_out(tmp_path: Path) -> None:
    """A row names the calendars that it is about."""
    assert session(tmp_path, ROW.replace("Equity", "FX")).close_ns == chicago(8, 16)


def test_overrides__clears_under_its_own_date(tmp_path: Path) -> None:
    """A short holiday session can be given its own clearing date."""
    row = ROW.replace("what: close", "what: clears").replace('  value: "12:00"\n', "")
    row = row.replace("07-08", "07-04")
    assert session(tmp_path, row, 4).trade_date == date(2025, 7, 4)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("what: close", "what: clos", "did you mean 'close'"),
        ("what: close\n  ", "", "row 1: what must be one of"),
        ("source: a test", "sauce: a test", "did you mean 'source'"),
        ("source: a test", "source: ''", "where is it known from"),
        ("calendars: [CME Globex Equity]", "calendars: CME", "a list of names"),
        ('"12:00"', "12:00", "16:15"),  # YAML reads minutes of a day without the quotes
        ('"12:00"', '"25:00"', "16:15"),
        ("what: close", "what: halt", "15:15-15:30"),
        ("what: close", "what: closed", "value must be absent"),
        ("date: 2025-07-08", "date: soon", "a date such as"),
        ("date: 2025-07-08", "first: 2025-07-08", "last must be a date such as"),
        ("date: 2025-07-08", "first: 2025-07-08\n  last: 2025-07-01", "a date from 2025-07-08 on"),
    ],
)
def test_read_overrides__mistakes_are_named(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    """Every mistake is refused with its row and what was expected."""
    with pytest.raises(ConfigError, match=message):
        read_overrides(written(tmp_path, ROW.replace(old, new, 1)))


@pytest.mark.parametrize("text", ["", "calendars: 5", "- 5"])
def test_read_overrides__wrong_shape(tmp_path: Path, text: str) -> None:
    """A file that is no list of mappings is refused."""
    with pytest.raises(ConfigError, match=r"a list of overrides|a mapping with"):
        read_overrides(written(tmp_path, text))


def test_read_overrides__missing_file(tmp_path: Path) -> None:
    """A path that isn't there is a file error."""
    with pytest.raises(FileError, match="No such file"):
        session_calendar("CME Globex Equity", tmp_path / "absent.yaml")


def test_overrides__about_no_session(tmp_path: Path) -> None:
    """An override that changes nothing is a mistake: the day has no session."""
    with pytest.raises(CalendarError, match=r"close of 2025-07-05 to 2025-07-05 .* no session"):
        session(tmp_path, ROW.replace("07-08", "07-05"))


def test_overrides__close_before_the_open(tmp_path: Path) -> None:
    """A session that would end before it opens is refused by its date."""
    text = ROW.replace("CME Globex Equity", "NASDAQ").replace("12:00", "03:00")
    with pytest.raises(CalendarError, match="2025-07-08 before it opens"):
        session_calendar("NASDAQ", written(tmp_path, text))


def test_docs__the_examples_are_read(tmp_path: Path) -> None:
    """The override and the products of the page are taken as they stand there."""
    override, table = re.findall("```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (row,) = read_overrides(written(tmp_path, override))
    assert (row.first, row.what) == (date(2027, 3, 26), "closed")
    found = load_products(written(tmp_path, table))
    assert (found["BTCUSDT"].calendar, found["SPY"].calendar) == ("24/7", "NYSE")
    (crypto,) = session_calendar("24/7").sessions(date(2025, 7, 5), date(2025, 7, 5))  # Saturday
    assert crypto.close_ns - crypto.open_ns == 24 * 3600 * 10**9
    assert crypto.previous_close_ns == crypto.pre_open_ns == crypto.open_ns
    (shares,) = session_calendar("NYSE").sessions(date(2025, 7, 8), date(2025, 7, 8))
    assert (shares.open_ns, shares.close_ns) == (chicago(8, 3), chicago(8, 19))
