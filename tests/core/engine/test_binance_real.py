"""A backtest on a raw Binance capture: depth differences, a late clock, fractional sizes."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.columns import Table
from strategy_lab_core.data.instruments import Instrument, Product
from strategy_lab_core.data.ticks import read_ticks
from strategy_lab_core.engine.config import BacktestConfig, LimitsConfig, QueueConfig
from strategy_lab_core.engine.sweep import ParameterSet, SweepRun, sweep
from tests.core.engine.monkeys import monkey

SECOND = 1_000_000_000
TICK = 100_000_000
MODELS = ("risk_averse", "power_1", "power_2", "power_3", "log_1", "log_2")


@pytest.fixture(scope="module")
def capture(real_data: Path) -> Table:
    """Return the first minute or so of the USD-M perpetual."""
    return read_ticks(real_data / "binance_raw" / "usdm_btcusdt_20240808.gz")[:100_000]


def _perpetual(instrument_id: int) -> Instrument:
    product = Product(
        root="BTCUSDT", name="BTC perpetual", exchange="BINANCE", currency="USDT",
        calendar="24/7", tick_size=TICK, spread_tick_size=TICK, multiplier=1_000_000,
        fee_maker=0, fee_taker=0, order_types=("limit", "market", "ioc"), dated=False,
    )  # fmt: skip
    return Instrument(
        instrument_id=instrument_id, symbol="BTCUSDT", product=product, kind="outright",
        tick_size=TICK, multiplier=product.multiplier,
    )  # fmt: skip


def _run(ticks: Table) -> tuple[SweepRun, ...]:
    opened, last = int(ticks["ts_event"][0]), int(ticks["ts_event"][-1])
    day = date(2024, 8, 8)
    session = Session(day, day, opened - 3, opened - 2, opened - 1, last + SECOND, ())
    sets = [
        ParameterSet({}, BacktestConfig(
            allow_partial=True, flatten_seconds=0, limits=LimitsConfig(max_position=50),
            queue=QueueConfig(model=model, exponent=2.0),
        ))
        for model in MODELS
    ]  # fmt: skip
    actor = monkey(seed=3, act_every=40, reach=2)
    instrument = _perpetual(int(ticks["instrument_id"][0]))
    return sweep(ticks, actor, sets, session=session, instrument=instrument).runs


@pytest.mark.real_data
def test_capture__runs_with_every_queue_model(capture: Table) -> None:
    """Resting orders are filled under each model, none before the snapshot, the clock is mended."""
    runs = _run(capture)

    snapshot = capture.filter(pl.col("action") == "R")["ts_recv"][0]
    for run in runs:
        assert run.result is not None
        assert run.result.metrics["maker_volume"] > 0
        assert run.result.fills["ts_exchange"].min() > snapshot
        assert any("The capture clock ran behind" in text for text in run.result.assumptions)
        assert any(
            run.config.queue.model.replace("_", "-")[:8] in text.replace("_", "-")
            for text in run.result.assumptions
        )
