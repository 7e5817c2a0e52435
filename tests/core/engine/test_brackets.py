"""Brackets, on a session small enough to follow by hand.

The book is that of `test_rules`: 100 lots bid at 1000, 50 asked at 1002. The entry is order 0 and
buys at the ask; the stop comes first of what closes it. Times in ms.
"""

from dataclasses import replace
from typing import Annotated, NamedTuple

import pytest

from strategy_lab_core.engine.backtest import BacktestResult, backtest
from strategy_lab_core.engine.config import BacktestConfig, LatencyConfig
from strategy_lab_core.strategies.requests import buy_bracket, sell_bracket
from strategy_lab_core.strategies.strategy import Bounds, Memory, View, strategy
from strategy_lab_core.types import Int2D
from tests.core.engine.scenes import MS, QUICK, Scene
from tests.core.engine.tapes import MNQ, START_NS, session_until, to_table
from tests.core.engine.test_rules import book, fills, reasons

SLOW = replace(QUICK, latency=LatencyConfig(order_ns=5 * MS, response_ns=5 * MS, feed_offset_ns=0))


class BracketParams(NamedTuple):
    """One bracket, 10 ms after the start."""

    side: Annotated[int, Bounds(-1, 1)] = 1
    tick: Annotated[int, Bounds(0, 2_000)] = 1002
    lots: Annotated[int, Bounds(1, 100)] = 5
    take_profit: Annotated[int, Bounds(0, 2_000)] = 1005
    stop_loss: Annotated[int, Bounds(0, 2_000)] = 999


@strategy(BracketParams, on_book=False, timer_ns=MS, ints=1)
def one_bracket(memory: Memory, view: View, p: BracketParams, requests: Int2D) -> None:
    """Send it once."""
    if memory.ints[0] == 1 or view.now_ns < 1_700_000_000_010_000_000:
        return
    memory.ints[0] = 1
    if p.side > 0:
        buy_bracket(requests, p.tick, p.lots, p.take_profit, p.stop_loss, 7)
    else:
        sell_bracket(requests, p.tick, p.lots, p.take_profit, p.stop_loss, 7)


def run(
    scene: Scene, config: BacktestConfig = QUICK, *, close_ms: int = 600_000, **bracket: int
) -> BacktestResult:
    """Run one bracket on a session that goes on for a while after its last event."""
    scene.event(900, "N", "N", None, 0)
    session = session_until(START_NS + close_ms * MS)
    actor = one_bracket(**bracket)
    return backtest(to_table(scene.rows), actor, config, session=session, instrument=MNQ)


def bought_at(scene: Scene, at_ms: int, tick: int, lots: int) -> Scene:
    """Add an order that buys at a price: it trades with an offer of ours there."""
    return scene.event(at_ms, "A", "B", tick, lots, 1_000 + at_ms)


def sold_at(scene: Scene, at_ms: int, tick: int) -> Scene:
    """Add a trade of one lot with an aggressive seller, far below: it triggers stops."""
    return scene.event(at_ms, "T", "A", tick, 1)


def test_bracket__sends_both_orders_for_what_is_filled() -> None:
    """A stop and a limit on the other side, with the entry's tag, when the fill is heard."""
    result = run(book(), SLOW)

    columns = ("side", "type", "tag", "size", "ts_submit")
    sent, heard = START_NS + 10 * MS, START_NS + 20 * MS
    assert [tuple(map(str, row)) for row in result.orders.select(*columns).rows()] == [
        ("B", "limit", "7", "5", str(sent)),
        ("A", "stop", "7", "5", str(heard)),
        ("A", "limit", "7", "5", str(heard)),
    ]
    assert result.orders["trigger_price"][1] == 999 * 250_000_000
    assert result.orders["price"][2] == 1005 * 250_000_000


def test_bracket__one_cancels_the_other() -> None:
    """The take-profit is filled: the stop goes. The stop is filled: the take-profit goes."""
    won = run(bought_at(book(), 40, 1005, 9))
    assert fills(won) == [(1002, 5, "T"), (1005, 5, "M")]
    assert reasons(won) == ["filled", "cancelled", "filled"]

    lost = run(sold_at(book(), 40, 999))
    assert fills(lost) == [(1002, 5, "T"), (1000, 5, "T")]
    assert reasons(lost) == ["filled", "filled", "cancelled"]


@pytest.mark.parametrize(("apart", "position"), [(9, -5), (11, 0)])
def test_bracket__both_can_fill(apart: int, position: int) -> None:
    """The sibling's cancel takes response plus entry latency, 10 ms: a stop before it fills too."""
    scene = sold_at(bought_at(book(), 40, 1005, 9), 40 + apart, 999)

    result = run(scene, SLOW)

    assert result.metrics["final_position"] == position
    assert reasons(result)[1] == ("filled" if position else "cancelled")


def test_bracket__a_part_takes_as_much_off_the_other() -> None:
    """Two lots won leave a stop of three, and its fill cancels the rest of the take-profit."""
    scene = sold_at(bought_at(book(), 40, 1005, 2), 60, 999)

    result = run(scene)

    # The two lots bid at 1005 have served us: the stop takes the next bids.
    assert fills(result) == [(1002, 5, "T"), (1005, 2, "M"), (1000, 3, "T")]
    assert result.orders["size"].to_list() == [5, 3, 5]
    assert reasons(result) == ["filled", "filled", "cancelled"]


@pytest.mark.parametrize(("stop_at", "left"), [(49, 5), (55, 4), (59, 4), (61, 3)])
def test_bracket__takes_off_one_change_at_a_time(stop_at: int, left: int) -> None:
    """Fills at 40 and 42: the first change arrives at 50, the second once it is answered, at 60."""
    scene = bought_at(bought_at(book(), 40, 1005, 1), 42, 1005, 1)

    result = run(sold_at(scene, stop_at, 999), SLOW)

    assert [lots for _, lots, side in fills(result) if side == "T"] == [5, left]
    assert result.metrics["final_position"] == 5 - 2 - left


def test_bracket__each_fill_has_its_own_pair() -> None:
    """Three lots displayed and then two more: two stops and two limits of these sizes."""
    scene = book().event(30, "A", "A", 1001, 2, 8)
    scene.rows[2].size = 3

    result = run(scene)

    assert result.orders["size"].to_list() == [5, 3, 3, 2, 2]
    assert result.orders["type"].to_list() == ["limit", "stop", "limit", "stop", "limit"]


def test_sell_bracket__is_the_mirror() -> None:
    """Sold at the bid, bought back below; the stop above goes."""
    scene = book().event(40, "A", "A", 998, 50, 9)

    result = run(scene, side=-1, tick=1000, take_profit=998, stop_loss=1003)

    assert reasons(result)[0] == "filled"
    assert result.orders["type"].to_list() == ["limit", "stop", "limit"]
    assert [str(side) for side in result.orders["side"]] == ["A", "B", "B"]


@pytest.mark.parametrize(
    "prices",
    [
        {"take_profit": 1002},
        {"stop_loss": 1002},
        {"side": -1, "tick": 1000, "take_profit": 999, "stop_loss": 1000},
    ],
)
def test_bracket__prices_must_be_on_their_sides(prices: dict[str, int]) -> None:
    """A take-profit that loses, or a stop-loss that wins, is a mistake: nothing is sent."""
    result = run(book(), QUICK, **prices)

    assert len(result.orders) == 0
    assert result.metrics["n_refused_invalid"] == 1


def test_bracket__is_judged_by_the_limits() -> None:
    """With one open order at most the stop is sent, the take-profit refused and counted."""
    config = replace(QUICK, limits=replace(QUICK.limits, max_open_orders=1))

    result = run(book(), config)

    assert result.orders["type"].to_list() == ["limit", "stop"]
    assert result.metrics["n_refused_open_orders"] == 1


def test_bracket__is_not_closed_while_the_book_is_untrusted() -> None:
    """The fill is heard when the book that we see is unreliable: two orders are refused."""
    scene = book().event(17, "N", "N", None, 0, trusted=False)
    result = run(scene, SLOW)

    assert result.metrics["n_refused_untrusted"] == 2
    assert len(result.orders) == 1


def test_bracket__gives_way_to_the_flattening() -> None:
    """A fill that is heard at 20, after it has begun at 15, is closed by it, not by a bracket."""
    result = run(book(), replace(SLOW, flatten_seconds=1), close_ms=1_015)

    assert result.orders["type"].to_list() == ["limit", "market"]
    assert result.metrics["final_position"] == 0


@pytest.mark.parametrize("why", ["untrusted", "halt"])
def test_bracket__tries_again_what_it_could_not_take_off(why: str) -> None:
    """Once the stretch is over the stop is no larger than what is left to close."""
    scene = bought_at(book(), 40, 1005, 9 if why == "untrusted" else 2)
    scene.event(42, "N", "N", None, 0, trusted=why != "untrusted")
    sold_at(scene.event(80, "N", "N", None, 0), 1_300, 999).event(1_400, "N", "N", None, 0)
    halts = ((45, 70),) if why == "halt" else ()
    session = session_until(START_NS + 600_000 * MS, halts_ms=halts)

    result = backtest(to_table(scene.rows), one_bracket(), SLOW, session=session, instrument=MNQ)

    assert result.metrics["final_position"] == 0
    assert reasons(result)[1] == ("cancelled" if why == "untrusted" else "filled")
