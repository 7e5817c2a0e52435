"""How far luck alone gets, with as many trials as there were."""

from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.stats.clusters import effective_trials
from strategy_lab_core.stats.deflated import (
    confidence_above,
    expected_maximum,
    family_confidence,
    minimum_backtest_length,
    minimum_track_record_length,
)
from strategy_lab_core.stats.evidence import Luck, SharpeFigures
from strategy_lab_core.stats.series import checked_returns
from strategy_lab_core.types import Float1D, Float2D

__all__ = ["count_luck", "ratio_or_zero", "trial_variance"]

_LEAST_RANDOM = 50  # random trials for a spread


def count_luck(
    figures: SharpeFigures,
    trials: Float2D,
    *,
    n_trials: int,
    counted: Float2D | None,
    random_sharpes: ArrayLike | None,
    confidence: float,
    worthwhile_sharpe: float,
    sessions_per_year: float,
) -> Luck:
    """Return what the number of trials does to the Sharpe ratio; arguments as for `reality`.

    The luckiest of trials without edge has about `expected_maximum` standard errors, and a ratio of
    zero has the standard error 1 / sqrt(T - 1): `best_by_luck` does not take true differences
    between trials for luck, as V does.
    """
    sessions = len(trials)
    alike = trials if counted is None else counted
    effective = effective_trials(alike, n_trials=n_trials)
    variance = trial_variance(alike, random_sharpes, n_trials)
    shape = {"skewness": figures.skewness, "kurtosis": figures.kurtosis}
    # Independent trials spread by their own error at least; trials that are alike show less.
    apart = None if variance is None else max(variance, 1 / (sessions - 1))
    each = family_confidence(confidence, effective)
    by_luck = expected_maximum(effective) / sqrt(sessions - 1)
    worthwhile = worthwhile_sharpe / sqrt(sessions_per_year)
    needed, to_show, years = None, None, None
    if figures.value > 0:
        needed = minimum_track_record_length(figures.value, confidence=each, **shape)
        # Sessions that follow one another say less: as many more as the variance is larger.
        needed *= max((figures.robust_standard_error / figures.standard_error) ** 2, 1.0)
        years = minimum_backtest_length(effective, figures.value * sqrt(sessions_per_year))
    if worthwhile > by_luck:
        to_show = minimum_track_record_length(
            worthwhile, benchmark=by_luck, confidence=confidence, **shape
        )
    return Luck(
        n_trials=n_trials,
        n_series=trials.shape[1],
        n_counted=alike.shape[1],
        effective=effective,
        variance=variance,
        has_random_trials=random_sharpes is not None,
        deflated_raw=_deflated(figures, sessions, n_trials, variance),
        deflated_effective=_deflated(figures, sessions, effective, apart),
        best_by_luck=by_luck,
        confidence_each=each,
        sessions_needed=needed,
        sessions_to_show=to_show,
        years_of_luck=years,
    )


def trial_variance(
    trials: Float2D, random_sharpes: ArrayLike | None, n_trials: int
) -> float | None:
    """Return V: the larger of the trials' variance and that of random ones; None: neither is known.

    Parameters
    ----------
    trials
        Net profit per session (shape: sessions x trials).
    random_sharpes
        Per session, of at least 50 random trials; None: there are none.
    n_trials
        For a single trial V is zero.
    """
    found = [0.0] if n_trials == 1 else []
    if trials.shape[1] > 1:
        found.append(float(np.var([ratio_or_zero(each) for each in trials.T], ddof=1)))
    if random_sharpes is not None:
        drawn = checked_returns(random_sharpes, name="random_sharpes")
        if len(drawn) < _LEAST_RANDOM:
            raise ConfigError(
                "random_sharpes", len(drawn), f"those of at least {_LEAST_RANDOM} trials"
            )
        found.append(float(drawn.var(ddof=1)))
    return max(found, default=None)


def ratio_or_zero(sample: Float1D) -> float:
    """Return the Sharpe ratio; a trial that never traded has none, which counts as zero."""
    deviation = float(sample.std(ddof=1))
    return float(sample.mean()) / deviation if deviation else 0.0


def _deflated(
    figures: SharpeFigures, sessions: int, n_trials: float, variance: float | None
) -> float | None:
    if variance is None:
        return None
    hurdle = sqrt(variance) * expected_maximum(n_trials)
    return confidence_above(hurdle, figures.value, sessions, figures.skewness, figures.kurtosis)
