"""Which trial a search stands for: the best, or the middle of the best neighbourhood.

The best of many is the luckiest too. A trial whose neighbours do well is less likely to be luck:
with `n_neighbours` a trial counts for no more than the median of its neighbourhood, and among
equals the higher one is taken. Ties go to the trial that was proposed first.
"""

import math
from collections.abc import Sequence

import numpy as np

from strategy_lab_core.errors import DataError
from strategy_lab_core.search.objective import OBJECTIVES
from strategy_lab_core.search.space import Parameters, Space
from strategy_lab_core.search.trials import SearchResult, Trial
from strategy_lab_core.types import Float1D, Float2D

__all__ = ["best", "pareto_front"]


def best(found: SearchResult, objective: str | None = None) -> Trial:
    """Return the trial that an objective chooses, by default the first of the search.

    Raises
    ------
    DataError
        No trial has a value; the message says what became of them.
    """
    name = objective or found.config.objectives[0]
    place = found.config.objectives.index(name)
    trials = [each for each in found.distinct() if not math.isnan(each.values[place])]
    if not trials:
        raise DataError(_why_none(found, name))
    values = np.array([trial.values[place] for trial in trials])
    values = values if OBJECTIVES[name].is_maximised else -values
    scores = values
    if found.config.n_neighbours:
        around = _medians(found.space, trials, values, found.config.n_neighbours)
        scores = np.minimum(values, around)
    ranked = sorted(range(len(trials)), key=lambda k: (-scores[k], -values[k]))
    return trials[ranked[0]]


def pareto_front(found: SearchResult) -> tuple[Trial, ...]:
    """Return the distinct trials that no other beats in one objective and equals in the rest."""
    trials = [each for each in found.distinct() if not any(map(math.isnan, each.values))]
    signs = [1 if OBJECTIVES[name].is_maximised else -1 for name in found.config.objectives]
    values = np.array([trial.values for trial in trials]).reshape(len(trials), -1) * signs
    front = []
    for trial, own in zip(trials, values, strict=True):
        is_beaten = ((values >= own).all(axis=1) & (values > own).any(axis=1)).any()
        if not is_beaten:
            front.append(trial)
    return tuple(front)


def _medians(space: Space, trials: Sequence[Trial], values: Float1D, n: int) -> Float1D:
    """Return for each trial the median over it and its `n` nearest (shape: trials)."""
    points = np.array([_place(space, trial.chosen) for trial in trials])
    medians = np.empty(len(trials))
    for k, point in enumerate(points):
        nearest = np.argsort(_distances(space, points, point), kind="stable")[: n + 1]
        medians[k] = np.median(values[nearest])
    return medians


def _place(space: Space, chosen: Parameters) -> list[float]:
    """Return a point in the unit cube; a parameter that does not matter there is -1."""
    return [axis.place(chosen[axis.name]) if axis.name in chosen else -1.0 for axis in space.axes]


def _distances(space: Space, points: Float2D, point: Float1D) -> Float1D:
    """Return squared distances; values without an order, or that do not matter, are 1 apart."""
    apart = np.abs(points - point)
    is_ordered = np.array([axis.is_ordered for axis in space.axes])
    is_jump = ~is_ordered | (points < 0) | (point < 0)
    apart = np.where(is_jump, apart > 0, apart)
    distances: Float1D = (apart**2).sum(axis=1)
    return distances


def _why_none(found: SearchResult, name: str) -> str:
    trials = found.distinct()
    counts = {state: sum(each.state == state for each in trials) for state in ("failed", "pruned")}
    rest = len(trials) - sum(counts.values())
    errors = [each.error for each in trials if each.error]
    first = f" ({errors[0]})" if errors else ""
    return (
        f"no trial of {len(trials)} has a {name}: {counts['failed']} failed{first}, "
        f"{counts['pruned']} pruned, {rest} without a meaningful value; widen the space, or "
        "choose more sessions"
    )
