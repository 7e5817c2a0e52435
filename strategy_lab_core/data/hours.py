"""Opening hours: what `pandas_market_calendars` says, put right by a table of overrides.

The table (`session_overrides.yaml`, or the user's own file of that form) has a row for each date or
stretch of dates, with its source. What a session is and which rows belong to it is in `calendar`.
"""

import difflib
import re
import warnings
from dataclasses import dataclass
from datetime import date, time
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import polars as pl

from strategy_lab_core.data.exact_yaml import read_yaml, refuse_unknown
from strategy_lab_core.errors import CalendarError, ConfigError
from strategy_lab_core.types import Int1D

__all__ = [
    "Hours",
    "Override",
    "hours_of",
    "library_hours",
    "overridden",
    "overrides_of",
    "read_overrides",
]

What = Literal["close", "full_close", "halt", "closed", "clears"]
_KEYS = ("calendars", "date", "first", "last", "what", "value", "source")
_OVERRIDES = Path(__file__).with_name("session_overrides.yaml")
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
_TIME, _TIMES, _NOTHING = (_CLOCK, "16:15"), (f"{_CLOCK}-{_CLOCK}", "15:15-15:30"), ("", "")
_VALUES = {  # pattern and example
    "close": _TIME,
    "full_close": _TIME,
    "halt": _TIMES,
    "closed": _NOTHING,
    "clears": _NOTHING,
}
_FIRST, _LAST = "1999-12-15", "2035-12-31"


class Hours(NamedTuple):
    """Sessions of a calendar in order, as arrays: days since 1970-01-01, ns UTC, 0 for no halt."""

    keys: Int1D
    trade_dates: Int1D
    opens: Int1D
    closes: Int1D
    halt_starts: Int1D
    halt_ends: Int1D


@dataclass(frozen=True, slots=True)
class Override:
    """One row of the table, for the sessions with keys from `first` to `last`, both inclusive.

    Attributes
    ----------
    calendars
        Names of the calendars that it is about.
    what
        `close`: closes at `value`; `full_close`: the sessions that the library gives the usual
        close close at `value`; `halt`: those still open at its end are halted for `value`;
        `closed`: there is no session; `clears`: it clears under its own date.
    value
        Local time as "16:15", or "15:15-15:30".
    source
        Where it is known from.
    """

    calendars: tuple[str, ...]
    first: date
    last: date
    what: What
    value: str
    source: str


def overrides_of(name: str, own: Path | None = None) -> tuple[Override, ...]:
    """Return the overrides of one calendar in order: the package's, then those of one's own."""
    rows = _package_overrides() + (() if own is None else read_overrides(own))
    return tuple(row for row in rows if name in row.calendars)


@cache
def _package_overrides() -> tuple[Override, ...]:
    return read_overrides(_OVERRIDES)


def hours_of(name: str, overrides: tuple[Override, ...]) -> tuple[str, Hours]:
    """Return a calendar's time zone, and its hours after these overrides."""
    zone, table = library_hours(name)
    return zone, _arrays(overridden(table, zone, overrides))


@cache
def library_hours(name: str) -> tuple[str, pl.DataFrame]:
    """Return a calendar's time zone and sessions as the library has them.

    Returns
    -------
    Zone such as "America/Chicago", and one row for each session, by key: `key` and `trade_date`
    (Date), `open`, `close`, `halt_start`, `halt_end` (ns UTC, 0 for no halt) and `is_full`, whether
    it closes at the usual time.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own use of pandas
        return _read_library(name)


def _read_library(name: str) -> tuple[str, pl.DataFrame]:
    import pandas_market_calendars as library  # half a second that most commands don't need

    names = library.get_calendar_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3)
        raise CalendarError(f"no calendar {name!r}; the nearest: {', '.join(near) or 'none'}")
    calendar = library.get_calendar(name)
    # Venues with sessions before and after the core one trade from the first to the last.
    times = calendar.regular_market_times
    first = "pre" if "pre" in times else "market_open"
    last = "post" if "post" in times else "market_close"
    schedule = calendar.schedule(_FIRST, _LAST, start=first, end=last)
    halted = "break_start" in schedule
    keys = _dates(schedule.index)
    table = pl.DataFrame(
        {
            "key": keys,
            "trade_date": _trade_dates(library, keys) if name.startswith("CME") else keys,
            "open": _nanoseconds(schedule[first]),
            "close": _nanoseconds(schedule[last]),
            "halt_start": _nanoseconds(schedule["break_start"]) if halted else 0,
            "halt_end": _nanoseconds(schedule["break_end"]) if halted else 0,
        }
    )
    zone = str(calendar.tz)
    local = pl.from_epoch("close", "ns").dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    usual = local.dt.time() == local.dt.time().mode().first()
    return zone, table.with_columns(usual.alias("is_full"))


def _trade_dates(library: Any, keys: pl.Series) -> pl.Series:
    """Return each session's own date if the exchange clears on it, else the next such date."""
    clearing = library.get_calendar("CME_TradeDate").schedule(_FIRST, "2036-01-31")
    cleared = _dates(clearing.index)
    return cleared.gather(cleared.search_sorted(keys))


def _nanoseconds(column: Any) -> Int1D:
    values: Int1D = column.dt.as_unit("ns").astype("int64").to_numpy()
    return values


def _dates(index: Any) -> pl.Series:
    return pl.Series(index.to_numpy().astype("datetime64[D]"))


def read_overrides(path: Path) -> tuple[Override, ...]:
    """Return the rows of an override file; `ConfigError` says which row is wrong, and how."""
    rows = read_yaml(path)
    if not isinstance(rows, list):
        raise ConfigError(str(path), rows, "a list of overrides")
    return tuple(_override(f"{path.name}: row {n}", row) for n, row in enumerate(rows, start=1))


def _override(where: str, row: Any) -> Override:
    if not isinstance(row, dict):
        raise ConfigError(where, row, f"a mapping with {', '.join(_KEYS)}")
    refuse_unknown(f"{where}: key", row, _KEYS)
    calendars, source = row.get("calendars"), row.get("source")
    if not isinstance(calendars, list) or not calendars:
        raise ConfigError(f"{where}: calendars", calendars, "a list of names")
    if not isinstance(source, str) or not source.strip():
        raise ConfigError(f"{where}: source", source, "given: where is it known from?")
    refuse_unknown(f"{where}: what", [row.get("what") or ""], get_args(What))
    pattern, example = _VALUES[row["what"]]
    value = row.get("value", "")
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise ConfigError(
            f"{where}: value", value, f'"{example}", for example' if example else "absent"
        )
    return Override(tuple(calendars), *_range(where, row), row["what"], value, source)


def _range(where: str, row: dict[str, Any]) -> tuple[date, date]:
    keys = ("date", "date") if "date" in row else ("first", "last")
    for key in keys:
        if not isinstance(row.get(key), date):
            raise ConfigError(f"{where}: {key}", row.get(key), "a date such as 2025-01-09")
    if row[keys[1]] < row[keys[0]]:
        raise ConfigError(f"{where}: last", row["last"], f"a date from {row['first']} on")
    return row[keys[0]], row[keys[1]]


def overridden(table: pl.DataFrame, zone: str, rows: tuple[Override, ...]) -> pl.DataFrame:
    """Return the sessions of `library_hours` after these overrides, one after the other.

    Raises
    ------
    CalendarError
        A row is about no session at all, or would end one before it opens.
    """
    for row in rows:
        within = pl.col("key").is_between(row.first, row.last)
        if table.filter(within).is_empty():
            raise CalendarError(
                f"the override {row.what} of {row.first} to {row.last} is about no session of "
                f"{', '.join(row.calendars)}"
            )
        table = _applied(table, zone, row, within)
    wrong = table.filter(pl.col("close") <= pl.col("open"))
    if not wrong.is_empty():
        raise CalendarError(f"an override closes the session {wrong['key'][0]} before it opens")
    late = pl.col("halt_end") > pl.col("close")  # an earlier close leaves nothing to halt
    return table.with_columns(_where(late, pl.lit(0), name) for name in ("halt_start", "halt_end"))


def _applied(table: pl.DataFrame, zone: str, row: Override, within: pl.Expr) -> pl.DataFrame:
    match row.what:
        case "closed":
            return table.filter(~within)
        case "clears":
            return table.with_columns(_where(within, pl.col("key"), "trade_date"))
        case "halt":
            start, end = (_local(clock, zone) for clock in row.value.split("-"))
            within = within & (pl.col("close") > end)
            return table.with_columns(
                _where(within, start, "halt_start"), _where(within, end, "halt_end")
            )
        case _:
            within = within & pl.col("is_full") if row.what == "full_close" else within
            return table.with_columns(_where(within, _local(row.value, zone), "close"))


def _where(condition: pl.Expr, value: pl.Expr, column: str) -> pl.Expr:
    return pl.when(condition).then(value).otherwise(pl.col(column)).alias(column)


def _local(clock: str, zone: str) -> pl.Expr:
    """Return the ns UTC of a local time on the session's date."""
    local = pl.col("key").dt.combine(time.fromisoformat(clock), "ns").dt.replace_time_zone(zone)
    return local.dt.epoch("ns")


def _arrays(table: pl.DataFrame) -> Hours:
    days = table.select(pl.col("key", "trade_date").cast(pl.Int32).cast(pl.Int64))
    times = table.select("open", "close", "halt_start", "halt_end")
    return Hours(*(column.to_numpy() for column in (*days, *times)))
