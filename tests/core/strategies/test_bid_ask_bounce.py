"""The bounce template on hand-written trades."""

import pytest

from strategy_lab_core.strategies.bid_ask_bounce import bid_ask_bounce
from tests.core.engine.scenes import Scene
from tests.core.strategies.tapes import Sent, quiet_book, run, sent

EAGER = bid_ask_bounce(min_bounce_ticks=0.0, patience_ms=5_000, hold_ms=20_000)
BID, ASK = 1_000, 1_001


def _one_trade() -> Scene:
    """Return a session in which a seller hits the bid once, which survives."""
    return quiet_book(BID, ASK).trade(10, "A", BID, [(1, 1)])


def _entered() -> Scene:
    """Return a session in which our bid is filled: lots that came after it trade."""
    scene = _one_trade().event(20, "A", "B", BID, 5, 3).event(30, "C", "B", BID, 9, 1)
    return scene.trade(40, "A", BID, [(3, 1)])


def test_entry__bids_after_a_trade_at_the_bid() -> None:
    """At the bid; nobody comes: withdrawn when the patience is over, at the next look."""
    scene = _one_trade().event(4_000, "A", "B", BID, 1, 4).event(6_000, "A", "B", BID, 1, 5)

    result = run(scene, EAGER)

    assert sent(result) == [Sent("B", BID, 1, 0, "cancelled")]
    assert (result.orders["ts_end"] - result.orders["ts_submit"])[0] == 5_990 * 10**6


def test_entry__offers_after_a_trade_at_the_ask() -> None:
    """The mirror image."""
    scene = quiet_book(BID, ASK).trade(10, "B", ASK, [(2, 1)])

    assert sent(run(scene, EAGER))[0][:2] == ("A", ASK)


def test_entry__is_withdrawn_when_the_price_leaves() -> None:
    """A bid that is no longer the best rests no longer."""
    scene = _one_trade().event(50, "C", "A", ASK, 10, 2)
    scene.event(60, "A", "A", ASK + 2, 5, 6).event(70, "A", "B", BID + 1, 5, 7)

    assert sent(run(scene, EAGER)) == [Sent("B", BID, 1, 0, "cancelled")]


def test_entry__stays_out_when_the_trade_moved_the_price() -> None:
    """The bid is gone with the trade: no bounce is left."""
    scene = quiet_book(BID, ASK).event(5, "A", "B", BID - 1, 5, 3)
    scene.trade(10, "A", BID, [(1, 10)])

    assert sent(run(scene, EAGER)) == []


@pytest.mark.parametrize(("least", "enters"), [(1.9, True), (2.1, False)])
def test_entry__wants_a_bounce_as_large_as_roll_says(least: float, enters: bool) -> None:
    """Trades in turn at bid and ask: changes of 1 and -1, 2 sqrt(1) ticks of spread."""
    scene = quiet_book(BID, ASK)
    for i in range(6):
        side, tick, order = [("A", BID, 1), ("B", ASK, 2)][i % 2]
        scene.trade(10 + 10 * i, side, tick, [(order, 1)])

    assert bool(sent(run(scene, EAGER(min_bounce_ticks=least)))) == enters


def test_exit__sells_at_the_ask() -> None:
    """The bid is filled; the position is offered at the ask, and taken there."""
    scene = _entered().event(50, "A", "A", ASK, 5, 6).event(60, "C", "A", ASK, 10, 2)
    scene.trade(70, "B", ASK, [(6, 1)])

    result = run(scene, EAGER)

    assert sent(result)[:2] == [Sent("B", BID, 1, 1, "filled"), Sent("A", ASK, 1, 1, "filled")]
    assert result.fills["liquidity"].to_list()[:2] == ["M", "M"]
    assert result.fills["position_after"].to_list() == [1, 0]


def test_exit__offers_what_it_has_of_a_half_filled_entry() -> None:
    """The rest of the bid is cancelled."""
    found = sent(run(_entered(), EAGER(size=2)))

    assert found == [Sent("B", BID, 2, 1, "cancelled"), Sent("A", ASK, 1, 0, "expired")]


def test_exit__goes_to_the_market_in_the_end() -> None:
    """Nobody buys from us: after `hold_ms` the offer is cancelled and the bid is hit."""
    scene = _entered()
    for second in (10, 19, 21, 22):
        scene.event(1_000 * second, "A", "B", BID, 1, 100 + second)

    result = run(scene, EAGER)

    offer, market = sent(result)[1:]
    assert offer == Sent("A", ASK, 1, 0, "cancelled")
    assert (market.side, market.filled) == ("A", 1)
    assert result.fills["liquidity"].to_list() == ["M", "T"]
    held = result.fills["ts_exchange"][1] - result.orders["ts_submit"][0]
    assert 20 <= held / 1e9 < 21.1


def test_entry__leaves_time_for_the_exit() -> None:
    """No entry in the last `hold_ms` before the engine ends flat."""
    assert sent(run(_one_trade(), EAGER(hold_ms=3_600_000))) == []
