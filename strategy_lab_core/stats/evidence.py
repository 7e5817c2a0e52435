"""The figures that a verdict rests on, of one chosen trial among all that were made.

No rules here: `verdict` judges, `reality` computes.
"""

from dataclasses import dataclass

from strategy_lab_core.stats.bootstrap import Interval
from strategy_lab_core.stats.overfitting import Overfitting
from strategy_lab_core.stats.returns import Performance
from strategy_lab_core.stats.superiority import Superiority
from strategy_lab_core.types import Float1D

__all__ = ["Evidence", "Luck", "SharpeFigures"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharpeFigures:
    """The chosen trial's Sharpe ratio per session and what is known of its error."""

    value: float
    standard_error: float  # independent sessions
    robust_standard_error: float  # autocorrelated sessions
    interval: Interval | None  # block bootstrap; None: too few sessions
    skewness: float
    kurtosis: float  # full
    probabilistic: float  # confidence that the true ratio is above zero, for a single trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Luck:
    """What the number of trials does to the Sharpe ratio."""

    n_trials: int  # all ever made
    n_series: int  # of them with a full series
    n_counted: int  # of them with a series by which they are counted, maybe of other sessions
    effective: float  # independent ones, about
    variance: float | None  # V of the deflated ratio; None: no two series and no random trials
    has_random_trials: bool  # V is at least that of random trials
    deflated_raw: float | None  # with all trials
    deflated_effective: float | None  # with `effective`, V at least a single ratio's own error
    best_by_luck: float  # Sharpe ratio per session of the best of `effective` trials without edge
    confidence_each: float  # what one trial needs for all to have the confidence together
    sessions_needed: float | None  # for that, at the seen ratio; None: it is not above zero
    sessions_to_show: float | None  # for a worthwhile ratio to rise above `best_by_luck`
    years_of_luck: float | None  # below which luck alone shows the seen ratio (MinBTL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All figures; None where one does not exist, with the reason in `missing`."""

    sessions: int
    sessions_per_year: float
    confidence: float
    worthwhile_sharpe: float  # annualised
    chosen: int  # the trial's column
    performance: Performance
    sharpe: SharpeFigures | None
    luck: Luck | None
    overfitting: Overfitting | None
    superiority: Superiority | None
    confidence_set: Float1D | None  # p-values of belonging to the best trials (shape: trials)
    missing: dict[str, str]  # field: why there is none
