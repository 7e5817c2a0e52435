"""Queue models against the seen queue: exact where they must be, and never earlier than allowed."""

import random

import numpy as np
import polars as pl
import pytest

from strategy_lab_core.data.columns import Table
from strategy_lab_core.engine.backtest import backtest
from strategy_lab_core.engine.config import BacktestConfig, QueueConfig
from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.probes.queue_calibration import (
    MODELS,
    QueueCalibration,
    calibrate_queue,
    shown_by_price,
)
from strategy_lab_core.probes.touch_orders import touch_orders
from strategy_lab_core.stats.block_ratios import Blocks
from tests.core.engine.level_tapes import window_table, windows_of
from tests.core.engine.scenes import QUICK, Scene
from tests.core.engine.tapes import MNQ, START_NS, random_rows, session_until, to_table
from tests.naive.tape import Row

HOURS = session_until(START_NS + 10**12)


def seen(rows: list[Row]) -> Table:
    """Return the validated rows, numbered."""
    return to_table(rows).with_columns(pl.Series("sequence", np.arange(len(rows)), pl.UInt32))


def calibrated(ticks: Table, config: BacktestConfig = QUICK) -> QueueCalibration:
    """Calibrate with an order a side every second."""
    return calibrate_queue(
        ticks, config, every_ms=1_000, hold_ms=700, block=5, samples=50, session=HOURS,
        instrument=MNQ, cores=1,
    )  # fmt: skip


def queue_of(*, with_cancels: bool) -> Table:
    """Return a minute in which the bid is hit, filled up behind us, and perhaps thinned out."""
    roll = random.Random(4)
    scene = Scene().event(1, "A", "B", 1_000, 12, 1).event(2, "A", "A", 1_004, 50, 2)
    live, bid = [(1, 12)], 3
    for ms in range(50, 60_000, 50):
        what = roll.random()
        if what < 0.5 or sum(lots for _, lots in live) < 8:
            bid, lots = bid + 1, roll.randint(1, 4)
            scene = scene.event(ms, "A", "B", 1_000, lots, bid)
            live.append((bid, lots))
        elif with_cancels and what < 0.7:
            number, lots = live.pop(roll.randrange(len(live)))
            scene = scene.event(ms, "C", "B", 1_000, lots, number)
        else:
            number, lots = live.pop(0)
            scene = scene.trade(ms, "A", 1_000, [(number, lots)])
    return seen(scene.rows)


def test_models__are_exact_where_nobody_cancels() -> None:
    """Only trades move the queue: every model knows the place, and errs by nothing."""
    found = calibrated(queue_of(with_cancels=False))

    assert found.orders > 50
    for row in found.rows:
        assert row["filled"] == row["filled_truth"] > 10
        assert row["wait_s"] == row["time_s"] == row["queue_lots"] == 0
        assert row["false_fills"] == row["missed_fills"] == 0
    assert "risk_averse stays" in found.verdict


def test_models__err_where_orders_ahead_cancel() -> None:
    """Risk-averse never fills what the seen queue does not; the others fill at least as much."""
    found = calibrated(queue_of(with_cancels=True))
    careful, *others = found.rows

    assert careful["model"] == "risk_averse"
    assert careful["false_fills"] == 0
    assert careful["missed_fills"] > 0
    assert careful["queue_lots"] >= 0
    assert all(row["filled"] >= careful["filled"] for row in others)
    assert max(row["filled"] for row in others) > careful["filled"]


def test_risk_averse__never_predicts_an_earlier_fill() -> None:
    """Order for order, no model fills later than risk-averse does."""
    shown = shown_by_price(queue_of(with_cancels=True))
    orders = touch_orders(every_ms=1_000, hold_ms=700)

    def fill_times(model: QueueConfig) -> dict[int, int]:
        """Return the time of each order's fill."""
        config = BacktestConfig(latency=QUICK.latency, limits=QUICK.limits, queue=model,
                                allow_partial=True)  # fmt: skip
        fills = backtest(shown, orders, config, session=HOURS, instrument=MNQ).fills
        return dict(zip(fills["order_id"], fills["ts_exchange"], strict=True))

    careful = fill_times(MODELS[0])
    assert careful
    for model in MODELS[1:]:
        times = fill_times(model)
        assert all(times[number] <= careful[number] for number in careful)


def test_shown_by_price__is_what_the_slow_book_shows() -> None:
    """Every record's levels, on a random tape, as the plain Python book restates them."""
    rows = random_rows(3, 200, wild=False)
    shown = shown_by_price(seen(rows), depth=3)
    slow = window_table(windows_of(rows, 3, merged=False), 3)

    for name in slow.columns:
        if name[:3] in ("bid", "ask") and "_ct_" not in name:
            empty = np.iinfo(np.int64).max if "_px_" in name else 0
            theirs = slow[name].to_list()
            ours = shown[name].fill_null(empty).to_list()
            assert ours == theirs, name
    assert shown["action"].to_list() == slow["action"].to_list()
    assert shown["size"].to_list() == slow["size"].to_list()


def test_calibration__pairs_resting_orders_and_is_reproducible() -> None:
    """Nothing is lost between compared and left out; the same seed gives the same table."""
    ticks = seen(random_rows(5, 600, wild=False))
    first, again = calibrated(ticks), calibrated(ticks)

    sent = backtest(ticks, touch_orders(every_ms=1_000, hold_ms=700), QUICK, session=HOURS,
                    instrument=MNQ).orders  # fmt: skip
    assert first.orders + first.left_out == sent.filter(sent["type"] == "limit").height
    assert first.orders > 0
    assert first.table().equals(again.table())


def test_bad_input__is_refused() -> None:
    """Rows without orders show no queue; orders that never leave would meet one another."""
    ticks = seen(random_rows(5, 20, wild=False))
    with pytest.raises(DataError, match="order_id"):
        calibrate_queue(shown_by_price(ticks))
    with pytest.raises(ConfigError, match="hold_ms"):
        calibrate_queue(ticks, every_ms=1_000, hold_ms=900)


def test_bootstrap__is_the_mean_of_equal_blocks_and_covers_it() -> None:
    """Equal blocks leave no doubt; too few give no interval; nothing to divide by, no value."""
    ones = np.ones(20)
    same = Blocks(20, length=2, samples=100, random_seed=1).ratio(ones * 3, ones)
    assert same == (3.0, 3.0, 3.0)
    values = np.arange(20.0)
    value, low, high = Blocks(20, length=2, samples=400, random_seed=1).ratio(values, ones)
    assert value is not None
    assert value == values.mean()
    assert low is not None
    assert high is not None
    assert low < value < high
    assert Blocks(9, length=1, samples=10, random_seed=1).ratio(ones[:9], ones[:9])[1:] == (
        None, None,
    )  # fmt: skip
    assert Blocks(9, length=1, samples=10, random_seed=1).ratio(ones[:9], 0 * ones[:9])[0] is None
