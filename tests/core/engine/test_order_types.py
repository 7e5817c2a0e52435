"""What each order type does, on a session small enough to follow by hand.

Prices in ticks; the book is that of `test_rules`: 100 lots bid at 1000, 50 asked at 1002.
"""

from dataclasses import replace

import pytest

from strategy_lab_core.engine.config import LatencyConfig, LimitsConfig, MarketOrderConfig
from tests.core.engine.scenes import (
    BUY_FOK,
    BUY_IOC,
    BUY_LIMIT,
    BUY_MARKET,
    BUY_POST_ONLY,
    BUY_STOP,
    BUY_STOP_LIMIT,
    CANCEL_FIRST,
    MODIFY_FIRST,
    MS,
    QUICK,
    SELL_STOP,
    Scene,
)
from tests.core.engine.tapes import TICK
from tests.core.engine.test_rules import book, fills, reasons

SLOW = replace(QUICK, latency=LatencyConfig(order_ns=5 * MS, response_ns=5 * MS))
ALL_TYPES = replace(QUICK, market_orders=MarketOrderConfig(simulate_unsupported=True))


def quiet_book() -> Scene:
    """Return the book, with time for two actions and nothing else in it."""
    return book().event(60, "N", "N", None, 0)


@pytest.mark.parametrize(
    ("what", "lots", "filled", "reason"),
    [
        (BUY_IOC, 70, [(1002, 50, "T")], "remainder_cancelled"),
        (BUY_IOC, 20, [(1002, 20, "T")], "filled"),
        (BUY_FOK, 51, [], "rejected_fill_or_kill"),
        (BUY_FOK, 50, [(1002, 50, "T")], "filled"),
    ],
)
def test_immediate__takes_what_is_there(
    what: int, lots: int, filled: list[tuple[int, int, str]], reason: str
) -> None:
    """Fill-and-kill takes a part, fill-or-kill all or nothing; neither rests."""
    scene = book().event(2, "A", "A", 1003, 100, 3).trade(30, "B", 1002, [(2, 1)])

    result = scene.run(what_1=what, tick_1=1002, lots_1=lots)

    assert fills(result) == filled
    assert reasons(result) == [reason]


def test_fok__counts_only_what_is_unused() -> None:
    """Lots that have served us before are not there a second time."""
    result = quiet_book().run(
        what_1=BUY_LIMIT, tick_1=1002, lots_1=10, at_2=20, what_2=BUY_FOK, tick_2=1002, lots_2=41
    )
    assert reasons(result) == ["filled", "rejected_fill_or_kill"]


def test_post_only__is_refused_where_the_exchange_has_none() -> None:
    """CME has no post-only orders: it is not sent unless that is simulated."""
    result = quiet_book().run(what_1=BUY_POST_ONLY, tick_1=1001)

    assert len(result.orders) == 0
    assert result.metrics["n_refused_unsupported"] == 1


@pytest.mark.parametrize(("tick", "reason"), [(1002, "rejected_would_trade"), (1001, "filled")])
def test_post_only__never_takes(tick: int, reason: str) -> None:
    """At the ask it is rejected, below it rests and is filled by who comes."""
    scene = book().event(20, "A", "A", 1001, 1, 3)

    result = scene.run(ALL_TYPES, what_1=BUY_POST_ONLY, tick_1=tick)

    assert reasons(result) == [reason]
    assert [liquidity for *_, liquidity in fills(result)] in ([], ["M"])


def test_stop__trades_on_the_book_after_the_event() -> None:
    """Triggered by a trade at its price, it takes what that event has left, from its fills on."""
    scene = book().event(2, "A", "A", 1003, 7, 3).trade(30, "B", 1002, [(2, 50)])

    result = scene.run(what_1=BUY_STOP, tick_1=1002, lots_1=3)

    assert fills(result) == [(1003, 3, "T")]
    order = result.orders.row(0, named=True)
    assert order["ts_end"] == result.fills["ts_exchange"][0] > order["ts_exchange"]
    assert (order["trigger_price"], order["price"]) == (1002 * TICK, 1042 * TICK)


@pytest.mark.parametrize(
    "quiet",
    [
        lambda scene: scene.event(30, "C", "A", 1002, 50, 2).event(31, "A", "A", 1005, 1, 3),
        lambda scene: scene.event(30, "T", "N", 1005, 5),
        lambda scene: scene.event(30, "T", "B", 1005, 5, trusted=False),
    ],
    ids=["a quote", "an auction", "an untrusted trade"],
)
def test_stop__is_not_triggered_by(quiet: object) -> None:
    """Quotes, trades without a side and trades in an untrusted stretch trigger nothing."""
    scene = book()
    assert callable(quiet)
    quiet(scene)

    result = scene.event(60, "N", "N", None, 0).run(what_1=BUY_STOP, tick_1=1003)

    assert fills(result) == []
    assert reasons(result) == ["expired"]


def test_stop__a_sell_stop_waits_below() -> None:
    """A trade through the trigger counts too; the position it protects is closed."""
    scene = book().event(2, "A", "B", 999, 10, 4)
    scene.event(30, "C", "B", 1000, 100, 1).trade(40, "A", 999, [(4, 2)])

    result = scene.run(what_1=BUY_MARKET, at_2=12, what_2=SELL_STOP, tick_2=1000)

    assert fills(result) == [(1002, 1, "T"), (999, 1, "T")]
    assert result.metrics["final_position"] == 0


def test_stop_limit__rests_at_its_limit() -> None:
    """After the trigger it is a limit order: it waits where the market has run away."""
    scene = book().event(2, "A", "A", 1004, 7, 3).trade(30, "B", 1002, [(2, 50)])
    scene.event(50, "A", "A", 1002, 2, 5)

    result = scene.run(what_1=BUY_STOP_LIMIT, tick_1=1002, lots_1=3)

    assert fills(result) == [(1002, 2, "M")]
    assert reasons(result) == ["expired"]


def test_stop__can_be_cancelled() -> None:
    """Before its trigger it ends like any order."""
    scene = book().trade(30, "B", 1002, [(2, 50)])

    result = scene.run(what_1=BUY_STOP, tick_1=1002, at_2=20, what_2=CANCEL_FIRST)

    assert reasons(result) == ["cancelled"]


def test_modify__a_smaller_size_keeps_the_place() -> None:
    """Two lots of four are left in the queue before order 3, which comes later."""
    scene = book().event(15, "A", "B", 1000, 5, 3).trade(30, "A", 1000, [(1, 100), (3, 4)])

    result = scene.run(
        what_1=BUY_LIMIT, tick_1=1000, lots_1=4, at_2=20, what_2=MODIFY_FIRST, tick_2=1000, lots_2=2
    )

    assert fills(result) == [(1000, 2, "M")]
    assert result.orders["size"].to_list() == [2]
    assert reasons(result) == ["filled"]


@pytest.mark.parametrize(("tick", "lots"), [(1000, 5), (1001, 4)], ids=["larger", "other price"])
def test_modify__else_the_order_comes_anew(tick: int, lots: int) -> None:
    """It is behind order 3 then, or first where nobody else is."""
    scene = book().event(15, "A", "B", 1000, 5, 3)
    scene.trade(30, "A", 1000, [(1, 100), (3, 4)])

    result = scene.run(
        what_1=BUY_LIMIT, tick_1=1000, lots_1=4, at_2=20, what_2=MODIFY_FIRST, tick_2=tick,
        lots_2=lots,
    )  # fmt: skip

    assert result.orders["queue_ahead"].to_list() == [105 if tick == 1000 else 0]
    assert fills(result) == ([] if tick == 1000 else [(1001, 4, "M")])


def test_modify__through_the_market_trades() -> None:
    """A price at the ask takes what is there."""
    result = quiet_book().run(
        what_1=BUY_LIMIT, tick_1=1000, lots_1=4, at_2=20, what_2=MODIFY_FIRST, tick_2=1002, lots_2=4
    )
    assert fills(result) == [(1002, 4, "T")]


def test_modify__to_what_is_filled_ends_the_order() -> None:
    """Two lots are filled while the modify to two travels."""
    scene = book().event(22, "A", "A", 1001, 2, 3).event(60, "N", "N", None, 0)

    result = scene.run(
        SLOW, what_1=BUY_LIMIT, tick_1=1001, lots_1=4, at_2=20, what_2=MODIFY_FIRST, tick_2=1001,
        lots_2=2,
    )  # fmt: skip

    assert fills(result) == [(1001, 2, "M")]
    assert reasons(result) == ["remainder_cancelled"]


def test_modify__after_the_fill_is_too_late() -> None:
    """The order was over when it came: nothing changes, and the position is what was filled."""
    scene = book().event(22, "A", "A", 1001, 9, 3).event(60, "N", "N", None, 0)

    result = scene.run(
        SLOW, what_1=BUY_LIMIT, tick_1=1001, lots_1=4, at_2=20, what_2=MODIFY_FIRST, tick_2=1001,
        lots_2=9,
    )  # fmt: skip

    assert fills(result) == [(1001, 4, "M")]
    assert result.orders["size"].to_list() == [4]


def test_kill_switch__ends_the_session_flat() -> None:
    """Five lots lose 20 ticks at the mid, 50 USD: all is cancelled and closed, nobody is asked."""
    scene = book().event(12, "A", "A", 1100, 9, 3).event(20, "C", "B", 1000, 100, 1)
    scene.event(21, "A", "B", 960, 40, 4).event(22, "C", "A", 1002, 45, 2)
    scene.event(23, "A", "A", 1004, 40, 5).event(60, "N", "N", None, 0)
    limits = LimitsConfig(max_position=1_000, max_order_size=1_000, max_loss_e6=50_000_000)

    result = scene.run(
        replace(QUICK, limits=limits), what_1=BUY_MARKET, lots_1=5, at_2=50, what_2=BUY_MARKET
    )

    assert fills(result) == [(1002, 5, "T"), (960, 5, "T")]
    assert result.flags == ("partial", "killed")
    assert result.metrics["killed_ns"] == result.fills["ts_exchange"][1]
    untouched = scene.run(what_1=BUY_MARKET, lots_1=5, at_2=50, what_2=BUY_MARKET)
    assert len(untouched.fills) == 2
    assert untouched.flags == ("partial", "open_position")


def test_kill_switch__sees_what_happens_between_two_calls() -> None:
    """A loss that lasts for less than the strategy's timer counts too."""
    scene = book().event(12_000, "C", "B", 1000, 100, 1).event(12_001, "A", "B", 900, 40, 4)
    scene.event(13_000, "A", "B", 1000, 40, 6).event(90_000, "N", "N", None, 0)
    limits = LimitsConfig(max_position=1_000, max_order_size=1_000, max_loss_e6=20_000_000)

    result = scene.run(replace(QUICK, limits=limits), what_1=BUY_MARKET)

    assert fills(result) == [(1002, 1, "T"), (900, 1, "T")]
    assert "killed" in result.flags


def test_stop__rests_where_nobody_is_on_the_other_side() -> None:
    """The trade that triggers it takes the last ask: it waits at its protection limit."""
    scene = book().trade(30, "B", 1002, [(2, 50)]).event(40, "A", "A", 1010, 2, 5)
    scene.event(60, "N", "N", None, 0)

    result = scene.run(what_1=BUY_STOP, tick_1=1002)

    assert fills(result) == [(1042, 1, "M")]
    assert reasons(result) == ["filled"]


def test_assumptions__name_what_is_simulated() -> None:
    """An order type that the exchange does not have is one."""
    result = quiet_book().run(ALL_TYPES, what_1=BUY_POST_ONLY, tick_1=1001)
    assert any("post-only at CME, are simulated" in text for text in result.assumptions)


def test_modify__growth_counts_against_the_limits() -> None:
    """A size that could bring the position over its limit is not sent."""
    config = replace(QUICK, limits=LimitsConfig(max_position=5, max_order_size=50))

    result = quiet_book().run(
        config, what_1=BUY_LIMIT, tick_1=1000, lots_1=4, at_2=20, what_2=MODIFY_FIRST, tick_2=1000,
        lots_2=6,
    )  # fmt: skip

    assert result.metrics["n_refused_position_limit"] == 1
    assert result.orders["size"].to_list() == [4]
