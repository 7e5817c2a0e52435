"""Levels are ranks among the prices seen."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.book.grid import NO_LEVEL, PriceGrid
from strategy_lab_core.types import EMPTY_PRICE

PRICES = st.lists(st.integers(-(2**62), 2**62 + 2**61), max_size=150)


@given(batches=st.lists(PRICES, max_size=4))
def test_extend__gives_ranks_and_says_where_old_ones_went(batches: list[list[int]]) -> None:
    """After each batch levels are ranks, and `moved` carries every old level to its new one."""
    grid = PriceGrid()
    seen: set[int] = set()

    for batch in batches:
        before = grid.prices
        levels, moved = grid.extend(np.array(batch, np.int64))
        seen |= set(batch)

        assert grid.prices.tolist() == sorted(seen)
        assert grid.price_of(levels).tolist() == batch
        assert (before if moved is None else grid.prices[moved]).tolist() == before.tolist()


def test_extend__undefined_price_has_no_level() -> None:
    """An undefined price does not become a level, and comes back as itself."""
    grid = PriceGrid(np.array([5, 3], np.int64))

    levels, moved = grid.extend(np.array([EMPTY_PRICE, 3], np.int64))

    assert levels.tolist() == [NO_LEVEL, 0]
    assert moved is None
    assert grid.price_of(levels).tolist() == [EMPTY_PRICE, 3]


def test_extend__more_new_prices_than_the_table_held() -> None:
    """A batch of a hundred thousand new prices finds room."""
    prices = np.arange(100_000, dtype=np.int64)[::-1] * 7

    levels, _ = PriceGrid().extend(np.ascontiguousarray(prices))

    assert levels.tolist() == list(range(99_999, -1, -1))
