"""Sensitivity curves: what is left of a result when latency, costs or a model are other ones.

A curve is a row of configurations, each with a name and where it makes sense a number. All points
of all curves that can share a feed run in one pass over the market; what changes the feed is a
pass of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.columns import Table, table
from strategy_lab_core.data.instruments import MONEY_SCALE, Instrument, Product
from strategy_lab_core.engine.backtest import Progress, costs_of
from strategy_lab_core.engine.config import (
    QUEUE_MODELS,
    BacktestConfig,
    QueueConfig,
    require_shared,
)
from strategy_lab_core.engine.latency_config import RecordedLatencyConfig
from strategy_lab_core.engine.selection import select
from strategy_lab_core.engine.sweep import ParameterSet, SweepRun, SweepStrategy, sweep
from strategy_lab_core.errors import ConfigError

__all__ = [
    "Point",
    "SensitivityResult",
    "fee_curve",
    "feed_curve",
    "latency_curve",
    "queue_curve",
    "sensitivity",
    "slippage_curve",
]

FIGURES = ("net_profit_e6", "gross_profit_e6", "fees_e6", "max_drawdown_e6", "n_orders", "n_fills",
           "volume", "maker_volume", "n_round_trips", "hit_rate", "killed_ns")  # fmt: skip
_MULTIPLIERS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
_FEE_MULTIPLIERS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
_SLIPPAGE_TICKS = (0.0, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Point:
    """One configuration of a curve.

    Attributes
    ----------
    label
        For people.
    config
        What the point runs with.
    value
        Its place on the axis; None where there is no such number (a queue model).
    """

    label: str
    config: BacktestConfig
    value: float | None = None


Curves = Mapping[str, Sequence[Point]]


def latency_curve(
    config: BacktestConfig, multipliers: Sequence[float] = _MULTIPLIERS
) -> tuple[Point, ...]:
    """Return both legs of the order latency times each multiplier; the axis is the multiplier.

    What the model has of constants, multipliers and medians is multiplied. Recorded latencies are
    what they were: there is no point then.
    """
    latency = config.latency
    if isinstance(latency, RecordedLatencyConfig):
        return ()
    scaled = [each.name for each in fields(latency) if each.name.startswith(_LEGS)]
    points = []
    for by in multipliers:
        changes = {
            name: round(getattr(latency, name) * by) for name in scaled if "sigma" not in name
        }
        changed = replace(config, latency=replace(latency, **changes))
        points.append(Point(f"{by:g} times", changed, by))
    return tuple(points)


_LEGS = ("order_", "entry_", "response_")


def queue_curve(config: BacktestConfig) -> tuple[Point, ...]:
    """Return every queue model for a feed by price."""
    return tuple(
        Point(model, replace(config, queue=QueueConfig(model=model))) for model in QUEUE_MODELS
    )


def feed_curve(
    config: BacktestConfig, multipliers: Sequence[float] = (0.0, 1.0, 5.0, 20.0)
) -> tuple[Point, ...]:
    """Return the constant part of the feed latency times each multiplier; the axis is in ms."""
    offsets = [round(config.latency.feed_offset_ns * by) for by in multipliers]
    return tuple(
        Point(
            f"{ns / 1e6:g} ms",
            replace(config, latency=replace(config.latency, feed_offset_ns=ns)),
            ns / 1e6,
        )
        for ns in offsets
    )


def fee_curve(
    config: BacktestConfig, instrument: Instrument, multipliers: Sequence[float] = _FEE_MULTIPLIERS
) -> tuple[Point, ...]:
    """Return all fees, the instrument's where the configuration has none, times each multiplier."""
    fees, product = config.fees, instrument.product
    own = {
        "maker_e6": product.fee_maker if fees.maker_e6 is None else fees.maker_e6,
        "taker_e6": product.fee_taker if fees.taker_e6 is None else fees.taker_e6,
        "maker_rate_e8": fees.maker_rate_e8,
        "taker_rate_e8": fees.taker_rate_e8,
    }
    return tuple(
        Point(
            f"fees x {by:g}",
            replace(config, fees=replace(fees, **{k: round(v * by) for k, v in own.items()})),
            by,
        )
        for by in multipliers
    )


def slippage_curve(
    config: BacktestConfig, instrument: Instrument, ticks: Sequence[float] = _SLIPPAGE_TICKS
) -> tuple[Point, ...]:
    """Return an extra cost, in ticks a lot, of every lot that takes liquidity.

    It is charged as a fee: what fills and when stays as it was, so a market that would have moved
    on while we traded is not simulated, only paid for.
    """
    tick_e6 = costs_of(instrument, config).tick_value * MONEY_SCALE / instrument.product.money_scale
    fee = config.fees.taker_e6
    fee = instrument.product.fee_taker if fee is None else fee
    return tuple(
        Point(
            f"{by:g} ticks",
            replace(config, fees=replace(config.fees, taker_e6=fee + round(by * tick_e6))),
            by,
        )
        for by in ticks
    )


@dataclass(frozen=True, slots=True)
class SensitivityResult:
    """The points of all curves with their runs, in the order in which they were given.

    Attributes
    ----------
    points
        (curve, point, run) each.
    passes
        How many passes over the market they took.
    currency, money_scale
        Of the figures that end in `_e6`: units of money per unit of currency.
    """

    points: tuple[tuple[str, Point, SweepRun], ...]
    passes: int
    currency: str
    money_scale: int

    def table(self) -> Table:
        """Return a row for each point: curve, label, value, figures, configuration, error."""
        done = [run.result.metrics if run.result else {} for _, _, run in self.points]
        columns: dict[str, Any] = {
            "curve": [curve for curve, _, _ in self.points],
            "point": [point.label for _, point, _ in self.points],
            "value": [point.value for _, point, _ in self.points],
        }
        columns |= {name: [metrics.get(name) for metrics in done] for name in FIGURES}
        columns["config"] = [point.config.digest() for _, point, _ in self.points]
        columns["error"] = [str(run.error) if run.error else None for _, _, run in self.points]
        return table(columns)


def sensitivity(
    ticks: Table,
    strategy: SweepStrategy,
    config: BacktestConfig | None = None,
    *,
    curves: Curves | None = None,
    cores: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    session: Session | None = None,
    instrument: Instrument | str | None = None,
    seed: Table | None = None,
    status: Table | None = None,
    products: Mapping[str, Product] | None = None,
) -> SensitivityResult:
    """Run a strategy again under other assumptions.

    Parameters
    ----------
    ticks, config, session, instrument, seed, status, products
        As for `backtest`.
    strategy
        With its parameters.
    curves
        Points by the name of their curve; by default order latency, feed latency, fees, slippage,
        and for a feed by price the queue models, around `config`.
    cores
        As for `sweep`.
    on_progress
        Called with passes done and passes in all, now and then: with 0 when the first one begins.

    Raises
    ------
    ConfigError
        There is no point.
    """
    config = config or BacktestConfig()
    chosen = select(ticks, session=session, instrument=instrument, products=products)
    if curves is None:
        curves = _default_curves(config, chosen.instrument)
        if "order_id" not in chosen.ticks.columns:
            curves["queue model"] = queue_curve(config)
    points = [(name, point) for name, given in curves.items() for point in given]
    if not points:
        raise ConfigError("curves", curves, "at least one point")
    runs: dict[str, SweepRun] = {}
    passes = _passes([point.config for _, point in points])
    for number, configs in enumerate(passes):
        begun = _told(on_progress, number, len(passes))
        found = sweep(
            ticks, strategy, [ParameterSet({}, each) for each in configs], cores=cores,
            keep_orders=False, on_progress=begun, session=chosen.session,
            instrument=chosen.instrument, seed=seed, status=status, products=products,
        )  # fmt: skip
        runs |= {run.config.digest(): run for run in found.runs}
        if on_progress is not None:
            on_progress(number + 1, len(passes))
    product = chosen.instrument.product
    return SensitivityResult(
        points=tuple((name, point, runs[point.config.digest()]) for name, point in points),
        passes=len(passes),
        currency=product.currency,
        money_scale=product.money_scale,
    )


def _told(tell: Progress | None, done: int, total: int) -> Progress | None:
    """Return what tells, whenever a pass has got on, how many passes are done."""
    return None if tell is None else lambda *_: tell(done, total)


def _default_curves(config: BacktestConfig, instrument: Instrument) -> dict[str, Sequence[Point]]:
    return {
        "order latency, both legs, times": latency_curve(config),
        "feed latency, constant part, ms": feed_curve(config),
        "fees, times": fee_curve(config, instrument),
        "slippage, ticks": slippage_curve(config, instrument),
    }


def _passes(configs: Sequence[BacktestConfig]) -> list[list[BacktestConfig]]:
    """Return the distinct configurations, together where they can share a pass."""
    passes: list[list[BacktestConfig]] = []
    for config in {config.digest(): config for config in configs}.values():
        shared = next((each for each in passes if _can_share(each[0], config)), None)
        if shared is None:
            passes.append([config])
        else:
            shared.append(config)
    return passes


def _can_share(one: BacktestConfig, other: BacktestConfig) -> bool:
    try:
        require_shared([one, other])
    except ConfigError:
        return False
    return True
