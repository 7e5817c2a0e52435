"""How many independent trials a search amounts to: trials that did nearly the same count once.

M. Lopez de Prado, M. J. Lewis (2019), "Detection of false investment strategies using unsupervised
learning methods", Quantitative Finance 19(9), 1555-1565, doi:10.1080/14697688.2019.1622311,
cluster the trials by the correlation of their returns; the distance sqrt((1 - r) / 2) is R. N.
Mantegna's (1999, doi:10.1007/s100510050929) but for a factor. They choose the number of clusters
by silhouettes, which finds far too few among independent series, so that luck
would be counted too low; here a fixed correlation cuts a tree of average linkage. Trials of one
cluster are not quite the same, and the best of them is lucky too: a cluster of M counts r + (1 - r)
M, r its mean correlation (D. H. Bailey, M. Lopez de Prado 2014, doi:10.3905/jpm.2014.40.5.094,
appendix 3). Nothing is drawn.
"""

from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.stats.series import checked_trials, is_constant
from strategy_lab_core.types import Float2D, Int1D

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SAME_CORRELATION", "cluster_trials", "effective_trials"]

SAME_CORRELATION = 0.8


def effective_trials(
    trials: ArrayLike, *, n_trials: int, correlation: float = SAME_CORRELATION
) -> float:
    """Return the sum of what each cluster counts, and one more for each trial without a series.

    Parameters
    ----------
    trials
        Net profit per session (shape: sessions x trials with a full series).
    n_trials
        Every trial ever made for the same strategy, product and sessions, those that failed, were
        pruned or thrown away included. Nothing is known of how those without a series did, so each
        counts.
    correlation
        Clusters whose trials correlate by this much on average are one.
    """
    values = checked_trials(trials)
    if not n_trials >= values.shape[1]:
        raise ConfigError(
            "n_trials", n_trials, f"at least the {values.shape[1]} trials whose series are here"
        )
    labels = cluster_trials(values, correlation=correlation)
    alike = 1 - 2 * _distances(values) ** 2  # the correlations again, of constant trials too
    counted = sum(_weight(alike[np.ix_(mine, mine)]) for mine in _members(labels))
    return counted + n_trials - int(values.shape[1])


def cluster_trials(
    trials: ArrayLike, *, correlation: float = SAME_CORRELATION, n_clusters: int | None = None
) -> Int1D:
    """Return the cluster of each trial, numbered from 0 in the order of their first trials.

    Parameters
    ----------
    trials
        Net profit per session (shape: sessions x trials). Trials with constant results are one
        cluster: they correlate with nothing.
    correlation
        Where the tree is cut, above -1 and at most 1.
    n_clusters
        Cut the tree into that many instead; fewer where trials are identical.

    Raises
    ------
    ConfigError
        More clusters than trials, or a correlation that is none.
    """
    values = checked_trials(trials)
    n = values.shape[1]
    if n_clusters is not None and not 1 <= n_clusters <= n:
        raise ConfigError("n_clusters", n_clusters, f"from 1 to the number of trials, {n}")
    if not -1 < correlation <= 1:
        raise ConfigError("correlation", correlation, "above -1 and at most 1")
    if n == 1:
        return np.zeros(1, np.int64)
    labels = _cut(_distances(values), correlation, n_clusters)
    _, first, index = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[index], np.int64)


def _members(labels: Int1D) -> list[Int1D]:
    return [np.flatnonzero(labels == label) for label in range(int(labels.max()) + 1)]


def _weight(correlations: Float2D) -> float:
    """Return r + (1 - r) M of M trials, r the mean over their pairs, in whole trials."""
    count = len(correlations)
    if count == 1:
        return 1.0
    mean = (float(correlations.sum()) - count) / (count * (count - 1))
    mean = min(max(mean, 0.0), 1.0)
    return float(ceil(mean + (1 - mean) * count - 1e-6))  # identical but for rounding: one


def _cut(distances: Float2D, correlation: float, n_clusters: int | None) -> "NDArray[np.int32]":
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    tree = linkage(squareform(distances, checks=False), "average")
    if n_clusters is not None:
        return np.asarray(fcluster(tree, n_clusters, "maxclust"))
    # A hair wider: identical series differ by rounding.
    return np.asarray(fcluster(tree, _distance(correlation) + 1e-6, "distance"))


def _distances(values: Float2D) -> Float2D:
    """Return the distance of each pair of trials (shape: trials x trials)."""
    constant = np.array([is_constant(column) for column in values.T])
    centred = values - values.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    unit = centred / np.where(constant, 1.0, length)
    unit[:, constant] = 0.0
    distances = np.asarray(_distance(unit.T @ unit))
    distances[np.ix_(constant, constant)] = 0.0
    np.fill_diagonal(distances, 0.0)
    return distances


def _distance(correlation: "Float2D | float") -> Float2D:
    return np.asarray(np.sqrt(np.clip((1 - np.asarray(correlation)) / 2, 0, 1)))
