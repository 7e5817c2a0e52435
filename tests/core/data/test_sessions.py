"""Which session a row belongs to: by its event, by receipt where the event is no guide."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategy_lab_core as lab
from strategy_lab_core.data.calendar import session_calendar, session_date
from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.data.sessions import index_times, session_columns
from strategy_lab_core.errors import ConfigError, InstrumentError
from strategy_lab_core.types import Phase, TickSchema

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


OPENING = 1746396000000000000  # 2025-05-04 22:00 UTC, Sunday 17:00 Chicago


def trades(symbols: list[str], times: list[int]) -> pl.DataFrame:
    """Return trades of these symbols at these times."""
    table = rows(*((ts_ns, ts_ns, 128) for ts_ns in times))
    return table.with_columns(pl.Series("symbol", symbols, dtype=table.schema["symbol"]))


def test_sessions__columns_of_a_table() -> None:
    """Rows keep their order and get session, clearing date and phase; impossible times nulls."""
    monday_holiday = 1737392400000000000  # 2025-01-20 17:00 UTC
    times = [OPENING - 1, OPENING, monday_holiday, monday_holiday + 4 * 3600 * 10**9, 5]
    found = lab.sessions(trades(["NQM5"] * 5, times))
    assert found.select("session", "trade_date", "phase").rows() == [
        (date(2025, 5, 5), date(2025, 5, 5), "pre_open"),
        (date(2025, 5, 5), date(2025, 5, 5), "open"),
        (date(2025, 1, 20), date(2025, 1, 21), "open"),
        (date(2025, 1, 21), date(2025, 1, 21), "closed"),
        (None, None, None),
    ]
    assert found["ts_event"].to_list() == times
    assert found["phase"].to_physical().to_list()[:2] == [Phase.PRE_OPEN, Phase.OPEN]


def test_sessions__product_decides_the_calendar() -> None:
    """Symbols of two calendars, or of none, need the product named; a wrong name is refused."""
    both = trades(["NQM5", "CLM5"], [OPENING, OPENING])
    with pytest.raises(ConfigError, match="product must be given: the symbols have 2 calendars"):
        lab.sessions(both)
    assert lab.sessions(both, "CL")["session"].to_list() == [date(2025, 5, 5)] * 2
    with pytest.raises(InstrumentError, match="no product 'XX'"):
        lab.sessions(both, "XX")
    assert lab.sessions(both.clear(), "ES").columns[-3:] == ["session", "trade_date", "phase"]


@given(st.lists(st.integers(-(10**17), 2 * 10**18), max_size=40))
def test_session_columns__agree_with_each_moment_by_itself(times: list[int]) -> None:
    """A batch of moments in any order gives what each alone is said to be."""
    calendar = session_calendar("CME Globex Equity")
    found = session_columns(np.array(times, dtype=np.int64), calendar)
    for ts_ns, (session, trade_date, phase) in zip(times, found.rows(), strict=True):
        moment = np.array([ts_ns])
        key = int(calendar.session_keys(moment)[0])
        if key < 0:
            assert (session, trade_date, phase) == (None, None, None)
            continue
        expected = calendar.session(session_date(key))
        assert (session, trade_date) == (expected.key, expected.trade_date)
        assert phase == Phase(calendar.phases(moment, expected)[0]).name.lower()


@pytest.mark.real_data
def test_sessions__sunday_open_of_the_real_nasdaq_trades(real_data: Path) -> None:
    """Trades of Sunday evening are Monday's, the first is the auction, the spread stays apart."""
    (path,) = (real_data / "cme_nq_trades").glob("*.csv*")
    found = lab.sessions(lab.read_ticks(path))
    assert found["session"].unique().to_list() == [date(2025, 5, 5)]
    assert found["trade_date"].unique().to_list() == [date(2025, 5, 5)]
    assert found["phase"].unique().to_list() == ["open"]
    first = found.row(0, named=True)
    assert (first["side"], first["price"]) == ("N", 20_181_500_000_000)
    counts = dict(found["symbol"].value_counts().iter_rows())
    assert counts == {"NQM5": 9846, "NQU5": 27, "NQM5-NQU5": 14}
