"""What the random runs are made of: settings of every kind that a configuration has.

All of one example comes from one drawn seed. Drawn one by one, most examples would be copies with a
detail changed: after each new one hypothesis tries five in which parts stand in for other parts.
"""

from random import Random

import numpy as np
from hypothesis import strategies as st

from strategy_lab_core.engine.config import (
    QUEUE_MODELS,
    BacktestConfig,
    FeeConfig,
    LatencyConfig,
    LimitsConfig,
    MarginConfig,
    MarketOrderConfig,
    QueueConfig,
)
from strategy_lab_core.engine.latency_config import (
    FeedLatencyConfig,
    LogNormalLatencyConfig,
    RecordedLatencyConfig,
)
from strategy_lab_core.engine.latency_rows import LatencyRows
from tests.core.engine.tapes import SECOND, START_NS

__all__ = ["configs", "queues", "random_config", "random_prompt_latency", "seeds"]

MILLI = 1_000_000
TIMES = (0, 1, MILLI, 5 * MILLI, 40 * MILLI, 300 * MILLI)


def random_rows_of_latency(roll: Random) -> LatencyRows:
    """Return measurements from before the session into it, some of them rejections."""
    request = START_NS + roll.randint(-SECOND, SECOND)
    exchange, rows = 0, []
    n_rows = roll.randint(1, 6)
    taken = roll.randrange(n_rows)
    for i in range(n_rows):
        request += roll.choice([0, 1, 7 * MILLI, 300 * MILLI, SECOND])
        exchange = max(exchange, request + roll.choice(TIMES))
        is_rejected = i != taken and roll.random() < 0.7
        took = roll.choice(TIMES)
        response = request + max(took, 1) if is_rejected else exchange + took
        rows.append((request, 2**63 - 1 if is_rejected else exchange, response))
    return LatencyRows(*np.array(rows, np.int64).T)


def random_latency(roll: Random) -> LatencyConfig:
    """Return a model and its numbers, from none at all to more than the gaps between events."""
    feed = {"feed_offset_ns": roll.choice(TIMES), "base_feed_ns": roll.choice([0, MILLI // 10])}
    fixed = {"order_ns": roll.choice(TIMES), "response_ns": roll.choice(TIMES)}
    factors = (0, 333_333, 1_000_000, 7_500_000)
    match roll.choice(["constant", "feed", "recorded", "lognormal"]):
        case "feed":
            return FeedLatencyConfig(
                **feed, **fixed, entry_multiplier_e6=roll.choice(factors),
                response_multiplier_e6=roll.choice(factors),
            )  # fmt: skip
        case "recorded":
            return RecordedLatencyConfig(**feed, **fixed, rows=random_rows_of_latency(roll))
        case "lognormal":
            return LogNormalLatencyConfig(
                **feed, **fixed, entry_median_ns=roll.choice(TIMES),
                response_median_ns=roll.choice(TIMES),
                entry_sigma_e6=roll.randint(0, 3_000_000),
                response_sigma_e6=roll.randint(0, 3_000_000),
            )  # fmt: skip
    return LatencyConfig(**feed, **fixed)


def random_prompt_latency(roll: Random) -> LatencyConfig:
    """Return constants with which messages take as long as the gaps of many events."""
    return LatencyConfig(
        feed_offset_ns=0, order_ns=roll.choice([0, 5 * MILLI]), response_ns=roll.choice(TIMES)
    )


def random_queue(roll: Random) -> QueueConfig:
    """Return a queue model and its exponent."""
    return QueueConfig(model=roll.choice(QUEUE_MODELS), exponent=roll.choice([0.5, 1.0, 2.0, 3]))


def random_config(roll: Random) -> BacktestConfig:
    """Return settings of every kind; tight limits are rare, since they leave little to compare."""
    return BacktestConfig(
        latency=random_latency(roll),
        limits=LimitsConfig(
            max_position=roll.randint(3, 20),
            max_order_size=roll.choice([9, 9, 5, 1]),
            max_open_orders=roll.choice([12, 12, 5, 1]),
            max_messages_per_second=roll.choice([1000, 1000, 20, 3]),
            max_distance_ticks=roll.choice([100, 100, 2]),
            max_loss_e6=roll.choice([None, None, None, 1_000_000, 5_000_000]),
            max_margin_e6=roll.choice([None, None, None, 4_999_999, 9_000_000]),
        ),
        market_orders=MarketOrderConfig(
            protection_ticks=roll.randint(0, 4),
            cancel_remainder=roll.random() < 0.5,
            simulate_unsupported=roll.random() < 0.5,
        ),
        margin=MarginConfig(initial_e6=1_000_000),
        fees=FeeConfig(
            maker_e6=roll.choice([None, -7]),
            taker_e6=roll.choice([None, 0]),
            maker_rate_e8=roll.choice([0, -2_500, 7, 10**8]),
            taker_rate_e8=roll.choice([0, 50_000, 333_333]),
        ),
        flatten_seconds=roll.choice([0, 0, 0, 1, 1, 4]),
        queue=random_queue(roll),
        allow_partial=True,
        seed=roll.randrange(4),
    )


def seeds() -> st.SearchStrategy[int]:
    """Draw a seed, all alike: of wider ranges hypothesis prefers small numbers."""
    return st.integers(0, 2**24 - 1)


def configs() -> st.SearchStrategy[BacktestConfig]:
    """Draw settings of every kind."""
    return seeds().map(lambda seed: random_config(Random(seed)))


def queues() -> st.SearchStrategy[QueueConfig]:
    """Draw a queue model and its exponent."""
    return seeds().map(lambda seed: random_queue(Random(seed)))
