"""Probability of backtest overfitting, by combinatorially symmetric cross-validation (CSCV).

D. H. Bailey, J. M. Borwein, M. Lopez de Prado, Q. J. Zhu (2017), "The probability of backtest
overfitting", J. of Computational Finance 20(4), 39-69, doi:10.21314/JCF.2016.322. The sessions are
cut into S blocks; on each half of the blocks the best trial is chosen, and its rank is looked up on
the other half. Performance is the Sharpe ratio per session.

All splits come from sums over blocks, so that 12,870 splits of hundreds of trials take a second or
two; `tests/naive/overfitting.py` is the same, split by split.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.stats.series import checked_trials, is_constant
from strategy_lab_core.types import Bool1D, Float1D, Float2D

__all__ = ["Overfitting", "probability_of_backtest_overfitting"]

_MOST_BLOCKS = 20  # 184,756 splits
_LEAST_ROWS = 2  # sessions in a block
_AT_ONCE = 2**14  # split x trial pairs at a time: they stay in the cache
_NO_VARIANCE = 1e-12  # a half's variance below this share of the record's is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Overfitting:
    """What choosing the best trial on one half of the sessions is worth on the other half."""

    probability: float  # share of splits where the best is at or below the median: PBO
    logits: Float1D  # ln(w / (1 - w)) of the relative rank w (shape: splits)
    in_sample: Float1D  # the best trial's Sharpe ratio where it was chosen (shape: splits)
    out_of_sample: Float1D  # and on the other half
    slope: float | None  # of out-of-sample on in-sample by least squares; None: all the same
    intercept: float | None
    probability_of_loss: float  # share of splits where the best lost out of sample
    dominates_first: bool  # choosing is at least as good as any trial, at every level
    dominates_second: bool  # the same for whoever fears risk: on the integrated distributions


def probability_of_backtest_overfitting(trials: ArrayLike, *, blocks: int = 16) -> Overfitting:
    """Return the PBO with what it is made of.

    Parameters
    ----------
    trials
        Net profit per session (shape: sessions x trials), complete: a pruned trial has no column
        and its search has no PBO. A trial that never traded has a ratio of zero.
    blocks
        S, even, from 2 to 20. Where it does not divide the sessions the first blocks are longer.

    Raises
    ------
    ConfigError
        S is odd or out of range.
    DataError
        Fewer than two trials or 2 S sessions, values that are not finite, or a trial with the same
        profit other than zero in every session.

    Notes
    -----
    Ranks of equal ratios are averaged. Dominance compares the chosen trials' out-of-sample ratios
    with those of all trials in all splits, at each value that a chosen one took. About 0.5 on noise
    is right: choosing does not help there. So it is where all trials have the same edge: PBO judges
    the choice, not the strategy.
    """
    if not (2 <= blocks <= _MOST_BLOCKS and blocks % 2 == 0):
        raise ConfigError("blocks", blocks, f"an even number from 2 to {_MOST_BLOCKS}")
    values = checked_trials(trials, least=_LEAST_ROWS * blocks, least_trials=2)
    for number, column in enumerate(values.T):
        if is_constant(column) and column[0]:
            raise DataError(f"trial {number} has the profit {column[0]:g} in every session")
    halves = _Halves(values, blocks)
    return _summary(halves)


class _Halves:
    """The Sharpe ratios of all trials on both halves of every split."""

    def __init__(self, values: Float2D, blocks: int) -> None:
        parts = np.array_split(values - values.mean(axis=0), blocks)
        self._means = values.mean(axis=0)
        self._lengths = np.array([len(part) for part in parts], np.float64)
        self._sums = np.array([part.sum(axis=0) for part in parts])
        self._squares = np.array([(part**2).sum(axis=0) for part in parts])
        self._least = _NO_VARIANCE * values.var(axis=0)
        chosen = list(combinations(range(blocks), blocks // 2))
        self._is_in = np.zeros((len(chosen), blocks), np.bool_)
        np.put_along_axis(self._is_in, np.array(chosen), True, axis=1)
        self.splits, self.trials = len(chosen), values.shape[1]

    def portions(self) -> Iterator[slice]:
        """Yield some splits at a time."""
        step = max(_AT_ONCE // self.trials, 1)
        for start in range(0, self.splits, step):
            yield slice(start, min(start + step, self.splits))

    def inside(self, some: slice) -> Float2D:
        """Return the ratios where the best is chosen (shape: splits x trials)."""
        return self._ratios(self._is_in[some])

    def outside(self, some: slice) -> Float2D:
        """Return the ratios on the other half (shape: splits x trials)."""
        return self._ratios(~self._is_in[some])

    def _ratios(self, is_in: Bool1D) -> Float2D:
        weights = is_in.astype(np.float64)
        count = (weights @ self._lengths)[:, None]
        off = weights @ self._sums / count  # the half's mean less the record's
        variance = (weights @ self._squares - count * off**2) / (count - 1)
        mean = off + self._means
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = mean / np.sqrt(variance)
        flat = variance <= self._least
        mean[np.abs(mean) <= 1e-12 * np.abs(self._means)] = 0.0
        return np.where(flat, np.where(mean == 0, 0.0, np.copysign(np.inf, mean)), ratios)


def _summary(halves: _Halves) -> Overfitting:
    rank, inside, outside = (np.empty(halves.splits) for _ in range(3))
    for some in halves.portions():
        trained, tested = halves.inside(some), halves.outside(some)
        best = trained.argmax(axis=1)[:, None]
        inside[some] = np.take_along_axis(trained, best, axis=1)[:, 0]
        mine = np.take_along_axis(tested, best, axis=1)
        outside[some] = mine[:, 0]
        rank[some] = (tested < mine).sum(axis=1) + ((tested == mine).sum(axis=1) + 1) / 2
    logits = np.log(rank / (halves.trials + 1 - rank))
    slope, intercept = _line(inside, outside)
    first, second = _dominance(halves, np.sort(outside))
    return Overfitting(
        probability=float((logits <= 0).mean()),
        logits=logits,
        in_sample=inside,
        out_of_sample=outside,
        slope=slope,
        intercept=intercept,
        probability_of_loss=float((outside < 0).mean()),
        dominates_first=first,
        dominates_second=second,
    )


def _line(x: Float1D, y: Float1D) -> tuple[float | None, float | None]:
    """Return slope and intercept of least squares over the finite pairs."""
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if len(x) < 2 or is_constant(x):
        return None, None
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    return slope, float(y.mean() - slope * x.mean())


def _dominance(halves: _Halves, chosen: Float1D) -> tuple[bool, bool]:
    """Return whether the sorted `chosen` ratios dominate those of all trials, first and second."""
    points = np.unique(chosen[np.isfinite(chosen)])
    if not len(points):
        return False, False
    count, total = np.zeros(len(points) + 1), np.zeros(len(points) + 1)
    lowest = float(points[0])
    for some in halves.portions():
        tested = halves.outside(some)
        # Ratios without variance below: as the lowest, so that sums stay finite.
        flat = np.where(np.isneginf(tested), lowest, tested).ravel()
        place = np.searchsorted(points, flat)  # the first point that is not below it
        count += np.bincount(place, minlength=len(points) + 1)
        total += np.bincount(
            place, np.where(np.isposinf(flat), 0.0, flat), minlength=len(points) + 1
        )
    of_all = np.cumsum(count[:-1]) / (halves.splits * halves.trials)
    sums_of_all = np.cumsum(total[:-1]) / (halves.splits * halves.trials)
    finite = np.where(np.isneginf(chosen), lowest, chosen)
    below = np.searchsorted(finite, points, side="right")
    sums = np.concatenate([[0.0], np.cumsum(np.where(np.isposinf(finite), 0.0, finite))])
    of_chosen = below / halves.splits
    # The integral of a distribution up to x is the mean of max(x - value, 0).
    area_of_all = points * of_all - sums_of_all
    area_of_chosen = points * of_chosen - sums[below] / halves.splits
    hair = 1e-9 * max(float(np.abs(points).max()), math.ulp(1.0))
    first = (of_chosen <= of_all + 1e-12).all()
    second = (area_of_chosen <= area_of_all + hair).all()
    return bool(first), bool(second)
