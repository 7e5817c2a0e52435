"""The Sharpe ratio per session, its moments, its standard error, and how it is shown for a year.

A. W. Lo (2002), "The statistics of Sharpe ratios", Financial Analysts Journal 58(4), 36-52,
doi:10.2469/faj.v58.n4.2453; E. Mertens (2002), "Comments on variance of the IID estimator in Lo";
W. K. Newey, K. D. West (1987), Econometrica 55(3), 703-708, doi:10.2307/1913610.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.stats.series import checked_returns, require_variation
from strategy_lab_core.types import Float1D

__all__ = [
    "annualised_sharpe_ratio",
    "kurtosis",
    "sharpe_ratio",
    "sharpe_standard_error",
    "skewness",
]


def sharpe_ratio(returns: ArrayLike) -> float:
    """Return mean over standard deviation (n - 1) of the sessions' results: per session.

    Raises
    ------
    DataError
        Fewer than two sessions, values that are not finite, or all the same.
    """
    values = _varying(returns)
    return float(values.mean() / values.std(ddof=1))


def skewness(returns: ArrayLike) -> float:
    """Return the third standardised moment (0 for a normal)."""
    return float((_standardised(_varying(returns)) ** 3).mean())


def kurtosis(returns: ArrayLike) -> float:
    """Return the fourth standardised moment: full kurtosis, 3 for a normal."""
    return float((_standardised(_varying(returns)) ** 4).mean())


def sharpe_standard_error(returns: ArrayLike, *, lags: int | None = 0) -> float:
    """Return the standard error of `sharpe_ratio`, any distribution, autocorrelated or not.

    The delta method on mean and variance (Lo 2002, his section on GMM): with z the standardised
    results, the ratio's influence is z - SR (z^2 - 1) / 2, and its long-run variance has Newey and
    West's weights. With no lags this is Mertens' sqrt((1 - g3 SR + (g4 - 1) SR^2 / 4) / n).

    Parameters
    ----------
    returns
        Net profit per session over the declared capital (shape: sessions).
    lags
        How many sessions back results are still correlated; 0: independent sessions; None: the
        usual floor(4 (n / 100)^(2/9)).
    """
    values = _varying(returns)
    n = len(values)
    lags = int(4 * (n / 100) ** (2 / 9)) if lags is None else lags
    if not 0 <= lags < n:
        raise ConfigError("lags", lags, f"from 0 to below the {n} sessions, or None")
    z = _standardised(values)
    influence = z - values.mean() / values.std() * (z**2 - 1) / 2
    variance = _covariance(influence, 0)
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * _covariance(influence, lag)
    return math.sqrt(variance / n)


def annualised_sharpe_ratio(
    returns: ArrayLike, *, sessions_per_year: float, lags: int = 0
) -> float:
    """Return the Sharpe ratio of a year, for people to read; no test takes it.

    sqrt(q) times the ratio per session for independent sessions; with `lags`, Lo's factor
    q / sqrt(q + 2 sum (q - k) rho_k) (2002, equation 20).

    Raises
    ------
    DataError
        The autocorrelations leave a year without variance.
    """
    values = _varying(returns)
    q = sessions_per_year
    if not q > 0:
        raise ConfigError("sessions_per_year", q, "above 0")
    if not 0 <= lags < len(values):
        raise ConfigError("lags", lags, f"from 0 to below the {len(values)} sessions")
    z = _standardised(values)
    variance = q + 2 * sum((q - k) * _covariance(z, k) for k in range(1, min(lags, int(q) - 1) + 1))
    if variance <= 0:
        raise DataError(f"{lags} autocorrelations of returns leave a year without variance")
    return sharpe_ratio(values) * q / math.sqrt(variance)


def _varying(returns: ArrayLike) -> Float1D:
    values = checked_returns(returns)
    require_variation(values)
    return values


def _standardised(values: Float1D) -> Float1D:
    return np.asarray((values - values.mean()) / values.std())


def _covariance(values: Float1D, lag: int) -> float:
    """Return the autocovariance of values whose mean is zero."""
    return float(values[lag:] @ values[: len(values) - lag]) / len(values)
