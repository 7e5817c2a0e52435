"""Arrays that grow, or are emptied, between two calls of the engine lose nothing."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core._jit import hot_kernel
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.lines import post_out, take_out
from strategy_lab_core.engine.rules import line_of, rules_of
from strategy_lab_core.engine.state import Sets, fresh_sets, with_room
from strategy_lab_core.engine.used import add_used, used_lots, with_used_room
from strategy_lab_core.engine.written import Written
from strategy_lab_core.types import Int1D

ROOM = 32


@hot_kernel
def _add(sets: Sets, k: int, order_id: int, lots: int) -> None:
    add_used(sets, k, order_id, lots)


@hot_kernel
def _look_up(sets: Sets, k: int, found: Int1D) -> None:
    for order_id in range(len(found)):
        found[order_id] = used_lots(sets, k, order_id)


def _sets(n_sets: int) -> Sets:
    config = BacktestConfig()
    rules = rules_of(
        config, tick_value=2, maker_fee=0, taker_fee=0, order_kinds=(), max_loss=0, timer_ns=0
    )
    return fresh_sets(np.repeat(rules, n_sets), line_of([config])[0], ROOM, keeps_orders=True)


def test_with_used_room__keeps_the_lots_of_every_order() -> None:
    """Each set's own, at their new places in a table of twice the size."""
    sets = _sets(2)
    capacity = sets.used.shape[1]
    n_orders = capacity // 2 - ROOM + 1  # one too many
    for order_id in range(n_orders):
        _add(sets, 0, 7 * order_id, order_id + 1)
    _add(sets, 1, 5, 3)

    larger = with_used_room(sets, ROOM)

    assert larger.used.shape == (2, 2 * capacity)
    found = np.zeros((2, 7 * n_orders), np.int64)
    _look_up(larger, 0, found[0])
    _look_up(larger, 1, found[1])
    expected = np.zeros_like(found)
    expected[0, ::7] = np.arange(1, n_orders + 1)
    expected[1, 5] = 3
    np.testing.assert_array_equal(found, expected)
    assert larger.totals["used"].tolist() == [n_orders, 1]


def test_with_room__keeps_what_each_set_has_written() -> None:
    """A set with many fills makes room for all; nobody's rows change."""
    sets = _sets(2)
    capacity = sets.fills.shape[1]
    n_fills = capacity - ROOM + 1
    sets.totals["fills"] = [n_fills, 2]
    sets.fills["lots"][0, :n_fills] = np.arange(1, n_fills + 1)
    sets.fills["lots"][1, :2] = [5, 6]

    larger = with_room(sets, ROOM)

    assert larger.fills.shape == (2, 2 * capacity)
    np.testing.assert_array_equal(larger.fills["lots"][:, :capacity], sets.fills["lots"])
    assert larger.samples is sets.samples  # it has room


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=30))
def test_written__gives_every_row_back_in_order(bursts: list[tuple[int, int]]) -> None:
    """Whatever was moved out when; the last sample stays where the kernels look at it."""
    sets, written = _sets(2), Written(2)
    kinds = {"orders": ("log", "logged"), "fills": ("fills",) * 2, "samples": ("samples",) * 2}
    names = {"orders": "number", "fills": "order", "samples": "cash"}
    numbers = [0, 0]
    for burst in bursts:
        written.make_room(sets, 40)
        for k, n in enumerate(burst):
            for kind, (array, counter) in kinds.items():
                rows, used = getattr(sets, array)[k][names[kind]], sets.totals[counter]
                assert len(rows) - used[k] >= 40
                assert kind != "samples" or numbers[k] == 0 or rows[used[k] - 1] == numbers[k] - 1
                rows[used[k] : used[k] + n] = np.arange(numbers[k], numbers[k] + n)
                used[k] += n
            numbers[k] += n

    for kind, name in names.items():
        assert written.count(sets, kind).tolist() == numbers
        for k, n in enumerate(numbers):
            assert written.rows(sets, kind, k)[name].tolist() == list(range(n))


@hot_kernel
def _send(sets: Sets, k: int, order: int) -> None:
    post_out(sets, k, 7 * order, 100, 1, order, 1, 0, 0)


@hot_kernel
def _arrive(sets: Sets, k: int) -> int:
    return int(take_out(sets, k)["order"])


def test_with_room__keeps_the_messages_that_are_on_their_way() -> None:
    """Also where the line has begun again, and has gone around its ring."""
    sets = _sets(2)
    capacity = sets.outbound.shape[1]
    for order in range(3):
        _send(sets, 0, order)
    assert [_arrive(sets, 0) for _ in range(3)] == [0, 1, 2]  # nothing is on its way
    for order in range(capacity // 2):
        _send(sets, 0, order)
    for _ in range(capacity // 2 - 1):
        _arrive(sets, 0)
    sent = range(capacity // 2, capacity // 2 + capacity - ROOM)
    for order in sent:
        _send(sets, 0, order)

    larger = with_room(sets, ROOM)

    assert larger.outbound.shape == (2, 2 * capacity)
    arrived = [_arrive(larger, 0) for _ in range(len(sent) + 1)]
    assert arrived == [capacity // 2 - 1, *sent]
