"""Is it real? One call that runs every test on a search's trials and gives a verdict.

Which numbers go in is fixed in docs/evidence.md: net profit per session over the declared capital,
every trial that was ever made, and the spread of random ones.
"""

from dataclasses import asdict, dataclass
from enum import Enum
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.stats.bootstrap import Interval, block_length, bootstrap_interval
from strategy_lab_core.stats.deflated import confidence_above
from strategy_lab_core.stats.evidence import Evidence, SharpeFigures
from strategy_lab_core.stats.luck import count_luck, ratio_or_zero
from strategy_lab_core.stats.overfitting import Overfitting, probability_of_backtest_overfitting
from strategy_lab_core.stats.returns import performance
from strategy_lab_core.stats.series import checked_trials, is_constant, require_share
from strategy_lab_core.stats.sharpe import kurtosis, sharpe_ratio, sharpe_standard_error, skewness
from strategy_lab_core.stats.superiority import (
    Superiority,
    model_confidence_set,
    superior_predictive_ability,
)
from strategy_lab_core.stats.verdict import Verdict, judge
from strategy_lab_core.types import Float1D, Float2D

__all__ = ["Reality", "reality"]

_LEAST_RESAMPLED = 10  # sessions
_BINS = 40


class _Draws(NamedTuple):
    """Of all bootstraps: the same blocks for the trials together."""

    length: float
    samples: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reality:
    """The verdict and all figures behind it."""

    verdict: Verdict
    evidence: Evidence

    def to_dict(self) -> dict[str, Any]:
        """Return everything as what JSON knows, the splits of the PBO as a histogram of logits."""
        figures = asdict(self.evidence)
        if self.evidence.overfitting is not None:
            logits = figures["overfitting"].pop("logits")
            counts, edges = np.histogram(logits, bins=_BINS)
            figures["overfitting"]["logit_histogram"] = {"counts": counts, "edges": edges}
            del figures["overfitting"]["in_sample"], figures["overfitting"]["out_of_sample"]
        return {"verdict": _plain(asdict(self.verdict)), "evidence": _plain(figures)}


def reality(
    trials: ArrayLike,
    *,
    chosen: int,
    n_trials: int,
    counted: ArrayLike | None = None,
    random_sharpes: ArrayLike | None = None,
    n_pruned: int = 0,
    sessions_per_year: float = 252.0,
    worthwhile_sharpe: float = 1.0,
    confidence: float = 0.98,
    blocks: int = 16,
    samples: int = 1000,
    seed: int = 0,
) -> Reality:
    """Judge the chosen trial of a search.

    Parameters
    ----------
    trials
        Net profit per session over the declared capital (shape: sessions x trials with a full
        series). Sessions without a trade are zeros, partial sessions are left out.
    chosen
        The column that is to be traded.
    n_trials
        Every trial ever stored for the same strategy, product and overlapping sessions, over all
        searches, failed, pruned and thrown away ones included: at least the columns here.
    counted
        Series of the trials on other sessions, by which the independent ones are counted (shape:
        other sessions x trials): of a walk-forward, whose own series is the only one on the
        sessions that judge it. None: `trials`.
    random_sharpes
        Sharpe ratios per session of at least 50 random trials of the same space: V is at least
        their variance.
    n_pruned
        Trials of the search that were stopped early: with any there is no PBO.
    sessions_per_year
        The calendar's own, for annualised figures.
    worthwhile_sharpe
        Annualised: where this much would show by now and only luck does, the verdict is red.
    confidence
        Of the verdict; the chance of a green one on luck alone is at most one minus it, nearly. The
        default leaves room below one in twenty.
    blocks
        S of the PBO, even.
    samples, seed
        Of the bootstraps. The same input and seed give the same result.

    Raises
    ------
    DataError
        Values that are not finite, one session, a trial with the same profit, not zero, throughout.
    ConfigError
        A number outside its domain; above all fewer trials than series.
    """
    values = checked_trials(trials)
    require_share("confidence", confidence)
    if not 0 <= chosen < values.shape[1]:
        raise ConfigError("chosen", chosen, f"a column, from 0 to {values.shape[1] - 1}")
    if not worthwhile_sharpe > 0:
        raise ConfigError("worthwhile_sharpe", worthwhile_sharpe, "an annual ratio above 0")
    if not n_trials >= values.shape[1]:
        raise ConfigError(
            "n_trials", n_trials, f"at least the {values.shape[1]} trials whose series are here"
        )
    missing: dict[str, str] = {}
    length = block_length(values) if len(values) >= _LEAST_RESAMPLED else 1.0
    draws = _Draws(length, samples, seed)
    column = values[:, chosen]
    figures = _sharpe(column, confidence, draws, missing)
    luck = None
    if figures is not None:
        luck = count_luck(
            figures,
            values,
            n_trials=n_trials,
            counted=None if counted is None else checked_trials(counted),
            random_sharpes=random_sharpes,
            confidence=confidence,
            worthwhile_sharpe=worthwhile_sharpe,
            sessions_per_year=sessions_per_year,
        )
        if luck.variance is None:
            missing["variance"] = "one series and no random trials show no spread of trials"
    evidence = Evidence(
        sessions=len(values),
        sessions_per_year=sessions_per_year,
        confidence=confidence,
        worthwhile_sharpe=worthwhile_sharpe,
        chosen=chosen,
        performance=performance(column, sessions_per_year=sessions_per_year),
        sharpe=figures,
        luck=luck,
        overfitting=_overfitting(values, blocks, n_pruned, missing),
        superiority=_superiority(values, confidence, draws, missing),
        confidence_set=_confidence_set(values, draws, missing),
        missing=missing,
    )
    return Reality(verdict=judge(evidence, n_trials=n_trials), evidence=evidence)


def _sharpe(
    column: Float1D, confidence: float, draws: _Draws, missing: dict[str, str]
) -> SharpeFigures | None:
    if is_constant(column):
        missing["sharpe"] = (
            f"the chosen trial made {column[0]:g} in every session, so no risk is seen"
        )
        return None
    ratio, g3, g4 = sharpe_ratio(column), skewness(column), kurtosis(column)
    interval: Interval | None = None
    if len(column) >= _LEAST_RESAMPLED:
        interval = bootstrap_interval(
            column, ratio_or_zero, confidence=confidence, **draws._asdict()
        )
    else:
        missing["interval"] = f"fewer than {_LEAST_RESAMPLED} sessions to draw from"
    return SharpeFigures(
        value=ratio,
        standard_error=sharpe_standard_error(column),
        robust_standard_error=sharpe_standard_error(column, lags=_lags(len(column))),
        interval=interval,
        skewness=g3,
        kurtosis=g4,
        probabilistic=confidence_above(0.0, ratio, len(column), g3, g4),
    )


def _lags(sessions: int) -> int | None:
    """Return the usual number of lags, or what a very short record has."""
    return None if sessions > _LEAST_RESAMPLED else sessions - 1


def _overfitting(
    values: Float2D, blocks: int, n_pruned: int, missing: dict[str, str]
) -> Overfitting | None:
    if n_pruned:
        missing["overfitting"] = f"{n_pruned} trials were pruned, PBO needs complete series"
    elif values.shape[1] < 2:
        missing["overfitting"] = "one trial with a series leaves nothing to choose from"
    elif len(values) < 2 * blocks:
        missing["overfitting"] = (
            f"{blocks} blocks need {2 * blocks} sessions, there are {len(values)}"
        )
    else:
        return probability_of_backtest_overfitting(values, blocks=blocks)
    return None


def _superiority(
    values: Float2D, confidence: float, draws: _Draws, missing: dict[str, str]
) -> Superiority | None:
    if len(values) < _LEAST_RESAMPLED:
        missing["superiority"] = f"fewer than {_LEAST_RESAMPLED} sessions to draw from"
        return None
    return superior_predictive_ability(values, confidence=confidence, **draws._asdict())


def _confidence_set(values: Float2D, draws: _Draws, missing: dict[str, str]) -> Float1D | None:
    if len(values) < _LEAST_RESAMPLED or len(np.unique(values, axis=1).T) < 2:
        missing["confidence set"] = "it needs ten sessions and two trials that differ"
        return None
    return model_confidence_set(values, **draws._asdict())


def _plain(value: Any) -> Any:
    """Return `value` with arrays as lists, enums as their values, and no number that is none."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value
