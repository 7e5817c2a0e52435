"""Performance figures of a series of profits: what it made, how often, how deep it fell.

Profits are per session over the declared capital, or per round trip in currency: any series in
order of time. Capital is fixed, so profits add up and are never compounded. Where a figure divides
by nothing (no loss, no fall) it is None. Ratios of profit to risk with a standard error: `sharpe`.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.stats.series import checked_returns, is_constant
from strategy_lab_core.stats.sharpe import annualised_sharpe_ratio, sharpe_ratio
from strategy_lab_core.types import Float1D

__all__ = [
    "Drawdown",
    "Performance",
    "calmar_ratio",
    "drawdown",
    "expectancy",
    "hit_rate",
    "performance",
    "profit_factor",
    "sortino_ratio",
    "tail_ratio",
    "turnover",
]


class Drawdown(NamedTuple):
    """The deepest fall of the summed profits below their highest, or below zero at the start.

    Places count sessions: 0 is before the first one, k is after the k-th.
    """

    depth: float  # in the profits' unit, at least 0
    peak: int  # where it began
    trough: int  # where it was deepest
    recovered: int | None  # where the peak was reached again; None: not yet
    longest: int  # sessions of the longest time below a peak, whichever fall that was


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """The figures of one series; those that divide by nothing are None."""

    sessions: int
    total: float  # sum of the profits
    mean: float  # of a session
    deviation: float  # standard deviation of a session, n - 1
    sharpe: float | None  # per session
    sharpe_annualised: float | None  # for display
    sortino: float | None  # per session
    calmar: float | None  # of a year
    hit_rate: float
    profit_factor: float | None
    tail_ratio: float | None
    drawdown: Drawdown


def performance(returns: ArrayLike, *, sessions_per_year: float) -> Performance:
    """Return all figures of the series at once (shape: sessions).

    Raises
    ------
    DataError
        Fewer than two sessions, or values that are not finite.
    """
    values = checked_returns(returns)
    varies = not is_constant(values)
    yearly = (
        annualised_sharpe_ratio(values, sessions_per_year=sessions_per_year) if varies else None
    )
    return Performance(
        sessions=len(values),
        total=float(values.sum()),
        mean=float(values.mean()),
        deviation=float(values.std(ddof=1)),
        sharpe=sharpe_ratio(values) if varies else None,
        sharpe_annualised=yearly,
        sortino=sortino_ratio(values),
        calmar=calmar_ratio(values, sessions_per_year=sessions_per_year),
        hit_rate=hit_rate(values),
        profit_factor=profit_factor(values),
        tail_ratio=tail_ratio(values),
        drawdown=drawdown(values),
    )


def sortino_ratio(returns: ArrayLike, *, target: float = 0.0) -> float | None:
    """Return the mean above `target` over the downside deviation, per session.

    The root of the mean of min(r - target, 0)^2 over all sessions (F. A. Sortino, R. van der Meer
    1991, J. of Portfolio Management 17(4), 27-31, doi:10.3905/jpm.1991.409343).
    """
    excess = checked_returns(returns) - target
    downside = math.sqrt(float((np.minimum(excess, 0) ** 2).mean()))
    return float(excess.mean()) / downside if downside else None


def calmar_ratio(returns: ArrayLike, *, sessions_per_year: float) -> float | None:
    """Return the mean profit of a year over the depth of the deepest fall."""
    if not sessions_per_year > 0:
        raise ConfigError("sessions_per_year", sessions_per_year, "above 0")
    values = checked_returns(returns)
    depth = drawdown(values).depth
    return float(values.mean()) * sessions_per_year / depth if depth else None


def drawdown(returns: ArrayLike) -> Drawdown:
    """Return the deepest fall of the summed profits, and the longest."""
    equity = np.concatenate([[0.0], np.cumsum(checked_returns(returns, least=1))])
    highest = np.maximum.accumulate(equity)
    falls = highest - equity
    trough = int(falls.argmax())
    peak = int(equity[: trough + 1].argmax())
    later = np.flatnonzero(equity[trough:] >= equity[peak])
    recovered = trough + int(later[0]) if len(later) else None
    return Drawdown(float(falls[trough]), peak, trough, recovered, _longest(falls))


def _longest(falls: Float1D) -> int:
    """Return the sessions from a peak to its recovery, or to the end, where they are most."""
    at_peak = np.flatnonzero(falls == 0)
    gaps = np.diff(at_peak)
    inside = int(gaps[gaps > 1].max(initial=0))
    return max(inside, len(falls) - 1 - int(at_peak[-1]))


def hit_rate(profits: ArrayLike) -> float:
    """Return the share of profits above zero; zeros count among all."""
    return float((checked_returns(profits, name="profits", least=1) > 0).mean())


def profit_factor(profits: ArrayLike) -> float | None:
    """Return the sum of the gains over that of the losses."""
    values = checked_returns(profits, name="profits", least=1)
    losses = -float(values[values < 0].sum())
    return float(values[values > 0].sum()) / losses if losses else None


def expectancy(profits: ArrayLike) -> float:
    """Return the mean profit, in the profits' unit: of a round trip where they are round trips."""
    return float(checked_returns(profits, name="profits", least=1).mean())


def tail_ratio(returns: ArrayLike, *, share: float = 0.05) -> float | None:
    """Return how large the upper tail is beside the lower: quantile 1 - share over |share|."""
    if not 0 < share < 0.5:
        raise ConfigError("share", share, "between 0 and 0.5, both exclusive")
    low, high = np.quantile(checked_returns(returns), (share, 1 - share))
    return float(high / abs(low)) if low else None


def turnover(traded: ArrayLike, *, capital: float) -> float:
    """Return the mean value traded in a session over the capital.

    Parameters
    ----------
    traded
        Price times multiplier times lots, summed over both sides' fills (shape: sessions), in the
        currency of `capital`.
    capital
        The experiment's declared fixed capital, above 0.
    """
    if not capital > 0:
        raise ConfigError("capital", capital, "above 0")
    values = checked_returns(traded, name="traded", least=1)
    if (values < 0).any():
        raise DataError("traded must be at least 0 in each session: both sides' values are summed")
    return float(values.mean()) / capital
