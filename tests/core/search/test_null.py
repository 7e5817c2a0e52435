"""Searches without an edge: how they compare with the one that was seen, and what they run on."""

import math
from datetime import date

import polars as pl
import pytest

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.instruments import instruments
from strategy_lab_core.data.sessions import index_times
from strategy_lab_core.search.null import NullResult, count_events, null_session


@pytest.mark.parametrize(
    ("objective", "seen", "as_good"),
    [
        ("net_profit", 3.5, 1),  # 4
        ("net_profit", 3.0, 2),  # 3 and 4: as good is enough
        ("net_profit", 9.0, 0),
        ("max_drawdown", 3.0, 2),  # 1 and 3: less is better
    ],
)
def test_share__counts_the_searches_that_found_as_much(
    objective: str, seen: float, as_good: int
) -> None:
    """One that found nothing found less; the user's own search is one of all."""
    null = NullResult(objective, (1.0, 3.0, 4.0, math.nan), 40)
    assert null.share(seen) == (1 + as_good) / 5
    assert null.describe(seen).startswith(f"{as_good} of 4 searches on simulated sessions")


def test_null_session__has_the_instruments_name_and_grid() -> None:
    """Rows of the session's own hours, prices on the product's ticks, the same again."""
    (day,) = session_calendar("CME Globex Equity").sessions(date(2025, 1, 14), date(2025, 1, 14))
    crude = instruments({7: "CLG5"}, None)[7]

    made = null_session(day, crude, events=300, seed=5)

    assert made.equals(null_session(day, crude, events=300, seed=5))
    assert not made.equals(null_session(day, crude, events=300, seed=6))
    assert made["symbol"].unique().to_list() == ["CLG5"]
    assert made["instrument_id"].unique().to_list() == [7]
    priced = made["price"].drop_nulls()
    assert (priced % crude.tick_size == 0).all()
    assert priced.n_unique() > 10
    assert index_times(made).max() < day.close_ns
    assert 300 <= count_events(made) <= 370  # those of the pre-open beside them


def test_count_events__stays_within_what_can_be_simulated() -> None:
    """At least 200; rows inside an event do not count."""
    rows = pl.DataFrame({"flags": [0, 128, 0, 0, 130]}, schema={"flags": pl.UInt8})
    assert count_events(rows) == 200
    assert count_events(pl.concat([rows] * 150)) == 300
