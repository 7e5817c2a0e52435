"""Each rule that fills, rejects or ends an order, on a session small enough to follow by hand.

Prices in ticks; the book begins with a bid of 100 lots at 1000 (order 1) and an ask of 50 at 1002
(order 2). `two_steps` acts at its times.
"""

from dataclasses import replace

import pytest

from strategy_lab_core.engine.backtest import BacktestResult
from strategy_lab_core.engine.config import LatencyConfig, MarketOrderConfig
from strategy_lab_core.errors import DataError
from tests.core.engine.scenes import (
    BUY_LIMIT,
    BUY_MARKET,
    CANCEL_FIRST,
    MS,
    QUICK,
    SELL_LIMIT,
    SELL_MARKET,
    Scene,
)
from tests.core.engine.tapes import START_NS, TICK
from tests.naive.book import LAST, SNAPSHOT


def book() -> Scene:
    """Return the book that every scene begins with."""
    return Scene().event(1, "A", "B", 1000, 100, 1).event(1, "A", "A", 1002, 50, 2)


def fills(result: BacktestResult) -> list[tuple[int, int, str]]:
    """Return (price in ticks, lots, liquidity) of every fill."""
    rows = result.fills.select("price", "size", "liquidity").rows()
    return [(price // TICK, size, liquidity) for price, size, liquidity in rows]


def reasons(result: BacktestResult) -> list[str]:
    """Return why each order ended."""
    return result.orders["end_reason"].to_list()


def test_queue__worked_example() -> None:
    """100 ahead of our 50: 80 trade, then 30, then 50; FORMULAS.md's example by order."""
    scene = book().event(20, "A", "B", 1000, 60, 3)
    scene.trade(30, "A", 1000, [(1, 80)])
    scene.trade(40, "A", 1000, [(1, 20), (3, 10)])
    scene.trade(50, "A", 1000, [(3, 50)])

    result = scene.run(what_1=BUY_LIMIT, tick_1=1000, lots_1=50)

    assert fills(result) == [(1000, 10, "M"), (1000, 40, "M")]
    assert result.orders["queue_ahead"].to_list() == [100]


def test_queue__cancels_ahead_bring_us_forward() -> None:
    """Once all who stood before us have gone, the first fill behind us is ours."""
    scene = book().event(20, "A", "B", 1000, 5, 3).event(25, "C", "B", 1000, 100, 1)
    scene.trade(30, "A", 1000, [(3, 4)])

    assert fills(scene.run(what_1=BUY_LIMIT, tick_1=1000, lots_1=50)) == [(1000, 4, "M")]


@pytest.mark.parametrize(
    ("tick", "size", "ours"),
    [(1000, 60, 0), (1000, 101, 7), (1001, 60, 7)],
    ids=["smaller keeps its place", "larger goes behind us", "another price leaves"],
)
def test_queue__modify_ahead_of_us(tick: int, size: int, ours: int) -> None:
    """A modify keeps its place only where the price stays and the size does not grow."""
    scene = book().event(20, "M", "B", tick, size, 1).event(21, "M", "B", 1000, size, 1)
    scene.trade(30, "A", 1000, [(1, 7)])

    result = scene.run(what_1=BUY_LIMIT, tick_1=1000, lots_1=50)

    assert sum(lots for _, lots, _ in fills(result)) == ours


def test_trade_through__fills_us_with_the_traded_lots() -> None:
    """A trade below our bid fills min(ours, traded lots), at our price."""
    scene = book().event(2, "A", "B", 999, 30, 3)
    scene.trade(30, "A", 999, [(3, 8)])

    assert fills(scene.run(what_1=BUY_LIMIT, tick_1=1000, lots_1=50)) == [(1000, 8, "M")]


def test_trade__serves_us_once() -> None:
    """Lots that went to our better order are not there for our order at the trade's price."""
    scene = book().event(20, "A", "B", 1000, 60, 3).event(21, "C", "B", 1000, 100, 1)
    scene.trade(30, "A", 1000, [(3, 10)])

    result = scene.run(
        what_1=BUY_LIMIT, tick_1=1000, lots_1=50, at_2=11, what_2=BUY_LIMIT, tick_2=1001, lots_2=6
    )

    assert fills(result) == [(1001, 6, "M"), (1000, 4, "M")]


@pytest.mark.parametrize(("side", "ours"), [("A", 3), ("N", 0), ("B", 0)])
def test_trade__fills_bids_from_sellers_only(side: str, ours: int) -> None:
    """Without a side (an auction) or from a buyer a trade below our bid is not ours."""
    scene = book().event(30, "T", side, 999, 3)

    result = scene.run(what_1=BUY_LIMIT, tick_1=1000, lots_1=50)

    assert sum(lots for _, lots, _ in fills(result)) == ours


def test_fill__of_the_aggressor_itself_is_not_ours() -> None:
    """A modified order that trades is reported on its own side too."""
    scene = book().event(20, "A", "B", 1000, 9, 3)
    scene.event(30, "T", "B", 1002, 2, flags=0).event(30, "F", "B", 1000, 2, 3, flags=0)
    scene.event(30, "F", "A", 1002, 2, 2, flags=0).event(30, "C", "A", 1002, 2, 2)

    assert fills(scene.run(what_1=BUY_LIMIT, tick_1=1000, lots_1=50)) == []


def test_fill__of_an_order_outside_the_book_is_not_ours() -> None:
    """Nobody knows the place of an implied order: we get nothing."""
    scene = book().event(30, "T", "A", 1000, 2, flags=0).event(30, "F", "B", 1000, 2, 77)

    assert fills(scene.run(what_1=BUY_LIMIT, tick_1=1000, lots_1=50)) == []


@pytest.mark.parametrize("tick", [1001, 1000])
def test_arrival__at_or_through_our_price_fills_us(tick: int) -> None:
    """A seller who comes to our bid inside the spread trades with us, at our price."""
    scene = book().event(30, "A", "A", tick, 7, 3)

    assert fills(scene.run(what_1=BUY_LIMIT, tick_1=1001, lots_1=50)) == [(1001, 7, "M")]


def test_arrival__serves_us_once() -> None:
    """An order that has filled us fills us again only with the lots by which it grows."""
    scene = book().event(30, "A", "A", 1001, 7, 3).event(40, "M", "A", 1001, 10, 3)

    result = scene.run(what_1=BUY_LIMIT, tick_1=1001, lots_1=50)

    assert fills(result) == [(1001, 7, "M"), (1001, 3, "M")]


def test_arrival__in_a_snapshot_is_none() -> None:
    """Snapshot rows are not arrivals: nobody new has come."""
    scene = book().event(30, "A", "A", 1001, 7, 3, flags=SNAPSHOT | 8)

    assert fills(scene.run(what_1=BUY_LIMIT, tick_1=1001, lots_1=50)) == []


def test_snapshot__keeps_our_place() -> None:
    """An order behind us is behind us still when a snapshot restates the book."""
    scene = book().event(20, "A", "B", 1000, 5, 3)
    for order_id, size in ((1, 100), (3, 5)):
        scene.event(25, "A", "B", 1000, size, order_id, flags=SNAPSHOT | 8)
    scene.trade(30, "A", 1000, [(1, 2)]).trade(31, "A", 1000, [(3, 4)])

    assert fills(scene.run(what_1=BUY_LIMIT, tick_1=1000, lots_1=50)) == [(1000, 4, "M")]


def test_limit__takes_what_is_displayed_and_rests_with_the_rest() -> None:
    """A buy limit through two levels takes both, the remainder is the new best bid."""
    scene = book().event(2, "A", "A", 1003, 5, 3).event(30, "A", "A", 1004, 1, 4)

    result = scene.run(what_1=BUY_LIMIT, tick_1=1003, lots_1=60)

    assert fills(result) == [(1002, 50, "T"), (1003, 5, "T")]
    assert result.orders["filled"].to_list() == [55]
    assert result.orders["queue_ahead"].to_list() == [0]


def test_liquidity__a_displayed_order_serves_us_once() -> None:
    """Two buyers of 30 find 50 displayed lots: the second gets 20, then the next level."""
    scene = book().event(2, "A", "A", 1004, 90, 3).event(30, "N", "N", None, 0)

    result = scene.run(what_1=BUY_MARKET, lots_1=30, at_2=12, what_2=BUY_MARKET, lots_2=30)

    assert fills(result) == [(1002, 30, "T"), (1002, 20, "T"), (1004, 10, "T")]


def test_market__stops_at_its_protection_and_rests_there() -> None:
    """Two ticks of protection: 1004 is reached, 1005 is not, and the rest waits at 1004."""
    config = replace(QUICK, market_orders=MarketOrderConfig(protection_ticks=2))
    scene = book().event(2, "A", "A", 1004, 5, 3).event(2, "A", "A", 1005, 99, 4)
    scene.event(30, "A", "A", 1004, 2, 5)

    result = scene.run(config, what_1=BUY_MARKET, lots_1=60)

    assert fills(result) == [(1002, 50, "T"), (1004, 5, "T"), (1004, 2, "M")]
    assert result.orders["price"].to_list() == [1004 * TICK]


def test_market__remainder_can_be_cancelled() -> None:
    """The simplification leaves nothing resting."""
    protection = MarketOrderConfig(protection_ticks=2, cancel_remainder=True)
    scene = book().event(30, "A", "A", 1002, 9, 5)

    result = scene.run(replace(QUICK, market_orders=protection), what_1=BUY_MARKET, lots_1=60)

    assert fills(result) == [(1002, 50, "T")]
    assert reasons(result) == ["remainder_cancelled"]


def test_market__nobody_there_is_a_rejection() -> None:
    """Without an ask there is no price to protect."""
    scene = Scene().event(1, "A", "B", 1000, 10, 1).event(30, "N", "N", None, 0)

    assert reasons(scene.run(what_1=BUY_MARKET)) == ["rejected_no_market"]


def test_own_orders__never_cross() -> None:
    """The newer order is rejected, the older rests on."""
    scene = book().event(30, "N", "N", None, 0)

    result = scene.run(
        what_1=BUY_LIMIT, tick_1=1001, lots_1=5, at_2=12, what_2=SELL_LIMIT, tick_2=1001, lots_2=5
    )

    assert reasons(result) == ["expired", "rejected_own_cross"]


def test_own_orders__the_market_in_between_may_be_enough() -> None:
    """A buyer who is served before our own ask does not cross it."""
    scene = book().event(30, "N", "N", None, 0)

    result = scene.run(
        what_1=SELL_LIMIT, tick_1=1003, lots_1=5, at_2=12, what_2=BUY_MARKET, lots_2=50
    )

    assert fills(result) == [(1002, 50, "T")]


def test_cancel__after_the_fill_is_rejected() -> None:
    """The cancel travels while the order is filled: it comes too late, the fill stands."""
    config = replace(QUICK, latency=LatencyConfig(order_ns=5 * MS, response_ns=5 * MS))
    scene = book().event(20, "A", "A", 1001, 1, 3).event(40, "N", "N", None, 0)

    result = scene.run(config, what_1=BUY_LIMIT, tick_1=1001, at_2=19, what_2=CANCEL_FIRST)

    assert reasons(result) == ["filled"]
    assert fills(result) == [(1001, 1, "M")]


def test_cancel__before_the_trade_prevents_it() -> None:
    """A cancel that arrives in time ends the order."""
    scene = book().event(30, "A", "A", 1001, 1, 3)

    result = scene.run(what_1=BUY_LIMIT, tick_1=1001, at_2=20, what_2=CANCEL_FIRST)

    assert reasons(result) == ["cancelled"]


def test_equal_times__the_market_goes_first() -> None:
    """An ask that is taken away at the moment of our arrival is gone."""
    scene = book().event(10, "C", "A", 1002, 50, 2).event(10, "A", "A", 1005, 5, 3)
    scene.event(30, "N", "N", None, 0)

    assert fills(scene.run(at_1=10, what_1=BUY_MARKET)) == [(1005, 1, "T")]


def test_latency__moves_arrival_and_response() -> None:
    """Sent at 10 ms, 3 ms on the way, 4 ms back."""
    config = replace(QUICK, latency=LatencyConfig(order_ns=3 * MS, response_ns=4 * MS))
    scene = book().event(30, "N", "N", None, 0)

    result = scene.run(config, what_1=BUY_MARKET)

    order, fill = result.orders.row(0, named=True), result.fills.row(0, named=True)
    assert order["ts_submit"] == START_NS + 10 * MS
    assert order["ts_exchange"] == START_NS + 13 * MS
    assert fill["ts_local"] == START_NS + 17 * MS


def test_phase__orders_are_rejected_in_a_halt_and_nothing_fills() -> None:
    """Neither an arriving order nor one that rests trades while the market is halted."""
    scene = book().event(30, "A", "A", 1001, 4, 3).event(60, "N", "N", None, 0)

    result = scene.run(
        halts=((15, 50),), what_1=BUY_LIMIT, tick_1=1001, at_2=40, what_2=SELL_MARKET
    )

    assert reasons(result) == ["expired", "rejected_phase"]
    assert fills(result) == []


def test_untrusted__nothing_fills() -> None:
    """In an unreliable stretch a resting order does not trade; afterwards it does."""
    scene = book().event(30, "A", "A", 1001, 4, 3, trusted=False)
    scene.event(60, "N", "N", None, 0, trusted=False).event(90, "A", "A", 1001, 2, 4)

    assert fills(scene.run(what_1=BUY_LIMIT, tick_1=1001, lots_1=9)) == [(1001, 2, "M")]


def test_untrusted__nothing_is_sent() -> None:
    """A strategy that wants to act at 40 ms is called when its book is good again."""
    scene = book().event(30, "N", "N", None, 0, trusted=False).event(90, "N", "N", None, 0)

    result = scene.run(at_1=40, what_1=BUY_MARKET)

    assert result.orders["ts_submit"].to_list() == [START_NS + 90 * MS]


def test_untrusted__an_order_on_its_way_is_rejected() -> None:
    """Sent while the book was good, arrived when it was not."""
    config = replace(QUICK, latency=LatencyConfig(order_ns=20 * MS))
    scene = book().event(15, "N", "N", None, 0, trusted=False).event(60, "N", "N", None, 0)

    assert reasons(scene.run(config, what_1=BUY_MARKET)) == ["rejected_untrusted"]


def test_flat__the_position_is_closed_before_the_close() -> None:
    """Five seconds before the close: the bid is cancelled, the position sold, with its costs."""
    config = replace(QUICK, flatten_seconds=5)
    scene = book().event(9_999, "N", "N", None, 0)

    result = scene.run(
        config, close_s=10, what_1=BUY_MARKET, lots_1=7, at_2=20, what_2=BUY_LIMIT, tick_2=990
    )

    assert reasons(result) == ["filled", "cancelled", "filled"]
    assert fills(result) == [(1002, 7, "T"), (1000, 7, "T")]
    assert result.orders["ts_submit"][2] == START_NS + 5_000 * MS
    assert result.metrics["final_position"] == 0
    assert result.flags == ()
    assert result.metrics["net_profit_e6"] == -7 * (2 * 500_000 + 2 * 370_000)


def test_flat__what_stays_open_is_valued_at_the_far_side() -> None:
    """Nobody bids any more: the run is flagged, the position valued at the last bid."""
    scene = book().event(4_000, "N", "N", None, 0).event(4_500, "C", "B", 1000, 100, 1)
    scene.event(9_999, "N", "N", None, 0)

    result = scene.run(replace(QUICK, flatten_seconds=5), close_s=10, what_1=BUY_MARKET)

    assert result.flags == ("open_position",)
    assert reasons(result)[1] == "rejected_no_market"
    assert result.metrics["net_profit_e6"] == -2 * 500_000 - 370_000


def test_partial__runs_only_when_asked() -> None:
    """Rows that end before the close: refused, or labelled."""
    scene = book().event(30, "N", "N", None, 0)

    assert scene.run().flags == ("partial",)
    with pytest.raises(DataError, match="is partial, its rows do not reach from open to close"):
        scene.run(replace(QUICK, allow_partial=False))


def test_clock__that_runs_behind_is_repaired_and_reported() -> None:
    """Received before it happened: the shortest latency becomes the configured base."""
    scene = book().event(30, "N", "N", None, 0)
    for row in scene.rows[1:]:
        row.ts_recv -= 400 * MS

    result = scene.run(what_1=BUY_MARKET)

    assert any("400.1 ms were added" in sentence for sentence in result.assumptions)
    assert result.metrics["n_fills"] == 1


def test_last_row__without_the_flag_ends_its_event() -> None:
    """A tape that is cut inside an event is played to its end."""
    scene = book().event(30, "A", "A", 1001, 4, 3, flags=0)

    assert scene.rows[-1].flags & LAST == 0
    assert fills(scene.run(what_1=BUY_LIMIT, tick_1=1001)) == [(1001, 1, "M")]
