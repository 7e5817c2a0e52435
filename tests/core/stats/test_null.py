"""Shuffled time and records without their edge."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.stats import (
    best_by_luck,
    shuffled_blocks,
    shuffled_times,
    superior_predictive_ability,
)


@given(st.integers(4, 200), st.integers(0, 2**32), st.data())
def test_shuffled_blocks__keeps_each_place_once_and_blocks_whole(
    count: int, seed: int, data: st.DataObject
) -> None:
    """A permutation in which at most one neighbour in `length` has changed, and one at the turn."""
    length = data.draw(st.integers(1, count // 2))
    order = shuffled_blocks(count, length=length, seed=seed)
    assert sorted(order.tolist()) == list(range(count))
    breaks = int((np.diff(order) % count != 1).sum())
    assert breaks <= -(-count // length) - 1
    assert (order == shuffled_blocks(count, length=length, seed=seed)).all()


def test_shuffled_times__ends_what_a_signal_knows_and_keeps_its_shape() -> None:
    """A signal that is the market's next move has no correlation left; its own stays."""
    rng = np.random.default_rng(0)
    market = np.convolve(rng.standard_normal(5000), np.ones(5) / 5, "same")
    signals = np.stack([market, -market], axis=1)
    shuffled = shuffled_times(signals, length=50, seed=1)
    assert abs(np.corrcoef(shuffled[:, 0], market)[0, 1]) < 0.1
    assert (shuffled[:, 1] == -shuffled[:, 0]).all()
    assert sorted(shuffled[:, 0]) == sorted(market)
    own = np.corrcoef(shuffled[1:, 0], shuffled[:-1, 0])[0, 1]
    assert own == pytest.approx(np.corrcoef(market[1:], market[:-1])[0, 1], abs=0.05)


def test_best_by_luck__is_what_the_reality_check_compares_with() -> None:
    """SPA's upper p-value is the share of lucky bests beyond the seen one."""
    values = np.random.default_rng(2).standard_normal((200, 8)) + 0.05
    lucky = best_by_luck(values, length=2.0, samples=300, seed=4)
    test = superior_predictive_ability(values, length=2.0, samples=300, seed=4)
    beyond = int((lucky > test.statistics.max()).sum())
    assert test.p_upper == pytest.approx((beyond + 1) / 301)
    assert (np.diff(lucky) >= 0).all()


def test_shuffled_blocks__refuses_one_block() -> None:
    """It would leave the time as it is."""
    with pytest.raises(ConfigError, match="length must be from 1 to half of the 10 places, got 6"):
        shuffled_blocks(10, length=6, seed=0)
