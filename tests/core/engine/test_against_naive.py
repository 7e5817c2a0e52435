"""The engine against the slow one: order for order, fill for fill, refusal for refusal."""

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.engine import feed
from strategy_lab_core.engine.backtest import BacktestResult, backtest
from strategy_lab_core.engine.config import (
    BacktestConfig,
    FeeConfig,
    LatencyConfig,
    LimitsConfig,
    MarketOrderConfig,
)
from strategy_lab_core.engine.latency_config import (
    FeedLatencyConfig,
    LogNormalLatencyConfig,
    RecordedLatencyConfig,
)
from strategy_lab_core.engine.latency_rows import LatencyRows
from tests.core.engine.monkeys import monkey
from tests.core.engine.scenes import Scene
from tests.core.engine.tapes import MNQ, START_NS, TICK, TICK_VALUE, random_rows, session_until
from tests.core.engine.tapes import to_table as ticks_of
from tests.naive.engine import NaiveEngine, Row

SECOND = 1_000_000_000
MILLI = 1_000_000


TIMES = st.sampled_from([0, 1, MILLI, 5 * MILLI, 40 * MILLI])


@st.composite
def latency_rows(draw: st.DrawFn) -> LatencyRows:
    """Draw measurements from before the session into it, some of them rejections."""
    steps = st.sampled_from([0, 1, 7 * MILLI, 300 * MILLI, SECOND])
    request = START_NS + draw(st.integers(-SECOND, SECOND))
    exchange, rows = 0, []
    n_rows = draw(st.integers(1, 6))
    taken = draw(st.integers(0, n_rows - 1))
    for i in range(n_rows):
        request += draw(steps)
        exchange = max(exchange, request + draw(TIMES))
        is_rejected = i != taken and draw(st.booleans())
        took = draw(TIMES)
        response = request + max(took, 1) if is_rejected else exchange + took
        rows.append((request, 2**63 - 1 if is_rejected else exchange, response))
    return LatencyRows(*np.array(rows, np.int64).T)


@st.composite
def latencies(draw: st.DrawFn) -> LatencyConfig:
    """Draw a model and its numbers, from none at all to more than the gaps between events."""
    feed = {"feed_offset_ns": draw(TIMES)}
    fixed = {"order_ns": draw(TIMES), "response_ns": draw(TIMES)}
    factors = st.sampled_from([0, 333_333, 1_000_000, 7_500_000])
    match draw(st.sampled_from(["constant", "feed", "recorded", "lognormal"])):
        case "feed":
            return FeedLatencyConfig(
                **feed, **fixed, entry_multiplier_e6=draw(factors),
                response_multiplier_e6=draw(factors),
            )  # fmt: skip
        case "recorded":
            return RecordedLatencyConfig(**feed, **fixed, rows=draw(latency_rows()))
        case "lognormal":
            return LogNormalLatencyConfig(
                **feed, **fixed, entry_median_ns=draw(TIMES), response_median_ns=draw(TIMES),
                entry_sigma_e6=draw(st.integers(0, 3_000_000)),
                response_sigma_e6=draw(st.integers(0, 3_000_000)),
            )  # fmt: skip
    return LatencyConfig(**feed, **fixed)


@st.composite
def configs(draw: st.DrawFn) -> BacktestConfig:
    """Draw settings of every kind."""
    return BacktestConfig(
        latency=draw(latencies()),
        limits=LimitsConfig(
            max_position=draw(st.integers(3, 20)),
            max_order_size=draw(st.integers(1, 5)),
            max_open_orders=draw(st.integers(1, 12)),
            max_messages_per_second=draw(st.sampled_from([3, 20, 1000])),
            max_distance_ticks=draw(st.sampled_from([2, 100])),
            max_loss_e6=draw(st.sampled_from([None, None, 1_000_000, 10_000_000])),
        ),
        market_orders=MarketOrderConfig(
            protection_ticks=draw(st.integers(0, 4)),
            cancel_remainder=draw(st.booleans()),
            simulate_unsupported=draw(st.booleans()),
        ),
        fees=FeeConfig(
            maker_rate_e8=draw(st.sampled_from([0, -2_500, 7, 10**8])),
            taker_rate_e8=draw(st.sampled_from([0, 50_000, 333_333])),
        ),
        flatten_seconds=draw(st.integers(0, 4)),
        allow_partial=True,
        seed=draw(st.integers(0, 3)),
    )


def run_both(
    rows: list[Row], strategy: Any, config: BacktestConfig, close_ns: int, *, halts: Any = ()
) -> tuple[BacktestResult, NaiveEngine]:
    """Run the engine and the naive one on the same tape."""
    session = replace(session_until(close_ns), halts=halts)
    fast = backtest(ticks_of(rows), strategy, config, session=session, instrument=MNQ)
    phases = [(session.previous_close_ns, 0), (session.pre_open_ns, 1), (session.open_ns, 2)]
    for start, end in halts:
        phases += [(start, 3), (end, 2)]
    end_ns = int(fast.equity["ts"][-1])
    hours = (session.open_ns, close_ns - config.flatten_seconds * SECOND, end_ns)
    slow = NaiveEngine(
        rows,
        strategy,
        config,
        hours=hours,
        phases=[*phases, (close_ns, 0)],
        tick_value=TICK_VALUE,
        maker_fee=MNQ.product.fee_maker,
        taker_fee=MNQ.product.fee_taker,
    )
    return fast, slow.run()


def assert_same(fast: BacktestResult, slow: NaiveEngine) -> None:
    """Compare every order, fill and refusal."""
    orders = fast.orders.drop("average_price", "symbol").rows()
    assert orders == [order.row(TICK) for order in slow.orders]
    columns = ["order_id", "ts_exchange", "ts_local", "price", "size", "liquidity"]
    fills = fast.fills.select(*columns, "position_after").rows()
    assert fills == [fill.row(TICK) for fill in slow.fills]
    assert fast.equity["cash"][-1] == slow.cash
    refused = {
        name.removeprefix("n_refused_"): count
        for name, count in fast.metrics.items()
        if name.startswith("n_refused_") and count
    }
    assert refused == slow.refused
    assert fast.metrics["killed_ns"] == slow.killed


@given(
    seed=st.integers(0, 10**6),
    n_events=st.integers(40, 160),
    wild=st.booleans(),
    config=configs(),
    params=st.tuples(st.integers(1, 10**6), st.integers(2, 9), st.integers(1, 3)),
    nonsense=st.booleans(),
    cut=st.integers(0, 3),
    called=st.tuples(st.booleans(), st.booleans()),
    ring=st.sampled_from([1, 256]),
)
def test_engine__agrees_with_the_naive_one(
    seed: int,
    n_events: int,
    wild: bool,
    config: BacktestConfig,
    params: tuple[int, int, int],
    nonsense: bool,
    cut: int,
    called: tuple[bool, bool],
    ring: int,
) -> None:
    """Random sessions, random requests, any latency, closes before and after the last row."""
    rows = random_rows(seed, n_events, wild=wild)
    last_ns = rows[-1].ts_event
    close_ns = max(last_ns - cut * SECOND, START_NS + 1) + 2 * SECOND
    halts = ((START_NS + SECOND, START_NS + 2 * SECOND),) if seed % 3 == 0 else ()
    actor = monkey(seed=params[0], act_every=params[1], reach=params[2], nonsense=nonsense)
    actor = replace(actor, on_book=called[0], on_response=called[1])

    with patch.object(feed, "LEAST_ROWS", ring):  # what we need not see at once waits in the ring
        fast, slow = run_both(rows, actor, config, close_ns, halts=halts)

    assert_same(fast, slow)


def test_feed__loses_nothing_that_waits_to_be_seen() -> None:
    """A hundred books in flight all the time, and a strategy that looks once a second."""
    scene = Scene().event(1, "A", "B", 999, 50, 1).event(1, "A", "A", 1_003, 50, 2)
    for i in range(1, 1_000):
        scene.event(20 * i, "AC"[i % 2 == 0], "B", 1_000, 3, 3)
    late = LatencyConfig(order_ns=0, response_ns=0, feed_offset_ns=2_200 * MILLI)
    config = BacktestConfig(latency=late, flatten_seconds=0, allow_partial=True)
    actor = replace(monkey(seed=3, act_every=1), on_book=False, on_response=False, timer_ns=SECOND)

    with patch.object(feed, "LEAST_ROWS", 1):
        fast, slow = run_both(scene.rows, actor, config, scene.rows[-1].ts_event + 2 * SECOND)

    assert slow.orders
    assert_same(fast, slow)
