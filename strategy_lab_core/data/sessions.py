"""The session that a row belongs to: the time that decides it, and the session as columns.

A row belongs to the session whose [previous close, close) contains its `ts_event`; a snapshot row
restates an order of earlier days, so its `ts_recv` counts.
"""

from collections.abc import Mapping
from datetime import date

import numpy as np
import polars as pl

from strategy_lab_core.data.calendar import (
    NO_SESSION,
    Session,
    SessionCalendar,
    phase_intervals,
    phases_at,
    session_calendar,
    session_date,
)
from strategy_lab_core.data.instruments import Product, product_of, products
from strategy_lab_core.errors import ConfigError, InstrumentError
from strategy_lab_core.types import NS_PER_SECOND, Int1D, Phase, RecordFlag

__all__ = ["PHASES", "index_times", "session_columns", "session_of", "sessions"]

PHASES = pl.Enum([phase.name.lower() for phase in Phase])  # the physical value is the Phase

_DAY_NS = 24 * 3600 * NS_PER_SECOND


def session_of(product: Product, day: date) -> Session | None:
    """Return the session of a product on that day; None where it does not trade."""
    found = session_calendar(product.calendar).sessions(day, day)
    return found[0] if found else None


def index_times(batch: pl.DataFrame) -> Int1D:
    """Return the time in ns by which each row is put into a session.

    `ts_event`, but `ts_recv` for snapshot rows and where `ts_event` is not a time or more than a
    day away: a broken clock must not move a row into a far-off session.
    """
    event, receive = pl.col("ts_event"), pl.col("ts_recv")
    snapshot = (
        (pl.col("flags") & int(RecordFlag.SNAPSHOT)) != 0
        if "flags" in batch.columns
        else pl.lit(value=False)
    )
    far = (receive > 0) & ~(event - receive).is_between(-_DAY_NS, _DAY_NS)
    by_receipt = snapshot.fill_null(value=False) | event.is_null() | (event <= 0)
    if "flags" in batch.columns:  # reference records are repeated long after their event
        by_receipt = by_receipt | far.fill_null(value=False)
    chosen = pl.when(by_receipt).then(_receipt_or_event(receive, event)).otherwise(event)
    return batch.select(chosen.fill_null(0).cast(pl.Int64)).to_series().to_numpy()


def _receipt_or_event(receive: pl.Expr, event: pl.Expr) -> pl.Expr:
    """Return `ts_recv`, or `ts_event` where nothing was recorded as received."""
    return pl.when(receive.is_null() | (receive <= 0)).then(event).otherwise(receive)


def sessions(
    ticks: pl.DataFrame,
    product: str | None = None,
    *,
    table: Mapping[str, Product] | None = None,
    status: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return ticks with the columns `session`, `trade_date` and `phase` of each row.

    Parameters
    ----------
    ticks
        Any tick table, rows of several sessions and contracts included.
    product
        Root whose calendar counts; by default that of the symbols, which must share one.
    table
        Products by root; those of the package by default.
    status
        A `status` table whose phases replace the scheduled ones.

    Returns
    -------
    The same rows in the same order; null where no session holds the row.
    """
    calendar = session_calendar(_calendar_name(ticks, product, table))
    return ticks.hstack(session_columns(index_times(ticks), calendar, status))


def session_columns(
    ts_ns: Int1D, calendar: SessionCalendar, status: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Return `session`, `trade_date` (dates) and `phase` (`PHASES`) of moments, shape (n,).

    Moments that no session holds get nulls.
    """
    keys = calendar.session_keys(ts_ns)
    held = keys != NO_SESSION
    found = [calendar.session(session_date(int(key))) for key in np.unique(keys[held])]
    intervals = [phase_intervals(session, status) for session in found]  # they never overlap
    starts = np.concatenate([np.zeros(0, dtype=np.int64), *(starts for starts, _ in intervals)])
    codes = np.concatenate([np.zeros(0, dtype=np.uint8), *(codes for _, codes in intervals)])
    phases = phases_at(starts, codes, ts_ns) if found else np.zeros(len(keys), dtype=np.uint8)
    trade_dates = pl.DataFrame(
        {"session": [one.key for one in found], "trade_date": [one.trade_date for one in found]},
        schema={"session": pl.Date, "trade_date": pl.Date},
    )
    inside = pl.Series(held)
    days = pl.Series(keys, dtype=pl.Int32).cast(pl.Date)
    columns = pl.DataFrame({"session": days, "phase": pl.Series(phases).cat.to(PHASES)})
    return (
        columns.with_columns(pl.when(inside).then(pl.all()).otherwise(None))
        .join(trade_dates, on="session", how="left", maintain_order="left")
        .select("session", "trade_date", "phase")
    )


def _calendar_name(
    ticks: pl.DataFrame, product: str | None, table: Mapping[str, Product] | None
) -> str:
    known = products() if table is None else table
    if product is not None:
        if product not in known:
            raise InstrumentError(f"no product {product!r} (known: {', '.join(known)})")
        return known[product].calendar
    symbols = ticks["symbol"].unique().drop_nulls().sort()
    names = {product_of(symbol, table=known).calendar for symbol in symbols}
    if len(names) != 1:
        raise ConfigError("product", product, f"given: the symbols have {len(names)} calendars")
    return names.pop()
