"""Independent trials: copies count once, noise counts fully, nothing is drawn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.stats import cluster_trials, effective_trials
from strategy_lab_core.types import Float2D


def groups(seed: int, each: int, spread: float) -> Float2D:
    """Return four groups of trials that are alike (shape: 300 x 4 each)."""
    rng = np.random.default_rng(seed)
    common = np.repeat(rng.standard_normal((300, 4)), each, axis=1)
    return common + spread * rng.standard_normal(common.shape)


@given(st.integers(0, 2**32), st.integers(1, 5))
def test_cluster_trials__finds_the_groups(seed: int, each: int) -> None:
    """Groups of trials that correlate by 0.96, in the order of their first trials."""
    found = cluster_trials(groups(seed, each, 0.2))
    assert found.tolist() == np.repeat(np.arange(4), each).tolist()
    shuffled = np.random.default_rng(seed).permutation(4 * each)
    again = cluster_trials(groups(seed, each, 0.2)[:, shuffled])
    assert len(set(zip(again, found[shuffled], strict=True))) == 4


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_effective_trials__counts_each_of_noise(seed: int, n: int) -> None:
    """Independent series do not cluster, unlike with silhouettes."""
    values = np.random.default_rng(seed).standard_normal((250, n))
    assert effective_trials(values, n_trials=n) == n


def test_effective_trials__counts_copies_once_and_trials_without_series_each() -> None:
    """Four copies of one, two that never traded, and ten that failed."""
    values = np.random.default_rng(1).standard_normal((100, 1)) * np.array([1, 2, 3, 0.5, 0, 0])
    assert effective_trials(values, n_trials=6) == pytest.approx(2)
    assert effective_trials(values, n_trials=16) == pytest.approx(12)
    assert effective_trials(-values[:, :1], n_trials=1) == 1


def test_effective_trials__counts_a_cluster_by_its_mean_correlation() -> None:
    """R + (1 - r) M in whole trials, pair by pair."""
    values = groups(5, 4, 0.3)
    correlations: Float2D = np.asarray(np.corrcoef(values.T))
    expected = 0.0
    for first in range(0, 16, 4):
        pairs = [correlations[first + a, first + b] for a in range(4) for b in range(a)]
        expected += np.ceil(np.mean(pairs) + (1 - np.mean(pairs)) * 4)
    assert effective_trials(values, n_trials=16) == pytest.approx(expected)


def test_cluster_trials__opposite_trials_are_not_alike() -> None:
    """A trial and its mirror differ in what they earn."""
    values = np.random.default_rng(2).standard_normal((100, 1)) * np.array([1, -1])
    assert cluster_trials(values).tolist() == [0, 1]


def test_cluster_trials__cuts_into_as_many_as_asked() -> None:
    """Two of the four groups are joined, never more clusters than trials."""
    values = groups(3, 2, 0.2)
    assert len(set(cluster_trials(values, n_clusters=3).tolist())) == 3
    with pytest.raises(
        ConfigError, match="n_clusters must be from 1 to the number of trials, 8, got 9"
    ):
        cluster_trials(values, n_clusters=9)


def test_effective_trials__refuses_fewer_trials_than_series() -> None:
    """Who counts fewer has thrown trials away."""
    values = groups(4, 1, 0.2)
    with pytest.raises(ConfigError, match="n_trials must be at least the 4 trials"):
        effective_trials(values, n_trials=3)
    with pytest.raises(ConfigError, match="correlation"):
        cluster_trials(values, correlation=1.5)
    with pytest.raises(DataError, match="sessions x trials"):
        cluster_trials(values[:, 0])
