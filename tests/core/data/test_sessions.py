"""Which session a row belongs to: by its event, by receipt where the event is no guide."""

import polars as pl
import pytest

from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.data.sessions import index_times
from strategy_lab_core.types import TickSchema

DAY_NS = 24 * 3600 * 10**9


def rows(*times: tuple[int, int, int]) -> pl.DataFrame:
    """Return trades with these (ts_event, ts_recv, flags)."""
    table = pl.DataFrame(times, schema=["ts_event", "ts_recv", "flags"], orient="row")
    schema = polars_schema(TickSchema.TRADES)
    missing = [pl.lit(None, dtype=schema[n]).alias(n) for n in schema if n not in table.columns]
    return table.with_columns(missing).select(
        pl.col(name).cast(dtype) for name, dtype in schema.items()
    )


@pytest.mark.parametrize(
    ("event", "receive", "flags", "expected"),
    [
        (1_000, 2_000, 128, 1_000),
        (1_000, 2_000, 32, 2_000),
        (-1, 2_000, 0, 2_000),
        (5 * DAY_NS, 2_000, 0, 2_000),
        (1_000, 0, 32, 1_000),
    ],
    ids=["event", "snapshot", "undefined event", "broken clock", "never received"],
)
def test_index_times__chooses_the_clock(
    event: int, receive: int, flags: int, expected: int
) -> None:
    """The event's time, unless it says nothing about when the row belongs."""
    assert index_times(rows((event, receive, flags))).tolist() == [expected]
