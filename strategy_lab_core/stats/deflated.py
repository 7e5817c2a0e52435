"""Is the Sharpe ratio more than luck: probabilistic and deflated ratios, how long a record must be.

PSR and MinTRL: D. H. Bailey, M. Lopez de Prado (2012), "The Sharpe ratio efficient frontier",
J. of Risk 15(2), 3-44, doi:10.21314/JOR.2012.255. DSR: the same (2014), "The deflated Sharpe
ratio", J. of Portfolio Management 40(5), 94-107, doi:10.3905/jpm.2014.40.5.094. MinBTL: D. H.
Bailey, J. M. Borwein, M. Lopez de Prado, Q. J. Zhu (2014), Notices of the AMS 61(5), 458-471,
doi:10.1090/noti1105.

Every Sharpe ratio here is per observation (a session), never annualised, but in
`minimum_backtest_length`. Kurtosis is the full one, 3 for a normal. All take independent
observations for granted: under positive autocorrelation they flatter (`bootstrap`, `superiority`
do not).
"""

import math
from statistics import NormalDist

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.stats.series import require_share

__all__ = [
    "confidence_above",
    "deflated_sharpe_ratio",
    "expected_maximum",
    "family_confidence",
    "minimum_backtest_length",
    "minimum_track_record_length",
    "probabilistic_sharpe_ratio",
]

_EULER = 0.5772156649015329
_NORMAL = NormalDist()
_MOST_T = 20.0  # beyond, a ratio above 1 is more likely one of a year than one of a session


def probabilistic_sharpe_ratio(
    sharpe: float,
    *,
    n_observations: int,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
    benchmark: float = 0.0,
) -> float:
    """Return the confidence that the true Sharpe ratio is above `benchmark`.

    Phi((SR - SR*) sqrt(T - 1) / sqrt(1 - g3 SR + (g4 - 1) / 4 SR^2)), Bailey and Lopez de Prado
    2012, equation 9.

    Parameters
    ----------
    sharpe, benchmark
        Per observation, not annualised.
    n_observations
        T, at least 2.
    skewness, kurtosis
        Third and fourth standardised moments of the observations; kurtosis is not the excess.

    Raises
    ------
    ConfigError
        A value is outside its domain: also moments that no distribution has (an excess kurtosis is
        mostly one), and a ratio above 1 with a t-statistic above 20 (an annualised one is).
    """
    _check_observations(sharpe, n_observations)
    return confidence_above(
        _finite("benchmark", benchmark), sharpe, n_observations, skewness, kurtosis
    )


def confidence_above(
    benchmark: float, sharpe: float, n_observations: int, skewness: float, kurtosis: float
) -> float:
    """Return the probabilistic Sharpe ratio of a `sharpe` that was estimated per observation."""
    z = (sharpe - benchmark) * math.sqrt(n_observations - 1)
    return _phi(z / math.sqrt(_spread(sharpe, skewness, kurtosis)))


def deflated_sharpe_ratio(
    sharpe: float,
    *,
    n_observations: int,
    skewness: float,
    kurtosis: float,
    n_trials: float,
    trial_variance: float,
) -> float:
    """Return the confidence that the best of `n_trials` is more than the luckiest of them.

    The probabilistic ratio against sqrt(V) times `expected_maximum` (2014, equations 1 and 2).

    Parameters
    ----------
    sharpe, n_observations, skewness, kurtosis
        As for `probabilistic_sharpe_ratio`.
    n_trials
        Every trial that was ever made, those that were thrown away included, or the effective
        number of independent ones (`effective_trials`); at least 1.
    trial_variance
        V, the variance of the trials' Sharpe ratios per observation. Where trials truly differ it
        counts that as luck too: the ratio is then too careful. Where a search has drawn its
        trials together it is too small.
    """
    if not (math.isfinite(trial_variance) and trial_variance >= 0):
        raise ConfigError("trial_variance", trial_variance, "finite and at least 0")
    return probabilistic_sharpe_ratio(
        sharpe, n_observations=n_observations, skewness=skewness, kurtosis=kurtosis,
        benchmark=math.sqrt(trial_variance) * expected_maximum(n_trials),
    )  # fmt: skip


def minimum_track_record_length(
    sharpe: float,
    *,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
    benchmark: float = 0.0,
    confidence: float = 0.95,
) -> float:
    """Return how many observations give `confidence` that the true ratio is above `benchmark`.

    1 + (1 - g3 SR + (g4 - 1) / 4 SR^2) (z / (SR - SR*))^2, 2012, equation 11.

    Raises
    ------
    ConfigError
        Also where `sharpe` is not above `benchmark`: no number of observations would do.
    """
    require_share("confidence", confidence)
    if not _finite("sharpe", sharpe) > _finite("benchmark", benchmark):
        raise ConfigError("sharpe", sharpe, f"above the benchmark {benchmark}: else none is enough")
    spread = _spread(sharpe, skewness, kurtosis)
    return 1 + spread * (_NORMAL.inv_cdf(confidence) / (sharpe - benchmark)) ** 2


def minimum_backtest_length(n_trials: float, target_sharpe: float) -> float:
    """Return the years below which the best of `n_trials` without edge shows `target_sharpe`.

    Parameters
    ----------
    n_trials
        At least 1; for one trial the answer is 0.
    target_sharpe
        Annualised, above 0: the only ratio of a year in this file.
    """
    if not (math.isfinite(target_sharpe) and target_sharpe > 0):
        raise ConfigError("target_sharpe", target_sharpe, "an annual ratio above 0")
    return (expected_maximum(n_trials) / target_sharpe) ** 2


def expected_maximum(n_trials: float) -> float:
    """Return about the expected largest of `n_trials` independent standard normals.

    (1 - c) z(1 - 1/N) + c z(1 - 1/(N e)), c Euler's constant (2014, equation 1); zero where that
    is below zero, which is so for one trial only and for effective numbers just above it.
    """
    if not (math.isfinite(n_trials) and n_trials >= 1):
        raise ConfigError("n_trials", n_trials, "at least 1: count every trial that was ever made")
    if n_trials == 1:
        return 0.0
    low = _NORMAL.inv_cdf(1 - 1 / n_trials)
    high = _NORMAL.inv_cdf(1 - 1 / (n_trials * math.e))
    return max((1 - _EULER) * low + _EULER * high, 0.0)


def family_confidence(confidence: float, n_trials: float) -> float:
    """Return the confidence that each of `n_trials` needs for all together to have `confidence`.

    confidence^(1/N) (Z. Sidak 1967, J. of the American Statistical Association 62, 626-633,
    doi:10.1080/01621459.1967.10482935), which M. Lopez de Prado and M. J. Lewis (2019) use on
    clusters of trials (Quantitative Finance 19(9), doi:10.1080/14697688.2019.1622311).
    """
    require_share("confidence", confidence)
    if not (math.isfinite(n_trials) and n_trials >= 1):
        raise ConfigError("n_trials", n_trials, "at least 1: count every trial that was ever made")
    return float(confidence ** (1 / n_trials))


def _phi(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))  # NormalDist.cdf loses the lower tail's digits


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise ConfigError(name, value, "finite")
    return value


def _check_observations(sharpe: float, n_observations: int) -> None:
    _finite("sharpe", sharpe)
    if not n_observations >= 2:
        raise ConfigError("n_observations", n_observations, "at least 2")
    if abs(sharpe) > 1 and abs(sharpe) * math.sqrt(n_observations) > _MOST_T:
        raise ConfigError(
            "sharpe", sharpe,
            f"per observation, not annualised: over {n_observations} observations it would be "
            f"{abs(sharpe) * math.sqrt(n_observations):.0f} standard errors from zero; divide a "
            "year's ratio by the root of the observations in a year",
        )  # fmt: skip


def _spread(sharpe: float, skewness: float, kurtosis: float) -> float:
    """Return the variance of a Sharpe ratio times its observations, about."""
    least = 1 + _finite("skewness", skewness) ** 2
    if not _finite("kurtosis", kurtosis) >= least * (1 - 1e-12):
        raise ConfigError(
            "kurtosis", kurtosis,
            f"the full one (3 for a normal), at least 1 + skewness^2 = {least:g}: "
            "add 3 to an excess kurtosis",
        )  # fmt: skip
    # Zero for a two-point distribution at one ratio: keep a digit of rounding above it.
    return max(1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2, 1e-12)
