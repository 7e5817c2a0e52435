"""Several instruments in one account: everything adds up, nothing is invented, nothing is mixed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data.columns import Table
from strategy_lab_core.data.instruments import product_of
from strategy_lab_core.engine.backtest import BacktestResult, backtest
from strategy_lab_core.engine.config import FeeConfig
from strategy_lab_core.engine.together import TogetherResult, backtest_together, combine
from strategy_lab_core.errors import ConfigError, InstrumentError
from tests.core.engine.monkeys import monkey
from tests.core.engine.scenes import QUICK, two_steps
from tests.core.engine.tapes import (
    MNQ,
    SECOND,
    START_NS,
    TICK,
    random_rows,
    session_until,
    to_table,
)

SESSION = session_until(START_NS + 1_000 * SECOND)
MES = replace(
    MNQ,
    instrument_id=8,
    symbol="MESH4",
    product=product_of("MESH4"),
    multiplier=5_000_000_000,
)
TICK_VALUES = {"MNQH4": 500_000, "MESH4": 1_250_000}
MARGINS = {one.symbol: one.product.margin_initial for one in (MNQ, MES)}


def ticks_of(symbol: str, instrument_id: int, seed: int) -> Table:
    """Return a random session's rows under a symbol."""
    rows = to_table(random_rows(seed, 60, wild=False))
    return rows.with_columns(
        rows["instrument_id"] * 0 + np.uint32(instrument_id),
        rows["symbol"].str.replace(".*", symbol),
    )


def both(seed: int = 1, actors: tuple[int, int] = (2, 3)) -> TogetherResult:
    """Run a monkey on either product, from one table, with fees of their own."""
    ticks = ticks_of("MNQH4", 7, seed).vstack(ticks_of("MESH4", 8, seed + 1))
    strategies: dict[str, Any] = {
        "MNQH4": monkey(seed=actors[0], act_every=2),
        "MESH4": monkey(seed=actors[1], act_every=3),
    }
    dear = replace(QUICK, fees=FeeConfig(taker_rate_e8=12_345))
    return backtest_together(ticks, strategies, {"MNQH4": QUICK, "MESH4": dear}, session=SESSION)


def worth(run: BacktestResult, times: list[int]) -> list[tuple[int, int]]:
    """Return equity and initial margin after all fills by each time, from fills and marks."""
    symbol, found = run.instrument.symbol, []
    marks = run.equity.select("ts", "mark").rows()
    fills = run.fills.rows(named=True)
    for now in times:
        mark = next((mark for ts, mark in reversed(marks) if ts <= now), 0)
        value = position = 0
        for fill in (each for each in fills if each["ts_exchange"] <= now):
            lots = fill["size"] if fill["side"] == "B" else -fill["size"]
            value += lots * (mark - 2 * fill["price"] // TICK) * TICK_VALUES[symbol] // 2
            value -= fill["fee"]
            position += lots
        found.append((value, abs(position) * MARGINS[symbol]))
    return found


@given(seed=st.integers(0, 10**6), actors=st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)))
def test_together__adds_up_at_every_moment(seed: int, actors: tuple[int, int]) -> None:
    """The account's equity and margin are those of the fills of both products, exactly."""
    result = both(seed, actors)
    parts = zip(*(worth(run, result.equity["ts"].to_list()) for run in result.runs), strict=True)
    expected = [tuple(map(sum, zip(*each, strict=True))) for each in parts]
    assert result.equity.select("equity", "margin").rows() == expected
    net = result.sessions["net_profit"].sum()
    assert net == result.metrics["net_profit_e6"]
    assert net == sum(run.metrics["net_profit_e6"] for run in result.runs)
    assert net == result.equity["liquidation_value"][-1]
    assert result.metrics["fees_e6"] == result.fills["fee"].sum()
    assert result.metrics["max_margin_e6"] == result.equity["margin"].max()


def test_together__runs_are_those_of_each_alone() -> None:
    """Strategies and settings of their own, and every row in the common tables, in time's order."""
    result = both()
    alone = backtest(
        ticks_of("MESH4", 8, 2), monkey(seed=3, act_every=3), result.runs[1].config,
        session=SESSION, instrument=MES,
    )  # fmt: skip

    assert result.runs[1].metrics == alone.metrics
    assert result.fills["ts_exchange"].is_sorted()
    assert result.orders["ts_submit"].is_sorted()
    mine = result.fills.filter(result.fills["symbol"] == "MESH4")
    assert mine.equals(alone.fills)
    assert len(result.orders) == sum(len(run.orders) for run in result.runs)


def test_together__one_of_them_may_do_nothing() -> None:
    """No order, no fill: the sums are the other's."""
    ticks = ticks_of("MNQH4", 7, 1).vstack(ticks_of("MESH4", 8, 2))
    actors: dict[str, Any] = {"MNQH4": two_steps, "MESH4": monkey(seed=3, act_every=2)}

    result = backtest_together(ticks, actors, QUICK, session=SESSION)

    assert len(result.runs[0].orders) == 0
    assert len(result.orders) == len(result.runs[1].orders) > 0
    assert result.metrics["net_profit_e6"] == result.runs[1].metrics["net_profit_e6"]


def test_combine__refuses_what_can_not_be_added() -> None:
    """Two currencies, an instrument twice, other sessions, nothing at all."""
    run = both().runs[0]
    product = replace(MES.product, currency="EUR")
    euros = replace(run, instrument=replace(MES, product=product))
    other_day = replace(
        run,
        instrument=MES,
        sessions=run.sessions.with_columns(session=run.sessions["session"] + "x"),
    )

    with pytest.raises(ConfigError, match=r"in one currency.*1/1000000 EUR, 1/1000000 USD"):
        combine([run, euros])
    with pytest.raises(ConfigError, match="one for each instrument"):
        combine([run, run])
    with pytest.raises(ConfigError, match=r"MESH4 must be over the sessions 2023-11-14"):
        combine([run, other_day])
    with pytest.raises(ConfigError, match="at least one"):
        combine([])


def test_together__names_the_instrument_that_is_missing() -> None:
    """In the settings by symbol, or among the rows."""
    ticks = ticks_of("MNQH4", 7, 1)

    with pytest.raises(ConfigError, match="nothing for MESH4"):
        backtest_together(ticks, {"MESH4": monkey}, {"MNQH4": QUICK}, session=SESSION)
    with pytest.raises(InstrumentError, match="no row of 'MESH4'"):
        backtest_together(ticks, {"MESH4": monkey}, QUICK, session=SESSION)
