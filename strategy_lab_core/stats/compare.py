"""Several strategies side by side, ranked, with p-values that know how many were tried.

S. Holm (1979), Scandinavian J. of Statistics 6(2), 65-70; J. P. Romano, M. Wolf (2005),
"Exact and approximate stepdown methods for multiple hypothesis testing", J. of the American
Statistical Association 100, 94-108, doi:10.1198/016214504000000539.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.stats.bootstrap import block_length, resampled_means
from strategy_lab_core.stats.series import checked_returns
from strategy_lab_core.stats.sharpe import sharpe_ratio
from strategy_lab_core.stats.superiority import model_confidence_set, studentised
from strategy_lab_core.types import Float1D, Float2D

__all__ = ["Ranked", "compare", "holm", "romano_wolf"]

_LEAST_SESSIONS = 10


class Ranked(NamedTuple):
    """One strategy among those compared; p-values are of "its mean profit is at most zero"."""

    name: str
    n_trials: int  # of the search that it came from
    mean: float  # profit per session over capital
    sharpe: float  # per session
    p_value: float  # alone, as if it were the only one and the only trial
    p_searched: float  # alone, its own search counted (Sidak)
    p_holm: float  # of all compared and all searches, whatever their dependence
    p_romano_wolf: float  # of all compared, their dependence used; searches not counted
    p_confidence_set: float  # of belonging to the best of those compared


def compare(
    strategies: Mapping[str, ArrayLike],
    *,
    n_trials: Mapping[str, int],
    length: float | None = None,
    samples: int = 1000,
    seed: int = 0,
) -> tuple[Ranked, ...]:
    """Return the strategies, the smallest p-value with all counted first, then the larger Sharpe.

    Parameters
    ----------
    strategies
        Net profit per session over the declared capital by name, over the same sessions (shape of
        each: sessions); at least two strategies and ten sessions.
    n_trials
        By name, how many trials the strategy's search took, thrown away ones included.
    length, samples, seed
        Of the stationary bootstrap; all strategies are resampled together.

    Raises
    ------
    ConfigError
        A number of trials is missing or below 1.
    DataError
        Fewer than two strategies, different lengths, constant series.
    """
    if len(strategies) < 2:
        raise DataError(f"compare needs at least two strategies, got {len(strategies)}")
    names = tuple(strategies)
    values = _side_by_side(strategies)
    counts = np.array([_trials_of(name, n_trials) for name in names])
    length = block_length(values) if length is None else length
    statistics, null = _null_statistics(values, length, samples, seed)
    alone = (1 + (null >= statistics).sum(axis=0)) / (samples + 1)
    searched = np.where(counts > 1, 1 - (1 - alone) ** counts, alone)
    columns = (
        counts.tolist(), values.mean(axis=0).tolist(), [sharpe_ratio(each) for each in values.T],
        alone.tolist(), searched.tolist(), holm(searched).tolist(),
        romano_wolf(statistics, null).tolist(),
        model_confidence_set(values, length=length, samples=samples, seed=seed).tolist(),
    )  # fmt: skip
    ranked = (Ranked(*row) for row in zip(names, *columns, strict=True))
    return tuple(sorted(ranked, key=lambda each: (each.p_holm, -each.sharpe)))


def holm(p_values: ArrayLike) -> Float1D:
    """Return p-values adjusted step by step (shape: hypotheses); valid under any dependence."""
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * values[order]), 1.0)
    return adjusted


def romano_wolf(statistics: Float1D, null: Float2D) -> Float1D:
    """Return p-values adjusted by the joint distribution under the null (their algorithm 4.1).

    Parameters
    ----------
    statistics
        One a hypothesis, larger is stronger (shape: hypotheses).
    null
        The same, resampled without edge (shape: samples x hypotheses).
    """
    order = np.argsort(-statistics, kind="stable")
    # The largest of a hypothesis and all weaker ones, sample by sample.
    largest = np.maximum.accumulate(null[:, order][:, ::-1], axis=1)[:, ::-1]
    p_values = (1 + (largest >= statistics[order]).sum(axis=0)) / (len(null) + 1)
    adjusted = np.empty(len(statistics))
    adjusted[order] = np.maximum.accumulate(p_values)
    return adjusted


def _null_statistics(
    values: Float2D, length: float, samples: int, seed: int
) -> tuple[Float1D, Float2D]:
    """Return the studentised means, and those of samples shifted to a mean of zero."""
    scaled = studentised(values, length)
    means = scaled.mean(axis=0)
    drawn = resampled_means(scaled, length=length, kind="stationary", samples=samples, seed=seed)
    return means, drawn - means


def _side_by_side(strategies: Mapping[str, ArrayLike]) -> Float2D:
    columns = [
        checked_returns(each, name=name, least=_LEAST_SESSIONS) for name, each in strategies.items()
    ]
    if len({len(each) for each in columns}) > 1:
        lengths = ", ".join(
            f"{name}: {len(each)}" for name, each in zip(strategies, columns, strict=True)
        )
        raise DataError(f"strategies must have the same sessions, got {lengths}")
    return np.stack(columns, axis=1)


def _trials_of(name: str, n_trials: Mapping[str, int]) -> int:
    count = n_trials.get(name, 0)
    if not count >= 1:
        raise ConfigError(f"n_trials of {name}", n_trials.get(name), "at least 1: count all")
    return count
