"""Probabilistic and deflated Sharpe ratios: the papers' numbers; common mistakes refused."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

import strategy_lab_core as lab
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.stats import (
    deflated_sharpe_ratio,
    expected_maximum,
    family_confidence,
    minimum_backtest_length,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
)

YEAR = 250


def test_probabilistic_sharpe_ratio__is_the_paper_s() -> None:
    """Bailey and Lopez de Prado 2012: monthly hedge fund returns, SR 1.585 a year, 24 months."""
    found = probabilistic_sharpe_ratio(
        1.585 / math.sqrt(12), n_observations=24, skewness=-2.448, kurtosis=10.164
    )
    assert found == pytest.approx(0.91323430688486, abs=1e-14)


def test_probabilistic_sharpe_ratio__is_not_the_one_with_excess_kurtosis() -> None:
    """Two libraries take the excess and say 0.91984 for the paper's example."""
    found = probabilistic_sharpe_ratio(
        1.585 / math.sqrt(12), n_observations=24, skewness=-2.448, kurtosis=10.164 - 3
    )
    assert found == pytest.approx(0.91984, abs=5e-6)


def test_minimum_track_record_length__is_the_paper_s() -> None:
    """2012: daily, 2 a year against 1 a year, normal, 95 %: 2.73 years."""
    found = minimum_track_record_length(2 / math.sqrt(YEAR), benchmark=1 / math.sqrt(YEAR))
    assert found / YEAR == pytest.approx(2.7311878017281761, rel=1e-14)


def test_deflated_sharpe_ratio__is_the_paper_s() -> None:
    """2014: SR 2.5 a year, V = 0.5, 100 trials, 1,250 days, skewness -3, kurtosis 10: 0.9004."""
    found = deflated_sharpe_ratio(
        2.5 / math.sqrt(YEAR), n_observations=1250, skewness=-3, kurtosis=10, n_trials=100,
        trial_variance=0.5 / YEAR,
    )  # fmt: skip
    assert found == pytest.approx(0.90039683444939, abs=1e-14)
    assert math.sqrt(0.5 / YEAR) * expected_maximum(100) == pytest.approx(0.1132, abs=5e-5)


def test_expected_maximum__is_the_papers() -> None:
    """2.53 for 100 trials (2014); its square is the minimum backtest length for 45 (2014b)."""
    assert expected_maximum(100) == pytest.approx(2.5306028932016846, rel=1e-14)
    assert minimum_backtest_length(45, 1.0) == pytest.approx(4.9980870044434038, rel=1e-14)


@pytest.mark.parametrize("n_trials", [10, 100, 1000])
def test_expected_maximum__is_that_of_simulated_normals(n_trials: int) -> None:
    """Within three standard errors and the approximation's own 0.03 (exact for no N)."""
    largest = np.random.default_rng(1).standard_normal((4000, n_trials)).max(axis=1)
    error = 3 * largest.std() / math.sqrt(len(largest))
    assert expected_maximum(n_trials) == pytest.approx(largest.mean(), abs=error + 0.035)


def test_expected_maximum__of_one_trial_is_zero() -> None:
    """A single honest trial has no luck of choosing; nor has an effective number next to one."""
    assert expected_maximum(1) == 0.0
    assert expected_maximum(1.05) == 0.0
    assert deflated_sharpe_ratio(
        0.1, n_observations=250, skewness=0, kurtosis=3, n_trials=1, trial_variance=1.0
    ) == probabilistic_sharpe_ratio(0.1, n_observations=250)


@given(
    st.floats(-0.5, 0.5), st.integers(2, 2000), st.floats(-2, 2), st.floats(0, 20),
    st.floats(-0.5, 0.5),
)  # fmt: skip
def test_probabilistic_sharpe_ratio__is_scipy_s_normal(
    sharpe: float, n: int, skewness: float, extra: float, benchmark: float
) -> None:
    """The formula once more, with SciPy's distribution."""
    kurtosis = 1 + skewness**2 + extra + 0.01
    spread = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    expected = scipy_stats.norm.cdf((sharpe - benchmark) * math.sqrt((n - 1) / spread))
    found = probabilistic_sharpe_ratio(
        sharpe, n_observations=n, skewness=skewness, kurtosis=kurtosis, benchmark=benchmark
    )
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-300)


@given(st.floats(0.01, 0.4), st.floats(-1, 1), st.floats(3, 10), st.floats(0.6, 0.999))
def test_minimum_track_record_length__has_that_confidence(
    sharpe: float, skewness: float, kurtosis: float, confidence: float
) -> None:
    """A record of that length has a probabilistic Sharpe ratio of just the confidence."""
    length = minimum_track_record_length(
        sharpe, skewness=skewness, kurtosis=kurtosis, confidence=confidence
    )
    z = sharpe * math.sqrt((length - 1) / (1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2))
    assert scipy_stats.norm.cdf(z) == pytest.approx(confidence, rel=1e-9)


@given(st.floats(1, 1e6), st.floats(0.5, 0.999))
def test_family_confidence__makes_up_the_confidence_of_all(
    n_trials: float, confidence: float
) -> None:
    """Independent trials, each with it, have the confidence together."""
    assert family_confidence(confidence, n_trials) ** n_trials == pytest.approx(confidence)


def test_probabilistic_sharpe_ratio__refuses_an_annualised_ratio_with_daily_observations() -> None:
    """2.5 a year over 1,250 days would be 88 standard errors."""
    with pytest.raises(ConfigError, match=r"sharpe must be per observation, not annualised.*88"):
        probabilistic_sharpe_ratio(2.5, n_observations=1250)
    with pytest.raises(ConfigError, match="not annualised"):
        deflated_sharpe_ratio(
            2.5, n_observations=1250, skewness=0, kurtosis=3, n_trials=10, trial_variance=0.5
        )


@pytest.mark.parametrize(("skewness", "kurtosis"), [(0.0, 0.0), (-2.448, 6.9), (0.0, 0.99)])
def test_probabilistic_sharpe_ratio__refuses_moments_that_no_distribution_has(
    skewness: float, kurtosis: float
) -> None:
    """Zero for a normal is an excess kurtosis: the full one is at least 1 + skewness^2."""
    with pytest.raises(ConfigError, match="add 3 to an excess kurtosis"):
        probabilistic_sharpe_ratio(0.1, n_observations=250, skewness=skewness, kurtosis=kurtosis)


@pytest.mark.parametrize("n_trials", [0, -1, 0.5, math.nan, math.inf])
def test_expected_maximum__refuses_fewer_than_one_trial(n_trials: float) -> None:
    """A result without the trials that were thrown away is no result."""
    with pytest.raises(ConfigError, match="n_trials must be at least 1: count every trial"):
        expected_maximum(n_trials)


@pytest.mark.parametrize(
    "call",
    [
        lambda: probabilistic_sharpe_ratio(math.nan, n_observations=10),
        lambda: probabilistic_sharpe_ratio(0.1, n_observations=1),
        lambda: probabilistic_sharpe_ratio(0.1, n_observations=10, benchmark=math.inf),
        lambda: probabilistic_sharpe_ratio(0.1, n_observations=10, skewness=math.nan),
        lambda: minimum_track_record_length(0.1, benchmark=0.1),
        lambda: minimum_track_record_length(0.1, confidence=1.0),
        lambda: minimum_backtest_length(10, 0.0),
        lambda: deflated_sharpe_ratio(
            0.1, n_observations=9, skewness=0, kurtosis=3, n_trials=2, trial_variance=-1
        ),
    ],
)
def test_deflated__gives_an_error_and_never_a_number_where_none_exists(
    call: Callable[[], object],
) -> None:
    """NaN, one observation, a ratio not above its benchmark, a certainty of 1."""
    with pytest.raises(ConfigError):
        call()


def test_stats__is_there_for_a_notebook() -> None:
    """`lab.stats` has the public names."""
    assert lab.stats.probabilistic_sharpe_ratio is probabilistic_sharpe_ratio
    assert set(lab.stats.__all__) <= set(dir(lab.stats))
