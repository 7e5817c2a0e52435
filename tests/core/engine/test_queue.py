"""Queue models by themselves: the table of FORMULAS, its limits, the worked example."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core._jit import kernel
from strategy_lab_core.engine.backtest import backtest
from strategy_lab_core.engine.queue import (
    LOT,
    QueueModel,
    front_after_change,
    lots_beyond,
    share_behind,
)
from tests.core.engine.level_tapes import difference_table, window_table
from tests.core.engine.scenes import BUY_LIMIT, QUICK, two_steps
from tests.core.engine.tapes import MNQ, SECOND, START_NS, session_until
from tests.naive.book import LAST, SNAPSHOT
from tests.naive.level_engine import Window
from tests.naive.tape import Row

MS = 1_000_000
MODELS = [model for model in QueueModel if model >= QueueModel.POWER_1]
lots = st.integers(0, 5_000)
fronts = st.integers(0, 5_000 * LOT)


@kernel
def share(model: int, exponent: float, front: float, back: float) -> float:
    """Call the part of other kernels."""
    return share_behind(model, exponent, front, back)


@kernel
def moved(model: int, exponent: float, front: int, traded: int, before: int, after: int) -> int:
    """Call the part of other kernels."""
    return front_after_change(model, exponent, front, traded, before, after)


@kernel
def beyond(traded: int, front: int) -> int:
    """Call the part of other kernels."""
    return lots_beyond(traded, front)


@pytest.mark.parametrize(
    ("model", "exponent", "expected"),
    [
        (QueueModel.POWER_1, 1.0, 0.75),  # 30 ahead, 90 behind
        (QueueModel.POWER_1, 2.0, 0.9),
        (QueueModel.POWER_2, 2.0, 0.5625),
        (QueueModel.POWER_3, 2.0, 0.9375),
        (QueueModel.LOG_1, 1.0, math.log(91) / (math.log(91) + math.log(31))),
        (QueueModel.LOG_2, 1.0, math.log(91) / math.log(121)),
    ],
)
def test_share_behind__is_the_tables(model: int, exponent: float, expected: float) -> None:
    """Worked by hand from the published forms."""
    assert share(int(model), exponent, 30.0, 90.0) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("model", MODELS)
def test_share_behind__has_sensible_ends(model: QueueModel) -> None:
    """Nobody ahead: all cancel behind us. Nobody behind: all cancel ahead. Nobody at all: 1."""
    assert share(int(model), 2.0, 0.0, 7.0) == 1.0
    assert share(int(model), 2.0, 7.0, 0.0) == 0.0
    assert share(int(model), 2.0, 0.0, 0.0) == 1.0


@given(
    model=st.sampled_from(MODELS),
    exponent=st.sampled_from([0.5, 1.0, 2.0, 3.0]),
    front=fronts,
    traded=lots,
    before=lots,
    after=lots,
)
def test_front__is_never_behind_the_risk_averse_one(
    model: QueueModel, exponent: float, front: int, traded: int, before: int, after: int
) -> None:
    """And never below 0, never more than the level has, never more than it was."""
    averse = moved(int(QueueModel.RISK_AVERSE), 1.0, front, traded, before, after)
    guessed = moved(int(model), exponent, front, traded, before, after)

    assert 0 <= guessed <= averse == min(front, before * LOT, after * LOT)


def test_front__moves_by_the_share_of_what_was_cancelled() -> None:
    """40 ahead and 60 behind, 10 of the 30 lots that went had traded: 40 % of 20 were ahead."""
    found = moved(int(QueueModel.POWER_1), 1.0, 40 * LOT, 10, 100, 70)

    assert found == 32 * LOT


def test_front__can_not_cancel_more_behind_than_is_there() -> None:
    """90 ahead, 10 behind, 60 cancelled: power 3 wants 11.4 of them behind us, 1.4 go ahead too."""
    share_behind_us = 1 - 0.9**2
    found = moved(int(QueueModel.POWER_3), 2.0, 90 * LOT, 0, 100, 40)

    assert found == pytest.approx((90 - (1 - share_behind_us) * 60 - 1.4) * LOT, abs=60)


@pytest.mark.parametrize(
    ("front", "expected"),
    [(0, 8), (2 * LOT, 6), (9 * LOT, 0), (1_500_000_000, 6), (2 * LOT + 9, 6)],
)
def test_lots_beyond__are_whole(front: int, expected: int) -> None:
    """The floor of the excess; what roundings have cost is no whole lot."""
    assert beyond(8, front) == expected


def _at(ms: int, **fields: Any) -> dict[str, Any]:
    when = START_NS + ms * MS
    return {"flags": LAST, "ts_recv": when, "ts_event": when, **fields}


def _snapshot(levels: list[tuple[str, int, int]]) -> list[Row]:
    stamp = _at(0, flags=SNAPSHOT | 8)
    return [Row("R", **stamp), *(Row("M", s, price, size, **stamp) for s, price, size in levels)]


def test_engine__fills_the_excess_of_the_worked_example() -> None:
    """100 at the bid, we buy 50 there; sells of 80, 30 and 50: nothing, 10, 40."""
    rows = _snapshot([("B", 1_000, 100), ("A", 1_001, 100)])
    for ms, sold in ((20, 80), (30, 30), (40, 50)):
        rows.append(Row("T", "A", 1_000, sold, **_at(ms)))
    session = session_until(START_NS + 600 * SECOND)

    found = _backtest(difference_table(rows), session, tick_1=1_000, lots_1=50)

    assert found.orders["queue_ahead"].to_list() == [100]
    assert found.fills["size"].to_list() == [10, 40]
    when = (found.fills["ts_exchange"] - START_NS) // MS
    assert when.to_list() == [30, 40]


def test_engine__quoted_size_is_worked_off() -> None:
    """With quotes and trades: 5 quoted, 3 trade, 1 cancelled, the next trade of 3 fills 2."""
    sizes = [5, 2, 1, 1]
    trades = [None, 3, None, 3]
    rows = []
    for ms, (size, sold) in enumerate(zip(sizes, trades, strict=True)):
        what = {"price": 1_000, "size": sold or 0, "bids": [(1_000, size)], "asks": [(1_001, 9)]}
        rows.append(Window("T" if sold else "A", "A", **_at(20 * ms, **what)))
    session = session_until(START_NS + 600 * SECOND)

    found = _backtest(window_table(rows, 1), session, tick_1=1_000, lots_1=9)

    assert found.orders["queue_ahead"].to_list() == [5]
    assert found.fills["size"].to_list() == [2]


def test_engine__an_older_order_is_never_behind_a_younger_one() -> None:
    """Six lots ahead go unseen, in an untrusted stretch; the next order finds nobody there."""
    rows = _snapshot([("B", 1_000, 6), ("B", 999, 5), ("A", 1_001, 9)])
    rows.append(Row("M", "B", 1_000, 0, **_at(30, trusted=False)))
    rows.append(Row("M", "B", 999, 4, **_at(40)))
    rows.append(Row("T", "A", 1_000, 2, **_at(60)))
    rows.append(Row("T", "A", 1_000, 4, **_at(70)))
    session = session_until(START_NS + 600 * SECOND)

    found = _backtest(
        difference_table(rows), session, tick_1=1_000, lots_1=4,
        at_2=50, what_2=BUY_LIMIT, tick_2=1_000, lots_2=3,
    )  # fmt: skip

    assert found.orders["queue_ahead"].to_list() == [6, 0]
    assert found.fills.select("order_id", "size").rows() == [(0, 2), (0, 2), (1, 2)]


def test_engine__a_price_behind_the_window_is_unknown() -> None:
    """Once it comes into view, we stand behind all that is there."""
    hidden = Window("A", **_at(0), bids=[(1_000, 5)], asks=[(1_001, 5)])
    shown = Window("A", **_at(20), bids=[(999, 7)], asks=[(1_001, 5)])
    sold = [
        Window("T", "A", 999, lots, **_at(ms), bids=[(999, 7)], asks=[(1_001, 5)])
        for ms, lots in ((30, 4), (40, 4))
    ]
    session = session_until(START_NS + 600 * SECOND)

    found = _backtest(window_table([hidden, shown, *sold], 1), session, tick_1=999, lots_1=9)

    assert found.orders["queue_ahead"].to_list() == [-1]
    assert found.fills["size"].to_list() == [1]


@pytest.mark.parametrize(("worse", "filled"), [([], []), ([("A", 1_005, 1)], [4])])
def test_engine__only_what_was_not_hidden_arrives(
    worse: list[tuple[str, int, int]], filled: list[int]
) -> None:
    """An ask that comes at our bid's price trades with us where the book showed nobody there."""
    rows = _snapshot([("B", 1_000, 9), *worse])
    rows += [Row("M", "A", 999, 4, **_at(50)), Row("M", "B", 990, 1, **_at(90))]
    session = session_until(START_NS + 600 * SECOND)

    found = _backtest(difference_table(rows), session, tick_1=1_000, lots_1=9)

    assert found.fills["size"].to_list() == filled


def test_engine__takes_a_level_once_until_its_size_changes() -> None:
    """Two buys of 4 find 6 at the ask: 4 and 2. Where the level has grown to 8 in between: 4, 4."""
    rows = _snapshot([("B", 1_000, 9), ("A", 1_001, 6)])
    rows += [Row("M", "A", 1_001, 8, **_at(50)), Row("M", "A", 1_005, 1, **_at(90))]
    session = session_until(START_NS + 600 * SECOND)
    table = difference_table(rows)

    same = _backtest(
        table, session, tick_1=1_001, lots_1=4, at_2=20, what_2=1, tick_2=1_001, lots_2=4
    )
    later = _backtest(
        table, session, tick_1=1_001, lots_1=4, at_2=60, what_2=1, tick_2=1_001, lots_2=4
    )

    assert same.fills["size"].to_list()[:2] == [4, 2]
    assert later.fills["size"].to_list() == [4, 4]
    assert np.all(later.fills["price"].to_numpy() == 1_001 * 250_000_000)


def _backtest(ticks: Any, session: Any, **steps: int) -> Any:

    actor = two_steps(at_1=10, what_1=BUY_LIMIT, **steps)
    return backtest(ticks, actor, QUICK, session=session, instrument=MNQ)
