"""What holds for every run: money adds up, nothing is early, nothing is used twice."""

from collections import defaultdict
from random import Random
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.engine.backtest import BacktestResult, backtest
from strategy_lab_core.engine.config import BacktestConfig
from tests.core.engine.draws import random_config, seeds
from tests.core.engine.monkeys import monkey
from tests.core.engine.tapes import (
    MNQ,
    SECOND,
    TICK,
    TICK_VALUE,
    random_rows,
    session_until,
    to_table,
)
from tests.naive.tape import Row


def scene(seed: int) -> tuple[list[Row], Any, BacktestConfig]:
    """Return a random session, and who trades in it how."""
    roll = Random(seed)
    rows = random_rows(seed, roll.randint(40, 100), wild=False)
    # The tables have an order's last price and size: without modifies they are those of its fills.
    actor = monkey(seed=roll.randint(1, 10**6), act_every=roll.randint(2, 9), modifies=False)
    return rows, actor, random_config(roll)


def scenes() -> st.SearchStrategy[tuple[list[Row], Any, BacktestConfig]]:
    """Draw a random session, and who trades in it how."""
    return seeds().map(scene)


def runs() -> st.SearchStrategy[tuple[list[Row], BacktestConfig, BacktestResult]]:
    """Run a random strategy on a random session."""
    return scenes().map(lambda drawn: (drawn[0], drawn[2], run(*drawn)))


def run(rows: list[Row], actor: Any, config: BacktestConfig) -> BacktestResult:
    """Run on a session that closes a second after the last row."""
    session = session_until(rows[-1].ts_event + SECOND)
    return backtest(to_table(rows), actor, config, session=session, instrument=MNQ)


@given(ran=runs())
def test_account__adds_up_at_every_moment(
    ran: tuple[list[Row], BacktestConfig, BacktestResult],
) -> None:
    """Equity is the sum over the fills so far of side x lots x (mark - price) minus fees."""
    result = ran[2]
    fills = result.fills
    side = np.where(fills["side"].cast(str).to_numpy() == "B", 1, -1)
    lots, ticks = fills["size"].to_numpy(), fills["price"].to_numpy() // TICK
    fees, when = fills["fee"].to_numpy(), fills["ts_exchange"].to_numpy()
    for sample in result.equity.iter_rows(named=True):
        done = when < sample["ts"]
        # Fills of the sample's own moment: as many as give its position, in order.
        for n in range(int(done.sum()), int((when <= sample["ts"]).sum()) + 1):
            made = np.sum(side[:n] * lots[:n] * (sample["mark"] - 2 * ticks[:n]))
            value = int(made) * (TICK_VALUE // 2) - int(fees[:n].sum())
            if np.sum(side[:n] * lots[:n]) == sample["position"] and value == sample["equity"]:
                break
        else:
            raise AssertionError(f"no number of fills explains {sample}")
    assert result.metrics["fees_e6"] == fees.sum()


@given(ran=runs())
def test_orders__nothing_happens_early(
    ran: tuple[list[Row], BacktestConfig, BacktestResult],
) -> None:
    """No arrival before submit + latency, no fill before the arrival, none of it out of order."""
    _, config, result = ran
    orders = result.orders
    arrived = orders.filter(orders["ts_exchange"] >= 0)
    assert (arrived["ts_exchange"] >= arrived["ts_submit"] + config.latency.order_ns).all()
    assert arrived["ts_exchange"].is_sorted()
    joined = result.fills.join(orders, on="order_id", maintain_order="left")
    assert (joined["ts_exchange"] >= joined["ts_exchange_right"]).all()
    assert (joined["ts_local"] >= joined["ts_exchange"] + config.latency.response_ns).all()
    assert joined["ts_local"].is_sorted()


@given(ran=runs())
def test_fills__are_whole_and_within_the_limit(
    ran: tuple[list[Row], BacktestConfig, BacktestResult],
) -> None:
    """Filled lots are the fills' lots, never more than asked, never worse than the limit."""
    _, config, result = ran
    filled: dict[int, int] = defaultdict(int)
    for fill in result.fills.iter_rows(named=True):
        order = result.orders.row(fill["order_id"], named=True)
        sign = 1 if fill["side"] == "B" else -1
        filled[fill["order_id"]] += fill["size"]
        assert fill["size"] > 0
        assert order["price"] is not None
        assert sign * fill["price"] <= sign * order["price"]
    for order in result.orders.iter_rows(named=True):
        assert order["filled"] == filled[order["order_id"]] <= order["size"]
        assert (order["end_reason"] == "filled") == (order["filled"] == order["size"])
    assert result.metrics["max_position"] <= config.limits.max_position


@given(ran=runs())
def test_liquidity__is_used_once(ran: tuple[list[Row], BacktestConfig, BacktestResult]) -> None:
    """All our fills together are no more than the lots that traded, arrived or were displayed."""
    rows, _, result = ran
    traded = sum(row.size for row in rows if row.action == "T")
    shown: dict[int, int] = defaultdict(int)
    for row in rows:
        if row.action in "AM":
            shown[row.order_id] = max(shown[row.order_id], row.size)
    assert result.metrics["volume"] <= traded + sum(shown.values())


@given(drawn=scenes())
def test_backtest__same_inputs_same_bytes(drawn: tuple[list[Row], Any, BacktestConfig]) -> None:
    """A second run, and one after another strategy's, gives equal tables and figures."""
    rows, actor, config = drawn
    first = run(rows, actor, config)
    run(rows, monkey(seed=5), config)
    second = run(rows, actor, config)

    assert first.orders.equals(second.orders)
    assert first.fills.equals(second.fills)
    assert first.equity.equals(second.equity)
    assert first.metrics == second.metrics
