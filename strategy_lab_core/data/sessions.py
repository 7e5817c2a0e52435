"""The time that decides which session a row belongs to.

A row belongs to the session whose [previous close, close) contains its `ts_event`; a snapshot row
restates an order of earlier days, so its `ts_recv` counts.
"""

import polars as pl

from strategy_lab_core.types import NS_PER_SECOND, Int1D, RecordFlag

__all__ = ["index_times"]

_DAY_NS = 24 * 3600 * NS_PER_SECOND


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
