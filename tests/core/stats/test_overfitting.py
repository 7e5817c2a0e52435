"""PBO: split by split the same, and what noise and a planted edge must give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.stats import probability_of_backtest_overfitting
from tests.naive.overfitting import overfitting


@given(st.integers(0, 2**32), st.sampled_from([2, 4, 6]), st.integers(12, 40), st.integers(2, 6))
def test_probability_of_backtest_overfitting__is_the_naive_one(
    seed: int, blocks: int, sessions: int, trials: int
) -> None:
    """All figures, for uneven blocks, equal trials and trials without a trade too."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((sessions, trials)) + rng.choice([0.0, 0.5, 1e6], trials)
    if seed % 3 == 0:
        values[:, -1] = values[:, 0]
    if seed % 5 == 0:
        values[:, -1] = 0.0
    found, naive = probability_of_backtest_overfitting(values, blocks=blocks), overfitting(
        values, blocks
    )  # fmt: skip
    assert found.logits == pytest.approx(naive.logits, abs=1e-9)
    assert found.probability == naive.probability
    if naive.slope is None:
        assert found.slope is None
    else:
        assert found.slope == pytest.approx(naive.slope, rel=1e-5, abs=1e-5)
    assert found.probability_of_loss == naive.probability_of_loss
    assert (found.dominates_first, found.dominates_second) == naive[-2:]


def test_probability_of_backtest_overfitting__goes_through_all_splits() -> None:
    """12,870 for sixteen blocks."""
    values = np.random.default_rng(0).standard_normal((160, 5))
    found = probability_of_backtest_overfitting(values)
    assert found.logits.shape == found.in_sample.shape == found.out_of_sample.shape == (12_870,)


def test_probability_of_backtest_overfitting__knows_a_good_trial_from_luck() -> None:
    """One column with a strong edge among noise: choosing it holds, and dominates."""
    values = np.random.default_rng(1).standard_normal((320, 20))
    values[:, 4] += 1.0
    found = probability_of_backtest_overfitting(values, blocks=8)
    assert found.probability == 0.0
    assert found.probability_of_loss == 0.0
    assert found.dominates_first
    assert found.dominates_second


def test_probability_of_backtest_overfitting__sees_choices_that_reverse() -> None:
    """Trials that are good in one half of the time and bad in the other."""
    signs = np.where(np.arange(64) < 32, 1.0, -1.0)[:, None] * np.array([1.0, -1.0])
    values = signs * 2 + np.random.default_rng(2).standard_normal((64, 2))
    found = probability_of_backtest_overfitting(values, blocks=2)
    assert found.probability == 1.0
    assert found.probability_of_loss == 1.0
    assert not found.dominates_second


@pytest.mark.parametrize("blocks", [15, 0, 22, -2])
def test_probability_of_backtest_overfitting__refuses_odd_blocks(blocks: int) -> None:
    """Half of them must be a whole number."""
    with pytest.raises(ConfigError, match=r"blocks must be an even number from 2 to 20"):
        probability_of_backtest_overfitting(np.ones((100, 3)), blocks=blocks)


def test_probability_of_backtest_overfitting__refuses_what_has_no_answer() -> None:
    """Too few sessions or trials, NaN, a trial with one profit throughout."""
    values = np.random.default_rng(3).standard_normal((40, 3))
    with pytest.raises(DataError, match="at least 32 sessions, got 31"):
        probability_of_backtest_overfitting(values[:31])
    with pytest.raises(DataError, match="at least 2 columns, got 1"):
        probability_of_backtest_overfitting(values[:, :1])
    values[7, 2] = np.nan
    with pytest.raises(DataError, match=r"the first at \[7, 2\]"):
        probability_of_backtest_overfitting(values)
    values[:, 2] = 0.5
    with pytest.raises(DataError, match=r"trial 2 has the profit 0\.5 in every session"):
        probability_of_backtest_overfitting(values)
