"""Queue models side by side on one feed by price: sets are separate, pessimism is monotone."""

from collections import Counter
from dataclasses import replace
from random import Random

from hypothesis import given, settings

from strategy_lab_core.engine.backtest import BacktestResult, backtest
from strategy_lab_core.engine.config import (
    BacktestConfig,
    LatencyConfig,
    LimitsConfig,
    QueueConfig,
)
from strategy_lab_core.engine.sweep import ParameterSet, sweep
from tests.core.engine.draws import random_queue, seeds
from tests.core.engine.level_tapes import feed_of
from tests.core.engine.monkeys import monkey, scheduled
from tests.core.engine.tapes import MNQ, SECOND, random_rows, session_until

HALF = settings(max_examples=settings().max_examples // 2)  # each example is several runs
L2 = ("mbp-10", "mbp-10 merged", "differences")
OPEN_LOOP = BacktestConfig(
    latency=LatencyConfig(order_ns=0, response_ns=0, feed_offset_ns=0),
    limits=LimitsConfig(max_position=1_000, max_open_orders=500, max_messages_per_second=1_000),
    allow_partial=True,
    flatten_seconds=0,
)


@HALF
@given(seed=seeds())
def test_sweep_by_price__sets_differ_in_queue_model(seed: int) -> None:
    """Each set of one pass comes out as if it had been alone, in any order."""
    roll = Random(seed)
    rows = random_rows(seed, 80, wild=False)
    session = session_until(rows[-1].ts_event + 2 * SECOND)
    ticks = feed_of(rows, roll.choice(L2), roll.randint(1, 4))[0]
    actor = monkey(seed=seed + 1, act_every=3)
    base = BacktestConfig(allow_partial=True, flatten_seconds=0)
    models = [random_queue(roll) for _ in range(roll.randint(1, 4))]
    sets = [ParameterSet({}, replace(base, queue=queue)) for queue in models]

    found = sweep(ticks, actor, sets, cores=1, session=session, instrument=MNQ)

    for run, each in zip(found.runs, sets, strict=True):
        alone = backtest(ticks, actor, each.config, session=session, instrument=MNQ)
        assert run.result is not None
        assert run.result.fills.equals(alone.fills)
        assert run.result.orders.equals(alone.orders)


@HALF
@given(seed=seeds())
def test_fills__a_more_pessimistic_queue_never_has_more(seed: int) -> None:
    """The same orders at the same times: at no time has risk-averse filled more of any of them."""
    roll = Random(seed)
    rows = random_rows(seed, 120, wild=roll.random() < 0.5)
    session = session_until(rows[-1].ts_event + 2 * SECOND)
    ticks = feed_of(rows, roll.choice(L2), roll.randint(2, 4))[0]
    actor = scheduled(seed=roll.randint(1, 10**6))
    models = (QueueConfig(), random_queue(roll))
    sets = [ParameterSet({}, replace(OPEN_LOOP, queue=each)) for each in models]

    found = sweep(ticks, actor, sets, cores=1, session=session, instrument=MNQ)

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
