"""Resampling blocks of sessions: intervals and p-values that hold under autocorrelation.

The stationary bootstrap of D. N. Politis and J. P. Romano (1994), J. of the American Statistical
Association 89, 1303-1313, doi:10.1080/01621459.1994.10476870, and the circular one, through `arch`;
block length after D. N. Politis, H. White (2004), Econometric Reviews 23(1), 53-70,
doi:10.1081/ETC-120028836, with the correction by Patton, Politis and White (2009).
"""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.stats.series import (
    checked_returns,
    checked_trials,
    is_constant,
    require_share,
    require_variation,
)
from strategy_lab_core.types import Float1D, Float2D

__all__ = [
    "Interval",
    "Kind",
    "block_length",
    "bootstrap_interval",
    "bootstrap_p_value",
    "long_run_deviation",
    "resampled_means",
]

Kind = Literal["stationary", "circular"]
_LEAST_SESSIONS = 10
_LEAST_SAMPLES = 100


class Interval(NamedTuple):
    """A statistic of the series with its two-sided interval."""

    value: float
    low: float
    high: float


def block_length(trials: ArrayLike, *, kind: Kind = "stationary") -> float:
    """Return the mean length of blocks that the data ask for: the longest over the columns.

    Parameters
    ----------
    trials
        Net profit per session (shape: sessions, or sessions x trials); constant ones ask nothing.
    kind
        Of the bootstrap; lengths of circular blocks are whole.

    Returns
    -------
    float
        Sessions, from 1 to a third of the record.
    """
    from arch.bootstrap import optimal_block_length

    values = np.asarray(trials, np.float64)
    values = checked_trials(values[:, None] if values.ndim == 1 else values, least=_LEAST_SESSIONS)
    varying = values[:, [not is_constant(column) for column in values.T]]
    if not varying.shape[1]:
        return 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        lengths = optimal_block_length(varying)[_known(kind)].to_numpy()
    longest = max(float(np.nan_to_num(lengths, nan=1.0).max()), 1.0)
    return longest if kind == "stationary" else float(math.ceil(longest))


def bootstrap_interval(
    returns: ArrayLike,
    statistic: Callable[[Float1D], float],
    *,
    confidence: float = 0.95,
    length: float | None = None,
    kind: Kind = "stationary",
    samples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return `statistic` of the series with its percentile interval.

    Parameters
    ----------
    returns
        Net profit per session (shape: sessions), at least ten.
    statistic
        Of such a series, like `sharpe_ratio`; called once a sample.
    confidence
        Of the two-sided interval.
    length
        Mean block length in sessions; None: `block_length`.
    samples, seed
        How often, at least 100, and of which draws.
    """
    values = checked_returns(returns, least=_LEAST_SESSIONS)
    require_variation(values)
    require_share("confidence", confidence)
    drawn = _bootstrap(values, length, kind, samples, seed).conf_int(
        lambda sample: np.array([statistic(sample)]),
        reps=samples, method="percentile", size=confidence,
    )  # fmt: skip
    return Interval(float(statistic(values)), float(drawn[0, 0]), float(drawn[1, 0]))


def bootstrap_p_value(
    returns: ArrayLike,
    *,
    length: float | None = None,
    kind: Kind = "stationary",
    samples: int = 1000,
    seed: int = 0,
) -> float:
    """Return the p-value of "the mean profit is at most zero" against "it is above".

    The share of samples, shifted to a mean of zero, whose mean is at least the seen one, the seen
    one counted as a sample: never zero (A. C. Davison, D. V. Hinkley 1997, "Bootstrap methods and
    their application", equation 4.11).
    """
    values = checked_returns(returns, least=_LEAST_SESSIONS)
    require_variation(values)
    means = resampled_means(values[:, None], length=length, kind=kind, samples=samples, seed=seed)
    return float((1 + (means[:, 0] - values.mean() >= values.mean()).sum()) / (samples + 1))


def resampled_means(
    trials: Float2D, *, length: float | None, kind: Kind, samples: int, seed: int
) -> Float2D:
    """Return the trials' means in samples of the same sessions (shape: samples x trials)."""
    sessions = len(trials)
    counts = np.empty((samples, sessions))
    lengths = length if length is not None else block_length(trials, kind=kind)
    draws = _bootstrap(np.arange(sessions), lengths, kind, samples, seed).bootstrap(samples)
    for row, (drawn, _) in enumerate(draws):
        counts[row] = np.bincount(drawn[0], minlength=sessions)
    return np.asarray(counts @ trials / sessions)


def long_run_deviation(trials: Float2D, length: float) -> Float1D:
    """Return the standard deviation of sqrt(sessions) times each trial's mean.

    That which the stationary bootstrap with this mean block length would give with endless samples
    (Politis and Romano 1994, lemma 1), as P. R. Hansen (2005) has it.
    """
    sessions = len(trials)
    waves = np.fft.rfft(trials - trials.mean(axis=0), 2 * sessions, axis=0)
    covariances = np.fft.irfft(np.abs(waves) ** 2, axis=0)[:sessions] / sessions
    lag = np.arange(sessions)
    stay = 1 - 1 / length  # how likely a block goes on for another session
    weights = 2 * ((1 - lag / sessions) * stay**lag + lag / sessions * stay ** (sessions - lag))
    weights[0] = 1.0
    return np.sqrt(np.maximum(weights @ covariances, 0.0))


def _bootstrap(
    values: NDArray[Any], length: float | None, kind: Kind, samples: int, seed: int
) -> Any:
    from arch.bootstrap import CircularBlockBootstrap, StationaryBootstrap

    if samples < _LEAST_SAMPLES:
        raise ConfigError("samples", samples, f"at least {_LEAST_SAMPLES}")
    length = block_length(values, kind=kind) if length is None else length
    if not 1 <= length <= len(values):
        raise ConfigError("length", length, f"from 1 to the {len(values)} sessions")
    if _known(kind) == "circular":
        return CircularBlockBootstrap(math.ceil(length), values, seed=seed)
    mean_length: Any = length  # arch asks for an int and takes fractions
    return StationaryBootstrap(mean_length, values, seed=seed)


def _known(kind: Kind) -> Kind:
    if kind not in ("stationary", "circular"):
        raise ConfigError("kind", kind, "'stationary' or 'circular'")
    return kind
