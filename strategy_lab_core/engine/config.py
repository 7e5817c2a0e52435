"""What a user sets for a backtest, validated where it is built; nothing here computes.

Times are integer nanoseconds unless the name says seconds, money is an integer in 1e-6 of the
currency, sizes are lots. A strategy's own parameters are not here: they belong to the strategy.
"""

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from strategy_lab_core.engine.domain import check_flag, check_range
from strategy_lab_core.engine.latency_config import LatencyConfig
from strategy_lab_core.engine.latency_rows import LatencyRows
from strategy_lab_core.errors import ConfigError

__all__ = [
    "QUEUE_MODELS",
    "BacktestConfig",
    "FeeConfig",
    "LatencyConfig",
    "LimitsConfig",
    "MarginConfig",
    "MarketOrderConfig",
    "QueueConfig",
    "require_shared",
]

QUEUE_MODELS = ("risk_averse", "power_1", "power_2", "power_3", "log_1", "log_2")
_MAX_EXPONENT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeConfig:
    """Exchange, clearing and broker fees of a fill: per contract, and of its value.

    Parameters
    ----------
    maker_e6, taker_e6
        Per contract, of a resting and of an incoming order, in 1e-6 of the currency; negative is a
        rebate. None takes the product's.
    maker_rate_e8, taker_rate_e8
        Of the value, in 1e-8: a basis point is 10,000. Rounded half to even, fill by fill.
    """

    maker_e6: int | None = None
    taker_e6: int | None = None
    maker_rate_e8: int = 0
    taker_rate_e8: int = 0

    def __post_init__(self) -> None:
        for name in ("maker_e6", "taker_e6"):
            if getattr(self, name) is not None:
                check_range(f"fees.{name}", getattr(self, name), -(10**12), 10**12)
        for name in ("maker_rate_e8", "taker_rate_e8"):
            check_range(f"fees.{name}", getattr(self, name), -(10**8), 10**8)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginConfig:
    """What one contract held binds, instead of the product's table.

    Parameters
    ----------
    initial_e6, maintenance_e6
        To enter and to hold, in 1e-6 of the currency. None takes the product's.
    """

    initial_e6: int | None = None
    maintenance_e6: int | None = None

    def __post_init__(self) -> None:
        for name in ("initial_e6", "maintenance_e6"):
            if getattr(self, name) is not None:
                check_range(f"margin.{name}", getattr(self, name), 0, 10**15)
        if self.initial_e6 is not None and (self.maintenance_e6 or 0) > self.initial_e6:
            raise ConfigError("margin.maintenance_e6", self.maintenance_e6, "at most the initial")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """What our side of the line refuses to send, judged on what the strategy knows.

    Parameters
    ----------
    max_position
        Largest position, long or short, that could come about if every working order filled.
    max_order_size
        Largest order, in lots.
    max_open_orders
        Orders not known to have ended.
    max_messages_per_second
        Orders and cancels in any second; cancels count but are never refused.
    max_distance_ticks
        Largest distance of a limit price from the best price known on either side.
    max_loss_e6
        The kill switch, in 1e-6 of the currency: once the account, open position at the mid and
        fees included, has lost this much, everything is cancelled, the position is closed at the
        market, and the strategy is not called again in the session. None for no limit.
    max_margin_e6
        Largest initial margin that a position may bind, in 1e-6 of the currency: a limit on the
        position in lots that is made of it and the margin of one contract. None for no limit.
    """

    max_position: int = 10
    max_order_size: int = 10
    max_open_orders: int = 32
    max_messages_per_second: int = 100
    max_distance_ticks: int = 4_000
    max_loss_e6: int | None = None
    max_margin_e6: int | None = None

    def __post_init__(self) -> None:
        check_range("limits.max_position", self.max_position, 1, 100_000)
        check_range("limits.max_order_size", self.max_order_size, 1, 10_000)
        check_range("limits.max_open_orders", self.max_open_orders, 1, 1_000)
        check_range("limits.max_messages_per_second", self.max_messages_per_second, 1, 1_000_000)
        check_range("limits.max_distance_ticks", self.max_distance_ticks, 1, 2**31)
        if self.max_loss_e6 is not None:
            check_range("limits.max_loss_e6", self.max_loss_e6, 1, 10**15)
        if self.max_margin_e6 is not None:
            check_range("limits.max_margin_e6", self.max_margin_e6, 1, 10**15)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketOrderConfig:
    """The exchange's order types: market and stop orders with protection, and which it has.

    Parameters
    ----------
    protection_ticks
        A market order trades up to this far beyond the best opposite price at its arrival, a stop
        this far beyond its trigger.
    cancel_remainder
        True cancels what does not trade at once, a simplification: at CME it rests at the
        protection limit.
    simulate_unsupported
        True takes order types too that the exchange does not have, such as post-only at CME.
    """

    protection_ticks: int = 40
    cancel_remainder: bool = False
    simulate_unsupported: bool = False

    def __post_init__(self) -> None:
        check_range("market_orders.protection_ticks", self.protection_ticks, 0, 1_000_000)
        check_flag("market_orders.cancel_remainder", self.cancel_remainder)
        check_flag("market_orders.simulate_unsupported", self.simulate_unsupported)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig:
    """How much of a level's cancellations was ahead of us, where a feed shows levels only (L2).

    With market-by-order rows (L3) the queue is seen, quotes and trades (L1) are always taken as
    risk-averse: neither asks for a model. All but `risk_averse` let us advance by cancellations
    that may well have been behind us.

    Parameters
    ----------
    model
        `risk_averse`, `power_1`, `power_2`, `power_3`, `log_1` or `log_2` (`queue.share_behind`).
    exponent
        n of the power models, up to six decimals.
    """

    model: str = "risk_averse"
    exponent: float = 1.0

    def __post_init__(self) -> None:
        if self.model not in QUEUE_MODELS:
            near = difflib.get_close_matches(str(self.model), QUEUE_MODELS, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError("queue.model", self.model, f"one of {', '.join(QUEUE_MODELS)}{meant}")
        number = self.exponent
        is_number = type(number) in (int, float)
        if not is_number or not 0 < number <= _MAX_EXPONENT or round(number, 6) != number:
            rule = f"a number in (0, {_MAX_EXPONENT}] with at most six decimals"
            raise ConfigError("queue.exponent", number, rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestConfig:
    """One backtest's settings but for the strategy and its parameters.

    Parameters
    ----------
    flatten_seconds
        Every order is cancelled and the position closed this long before the session's close; of a
        carried run, before its last session's.
    sample_seconds
        Spacing of the equity curve between fills; a sample without a change is left out.
    allow_partial
        Run on a session whose rows do not reach from open to close, labelled as partial.
    seed
        Part of the key of the random streams: see `stream_key`.
    carry
        One run over consecutive sessions: what is held at a close is held at the next open.
    """

    latency: LatencyConfig = field(default_factory=LatencyConfig)
    fees: FeeConfig = field(default_factory=FeeConfig)
    margin: MarginConfig = field(default_factory=MarginConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    queue: QueueConfig = field(default_factory=QueueConfig)
    market_orders: MarketOrderConfig = field(default_factory=MarketOrderConfig)
    flatten_seconds: int = 60
    sample_seconds: int = 1
    allow_partial: bool = False
    seed: int = 0
    carry: bool = False

    def __post_init__(self) -> None:
        check_range("flatten_seconds", self.flatten_seconds, 0, 86_400)
        check_range("sample_seconds", self.sample_seconds, 1, 86_400)
        check_range("seed", self.seed, 0, 2**63 - 1)
        check_flag("allow_partial", self.allow_partial)
        check_flag("carry", self.carry)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings in plain types, nested; recorded latencies as their digest."""
        return asdict(self, dict_factory=_plain)

    def digest(self) -> str:
        """Return 16 hex digits that depend on the settings' values alone."""
        return _digest(self.as_dict())

    def stream_key(self) -> int:
        """Return the key of the random streams, 64 bits: of the seed and the latencies.

        Settings that draw nothing have no say: other fees or limits meet the same latencies.
        """
        drawn = {name: self.as_dict()[name] for name in ("seed", "latency")}
        return int(_digest(drawn), 16)


def _digest(settings: Mapping[str, Any]) -> str:
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(settings: list[tuple[str, Any]]) -> dict[str, Any]:
    return {
        name: value.digest if isinstance(value, LatencyRows) else value for name, value in settings
    }


def require_shared(configs: Sequence[BacktestConfig]) -> None:
    """Raise `ConfigError` where configurations of one pass differ in what all of its sets share."""
    first = configs[0]
    for config in configs[1:]:
        for name in ("flatten_seconds", "sample_seconds", "allow_partial", "carry"):
            _require_equal(name, getattr(config, name), getattr(first, name))
        for name in ("feed_offset_ns", "base_feed_ns"):
            value, shared = getattr(config.latency, name), getattr(first.latency, name)
            _require_equal(f"latency.{name}", value, shared)


def _require_equal(name: str, value: object, shared: object) -> None:
    if value != shared:
        raise ConfigError(name, value, f"{shared}, as for the first set: all sets share the feed")
