"""What every template keeps to, on a simulated market."""

import pytest

from strategy_lab_core.engine.backtest import backtest
from strategy_lab_core.engine.config import BacktestConfig, LimitsConfig
from strategy_lab_core.strategies.loader import BUILT_IN, load_strategy
from tests.core.strategies.tapes import simulated_minutes

BUSY = {
    "avellaneda_stoikov": {"half_life_s": 10.0, "max_position": 3},
    "bid_ask_bounce": {"min_bounce_ticks": 0.0},
    "flow_momentum": {"threshold_ticks": 0.5},
    "glft": {"half_life_s": 10.0, "max_position": 3},
    "imbalance": {"threshold": 0.3},
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_template__trades_within_its_limits_and_ends_flat(name: str) -> None:
    """Ten minutes with latency: it trades, nothing is refused, nothing stays open."""
    session, ticks = simulated_minutes(seed=5)
    strategy = load_strategy(name)(**BUSY[name])
    config = BacktestConfig(limits=LimitsConfig(max_position=3, max_order_size=3))

    result = backtest(ticks, strategy, config, session=session)

    assert result.flags == ()
    assert result.metrics["final_position"] == 0
    assert result.metrics["n_fills"] > 4
    assert result.metrics["max_position"] <= 3
    refused = {key: n for key, n in result.metrics.items() if key.startswith("n_refused") and n}
    assert refused == {}
