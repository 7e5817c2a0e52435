"""What the latency models do to orders, on a session small enough to follow by hand.

The book is that of `test_rules`: 100 lots bid at 1000, 50 asked at 1002. Times in ms.
"""

from dataclasses import replace

import numpy as np
import pytest

from strategy_lab_core.engine.backtest import BacktestResult
from strategy_lab_core.engine.config import BacktestConfig, LatencyConfig
from strategy_lab_core.engine.latency_config import (
    FeedLatencyConfig,
    LogNormalLatencyConfig,
    RecordedLatencyConfig,
)
from strategy_lab_core.engine.latency_rows import LatencyRows
from tests.core.engine.scenes import (
    BUY_LIMIT,
    CANCEL_FIRST,
    MODIFY_FIRST,
    MS,
    QUICK,
    Scene,
)
from tests.core.engine.tapes import START_NS
from tests.core.engine.test_rules import book, reasons

BAD_TS_RECV = 8


def recorded(*rows: tuple[int, int | None, int]) -> BacktestConfig:
    """Return a configuration with measurements in ms after the start, None for a rejection."""
    times = [[2**63 - 1 if at is None else START_NS + at * MS for at in row] for row in rows]
    table = np.array(times, np.int64).T
    latency = RecordedLatencyConfig(feed_offset_ns=0, rows=LatencyRows(*table))
    return replace(QUICK, latency=latency)


def order_times(result: BacktestResult) -> list[tuple[int, int]]:
    """Return when each order was sent and when it arrived, in us after the start."""
    times = result.orders.select("ts_submit", "ts_exchange").rows()
    return [((sent - START_NS) // 1000, (at - START_NS) // 1000) for sent, at in times]


def late_feed(latencies_ms: list[int]) -> Scene:
    """Return a book whose events at 20, 30, ... are this long on their way to us."""
    scene = book()
    for i, late in enumerate(latencies_ms):
        scene.event(20 + 10 * i, "A", "B", 990 + i, 1, 50 + i)
        scene.rows[-1].ts_recv += late * MS
    return scene.event(900, "N", "N", None, 0)


def test_feed__multiplies_what_is_known_to_us() -> None:
    """At 45 the event of 40 is still on its way: the one of 30, 4 ms late, counts, 2.5 times."""
    latency = FeedLatencyConfig(feed_offset_ns=0, entry_multiplier_e6=2_500_000, order_ns=1000)
    config = replace(QUICK, latency=latency)

    result = late_feed([1, 4, 9]).run(config, what_1=BUY_LIMIT, tick_1=999, at_1=45)

    assert order_times(result) == [(45_000, 45_000 + 10_000 + 1)]


def test_feed__is_without_snapshots_and_bad_times() -> None:
    """An event with a bad capture time has no feed latency: the one before it stays."""
    scene = late_feed([4, 0])
    scene.rows[-2].flags |= BAD_TS_RECV
    config = replace(QUICK, latency=FeedLatencyConfig(feed_offset_ns=0))

    result = scene.run(config, what_1=BUY_LIMIT, tick_1=999, at_1=45)

    assert order_times(result) == [(45_000, 49_000)]


def test_feed__answers_go_with_the_event_that_fills() -> None:
    """A fill's response takes as long as the event itself: half of 6 ms here."""
    scene = book().trade(40, "A", 999, [(1, 1)]).event(900, "N", "N", None, 0)
    for row in scene.rows[-4:-1]:
        row.ts_recv += 6 * MS
    latency = FeedLatencyConfig(feed_offset_ns=0, response_multiplier_e6=500_000)

    result = scene.run(replace(QUICK, latency=latency), what_1=BUY_LIMIT, tick_1=1000, at_1=20)

    late = (result.fills["ts_local"] - result.fills["ts_exchange"]).to_list()
    assert late == [3 * MS]


def test_recorded__interpolates_each_leg_on_its_own_clock() -> None:
    """Entry by request time, response by exchange time."""
    config = recorded((0, 4, 5), (40, 52, 55))
    # Sent at 10: 4 + 8 x 10/40 = 6. At 16: 1 + 2 x 12/48 = 1.5.
    result = quiet().run(config, what_1=BUY_LIMIT, tick_1=1002, at_1=10)

    assert order_times(result) == [(10_000, 16_000)]
    assert (result.fills["ts_local"] - result.fills["ts_exchange"]).to_list() == [1_500_000]


def quiet() -> Scene:
    """Return the book, with time and nothing else in it."""
    return book().event(900, "N", "N", None, 0)


def test_gateway__rejects_an_order() -> None:
    """It never reaches matching, is heard of when the row says, and may be sent again."""
    config = recorded((0, 1, 2), (10, None, 35), (50, 51, 52))

    result = quiet().run(
        config, what_1=BUY_LIMIT, tick_1=1002, at_1=20, what_2=BUY_LIMIT, tick_2=1002, at_2=60
    )

    assert reasons(result) == ["rejected_gateway", "filled"]
    assert result.orders["ts_exchange"][0] == result.orders["ts_end"][0] == -1
    assert result.metrics["n_rejected_gateway"] == 1
    assert result.metrics["n_fills"] == 1


@pytest.mark.parametrize(("again_at", "refused"), [(44, 1), (46, 0)])
def test_gateway__is_heard_after_the_rows_time(again_at: int, refused: int) -> None:
    """Sent at 20, rejected after 25: until 45 the order counts as open."""
    config = recorded((0, 1, 2), (10, None, 35), (30, 31, 32))
    config = replace(config, limits=replace(config.limits, max_open_orders=1))

    result = quiet().run(
        config, what_1=BUY_LIMIT, tick_1=990, at_1=20, what_2=BUY_LIMIT, tick_2=991, at_2=again_at
    )

    assert result.metrics["n_refused_open_orders"] == refused


@pytest.mark.parametrize("what", [CANCEL_FIRST, MODIFY_FIRST])
def test_gateway__rejects_a_change(what: int) -> None:
    """The order works on as it was, and can still be cancelled: here by the flattening."""
    config = recorded((0, 1, 2), (10, None, 15), (50, 51, 52))
    config = replace(config, flatten_seconds=1)

    result = quiet().run(
        config, close_s=3, what_1=BUY_LIMIT, tick_1=990, at_1=5, what_2=what, tick_2=991, at_2=20
    )

    assert reasons(result) == ["cancelled"]
    assert result.orders["price"][0] == 990 * 250_000_000
    assert result.orders["ts_end"][0] >= START_NS + 2_000 * MS


def test_messages__never_overtake_each_other() -> None:
    """The second is sent when the way is short, and still does not arrive before the first."""
    latency = FeedLatencyConfig(feed_offset_ns=0, entry_multiplier_e6=3_000_000)

    result = late_feed([9, 0]).run(
        replace(QUICK, latency=latency),
        what_1=BUY_LIMIT, tick_1=990, at_1=29, what_2=BUY_LIMIT, tick_2=991, at_2=31,
    )  # fmt: skip

    assert order_times(result) == [(29_000, 56_000), (31_000, 56_000)]


@pytest.mark.parametrize(
    ("latency", "says"),
    [
        (LatencyConfig(order_ns=MS), "Order latency is constant: 1 ms to"),
        (FeedLatencyConfig(), "plus 1 and 1 times the feed latency"),
        (LogNormalLatencyConfig(), "log-normal draw with median 1 ms and 1 ms, sigma 0.5 and 0.5"),
        (recorded((0, 1, 2)).latency, "what 1 recorded requests took"),
    ],
)
def test_assumptions__name_the_model(latency: LatencyConfig, says: str) -> None:
    """The report says what was assumed, with its numbers."""
    result = quiet().run(replace(QUICK, latency=replace(latency)))

    assert sum(says in sentence for sentence in result.assumptions) == 1
