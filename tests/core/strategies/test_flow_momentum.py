"""The flow template on books that grow on one side."""

from dataclasses import replace

import pytest

from strategy_lab_core.strategies.flow_momentum import flow_momentum
from tests.core.engine.scenes import MS, QUICK, Scene
from tests.core.engine.tapes import START_NS
from tests.core.strategies.tapes import Sent, quiet_book, run, sent

BID, ASK = 1_000, 1_001
KEEN = flow_momentum(threshold_ticks=0.5, half_life_ms=1_000, hold_ms=60_000)


def _growing(side: str, *, lots: int = 10) -> Scene:
    """Return a session in which three orders of `lots` join one side; they explain 0.86 ticks."""
    scene, tick = quiet_book(BID, ASK), BID if side == "B" else ASK
    for i in range(3):
        scene.event(10 + i, "A", side, tick, lots, 10 + i)
    return scene


@pytest.mark.parametrize(("side", "tick"), [("B", ASK), ("A", BID)])
def test_entry__takes_the_side_that_grows(side: str, tick: int) -> None:
    """Buying pressure buys at the ask, selling pressure sells at the bid, at no worse price."""
    result = run(_growing(side), KEEN, close_s=130)

    assert sent(result)[0] == Sent(side, tick, 1, 1, "filled")
    assert result.orders["type"].to_list() == ["ioc", "market"]
    assert result.fills["position_after"].to_list() == [1 if side == "B" else -1, 0]


@pytest.mark.parametrize(
    "parameters",
    [{"threshold_ticks": 0.9}, {"max_spread_ticks": 1}, {"hold_ms": 3_600_000}],
    ids=["weak flow", "wide spread", "late"],
)
def test_entry__stays_out(parameters: dict[str, float]) -> None:
    """Where the flow explains too little, the spread is wide, or the session is about to end."""
    scene = _growing("B")
    if "max_spread_ticks" in parameters:
        scene.rows = [row for row in scene.rows if row.order_id != 2]
        scene.rows.insert(2, quiet_book(BID, ASK + 1).rows[2])

    assert sent(run(scene, KEEN(**parameters))) == []


def test_entry__counts_old_flow_less() -> None:
    """The same orders, five half-lives apart: what they explain fades in between."""
    scene = quiet_book(BID, ASK)
    for i in range(3):
        scene.event(5_000 * (i + 1), "A", "B", BID, 4, 10 + i)

    assert sent(run(scene, KEEN(threshold_ticks=0.2))) == []
    assert sent(run(scene, KEEN(threshold_ticks=0.2, half_life_ms=60_000))) != []


def test_entry__forgets_what_it_has_not_seen() -> None:
    """While nobody offers, the bid grows: no flow of the book that comes then, nor is what was."""
    scene = quiet_book(BID, ASK).event(5, "A", "B", BID, 12, 3).event(10, "C", "A", ASK, 10, 2)
    scene.event(20, "A", "B", BID, 30, 4).event(30, "A", "A", ASK, 10, 5)
    scene.event(40, "A", "B", BID, 12, 6)

    assert sent(run(scene, KEEN)) == []


@pytest.mark.parametrize(("side", "tick", "other"), [("B", BID, ASK), ("A", ASK, BID)])
def test_exit__when_the_flow_turns(side: str, tick: int, other: int) -> None:
    """The orders are cancelled again: the position goes at the market, long before its time."""
    scene = _growing(side)
    for i in range(3):
        scene.event(100 + i, "C", side, tick, 10, 10 + i)
    scene.event(110, "A", "A" if side == "B" else "B", other, 10, 20)

    result = run(scene, KEEN)

    assert result.fills["position_after"].to_list()[1] == 0
    held = result.fills["ts_exchange"][1] - result.fills["ts_exchange"][0]
    assert held < 200 * MS


@pytest.mark.parametrize(("side", "tick"), [("B", BID), ("A", ASK)])
def test_exit__when_the_time_is_up(side: str, tick: int) -> None:
    """At the first look after `hold_ms`, though nothing has turned."""
    scene = _growing(side)
    for second in (1, 2, 3, 4):
        scene.event(1_000 * second, "A", side, tick, 10, 30 + second)

    result = run(scene, KEEN(hold_ms=2_500))

    held = result.fills["ts_exchange"][1] - result.fills["ts_exchange"][0]
    assert 2_500 * MS <= held < 3_000 * MS


def test_entry__waits_after_a_try() -> None:
    """The offer is gone when the order arrives: the next try comes a half-life later."""
    scene = quiet_book(BID, ASK).event(5, "A", "A", ASK + 1, 10, 3)
    for i in range(3):
        scene.event(10 + i, "A", "B", BID, 10, 10 + i)
    scene.event(13, "C", "A", ASK, 10, 2)
    for at_ms in (50, 900, 1_100):
        scene.event(at_ms, "A", "B", BID, 50, at_ms)

    result = run(scene, KEEN, replace(QUICK, latency=replace(QUICK.latency, order_ns=5 * MS)))

    assert [each.filled for each in sent(result)] == [0, 1]
    assert (result.orders["ts_submit"] - START_NS).to_list() == [11 * MS, 1_100 * MS]
