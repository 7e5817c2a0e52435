"""Prices below zero are prices: a market moved by any number of ticks gives the same run."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, NamedTuple

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategy_lab_core.data.columns import Table
from strategy_lab_core.engine.backtest import BacktestResult, backtest
from strategy_lab_core.strategies.requests import buy_limit, buy_market, sell_limit, sell_market
from strategy_lab_core.strategies.strategy import Bounds, Memory, View, strategy
from strategy_lab_core.types import Int2D
from tests.core.engine.level_tapes import (
    difference_table,
    differences_of,
    window_table,
    windows_of,
)
from tests.core.engine.scenes import QUICK
from tests.core.engine.tapes import MNQ, SECOND, TICK, random_rows, session_until, to_table
from tests.naive.tape import Row


class Params(NamedTuple):
    """Calls between two requests."""

    every: Annotated[int, Bounds(1, 20)] = 3


@strategy(Params, ints=1)
def relative(memory: Memory, view: View, p: Params, requests: Int2D) -> None:
    """Ask for one thing after another, always relative to quotes that are there."""
    memory.ints[0] += 1
    if memory.ints[0] % p.every or view.bid_size == 0 or view.ask_size == 0:
        return
    kind = memory.ints[0] // p.every % 4
    if kind == 0:
        buy_limit(requests, view.bid - 1, 2, 0)
    elif kind == 1:
        sell_limit(requests, view.ask + 1, 2, 0)
    elif kind == 2:
        buy_market(requests, 1)
    else:
        sell_market(requests, 1)


FEEDS: dict[str, Callable[[list[Row]], Table]] = {
    "orders": to_table,
    "levels": lambda rows: window_table(windows_of(rows, 3, merged=False), 3),
    "differences": lambda rows: difference_table(differences_of(rows)),
}


def run(feed: str, rows: list[Row], every: int) -> BacktestResult:
    """Run on a session that closes long after the last row: nothing is flattened before."""
    session = session_until(rows[-1].ts_event + 600 * SECOND)
    actor = relative(every=every)
    return backtest(FEEDS[feed](rows), actor, QUICK, session=session, instrument=MNQ)


def moved(rows: list[Row], ticks: int) -> list[Row]:
    """Return the rows with every price moved."""
    return [replace(row, price=None if row.price is None else row.price + ticks) for row in rows]


@pytest.mark.parametrize("feed", FEEDS)
@settings(max_examples=settings().max_examples // len(FEEDS))
@given(
    seed=st.integers(0, 10**6),
    n_events=st.integers(40, 120),
    every=st.integers(1, 6),
    ticks=st.sampled_from([-100, -1_000, -(10**6), 7]),
)
def test_backtest__moved_market_same_run(
    feed: str, seed: int, n_events: int, every: int, ticks: int
) -> None:
    """Fills, equity and figures are those of the market above zero, prices moved alike."""
    rows = random_rows(seed, n_events, wild=False)
    here, there = run(feed, rows, every), run(feed, moved(rows, ticks), every)
    back = there.fills.with_columns(pl.col("price") - ticks * TICK)
    assert back.equals(here.fills)
    money = ("ts", "position", "equity", "liquidation_value")
    assert there.equity.select(money).equals(here.equity.select(money))
    assert _without_turnover(there) == _without_turnover(here)


def _without_turnover(result: BacktestResult) -> dict[str, int | float]:
    return {name: value for name, value in result.metrics.items() if name != "turnover_e6"}
