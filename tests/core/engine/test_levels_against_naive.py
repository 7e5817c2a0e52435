"""The engine on feeds by price against the slow one: every feed, every queue model."""

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from strategy_lab_core.engine.backtest import BacktestResult, backtest
from strategy_lab_core.engine.config import (
    BacktestConfig,
    LatencyConfig,
    LimitsConfig,
    QueueConfig,
)
from strategy_lab_core.engine.sweep import ParameterSet, sweep
from tests.core.engine.level_tapes import (
    difference_table,
    differences_of,
    trades_of,
    window_table,
    windows_of,
)
from tests.core.engine.monkeys import monkey, scheduled
from tests.core.engine.tapes import MNQ, START_NS, TICK_VALUE, random_rows, session_until
from tests.core.engine.test_against_naive import assert_same, configs
from tests.naive.engine import Row
from tests.naive.level_engine import NaiveLevelEngine, Window

SECOND = 1_000_000_000
MODELS = ("risk_averse", "power_1", "power_2", "power_3", "log_1", "log_2")
FEEDS = ("mbp-10", "mbp-10 merged", "mbp-1", "tbbo", "differences")
HALF = settings(max_examples=settings().max_examples // 2)  # the slow engine is slow
OPEN_LOOP = BacktestConfig(
    latency=LatencyConfig(order_ns=0, response_ns=0, feed_offset_ns=0),
    limits=LimitsConfig(max_position=1_000, max_open_orders=500, max_messages_per_second=1_000),
    allow_partial=True,
    flatten_seconds=0,
)
queues = st.builds(
    QueueConfig, model=st.sampled_from(MODELS), exponent=st.sampled_from([0.5, 1.0, 2.0, 3])
)


def feed_of(rows: list[Row], feed: str, depth: int) -> tuple[Any, list[Row], int | None]:
    """Return a feed's table, its rows for the slow engine, and its levels a side."""
    if feed == "differences":
        made = differences_of(rows)
        return difference_table(made), made, None
    depth = 1 if feed in ("mbp-1", "tbbo") else depth
    windows: list[Window]
    if feed == "tbbo":
        windows = trades_of(rows)
    else:
        windows = windows_of(rows, depth, merged=feed == "mbp-10 merged")
    return window_table(windows, depth), list(windows), depth


def run_both(
    feed: tuple[Any, list[Row], int | None], actor: Any, config: BacktestConfig, close_ns: int
) -> tuple[BacktestResult, NaiveLevelEngine]:
    """Run both engines on the same feed."""
    ticks, rows, depth = feed
    session = session_until(close_ns)
    fast = backtest(ticks, actor, config, session=session, instrument=MNQ)
    phases = [(session.previous_close_ns, 0), (session.pre_open_ns, 1), (session.open_ns, 2)]
    end_ns = int(fast.equity["ts"][-1])
    slow = NaiveLevelEngine(
        rows,
        actor,
        config,
        hours=(session.open_ns, close_ns - config.flatten_seconds * SECOND, end_ns),
        phases=[*phases, (close_ns, 0)],
        tick_value=TICK_VALUE,
        maker_fee=MNQ.product.fee_maker,
        taker_fee=MNQ.product.fee_taker,
        depth=depth,
    )
    slow.run()
    return fast, slow


@HALF
@given(
    seed=st.integers(0, 10**6),
    n_events=st.integers(40, 160),
    wild=st.booleans(),
    config=configs(),
    queue=queues,
    feed=st.sampled_from(FEEDS),
    depth=st.integers(1, 4),
    params=st.tuples(st.integers(1, 10**6), st.integers(2, 9), st.integers(1, 3)),
)
def test_engine_by_price__agrees_with_the_naive_one(
    seed: int,
    n_events: int,
    wild: bool,
    config: BacktestConfig,
    queue: QueueConfig,
    feed: str,
    depth: int,
    params: tuple[int, int, int],
) -> None:
    """Random sessions on every feed: order for order, fill for fill, refusal for refusal."""
    rows = random_rows(seed, n_events, wild=wild)
    close_ns = max(rows[-1].ts_event, START_NS + 1) + 2 * SECOND
    actor = monkey(seed=params[0], act_every=params[1], reach=params[2])
    made = feed_of(rows, feed, depth)
    if not made[1]:
        return  # a session without a trade is no tbbo

    fast, slow = run_both(made, actor, replace(config, queue=queue), close_ns)

    assert_same(fast, slow)


@HALF
@given(
    seed=st.integers(0, 10**6),
    feed=st.sampled_from(["mbp-10", "mbp-10 merged", "differences"]),
    depth=st.integers(1, 4),
    models=st.lists(queues, min_size=1, max_size=4),
    order=st.randoms(use_true_random=False),
)
def test_sweep_by_price__sets_differ_in_queue_model(
    seed: int, feed: str, depth: int, models: list[QueueConfig], order: Any
) -> None:
    """Each set of one pass comes out as if it had been alone, in any order."""
    rows = random_rows(seed, 80, wild=False)
    session = session_until(rows[-1].ts_event + 2 * SECOND)
    ticks = feed_of(rows, feed, depth)[0]
    actor = monkey(seed=seed + 1, act_every=3)
    base = BacktestConfig(allow_partial=True, flatten_seconds=0)
    sets = [ParameterSet({}, replace(base, queue=queue)) for queue in models]
    order.shuffle(sets)

    found = sweep(ticks, actor, sets, cores=1, session=session, instrument=MNQ)

    for run, each in zip(found.runs, sets, strict=True):
        alone = backtest(ticks, actor, each.config, session=session, instrument=MNQ)
        assert run.result is not None
        assert run.result.fills.equals(alone.fills)
        assert run.result.orders.equals(alone.orders)


@HALF
@given(
    seed=st.integers(0, 10**6),
    wild=st.booleans(),
    feed=st.sampled_from(["mbp-10", "mbp-10 merged", "differences"]),
    depth=st.integers(2, 4),
    queue=queues,
    schedule=st.integers(1, 10**6),
)
def test_fills__a_more_pessimistic_queue_never_has_more(
    seed: int, wild: bool, feed: str, depth: int, queue: QueueConfig, schedule: int
) -> None:
    """The same orders at the same times: at no time has risk-averse filled more of any of them."""
    rows = random_rows(seed, 120, wild=wild)
    session = session_until(rows[-1].ts_event + 2 * SECOND)
    ticks = feed_of(rows, feed, depth)[0]
    sets = [ParameterSet({}, replace(OPEN_LOOP, queue=each)) for each in (QueueConfig(), queue)]

    found = sweep(ticks, scheduled(seed=schedule), sets, cores=1, session=session, instrument=MNQ)

    averse, guessed = (run.result for run in found.runs)
    assert averse is not None
    assert guessed is not None
    filled: Counter[int] = Counter()
    fills = [(ts, 0, order, size) for ts, order, size in _fills(guessed)]
    fills += [(ts, 1, order, -size) for ts, order, size in _fills(averse)]
    for _, _, order, size in sorted(fills):
        filled[order] += size
        assert filled[order] >= 0


def _fills(result: BacktestResult) -> list[tuple[int, int, int]]:
    return result.fills.select("ts_exchange", "order_id", "size").rows()
