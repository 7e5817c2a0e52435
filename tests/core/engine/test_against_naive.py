"""The engine against the slow one: order for order, fill for fill, refusal for refusal."""

from dataclasses import replace
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.engine import feed
from strategy_lab_core.engine.config import BacktestConfig, LatencyConfig
from tests.core.engine.cases import Case, Part, assert_same, cases
from tests.core.engine.monkeys import monkey
from tests.core.engine.scenes import Scene
from tests.core.engine.tapes import SECOND, session_until, to_table

MILLI = 1_000_000


@given(case=cases("one"), ring=st.sampled_from([1, 256]))
def test_engine__agrees_with_the_naive_one(case: Case, ring: int) -> None:
    """Random sessions, random requests, any setting, closes before and after the last row."""
    with patch.object(feed, "LEAST_ROWS", ring):  # what we need not see at once waits in the ring
        fast = case.fast()

    assert_same(fast, case.slow())


@given(case=cases("one, by price"))
def test_engine_by_price__agrees_with_the_naive_one(case: Case) -> None:
    """The same on every feed by price and with every queue model."""
    assert_same(case.fast(), case.slow())


def test_feed__loses_nothing_that_waits_to_be_seen() -> None:
    """A hundred books in flight all the time, and a strategy that looks once a second."""
    scene = Scene().event(1, "A", "B", 999, 50, 1).event(1, "A", "A", 1_003, 50, 2)
    for i in range(1, 1_000):
        scene.event(20 * i, "AC"[i % 2 == 0], "B", 1_000, 3, 3)
    late = LatencyConfig(order_ns=0, response_ns=0, feed_offset_ns=2_200 * MILLI)
    config = BacktestConfig(latency=late, flatten_seconds=0, allow_partial=True)
    actor = replace(monkey(seed=3, act_every=1), on_book=False, on_response=False, timer_ns=SECOND)

    day = session_until(scene.rows[-1].ts_event + 2 * SECOND)
    case = Case(0, [Part(day, to_table(scene.rows), scene.rows, [])], "mbo", None, actor, config)

    with patch.object(feed, "LEAST_ROWS", 1):
        fast = case.fast()

    assert len(fast.orders) > 0
    assert_same(fast, case.slow())
