"""The lists of resting orders say what a look at every order would say."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core._jit import hot_kernel
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.own_levels import (
    drop_resting,
    first_at,
    link,
    set_of,
    slot_of,
    unlink,
)
from strategy_lab_core.engine.rules import line_of, rules_of
from strategy_lab_core.engine.state import Sets, fresh_sets
from strategy_lab_core.types import Int2D

N_SETS, N_SLOTS = 3, 4
TICKS = (-1, 0, 5, 5 + 1024, 5 + 2048)  # the last three share a list
Resting = dict[tuple[int, int], tuple[int, int]]  # side and tick by set and slot


@hot_kernel
def _hang(sets: Sets, k: int, order: int, side: int, tick: int) -> None:
    sets.orders[k, order]["side"] = side
    sets.orders[k, order]["tick"] = tick
    link(sets, k, order)


@hot_kernel
def _take_off(sets: Sets, k: int, order: int) -> None:
    unlink(sets, k, order)


@hot_kernel
def _walk(sets: Sets, side: int, tick: int, found: Int2D) -> int:
    n, reference = 0, first_at(sets, side, tick)
    while reference != 0 and n < len(found):
        found[n, 0], found[n, 1] = set_of(reference), slot_of(reference)
        n += 1
        reference = sets.orders[set_of(reference), slot_of(reference)]["next"]
    return n


def _sets() -> Sets:
    config = BacktestConfig()
    rules = rules_of(
        config, tick_value=2, maker_fee=0, taker_fee=0, order_kinds=(), max_loss=0, timer_ns=0
    )
    return fresh_sets(np.repeat(rules, N_SETS), line_of([config])[0], 32, keeps_orders=False)


def _listed(sets: Sets, side: int, tick: int) -> list[tuple[int, int]]:
    """Return set and slot of the orders in a list that are at the price itself."""
    found = np.zeros((N_SETS * N_SLOTS + 1, 2), np.int64)
    n = _walk(sets, side, tick, found)
    assert n <= N_SETS * N_SLOTS  # no circle
    return sorted(
        (k, slot) for k, slot in found[:n].tolist() if sets.orders[k, slot]["tick"] == tick
    )


def _check(sets: Sets, resting: Resting) -> None:
    for side in (1, -1):
        for tick in TICKS:
            expected = sorted(at for at, place in resting.items() if place == (side, tick))
            assert _listed(sets, side, tick) == expected


@given(
    st.lists(
        st.tuples(
            st.integers(0, N_SETS - 1),
            st.integers(0, N_SLOTS - 1),
            st.sampled_from([1, -1]),
            st.sampled_from(TICKS),
        ),
        max_size=40,
    ),
    st.integers(0, N_SETS - 1),
)
def test_lists__hold_the_resting_orders_of_every_set(
    steps: list[tuple[int, int, int, int]], dropped: int
) -> None:
    """Orders come and go in any order; in the end one set drops all of its own."""
    sets, resting = _sets(), Resting()
    for k, slot, side, tick in steps:
        if (k, slot) in resting:
            del resting[k, slot]
            _take_off(sets, k, slot)
        else:
            resting[k, slot] = (side, tick)
            _hang(sets, k, slot, side, tick)
    _check(sets, resting)

    drop_resting(sets, dropped)

    _check(sets, {at: place for at, place in resting.items() if at[0] != dropped})
    assert sets.totals[dropped]["resting"] == 0
