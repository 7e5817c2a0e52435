"""Several instruments in one account: a run for each, and what they come to together.

A strategy sees one instrument's book: each instrument has its own strategy, parameters and limits,
the loss limit included, and nothing that one does is known to another. They share the account: one
time axis, one equity, one margin. Weights and strategies that watch several books are not here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.columns import Table, concat, int64, table
from strategy_lab_core.data.instruments import Product
from strategy_lab_core.engine.backtest import BacktestResult, backtest
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.margin import margin_of
from strategy_lab_core.engine.run import RunnableStrategy
from strategy_lab_core.engine.stage import Ticks
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.types import Int1D

__all__ = ["TogetherResult", "backtest_together", "combine"]

_SUMS = (
    "net_profit_e6", "gross_profit_e6", "fees_e6", "turnover_e6", "volume", "maker_volume",
    "n_orders", "n_fills", "n_round_trips",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TogetherResult:
    """What runs on several instruments come to in one account; units as in `BacktestResult`.

    Attributes
    ----------
    orders, fills
        Of all instruments in order of time; numbers are those of the instrument's own run.
    equity
        `ts`, `cash`, `equity`, `liquidation_value` and `margin` (initial, in use) of the account,
        at every time at which one of them was sampled; the others count as they last were.
    sessions
        Session and net profit of the account in it.
    metrics
        Sums, but for `max_drawdown_e6` and the margin, which are the account's.
    flags
        Of any of them.
    runs
        The instruments' own results, in the order in which they were given.
    """

    orders: Table
    fills: Table
    equity: Table
    sessions: Table
    metrics: dict[str, int | float]
    flags: tuple[str, ...]
    runs: tuple[BacktestResult, ...]


def backtest_together(
    ticks: Ticks | Mapping[str, Ticks],
    strategies: Mapping[str, RunnableStrategy],
    config: BacktestConfig | Mapping[str, BacktestConfig] | None = None,
    *,
    session: Session | None = None,
    status: Table | None = None,
    products: Mapping[str, Product] | None = None,
) -> TogetherResult:
    """Simulate one strategy for each instrument, in one account.

    Parameters
    ----------
    ticks
        As for `backtest`, with the rows of all instruments; or by symbol.
    strategies
        By symbol, such as ``{"MNQH5": imbalance, "MESH5": imbalance(threshold=0.8)}``: contracts of
        one product or of several.
    config
        For all of them, or by symbol. Its limits hold for each instrument alone.
    session, status, products
        As for `backtest`, for all of them.

    Raises
    ------
    ConfigError
        No instrument, one without ticks or configuration, or several currencies.
    """
    for name, given in (("ticks", ticks), ("config", config)):
        lacking = [each for each in strategies if isinstance(given, Mapping) and each not in given]
        if lacking:
            raise ConfigError(
                name, f"nothing for {lacking[0]}", "given for every strategy's symbol"
            )
    return combine(
        [
            backtest(
                ticks[symbol] if isinstance(ticks, Mapping) else ticks,
                strategy,
                config[symbol] if isinstance(config, Mapping) else config,
                instrument=symbol,
                session=session,
                status=status,
                products=products,
            )
            for symbol, strategy in strategies.items()
        ]
    )


def combine(runs: Sequence[BacktestResult]) -> TogetherResult:
    """Return what runs over the same sessions come to in one account, in exact integers.

    Raises
    ------
    ConfigError
        No run, an instrument twice, other sessions, or money that can't be added up.
    """
    _require_addable(runs)
    equity = _equity(runs)
    summed: dict[str, int | float] = {
        name: sum(run.metrics[name] for run in runs) for name in _SUMS
    }
    wins = sum(round(run.metrics["hit_rate"] * run.metrics["n_round_trips"]) for run in runs)
    worth, margin = int64(equity, "equity"), int64(equity, "margin")
    most = int(margin.max(initial=0))
    return TogetherResult(
        orders=_merged([run.orders for run in runs], "ts_submit"),
        fills=_merged([run.fills for run in runs], "ts_exchange"),
        equity=equity,
        sessions=_sessions(runs),
        metrics={
            **summed,
            "hit_rate": wins / summed["n_round_trips"] if summed["n_round_trips"] else 0.0,
            "max_drawdown_e6": int((np.maximum.accumulate(worth) - worth).max(initial=0)),
            "max_margin_e6": most,
            "max_margin_ns": int(equity["ts"][int(np.argmax(margin))]) if most else 0,
        },
        flags=tuple(dict.fromkeys(flag for run in runs for flag in run.flags)),
        runs=tuple(runs),
    )


def _require_addable(runs: Sequence[BacktestResult]) -> None:
    if not runs:
        raise ConfigError("runs", 0, "at least one")
    symbols = [run.instrument.symbol for run in runs]
    if len(set(symbols)) < len(symbols):
        raise ConfigError("runs", ", ".join(symbols), "one for each instrument")
    money = {(run.instrument.product.currency, run.instrument.product.money_scale) for run in runs}
    if len(money) > 1:
        found = ", ".join(f"1/{scale} {currency}" for currency, scale in sorted(money))
        raise ConfigError("runs", found, "in one currency: no rate is known to add them up with")
    first = runs[0].sessions["session"].to_list()
    for run in runs[1:]:
        other = run.sessions["session"].to_list()
        if other != first:
            rule = f"over the sessions {first[0]} to {first[-1]} of {symbols[0]}, all of them"
            raise ConfigError(run.instrument.symbol, f"{other[0]} to {other[-1]}", rule)


def _merged(parts: Sequence[Table], time: str) -> Table:
    """Return all rows in order of time; at equal times in the order of the instruments."""
    rows = concat([part for part in parts if len(part)] or parts[:1])
    return rows[np.argsort(int64(rows, time), kind="stable")]


def _equity(runs: Sequence[BacktestResult]) -> Table:
    times = np.unique(np.concatenate([int64(run.equity, "ts") for run in runs]))
    names = ("cash", "equity", "liquidation_value")
    sums = {name: np.zeros(len(times), np.int64) for name in (*names, "margin")}
    for run in runs:
        initial = margin_of(run.instrument, run.config).initial
        # The last sample at or before each time; nothing before the first.
        place = np.searchsorted(int64(run.equity, "ts"), times, side="right")
        for name in names:
            sums[name] += _from_zero(int64(run.equity, name))[place]
        sums["margin"] += _from_zero(np.abs(int64(run.equity, "position")) * initial)[place]
    return table({"ts": times, **sums})


def _from_zero(values: Int1D) -> Int1D:
    return np.concatenate([np.zeros(1, np.int64), values])


def _sessions(runs: Sequence[BacktestResult]) -> Table:
    profits = [int64(run.sessions, "net_profit") for run in runs]
    net: Int1D = np.sum(profits, axis=0)
    return table({"session": runs[0].sessions["session"].to_list(), "net_profit": net})
