"""Predicted places in the queue through time, against a scene by hand and the slow engines."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from strategy_lab_core.engine.backtest import backtest
from strategy_lab_core.engine.config import BacktestConfig, QueueConfig
from strategy_lab_core.probes.queue_history import QueueHistory
from strategy_lab_core.probes.queue_places import Waiting, place_errors
from strategy_lab_core.probes.touch_orders import touch_orders
from strategy_lab_core.stats.block_ratios import Blocks
from tests.core.engine.cases import Case, Part
from tests.core.engine.level_tapes import feed_of
from tests.core.engine.scenes import MS, QUICK, Scene
from tests.core.engine.tapes import MNQ, START_NS, TICK, random_rows, session_until, to_table
from tests.naive.engine import NaiveEngine
from tests.naive.level_engine import NaiveLevelEngine
from tests.naive.orders import Own
from tests.naive.tape import Row

MODELS = (QueueConfig(), QueueConfig(model="power_1"), QueueConfig(model="log_2"))
ACTOR = touch_orders(every_ms=1_000, hold_ms=700)
AGES = (100 * MS, 300 * MS, 690 * MS)
HOURS = session_until(START_NS + 10**12)


def one_order(scene: Scene, *, end_ms: int = 1_000, filled: bool = False) -> list[dict[str, Any]]:
    """Follow an order that joined the bid at 1,000 after 10 ms; ages 5, 15, 25 and 35 ms."""
    orders = Waiting(
        side=np.array([ord("B")]),
        price=np.array([1_000 * TICK]),
        arrive_ns=np.array([START_NS + 10 * MS]),
        queue_ahead=np.array([18]),
        end_ns=np.array([START_NS + end_ms * MS]),
        is_filled=np.array([filled]),
    )
    blocks = Blocks(1, length=1, samples=10, random_seed=0)
    ages = [5 * MS, 15 * MS, 25 * MS, 35 * MS]
    return place_errors(QueueHistory(to_table(scene.rows)), orders, ages, MODELS[:2], blocks)


def scene() -> Scene:
    """Return 12 and 6 lots ahead, then 10 behind, a cancel of the 12, and a trade of 4 of the 6."""
    made = Scene().event(1, "A", "B", 1_000, 12, 1).event(2, "A", "B", 1_000, 6, 2)
    made.event(12, "A", "B", 1_000, 10, 3)
    made.event(22, "C", "B", 1_000, 12, 1)
    return made.trade(32, "A", 1_000, [(2, 4)])


def test_places__are_those_of_the_scene_by_hand() -> None:
    """The cancel of 12 moves risk-averse by 2, since 16 are left, and power 1 by 18/28 of it."""
    careful, guessed = np.split(np.array([row["bias_lots"] for row in one_order(scene())]), 2)
    seen = [row["ahead_lots"] for row in one_order(scene())[:4]]

    assert seen == [18, 6, 2, 2]
    assert careful.tolist() == [0, 10, 10, 10]
    against = [row["against_first_lots"] for row in one_order(scene())]
    assert against == pytest.approx([0] * 5 + [18 - 18 / 28 * 12 - 16] * 3)
    assert guessed == pytest.approx([0, *[18 - 18 / 28 * 12 - 6] * 3])


def test_places__are_of_orders_that_wait() -> None:
    """Neither behind their end, nor over a book that begins anew."""
    ended = one_order(scene(), end_ms=35)  # cancelled at 25 ms of age, to the nanosecond
    filled = one_order(scene(), end_ms=35, filled=True)
    anew = one_order(scene().event(40, "R", "N", None, 0))

    assert [row["orders"] for row in ended[:4]] == [1, 1, 1, 0]
    assert [row["orders"] for row in filled[:4]] == [1, 1, 0, 0]
    assert [row["orders"] for row in anew[:4]] == [1, 1, 1, 0]
    assert anew[3]["bias_lots"] is None


def test_places__know_who_has_come_back_and_who_has_shrunk() -> None:
    """Smaller at the price keeps the place; larger, or elsewhere and back, is behind us."""
    made = Scene().event(1, "A", "B", 1_000, 12, 1).event(2, "A", "B", 1_000, 6, 2)
    made.event(12, "M", "B", 1_000, 11, 1)
    made.event(22, "M", "B", 1_000, 12, 1).event(32, "M", "B", 999, 6, 2)
    made.event(42, "M", "B", 1_000, 6, 2)

    assert [row["ahead_lots"] for row in one_order(made)[:4]] == [17, 6, 0, 0]


class Watched(NaiveEngine):
    """Tells at some moments how many lots are ahead of each order that rests."""

    moments: tuple[int, ...] = ()

    def __init__(self, *args: Any, **named: Any) -> None:
        self.ahead: dict[tuple[int, int], float] = {}  # by order and moment
        super().__init__(*args, **named)

    def lots_ahead(self, order: Own) -> float:
        """Return the lots of those who stood there when it came, and still do."""
        here = [
            theirs.size
            for order_id, theirs in self.book.orders.items()
            if order.ahead.get(order_id) == theirs.arrival and theirs.price == order.tick
        ]
        return float(sum(here))

    def _market(self, event: Any) -> None:
        super()._market(event)
        for order in self.resting:
            self.ahead[order.number, event.ts] = self.lots_ahead(order)


class WatchedByPrice(Watched, NaiveLevelEngine):
    """The same of the model's guess."""

    def lots_ahead(self, order: Own) -> float:
        """Return what the model says."""
        front = self.front[order.number]
        assert front is not None
        return float(front)


def ahead_by_age(
    rows: list[Row], feed: str, config: BacktestConfig, orders: Waiting
) -> dict[tuple[int, int], float]:
    """Return the lots ahead of each order at each age, in a slow engine, while it rests there."""
    ticks, made, depth = feed_of(rows, feed, 10)
    case = Case(0, [Part(HOURS, ticks, made, [])], feed, depth, ACTOR, config)
    engine = case.begin(Watched, WatchedByPrice)
    case.play(engine)
    found = {}
    for i, (side, arrive) in enumerate(zip(orders.side, orders.arrive_ns, strict=True)):
        at = (1 if side == ord("B") else -1, arrive, "limit")
        (own,) = [each for each in engine.orders if (each.side, each.arrive, each.kind) == at]
        for age in AGES:
            if own.end > arrive + age:
                seen = [ts for n, ts in engine.ahead if n == own.number and ts <= arrive + age]
                found[i, age] = engine.ahead[own.number, max(seen)] if seen else own.queue_ahead
    return found


def test_places__are_those_of_the_slow_engines() -> None:
    """A random session: the seen place as the naive engine has it, the models' as by price."""
    rows, config = random_rows(5, 400, wild=False), replace(QUICK, flatten_seconds=0)
    sent = backtest(to_table(rows), ACTOR, config, session=HOURS, instrument=MNQ).orders
    sent = sent.filter((sent["type"] == "limit") & (sent["end_reason"] == "cancelled"))
    orders = Waiting(
        side=np.array([ord(letter) for letter in sent["side"].cast(str)]),
        price=sent["price"].to_numpy(),
        arrive_ns=sent["ts_exchange"].to_numpy(),
        queue_ahead=sent["queue_ahead"].to_numpy(),
        end_ns=sent["ts_end"].to_numpy(),
        is_filled=np.zeros(len(sent), np.bool_),
    )
    history, blocks = QueueHistory(to_table(rows)), Blocks(1, length=1, samples=2, random_seed=0)
    true = ahead_by_age(rows, "mbo", config, orders)
    for model in MODELS:
        guess = ahead_by_age(rows, "mbp-10", replace(config, queue=model), orders)
        both = true.keys() & guess.keys()
        assert len(both) > 20
        for i, age in both:
            one = Waiting._make(each[i : i + 1] for each in orders)
            (row,) = place_errors(history, one, [age], [model], blocks)
            assert row["ahead_lots"] == true[i, age]
            assert row["bias_lots"] == pytest.approx(guess[i, age] - true[i, age], abs=1e-8)
