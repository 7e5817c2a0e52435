"""A run carried over several sessions: what goes on at a close, what ends, and what is refused."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data.calendar import Session, session_calendar
from strategy_lab_core.data.columns import Table
from strategy_lab_core.data.simulate import simulate
from strategy_lab_core.engine.backtest import BacktestResult, backtest
from strategy_lab_core.engine.config import BacktestConfig, LimitsConfig
from strategy_lab_core.engine.stage import SessionTicks
from strategy_lab_core.engine.sweep import ParameterSet, sweep
from strategy_lab_core.errors import ConfigError, DataError
from tests.core.engine.monkeys import monkey
from tests.core.engine.scenes import BUY_LIMIT, BUY_MARKET, MS, QUICK, SELL_MARKET, two_steps
from tests.core.engine.tapes import (
    MNQ,
    SECOND,
    START_NS,
    TICK,
    TICK_VALUE,
    random_rows,
    to_table,
)
from tests.core.engine.test_backtest import failing
from tests.naive.book import LAST, SNAPSHOT
from tests.naive.tape import Row

DAY = date(2023, 11, 14)
CARRY = replace(QUICK, carry=True, flatten_seconds=0)


def session(number: int, previous_close_ns: int, open_ns: int, close_ns: int) -> Session:
    """Return a session with its pre-open halfway between the close before it and its open."""
    day = DAY + timedelta(days=number)
    pre_open_ns = (previous_close_ns + open_ns) // 2
    return Session(day, day, previous_close_ns, pre_open_ns, open_ns, close_ns)


@st.composite
def ranges(draw: st.DrawFn) -> list[tuple[Session, list[Row]]]:
    """Draw two or three sessions, each with rows before and after its open."""
    found: list[tuple[Session, list[Row]]] = []
    closed_ns, wild = START_NS, draw(st.booleans())
    for number in range(draw(st.integers(2, 3))):
        start_ns = closed_ns + draw(st.sampled_from([0, SECOND, 3_600 * SECOND]))
        seed, n_events = draw(st.integers(0, 10**6)), draw(st.integers(20, 80))
        rows = random_rows(seed, n_events, wild=wild, start_ns=start_ns)
        open_ns = start_ns + draw(st.sampled_from([0, 500 * MS, SECOND]))
        last_ns = max(row.ts_event for row in rows)
        close_ns = max(last_ns, open_ns) + draw(st.sampled_from([1, 30 * MS, 2 * SECOND]))
        found.append((session(number, closed_ns, open_ns, close_ns), rows))
        closed_ns = close_ns
    return found


def run(
    days: list[tuple[Session, list[Row]]], strategy: Any, config: BacktestConfig
) -> BacktestResult:
    """Run over the sessions with a table each."""
    parts = [SessionTicks(day, to_table(rows)) for day, rows in days]
    return backtest(parts, strategy, config, instrument=MNQ)


@given(days=ranges(), seed=st.integers(1, 10**6))
def test_sessions__are_marked_at_each_close(
    days: list[tuple[Session, list[Row]]], seed: int
) -> None:
    """The net profits up to a close are the value of all fills before it, at its mark."""
    result = run(days, monkey(seed=seed, act_every=3), CARRY)
    fills, sides = result.fills, result.fills["side"].cast(str).to_numpy()
    lots = np.where(sides == "B", 1, -1) * fills["size"].to_numpy()
    closes = result.equity.group_by("ts", maintain_order=True).last()
    for row in result.sessions[:-1].iter_rows(named=True):
        done = (fills["ts_exchange"] < row["ts_close"]).to_numpy()
        mark = closes.filter(closes["ts"] == row["ts_close"])["mark"].item()
        ticks = fills["price"].to_numpy()[done] // TICK
        made = int(np.sum(lots[done] * (mark - 2 * ticks))) * (TICK_VALUE // 2)
        so_far = result.sessions.filter(result.sessions["ts_close"] <= row["ts_close"])
        assert row["position"] == lots[done].sum()
        assert so_far["net_profit"].sum() == made - fills["fee"].to_numpy()[done].sum()


def quotes(start_ns: int, bid: int, ask: int, first_id: int) -> list[Row]:
    """Return a book of ten lots a side, restated once a second for ten seconds."""
    rows = [Row("R", "N", None, 0, 0, SNAPSHOT | 8, start_ns, start_ns)]
    for side, tick, order_id in (("B", bid, first_id), ("A", ask, first_id + 1)):
        rows.append(Row("A", side, tick, 10, order_id, LAST, start_ns, start_ns))
    for i in range(1, 10):
        at = start_ns + i * SECOND
        rows.append(Row("A", "B", bid - 5 - i % 2, 1, first_id + 1 + i, LAST, at, at))
    return rows


def two_days() -> list[tuple[Session, list[Row]]]:
    """Return two sessions of ten seconds, an hour apart; the second one stands 20 ticks higher."""
    second_ns = START_NS + 3_600 * SECOND
    first = session(0, START_NS - 60 * SECOND, START_NS, START_NS + 10 * SECOND)
    second = session(1, first.close_ns, second_ns, second_ns + 10 * SECOND)
    return [
        (first, quotes(START_NS, 1_000, 1_002, 1)),
        (second, quotes(second_ns, 1_020, 1_022, 100)),
    ]


def test_carry__holds_a_position_over_the_close() -> None:
    """Bought at 1,002, marked at 1,001 at the close, sold at 1,020 as the last session ends."""
    result = run(
        two_days(), two_steps(at_1=1_000, what_1=BUY_MARKET), replace(CARRY, flatten_seconds=2)
    )
    fees = MNQ.product.fee_taker

    assert result.fills["price"].to_list() == [1_002 * TICK, 1_020 * TICK]
    assert result.sessions["session"].to_list() == ["2023-11-14", "2023-11-15"]
    assert result.sessions["position"].to_list() == [1, 0]
    assert result.sessions["net_profit"].to_list() == [
        -1 * TICK_VALUE - fees,
        19 * TICK_VALUE - fees,
    ]
    assert result.flags == ("carried",)
    assert any("Carried over 2 sessions" in sentence for sentence in result.assumptions)


def test_carry__lets_day_orders_expire_and_does_not_start_the_strategy_again() -> None:
    """The bid of the first session is gone in the second; the memory says that both steps ran."""
    days = two_days()
    days[1] = (days[1][0], quotes(days[1][0].open_ns, 990, 992, 100))  # through the old bid
    step = two_steps(at_1=1_000, what_1=BUY_LIMIT, tick_1=1_000)

    result = run(days, step, CARRY)

    assert result.orders["end_reason"].to_list() == ["expired"]
    assert result.orders["ts_end"].to_list() == [days[0][0].close_ns]
    assert result.metrics["n_fills"] == 0


def test_carry__flattens_at_the_last_close_alone() -> None:
    """Sold by the engine two seconds before the end of the second session, not of the first."""
    days = two_days()
    result = run(days, two_steps(at_1=1_000, what_1=SELL_MARKET), replace(CARRY, flatten_seconds=2))

    assert result.fills["ts_exchange"].to_list() == [
        START_NS + SECOND,
        days[1][0].close_ns - 2 * SECOND,
    ]


def test_carry__a_killed_run_goes_on_closing_in_the_next_session() -> None:
    """The loss limit is reached when the first session has no time left to close in."""
    days = two_days()
    limits = LimitsConfig(max_loss_e6=1)
    late = replace(QUICK.latency, order_ns=8_500 * MS)
    config = replace(CARRY, limits=limits, latency=late)

    result = run(days, two_steps(at_1=1_000, what_1=BUY_MARKET), config)

    assert "killed" in result.flags
    assert result.sessions["position"].to_list() == [1, 0]
    assert result.fills["ts_exchange"][1] >= days[1][0].open_ns + 8_500 * MS


def test_carry__one_session_is_a_plain_backtest() -> None:
    """Same orders, fills and figures, whichever way the rows are given."""
    rows = random_rows(5, 120, wild=False)
    day = session(0, START_NS - SECOND, START_NS, rows[-1].ts_event + 2 * SECOND)
    config = replace(QUICK, flatten_seconds=1)

    plain = backtest(to_table(rows), monkey(seed=4), config, session=day, instrument=MNQ)
    carried = run([(day, rows)], monkey(seed=4), replace(config, carry=True))

    assert plain.metrics == carried.metrics
    assert plain.equity.equals(carried.equity)
    assert plain.orders.equals(carried.orders)
    assert carried.flags == plain.flags


def test_carry__sweeps_are_separate_runs() -> None:
    """Sets on two threads, one of which fails: each is what it is alone."""
    days = two_days()
    parts = [SessionTicks(day, to_table(rows)) for day, rows in days]
    sets = [{"seed": seed, "act_every": 2} for seed in (1, 2, 3)]

    swept = sweep(parts, monkey, sets, CARRY, cores=2, instrument=MNQ)

    for one, run_of_set in zip(sets, swept.runs, strict=True):
        alone = run(days, monkey(**one), CARRY)
        assert run_of_set.result is not None
        assert run_of_set.result.metrics == alone.metrics
        assert run_of_set.result.sessions.equals(alone.sessions)
    broken = sweep(parts, failing, [ParameterSet()], CARRY, cores=1, instrument=MNQ)
    assert broken.runs[0].error is not None


def test_carry__reads_rows_when_their_turn_comes_and_tells_how_far_it_is() -> None:
    """The second table is asked for after the first pass; the progress never goes back."""
    days = two_days()
    order: list[Any] = []
    parts = [SessionTicks(days[0][0], to_table(days[0][1]))]

    def later() -> Table:
        order.append("read")
        return to_table(days[1][1])

    parts.append(SessionTicks(days[1][0], later))
    backtest(
        parts, two_steps, CARRY, instrument=MNQ,
        on_progress=lambda done, total: order.append(done / total),
    )  # fmt: skip

    assert order == [0, 0.5, "read", 0.5, 1]


def calendar_days() -> tuple[list[Session], Table]:
    """Return three simulated sessions of the calendar and their rows in one table."""
    days = session_calendar("CME Globex Equity").sessions(date(2025, 1, 14), date(2025, 1, 16))
    return days, simulate(days, seed=3, events_per_session=400, faults=False).table()


def test_carry__cuts_a_table_into_sessions_and_seeds_them() -> None:
    """The orders that live at a close are the book that the next session begins with."""
    days, ticks = calendar_days()
    quiet = replace(monkey(act_every=2), timer_ns=0)

    result = backtest(ticks, quiet, replace(CARRY, sample_seconds=3_600))

    assert result.sessions["session"].to_list() == [str(day.key) for day in days]
    assert result.session == days[-1]
    fills = result.fills["ts_exchange"]
    assert all((fills >= day.open_ns).any() & (fills < day.close_ns).any() for day in days)


def test_carry__names_the_session_that_is_missing() -> None:
    """In one table by the calendar, between tables by the closes."""
    days, ticks = calendar_days()
    middle = ticks["ts_event"].is_between(days[1].previous_close_ns, days[1].close_ns)

    with pytest.raises(DataError, match="2025-01-15 has no row"):
        backtest(ticks.filter(~middle), monkey, CARRY)
    parts = [SessionTicks(day, ticks) for day in (days[0], days[2])]
    with pytest.raises(DataError, match="2025-01-16 does not follow 2025-01-14"):
        backtest(parts, monkey, CARRY)


def test_carry__is_asked_for() -> None:
    """Several sessions without the key, and a session of its own beside them, are refused."""
    parts = [SessionTicks(day, to_table(rows)) for day, rows in two_days()]

    with pytest.raises(ConfigError, match="carry: true"):
        backtest(parts, two_steps, QUICK, instrument=MNQ)
    with pytest.raises(ConfigError, match="each brings session and seed"):
        backtest(parts, two_steps, CARRY, instrument=MNQ, session=parts[0].session)
