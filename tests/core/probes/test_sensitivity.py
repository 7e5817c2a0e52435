"""Sensitivity curves: each point is the backtest of its configuration, in few passes."""

from dataclasses import replace

import pytest

from strategy_lab_core.data.columns import Table
from strategy_lab_core.engine.backtest import backtest
from strategy_lab_core.engine.config import QUEUE_MODELS, FeeConfig, LatencyConfig
from strategy_lab_core.engine.latency_config import LogNormalLatencyConfig
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.probes.sensitivity import (
    FIGURES,
    Point,
    fee_curve,
    feed_curve,
    latency_curve,
    sensitivity,
    slippage_curve,
)
from tests.core.engine.level_tapes import feed_of
from tests.core.engine.scenes import QUICK
from tests.core.engine.tapes import MNQ, START_NS, TICK_VALUE, random_rows, session_until, to_table
from tests.core.engine.test_backtest import failing
from tests.core.probes.actors import follower

HOURS = session_until(START_NS + 10**12)
MS = 1_000_000
CONFIG = replace(
    QUICK,
    latency=LatencyConfig(order_ns=2 * MS, response_ns=3 * MS, feed_offset_ns=MS),
    fees=FeeConfig(taker_e6=500_000, taker_rate_e8=10),
)


def ticks(n_events: int = 300) -> Table:
    """Return a tame random session."""
    return to_table(random_rows(9, n_events, wild=False))


def test_points__are_backtests_of_their_configuration() -> None:
    """By default four curves; what shares the feed shares the pass, and nothing runs twice."""
    rows = ticks()
    seen: list[tuple[int, int]] = []
    found = sensitivity(
        rows, follower, CONFIG, session=HOURS, instrument=MNQ,
        on_progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip

    assert found.passes == 4  # the feed's four; order latency, fees and slippage go with one
    assert list(dict.fromkeys(seen)) == [(done, 4) for done in range(5)]
    table = found.table()
    assert table["curve"].n_unique() == 4
    assert table["error"].null_count() == table.height
    for (_, point, _), row in zip(found.points, table.to_dicts(), strict=True):
        alone = backtest(rows, follower, point.config, session=HOURS, instrument=MNQ)
        assert {name: row[name] for name in FIGURES} == {n: alone.metrics[n] for n in FIGURES}
    assert alone.metrics["n_fills"] > 0


def test_costs__move_the_profit_exactly() -> None:
    """Fees times two cost the fees once more; a tick of slippage costs a tick a lot that took."""
    curves = {"fees": fee_curve(CONFIG, MNQ), "slippage": slippage_curve(CONFIG, MNQ)}
    found = sensitivity(ticks(), follower, CONFIG, curves=curves, session=HOURS, instrument=MNQ)
    table = found.table()

    assert found.passes == 1
    by_point = {row["point"]: row for row in table.to_dicts()}
    free, once, twice = (by_point[f"fees x {by}"] for by in (0, 1, 2))
    assert free["fees_e6"] == 0
    assert abs(twice["fees_e6"] - 2 * once["fees_e6"]) <= once["n_fills"]  # rounded fill by fill
    none, one = by_point["0 ticks"], by_point["1 ticks"]
    taken = none["volume"] - none["maker_volume"]
    assert taken > 0
    assert none["net_profit_e6"] - one["net_profit_e6"] == taken * TICK_VALUE
    assert none["n_fills"] == one["n_fills"]
    assert none["net_profit_e6"] == once["net_profit_e6"]


def test_latency__both_legs_are_multiplied_whatever_the_model() -> None:
    """Constants, multipliers and medians, but not sigma; the feed's constant part by itself."""
    orders, feed = latency_curve(CONFIG, (0, 1, 2.5)), feed_curve(CONFIG, (0, 3))
    drawn = LogNormalLatencyConfig(entry_median_ns=MS, response_median_ns=2 * MS)
    (twice,) = latency_curve(replace(CONFIG, latency=drawn), (2,))

    assert [point.value for point in orders] == [0, 1, 2.5]
    assert [point.config.latency.order_ns for point in orders] == [0, 2 * MS, 5 * MS]
    assert [point.config.latency.response_ns for point in orders] == [0, 3 * MS, 7_500_000]
    assert [point.label for point in orders] == ["0 times", "1 times", "2.5 times"]
    assert twice.config.latency == replace(drawn, entry_median_ns=2 * MS, response_median_ns=4 * MS)
    assert [point.value for point in feed] == [0, 3]
    assert [point.config.latency.feed_offset_ns for point in feed] == [0, 3 * MS]


def test_queue_models__are_a_curve_of_feeds_by_price() -> None:
    """A point for each model; orders that are seen need none."""
    rows = random_rows(9, 300, wild=False)
    levels = feed_of(rows, "mbp-10", 3)[0]
    found = sensitivity(levels, follower, CONFIG, session=HOURS, instrument=MNQ).table()
    seen = sensitivity(ticks(), follower, CONFIG, session=HOURS, instrument=MNQ).table()

    assert found.filter(found["curve"] == "queue model")["point"].to_list() == list(QUEUE_MODELS)
    assert "queue model" not in seen["curve"]


def test_curves__of_any_named_changes() -> None:
    """What has no number has a name; the same configuration in two curves runs once."""
    curves = {
        "market orders": [
            Point("rest", CONFIG),
            Point("cancelled", replace(CONFIG, market_orders=replace(
                CONFIG.market_orders, cancel_remainder=True))),
        ],
        "again": [Point("as it is", CONFIG, 1.0)],
    }  # fmt: skip
    found = sensitivity(ticks(), follower, CONFIG, curves=curves, session=HOURS, instrument=MNQ)

    table = found.table()
    assert table["value"].to_list() == [None, None, 1.0]
    assert table["config"][0] == table["config"][2] != table["config"][1]
    assert found.points[0][2] is found.points[2][2]


def test_error__of_a_strategy_is_told_at_its_points() -> None:
    """No figures, a reason."""
    found = sensitivity(
        ticks(50), failing(divisor=0), CONFIG, curves={"one": [Point("x", CONFIG)]},
        session=HOURS, instrument=MNQ,
    )  # fmt: skip

    assert found.table()["net_profit_e6"].to_list() == [None]
    assert "no divisor" in found.table()["error"][0]


def test_curves__without_a_point_are_refused() -> None:
    """There is nothing to run."""
    with pytest.raises(ConfigError, match="curves must be at least one point"):
        sensitivity(ticks(50), follower, CONFIG, curves={"none": []}, instrument=MNQ, session=HOURS)
