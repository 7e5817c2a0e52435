"""Which products and sessions get partitions."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from strategy_lab_pipeline.settings import Settings

__all__ = ["DAYS_AHEAD", "TIMEZONE", "why_no_partition"]

TIMEZONE = "America/Chicago"
DAYS_AHEAD = 5  # an evening's rows are the next session's, after a long weekend too


def why_no_partition(settings: Settings, product: str, session: date) -> str:
    """Return why a session of a product has no partition; "" where it has one."""
    if product not in settings.products:
        return f"not in the setting `products` ({', '.join(settings.products)})"
    if session < settings.first_session:
        return f"before {settings.first_session}, the setting `first_session`"
    today = datetime.now(ZoneInfo(TIMEZONE)).date()
    if session >= today + timedelta(days=DAYS_AHEAD):
        return "in the future, look at the clock that wrote the file"
    return ""
