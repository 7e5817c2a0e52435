"""Partitions: trading sessions (the Chicago date of the close) by product.

Weekends and holidays are not partitions. A product without a session on a day that others trade
materialises empty, with the reason.
"""

from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import dagster as dg

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages.scope import DAYS_AHEAD, TIMEZONE
from strategy_lab_pipeline.stages.workspace import products_of

__all__ = ["partition_key", "parts", "session_by_product"]

HORIZON = date(2035, 12, 31)  # no holidays are known beyond


def _without_sessions(calendars: set[str], first: date, last: date) -> list[str | datetime]:
    """Return what has no session in any calendar: days of the week, as cron, then single days."""
    traded = {
        session.key
        for calendar in sorted(calendars)
        for session in session_calendar(calendar).sessions(first, last)
    }
    weekdays = {day.isoweekday() for day in traded} or set(range(1, 6))
    idle = ",".join(str(day % 7) for day in range(1, 8) if day not in weekdays)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    zone = ZoneInfo(TIMEZONE)
    single = [
        datetime.combine(day, time(), zone)
        for day in days
        if day.isoweekday() in weekdays and day not in traded
    ]
    return [f"0 0 * * {idle}", *single] if idle else [*single]


@cache
def session_by_product() -> dg.MultiPartitionsDefinition:
    """Return the partitions of every asset from raw ticks to backtest runs."""
    settings = Settings()
    first = settings.first_session
    known = products_of(settings)
    calendars = {known[root].calendar for root in settings.products if root in known}
    horizon = date(first.year + 30, 12, 31)
    sessions = dg.DailyPartitionsDefinition(
        start_date=datetime.combine(first, time()),
        timezone=TIMEZONE,
        end_offset=DAYS_AHEAD,
        exclusions=_without_sessions(calendars, first, min(horizon, HORIZON)),
    )
    return dg.MultiPartitionsDefinition(
        {"product": dg.StaticPartitionsDefinition(list(settings.products)), "session": sessions}
    )


def partition_key(product: str, session: date | str) -> dg.MultiPartitionKey:
    """Return Dagster's key of one session of one product."""
    return dg.MultiPartitionKey({"product": product, "session": str(session)})


def parts(key: str) -> tuple[str, date]:
    """Return product and session of a partition key, however the run was launched."""
    parsed = session_by_product().get_partition_key_from_str(str(key))
    dimensions = parsed.keys_by_dimension
    return dimensions["product"], date.fromisoformat(dimensions["session"])
