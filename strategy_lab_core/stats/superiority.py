"""Does any trial beat doing nothing, and which: SPA, StepM and the model confidence set by `arch`.

P. R. Hansen (2005), "A test for superior predictive ability", J. of Business and Economic
Statistics 23(4), 365-380, doi:10.1198/073500105000000063; J. P. Romano, M. Wolf (2005), "Stepwise
multiple testing as formalized data snooping", Econometrica 73(4), 1237-1282,
doi:10.1111/j.1468-0262.2005.00615.x; P. R. Hansen, A. Lunde, J. M. Nason (2011), "The model
confidence set", Econometrica 79(2), 453-497, doi:10.3982/ECTA5771.

All trials are resampled together, so their correlation is in the result and no number of
independent trials is needed; but trials without a series are not seen (`deflated` counts them).
arch 8.0 takes `SPA(studentize=...)` but never uses it in the statistic: results are divided by
their long-run deviations here, before they go in, which is Hansen's studentised test.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from strategy_lab_core.errors import DataError
from strategy_lab_core.stats.bootstrap import block_length, long_run_deviation
from strategy_lab_core.stats.series import checked_trials, is_constant, require_share
from strategy_lab_core.types import Bool1D, Float1D, Float2D

__all__ = [
    "Superiority",
    "model_confidence_set",
    "studentised",
    "superior_predictive_ability",
]

_LEAST_SESSIONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Superiority:
    """SPA's p-values for the best of all trials, and StepM's answer for each."""

    p_lower: float  # losing trials count as if they had no edge at all: too small
    p_value: float  # Hansen's consistent one
    p_upper: float  # all trials count fully: White's reality check, too large
    statistics: Float1D  # mean over its standard error (shape: trials)
    critical: float  # what the largest must exceed (consistent)
    superior: Bool1D  # StepM: better than nothing, all of them together with the confidence
    length: float  # mean block length, sessions


def superior_predictive_ability(
    trials: ArrayLike,
    *,
    benchmark: ArrayLike = 0.0,
    confidence: float = 0.95,
    length: float | None = None,
    samples: int = 1000,
    seed: int = 0,
) -> Superiority:
    """Test whether the best trial is better than the benchmark, all trials considered.

    Parameters
    ----------
    trials
        Net profit per session (shape: sessions x trials), at least ten sessions. A trial that never
        differs from the benchmark is not superior.
    benchmark
        Net profit per session of what is to be beaten (shape: sessions, or one number).
    confidence
        That none of `superior` is there by luck.
    length
        Mean block length of the stationary bootstrap in sessions; None: `block_length`.
    samples, seed
        How often sessions are drawn, and of which draws. P-values count the data as a sample, so
        the smallest is 1 / (samples + 1).
    """
    require_share("confidence", confidence)
    values = checked_trials(trials, least=_LEAST_SESSIONS)
    values = values - np.broadcast_to(np.asarray(benchmark, np.float64), len(values))[:, None]
    length = block_length(values) if length is None else length
    scaled = studentised(values, length)
    test = _spa(scaled, length, samples, seed)
    test.compute()
    statistics = scaled.mean(axis=0) * np.sqrt(len(values))
    p_values = (test.pvalues.to_numpy() * samples + 1) / (samples + 1)
    if statistics.max() <= 0:
        p_values[:] = 1.0  # Hansen's statistic is at least zero; arch would call nothing superior
    p_lower, p_value, p_upper = p_values.tolist()
    critical = float(test.critical_values(1 - confidence)["consistent"])
    return Superiority(
        p_lower=p_lower,
        p_value=p_value,
        p_upper=p_upper,
        statistics=statistics,
        critical=max(critical, 0.0) * float(np.sqrt(len(values))),
        superior=_step_down(test, scaled.shape[1], 1 - confidence) & (statistics > 0),
        length=length,
    )


def model_confidence_set(
    trials: ArrayLike, *, length: float | None = None, samples: int = 1000, seed: int = 0
) -> Float1D:
    """Return each trial's p-value of belonging to those that none is better than.

    With probability 1 - a the trials whose p-value is above a hold the truly best one (statistic
    "max"). Identical trials share one.

    Parameters
    ----------
    trials
        Net profit per session (shape: sessions x trials), at least two that differ.
    length, samples, seed
        As for `superior_predictive_ability`.

    Raises
    ------
    DataError
        All trials are the same.
    """
    from arch.bootstrap import MCS

    values = checked_trials(trials, least=_LEAST_SESSIONS, least_trials=2)
    distinct, which = np.unique(values, axis=1, return_inverse=True)
    if distinct.shape[1] < 2:
        raise DataError("trials must differ: all columns are the same, none can be better")
    length = block_length(distinct) if length is None else length
    # Scaled: sums of small numbers must not look like no variance.
    losses = -distinct / np.abs(distinct).max()
    test = MCS(losses, 0.05, samples, _as_size(length), "max", seed=seed)
    test.compute()
    found = test.pvalues["Pvalue"]
    p_values = np.empty(distinct.shape[1])
    p_values[found.index.to_numpy().astype(np.int64)] = found.to_numpy()
    return np.asarray(p_values[which.ravel()])


def studentised(values: Float2D, length: float) -> Float2D:
    """Return each column over its long-run deviation; one that never varies around zero is zero."""
    for number, column in enumerate(values.T):
        if is_constant(column) and column[0]:
            raise DataError(f"trial {number} has the profit {column[0]:g} in every session")
    deviations = long_run_deviation(values, length)
    return np.asarray(values / np.where(deviations > 0, deviations, 1.0))


def _spa(scaled: Float2D, length: float, samples: int, seed: int) -> Any:
    from arch.bootstrap import SPA

    return SPA(np.zeros(len(scaled)), -scaled, _as_size(length), samples, seed=seed)


def _as_size(length: float) -> Any:
    """Return the mean block length as arch's annotations have it; its code takes fractions."""
    return length


def _step_down(test: Any, trials: int, size: float) -> Bool1D:
    """Return Romano and Wolf's superior trials: arch's StepM fails where all are superior."""
    left = np.ones(trials, np.bool_)
    while left.any():
        test.subset(left)
        test.compute()
        better = test.better_models(size)
        if not len(better):
            break
        left[better] = False
    return ~left
