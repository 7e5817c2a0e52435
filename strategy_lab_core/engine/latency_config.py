"""How long messages take, as a user sets it: one class a model; nothing here computes.

Every model adds its part to a constant of each leg: `order_ns` from our decision to the matching
engine, `response_ns` from there to us. Times are ns; what ends in ``_e6`` is in 1e-6.
"""

from dataclasses import dataclass, field, fields

from strategy_lab_core.engine.domain import check_range
from strategy_lab_core.engine.latency_rows import LatencyRows
from strategy_lab_core.errors import ConfigError

__all__ = [
    "FeedLatencyConfig",
    "LatencyConfig",
    "LogNormalLatencyConfig",
    "RecordedLatencyConfig",
]

_MILLISECOND_NS = 1_000_000
_DAY_NS = 86_400_000_000_000
_HIGHEST = {"multiplier_e6": 1_000_000_000, "sigma_e6": 5_000_000}  # others: a day


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyConfig:
    """How long messages take, constant over the session.

    Constant latency flatters a strategy in bursts, when real queues at the exchange grow.

    Parameters
    ----------
    order_ns
        Entry leg: from our decision to the matching engine.
    response_ns
        Response leg: from the matching engine to us.
    feed_offset_ns
        From the vendor's capture clock to the user's machine, added to every `ts_recv`.
    base_feed_ns
        Shortest feed latency after the repair of a capture clock that runs behind.
    """

    order_ns: int = _MILLISECOND_NS
    response_ns: int = _MILLISECOND_NS
    feed_offset_ns: int = _MILLISECOND_NS // 2
    base_feed_ns: int = _MILLISECOND_NS // 10
    model: str = field(default="constant", init=False)

    def __post_init__(self) -> None:
        for each in fields(self):
            highest = _HIGHEST.get(each.name.partition("_")[2], _DAY_NS)
            if each.type is int:
                check_range(f"latency.{each.name}", getattr(self, each.name), 0, highest)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLatencyConfig(LatencyConfig):
    """Messages take as long as the feed, times a factor: slow when the market is busy.

    Flatters where orders queue longer than market data do. The feed latency is that of the last
    event known where the message starts (docs/semantics.md), `feed_offset_ns` included.

    Parameters
    ----------
    order_ns, response_ns
        Added to each leg.
    entry_multiplier_e6, response_multiplier_e6
        Factor of each leg, in 1e-6.
    """

    order_ns: int = 0
    response_ns: int = 0
    entry_multiplier_e6: int = 1_000_000
    response_multiplier_e6: int = 1_000_000
    model: str = field(default="feed", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNormalLatencyConfig(LatencyConfig):
    """Each message's latency is drawn on its own: `median` x exp(`sigma` x a standard normal).

    Flatters in bursts: real delays come in clusters, these are independent. The draw depends on the
    whole configuration, its seed, the leg and the number of the message, on nothing else.

    Parameters
    ----------
    order_ns, response_ns
        Added to each leg: the shortest way there is.
    entry_median_ns, response_median_ns
        Median of what is drawn.
    entry_sigma_e6, response_sigma_e6
        Standard deviation of its logarithm, in 1e-6.
    """

    order_ns: int = 0
    response_ns: int = 0
    entry_median_ns: int = _MILLISECOND_NS
    response_median_ns: int = _MILLISECOND_NS
    entry_sigma_e6: int = 500_000
    response_sigma_e6: int = 500_000
    model: str = field(default="lognormal", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedLatencyConfig(LatencyConfig):
    """Messages take what was once measured at that time, linear between the rows.

    Outside of the rows' times the first or the last row stands for all: rows of another day are
    one constant. What a row's order rested on or was rejected for then may not hold for ours.

    Parameters
    ----------
    order_ns, response_ns
        Added to each leg.
    rows
        The measurements.
    """

    order_ns: int = 0
    response_ns: int = 0
    rows: LatencyRows
    model: str = field(default="recorded", init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.rows, LatencyRows):
            raise ConfigError("latency.rows", self.rows, "LatencyRows.of(a table)")
        LatencyConfig.__post_init__(self)
