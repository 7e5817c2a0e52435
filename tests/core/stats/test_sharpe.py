"""The Sharpe ratio with its error: SciPy, statsmodels-free brute force and simulation agree."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.stats import (
    annualised_sharpe_ratio,
    kurtosis,
    sharpe_ratio,
    sharpe_standard_error,
    skewness,
)
from strategy_lab_core.types import Float1D

SEEDS = st.integers(0, 2**32)


def series(seed: int, n: int = 200, phi: float = 0.0) -> Float1D:
    """Return autoregressive results with a small profit."""
    noise = np.random.default_rng(seed).standard_normal(n + 50)
    values = np.zeros(n + 50)
    for k in range(1, n + 50):
        values[k] = phi * values[k - 1] + noise[k]
    return values[50:] * 0.01 + 0.001


@given(SEEDS)
def test_sharpe_ratio__and_moments_are_scipy_s(seed: int) -> None:
    """Mean over deviation, and the moments without bias correction."""
    values = np.exp(series(seed) * 50)
    assert sharpe_ratio(values) == pytest.approx(np.mean(values) / np.std(values, ddof=1))
    assert skewness(values) == pytest.approx(scipy_stats.skew(values))
    assert kurtosis(values) == pytest.approx(scipy_stats.kurtosis(values, fisher=False))


@given(SEEDS)
def test_sharpe_standard_error__without_lags_is_mertens(seed: int) -> None:
    """sqrt((1 - g3 SR + (g4 - 1) / 4 SR^2) / n), with the moments' own SR."""
    values = series(seed)
    ratio = values.mean() / values.std()
    spread = 1 - skewness(values) * ratio + (kurtosis(values) - 1) / 4 * ratio**2
    assert sharpe_standard_error(values) == pytest.approx(math.sqrt(spread / len(values)))


@given(SEEDS, st.integers(1, 8))
def test_sharpe_standard_error__is_the_delta_method_by_hand(seed: int, lags: int) -> None:
    """Lo 2002: gradient of mean / deviation times Newey-West's matrix of (r, r^2) moments."""
    values = series(seed, phi=0.3)
    n, mean, variance = len(values), values.mean(), values.var()
    moments = np.stack([values - mean, (values - mean) ** 2 - variance])
    matrix = moments @ moments.T / n
    for lag in range(1, lags + 1):
        gamma = moments[:, lag:] @ moments[:, :-lag].T / n
        matrix += (1 - lag / (lags + 1)) * (gamma + gamma.T)
    gradient = np.array([1 / math.sqrt(variance), -mean / (2 * variance**1.5)])
    expected = math.sqrt(gradient @ matrix @ gradient / n)
    assert sharpe_standard_error(values, lags=lags) == pytest.approx(expected)


def test_sharpe_standard_error__is_the_spread_of_simulated_ratios() -> None:
    """Both errors are right for independent sessions, only the one with lags for correlated ones.

    Three standard errors of a deviation from 400 ratios are 11 %.
    """
    for phi, lags, tolerance in ((0.0, 0, 0.11), (0.4, 15, 0.16)):
        drawn = [series(seed, 500, phi) for seed in range(400)]
        spread = np.std([sharpe_ratio(each) for each in drawn])
        found = np.mean([sharpe_standard_error(each, lags=lags) for each in drawn])
        assert found == pytest.approx(spread, rel=tolerance)
        if phi:
            assert np.mean([sharpe_standard_error(each) for each in drawn]) < 0.75 * spread


@given(SEEDS, st.integers(2, 250), st.integers(1, 20))
def test_annualised_sharpe_ratio__is_lo_s(seed: int, q: int, lags: int) -> None:
    """Lo 2002, equation 20, summed term by term; sqrt(q) without autocorrelation."""
    values = series(seed, phi=0.2)
    z = (values - values.mean()) / values.std()
    total = float(q)
    for k in range(1, q):
        rho = float(z[k:] @ z[:-k]) / len(z) if k <= lags else 0.0
        total += 2 * (q - k) * rho
    if total > 0:
        found = annualised_sharpe_ratio(values, sessions_per_year=q, lags=lags)
        assert found == pytest.approx(sharpe_ratio(values) * q / math.sqrt(total))
    else:
        with pytest.raises(DataError, match="a year without variance"):
            annualised_sharpe_ratio(values, sessions_per_year=q, lags=lags)
    plain = annualised_sharpe_ratio(values, sessions_per_year=q)
    assert plain == pytest.approx(sharpe_ratio(values) * math.sqrt(q))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([0.1], "at least 2 sessions, got 1"),
        ([], "at least 2 sessions, got 0"),
        ([0.1, math.nan, 0.2], r"must be finite, got 1 that are not, the first at \[1\]"),
        ([0.1, 0.1, 0.1], "must vary, got 0.1 in each of 3 sessions"),
        ([0.0, 0.0], "must vary, got 0"),
        ([[0.1, 0.2]], "one value a session"),
    ],
)
def test_sharpe_ratio__says_why_there_is_none(values: list[float], says: str) -> None:
    """One session, NaN, constant results: an error that names the rule, never a number."""
    for figure in (sharpe_ratio, skewness, kurtosis, sharpe_standard_error):
        with pytest.raises(DataError, match=says):
            figure(values)


def test_sharpe_ratio__of_results_that_differ_by_rounding_is_none() -> None:
    """0.1 + 0.2 is not 0.3, and the deviation of the two is no risk."""
    with pytest.raises(DataError, match="must vary"):
        sharpe_ratio([0.1 + 0.2, 0.3, 0.3])


def test_sharpe_standard_error__refuses_more_lags_than_sessions() -> None:
    """The lags' domain is in the message."""
    with pytest.raises(ConfigError, match="lags must be from 0 to below the 3 sessions"):
        sharpe_standard_error([1.0, 2.0, 4.0], lags=3)


def test_annualised_sharpe_ratio__refuses_a_year_without_variance() -> None:
    """Results that alternate cancel out over a year."""
    with pytest.raises(DataError, match="without variance"):
        annualised_sharpe_ratio([1.0, -0.9] * 30, sessions_per_year=20, lags=1)
