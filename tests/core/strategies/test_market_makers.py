"""What both market makers do with a book, an inventory and their limits."""

from dataclasses import replace

import pytest

from strategy_lab_core.engine.config import LatencyConfig
from strategy_lab_core.strategies.avellaneda_stoikov import avellaneda_stoikov
from strategy_lab_core.strategies.glft import glft
from strategy_lab_core.strategies.strategy import Strategy
from tests.core.engine.scenes import QUICK, Scene
from tests.core.engine.tapes import SECOND, START_NS
from tests.core.strategies.tapes import Sent, quiet_book, run, sent

COMMON = {"size": 3, "volatility": 2.0, "fill_decay": 1.5, "wind_down_s": 0.0, "max_position": 9}
# Mid 1002, g = 0.1, k = 1.5, sigma = 2. Avellaneda-Stoikov with a second to go: half spread 0.845,
# skew 0.4 a lot; GLFT with A = 1, D = 3: half spread 1.154, skew 0.364 a lot.
MAKERS = pytest.mark.parametrize(
    "maker",
    [
        avellaneda_stoikov(risk_aversion=0.1, horizon_s=1.0, **COMMON),
        glft(risk_aversion=0.1, fill_rate=1.0, **COMMON),
    ],
    ids=lambda maker: maker.name,
)


def _sold_to_us(lots: int = 3) -> Scene:
    """Return a session in which lots are sold at our bid or through it after a second."""
    scene = quiet_book().event(500, "A", "B", 1_000, 20, 3).event(600, "C", "B", 1_000, 10, 1)
    return scene.trade(1_000, "A", 1_000, [(3, lots)])


def _bought_from_us() -> Scene:
    """Return the mirror image."""
    scene = quiet_book().event(500, "A", "A", 1_004, 20, 3).event(600, "C", "A", 1_004, 10, 2)
    return scene.trade(1_000, "B", 1_004, [(3, 3)])


def _ticks(orders: list[Sent]) -> list[int]:
    return [order.tick for order in orders if order.tick is not None]


@MAKERS
def test_quotes__stand_around_the_mid_without_an_inventory(maker: Strategy) -> None:
    """One order a side, the same distance from the mid, rounded away from it, kept as it is."""
    distance = 1 if maker.name == "avellaneda_stoikov" else 2

    assert sent(run(quiet_book(), maker)) == [
        Sent("B", 1_002 - distance, 3, 0, "expired"),
        Sent("A", 1_002 + distance, 3, 0, "expired"),
    ]


@MAKERS
def test_quotes__lean_against_a_long_position(maker: Strategy) -> None:
    """After buying three lots both quotes are lower: the ask is modified, the bid comes anew."""
    bid, ask = sent(run(quiet_book(), maker))

    found = sent(run(_sold_to_us(), maker))

    assert [each.side for each in found] == ["B", "A", "B"]
    assert found[0] == bid._replace(filled=3, end="filled")
    assert _ticks([bid, ask])[0] > _ticks(found)[2]
    assert _ticks([bid, ask])[1] > _ticks(found)[1]


@MAKERS
def test_quotes__lean_against_a_short_position(maker: Strategy) -> None:
    """The mirror image: after selling three lots both quotes are higher."""
    bid, ask = sent(run(quiet_book(), maker))

    found = sent(run(_bought_from_us(), maker))

    assert [each.side for each in found] == ["B", "A", "A"]
    assert found[1] == ask._replace(filled=3, end="filled")
    assert _ticks([bid, ask])[0] < _ticks(found)[0]
    assert _ticks([bid, ask])[1] < _ticks(found)[2]


@MAKERS
@pytest.mark.parametrize("more", [{"risk_aversion": 2.0}, {"volatility": 20.0}])
def test_quotes__widen_with_risk(maker: Strategy, more: dict[str, float]) -> None:
    """With the aversion to it, and with the volatility."""
    calm, risky = (_ticks(sent(run(quiet_book(), each))) for each in (maker, maker(**more)))

    assert risky[0] < calm[0]
    assert risky[1] > calm[1]


@MAKERS
def test_quotes__never_cross_the_spread(maker: Strategy) -> None:
    """Long and afraid it would sell far below the bid: it offers a tick above. Likewise short."""
    afraid = maker(risk_aversion=2.0, volatility=5.0)
    to_us = quiet_book().event(500, "A", "B", 900, 50, 3).trade(1_000, "A", 900, [(3, 3)])
    from_us = quiet_book().event(500, "A", "A", 1_100, 50, 3).trade(1_000, "B", 1_100, [(3, 3)])

    long, short = run(to_us, afraid), run(from_us, afraid)

    assert long.fills["liquidity"].to_list() == short.fills["liquidity"].to_list() == ["M"]
    assert sent(long)[1] == Sent("A", 1_001, 3, 0, "expired")
    assert sent(short)[0] == Sent("B", 1_003, 3, 0, "expired")


@MAKERS
def test_quotes__stop_at_the_largest_position(maker: Strategy) -> None:
    """At the limit only the side that reduces is quoted; below it the last lots fit in."""
    full = sent(run(_sold_to_us(), maker(max_position=3)))
    nearly = sent(run(_sold_to_us(), maker(max_position=5)))

    assert [(each.side, each.size) for each in full] == [("B", 3), ("A", 3)]
    assert [(each.side, each.size) for each in nearly] == [("B", 3), ("A", 3), ("B", 2)]


@MAKERS
def test_quotes__are_withdrawn_before_the_end(maker: Strategy) -> None:
    """From `wind_down_s` before flattening on (70 s after the start) a flat maker rests."""
    result = run(quiet_book(), maker(wind_down_s=60.0), close_s=130)

    ends = (result.orders["ts_end"] - START_NS).to_list()
    assert [each // SECOND for each in ends] == [10, 10]
    assert run(_sold_to_us(), maker(wind_down_s=70.0), close_s=130).orders.height == 0


@MAKERS
def test_quotes__only_reduce_before_the_end(maker: Strategy) -> None:
    """Long, it offers what it has and no more, and then rests."""
    scene = _sold_to_us(2).trade(40_000, "B", 1_004, [(2, 5)])

    result = run(scene, maker(wind_down_s=60.0), close_s=130)

    assert result.fills["position_after"].to_list() == [2, 0]
    assert result.fills["liquidity"].to_list() == ["M", "M"]


@MAKERS
def test_quotes__are_withdrawn_from_a_one_sided_book(maker: Strategy) -> None:
    """When the last offer goes, and come back with the next."""
    scene = quiet_book().event(1_000, "C", "A", 1_004, 10, 2).event(2_000, "A", "A", 1_004, 5, 4)

    found = sent(run(scene, maker))

    assert [each.end for each in found] == ["cancelled", "cancelled", "expired", "expired"]
    assert _ticks(found[:2]) == _ticks(found[2:])


@MAKERS
def test_quotes__follow_the_mid(maker: Strategy) -> None:
    """By modifies of the same two orders; `min_change_ticks` keeps them where they are."""
    scene = quiet_book().event(1_000, "A", "B", 1_002, 1, 5)  # the mid goes up by one
    before, after = sent(run(quiet_book(), maker)), sent(run(scene, maker))

    assert _ticks(after) == [tick + 1 for tick in _ticks(before)]
    assert sent(run(scene, maker(min_change_ticks=2))) == before


@MAKERS
def test_quotes__follow_the_mid_with_what_is_left(maker: Strategy) -> None:
    """One lot of the bid is filled: the other two go along."""
    scene = _sold_to_us(1).event(1_500, "A", "A", 1_007, 5, 5)

    found = sent(run(scene.event(1_600, "C", "A", 1_004, 10, 2), maker))

    assert [(each.side, each.size, each.filled) for each in found] == [("B", 3, 1), ("A", 3, 0)]
    assert _ticks(found)[0] > _ticks(sent(run(quiet_book(), maker)))[0]


@MAKERS
def test_quotes__wait_until_the_volatility_is_known(maker: Strategy) -> None:
    """Measured from the mid: the first quote comes after a half-life."""
    scene = quiet_book().event(4_000, "A", "B", 999, 1, 5)

    result = run(scene, maker(volatility=0.0, half_life_s=3.0))

    waited_ns = result.orders["ts_submit"][0] - START_NS
    assert 3 * SECOND <= waited_ns < 3.3 * SECOND
    assert result.orders.height == 2


@MAKERS
def test_quotes__respect_tight_limits(maker: Strategy) -> None:
    """With latency, and no room for a second order a side, nothing that it asks for is refused."""
    limits = replace(QUICK.limits, max_position=9, max_order_size=3, max_open_orders=2)
    config = replace(QUICK, limits=limits, latency=LatencyConfig())

    result = run(_sold_to_us(), maker, config)

    assert result.metrics["n_fills"] == 1
    assert sum(n for name, n in result.metrics.items() if name.startswith("n_refused")) == 0
