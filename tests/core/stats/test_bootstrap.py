"""Blocks of sessions: arch's answers, brute force, and intervals that cover."""

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap, optimal_block_length

from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.stats import (
    block_length,
    bootstrap_interval,
    bootstrap_p_value,
    sharpe_ratio,
)
from strategy_lab_core.stats.bootstrap import Kind, long_run_deviation, resampled_means

NOISE = np.random.default_rng(0).standard_normal((200, 3))


def test_block_length__is_arch_s_longest() -> None:
    """Over the columns that vary, never above a third of the record."""
    expected = optimal_block_length(NOISE)["stationary"].max()
    assert block_length(NOISE) == pytest.approx(max(expected, 1.0))
    flat = np.zeros((200, 1))
    assert block_length(np.hstack([NOISE, flat])) == block_length(NOISE)
    assert block_length(flat) == 1.0
    assert 10 < block_length(np.cumsum(NOISE, axis=0)) <= 200 / 3
    circular = block_length(NOISE, kind="circular")
    assert circular == int(circular)


@pytest.mark.parametrize("kind", ["stationary", "circular"])
def test_resampled_means__are_those_of_one_sample_for_all_trials(kind: Kind) -> None:
    """Columns that are multiples of one another stay so in each sample."""
    values = NOISE[:, [0]] * np.array([1.0, -2.0])
    means = resampled_means(values, length=4.0, kind=kind, samples=100, seed=1)
    assert means.shape == (100, 2)
    assert means[:, 1] == pytest.approx(-2 * means[:, 0])
    assert len(np.unique(means[:, 0])) == 100


def test_bootstrap_interval__is_arch_s() -> None:
    """The same draws, statistic by statistic."""
    found = bootstrap_interval(NOISE[:, 0], sharpe_ratio, length=3.0, samples=200, seed=5)
    size: int = 3
    draws = StationaryBootstrap(size, NOISE[:, 0], seed=5).bootstrap(200)
    drawn = [sharpe_ratio(each[0][0]) for each in draws]
    assert found.value == sharpe_ratio(NOISE[:, 0])
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(drawn, (2.5, 97.5))))


def test_bootstrap_p_value__is_the_share_of_shifted_samples() -> None:
    """Sample by sample, the seen one counted; small for a profit, large for a loss."""
    values = NOISE[:, 0] + 0.1
    draws = StationaryBootstrap(2, values, seed=3).bootstrap(150)
    above = sum(each[0][0].mean() - values.mean() >= values.mean() for each in draws)
    found = bootstrap_p_value(values, length=2.0, samples=150, seed=3)
    assert found == pytest.approx((1 + above) / 151)
    assert bootstrap_p_value(values + 1, samples=100) == pytest.approx(1 / 101)
    assert bootstrap_p_value(values - 1, samples=100) > 0.95


def test_long_run_deviation__is_that_of_endless_samples() -> None:
    """Within three standard errors of the spread of 4,000 resampled means; blocks of one: iid."""
    values = np.cumsum(NOISE, axis=0) * 0.1 + NOISE
    means = resampled_means(values, length=6.0, kind="stationary", samples=4000, seed=1)
    spread = means.std(axis=0) * np.sqrt(len(values))
    assert long_run_deviation(values, 6.0) == pytest.approx(spread, rel=3 / np.sqrt(8000))
    assert long_run_deviation(values, 1.0) == pytest.approx(values.std(axis=0))


def test_bootstrap__refuses_what_has_no_answer() -> None:
    """Nine sessions, constant results, ten samples, an unknown kind, blocks longer than all."""
    with pytest.raises(DataError, match="at least 10 sessions, got 9"):
        bootstrap_p_value(NOISE[:9, 0])
    with pytest.raises(DataError, match="must vary"):
        bootstrap_interval(np.ones(20), sharpe_ratio)
    with pytest.raises(ConfigError, match="samples must be at least 100, got 10"):
        bootstrap_p_value(NOISE[:, 0], samples=10)
    with pytest.raises(ConfigError, match="length must be from 1 to the 200 sessions, got 201"):
        bootstrap_p_value(NOISE[:, 0], length=201)
    with pytest.raises(ConfigError, match="'stationary' or 'circular', got 'moving'"):
        block_length(NOISE, kind="moving")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="confidence must be between 0 and 1"):
        bootstrap_interval(NOISE[:, 0], sharpe_ratio, confidence=1.0)
