"""The numbers that the kernels obey: the configuration, cast once, one record per parameter set."""

from collections.abc import Collection

import numpy as np

from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.latency import LatencyModel
from strategy_lab_core.engine.queue import QueueModel
from strategy_lab_core.engine.state import OrderKind
from strategy_lab_core.types import NS_PER_SECOND, Records

__all__ = ["EXPONENT_SCALE", "REQUESTS_PER_CALL", "headroom", "rules_of"]

REQUESTS_PER_CALL = 16
EXPONENT_SCALE = 1_000_000  # of a queue model's exponent

RULE = np.dtype(
    [
        (field, np.int64)
        for field in (
            "latency_model", "order_ns", "response_ns",
            "queue_model", "queue_exponent",  # `QueueModel`, 1e-6
            "maker_fee", "taker_fee",  # money per lot
            "maker_rate", "taker_rate",  # of the value, 1e-8
            "tick_value",  # money per tick and lot
            "order_kinds",  # a bit for each `OrderKind` that may be sent
            "protection_ticks", "cancel_remainder",
            "max_position", "max_order_size", "max_open_orders",
            "max_messages_per_second", "max_distance_ticks",
            "max_loss",  # in the money unit, 0 for none
            "sample_ns",
            "timer_ns",  # 0: the strategy has no timer
        )
    ],
    align=True,
)  # fmt: skip


def rules_of(
    config: BacktestConfig,
    *,
    tick_value: int,
    maker_fee: int,
    taker_fee: int,
    order_kinds: Collection[OrderKind],
    max_loss: int,
    timer_ns: int,
) -> Records:
    """Return the kernels' form of one configuration (shape: 1 set).

    Parameters
    ----------
    config
        The settings.
    tick_value, maker_fee, taker_fee
        Money units per lot: of a tick, of a resting and of an incoming fill.
    order_kinds
        What the exchange takes.
    max_loss
        Money units, 0 for no limit.
    timer_ns
        Spacing of the strategy's timer, 0 for none.
    """
    values = {
        "latency_model": LatencyModel.CONSTANT,
        "order_ns": config.latency.order_ns,
        "response_ns": config.latency.response_ns,
        "queue_model": QueueModel[config.queue.model.upper()],
        "queue_exponent": round(config.queue.exponent * EXPONENT_SCALE),
        "maker_fee": maker_fee,
        "taker_fee": taker_fee,
        "maker_rate": config.fees.maker_rate_e8,
        "taker_rate": config.fees.taker_rate_e8,
        "tick_value": tick_value,
        "order_kinds": sum(1 << kind for kind in order_kinds),
        "protection_ticks": config.market_orders.protection_ticks,
        "cancel_remainder": config.market_orders.cancel_remainder,
        "max_position": config.limits.max_position,
        "max_order_size": config.limits.max_order_size,
        "max_open_orders": config.limits.max_open_orders,
        "max_messages_per_second": config.limits.max_messages_per_second,
        "max_distance_ticks": config.limits.max_distance_ticks,
        "max_loss": max_loss,
        "sample_ns": config.sample_seconds * NS_PER_SECOND,
        "timer_ns": timer_ns,
    }
    rules = np.zeros(1, RULE)
    for field, value in values.items():
        rules[field] = int(value)
    return rules


def headroom(config: BacktestConfig) -> int:
    """Return how many rows of any one array a single step can fill: every open lot, one by one.

    A flattening order may be as large as the largest position.
    """
    limits = config.limits
    lots = 2 * limits.max_position + limits.max_order_size
    return 2 * (lots + limits.max_open_orders + REQUESTS_PER_CALL) + 8
