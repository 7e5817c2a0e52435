"""The numbers that the kernels obey: the configuration, cast once, one record per parameter set."""

from collections.abc import Collection, Sequence

import numpy as np

from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.latency import LatencyModel
from strategy_lab_core.engine.latency_config import LatencyConfig, RecordedLatencyConfig
from strategy_lab_core.engine.latency_rows import LatencyRows
from strategy_lab_core.engine.queue import QueueModel
from strategy_lab_core.engine.state import OrderKind
from strategy_lab_core.types import NS_PER_SECOND, Int2D, Records

__all__ = ["EXPONENT_SCALE", "REQUESTS_PER_CALL", "headroom", "line_of", "rules_of"]

REQUESTS_PER_CALL = 16
EXPONENT_SCALE = 1_000_000  # of a queue model's exponent

_LATENCY_SETTINGS = (
    "order_ns", "response_ns", "entry_multiplier_e6", "response_multiplier_e6",
    "entry_median_ns", "response_median_ns", "entry_sigma_e6", "response_sigma_e6",
)  # fmt: skip

RULE = np.dtype(
    [
        (field, np.int64)
        for field in (
            "latency_model", "order_ns", "response_ns",
            "entry_multiplier", "response_multiplier",  # of the feed latency, 1e-6
            "entry_median_ns", "response_median_ns", "entry_sigma", "response_sigma",  # sigma 1e-6
            "stream_low", "stream_high",  # key of the random stream, 32 bits each
            "curve_at", "n_matched", "n_recorded",  # rows of the pass's `line`
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
    curve_at: int = 0,
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
    curve_at
        Where the set's recorded latencies begin in the pass's `line`.
    """
    key = config.stream_key()
    values = {
        **_latency_rules(config.latency, curve_at),
        "stream_low": key & 0xFFFFFFFF,
        "stream_high": key >> 32,
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


def _latency_rules(latency: LatencyConfig, curve_at: int) -> dict[str, int]:
    """Return a leg's numbers under the names of the settings, without their units in 1e-6."""
    values = {
        name.removesuffix("_e6"): value
        for name in _LATENCY_SETTINGS
        if (value := getattr(latency, name, None)) is not None
    }
    values["latency_model"] = LatencyModel[latency.model.upper()]
    if isinstance(latency, RecordedLatencyConfig):
        values["curve_at"] = curve_at
        values["n_recorded"] = len(latency.rows)
        values["n_matched"] = int(latency.rows.is_matched.sum())
    return values


def line_of(configs: Sequence[BacktestConfig]) -> tuple[Int2D, list[int]]:
    """Return the `line` of a pass (`latency`) and where each set's curves begin in it.

    Sets with the same recorded latencies share them.
    """
    parts, n_rows = [np.zeros((1, 2), np.int64)], 1
    places: dict[LatencyRows, int] = {}
    starts = [0] * len(configs)
    for i, config in enumerate(configs):
        if not isinstance(config.latency, RecordedLatencyConfig):
            continue
        rows = config.latency.rows
        if rows not in places:
            parts.append(rows.curves())
            places[rows] = n_rows
            n_rows += len(parts[-1])
        starts[i] = places[rows]
    return np.concatenate(parts), starts


def headroom(config: BacktestConfig) -> int:
    """Return how many rows of any one array a single step can fill: every open lot, one by one.

    A flattening order may be as large as the largest position.
    """
    limits = config.limits
    lots = 2 * limits.max_position + limits.max_order_size
    return 2 * (lots + limits.max_open_orders + REQUESTS_PER_CALL) + 8
