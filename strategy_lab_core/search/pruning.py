"""Successive halving over sessions: the worse half of a batch ends early, twice.

K. Jamieson and A. Talwalkar (2016), "Non-stochastic best arm identification and hyperparameter
optimization", AISTATS. First every fourth session is run, then every second, then
all: a trial is not dropped for one bad month. What it drops has no full series.
"""

import math
from collections.abc import Sequence

from strategy_lab_core.search.evaluate import Evaluator, Outcome, profits_of
from strategy_lab_core.search.objective import Capital, Objective
from strategy_lab_core.search.space import Parameters
from strategy_lab_core.types import Int1D

__all__ = ["FEWEST_SESSIONS", "halved"]

FEWEST_SESSIONS = 8  # two in the first quarter
_EVERY = (4, 2, 1)


def halved(
    evaluator: Evaluator,
    sets: Sequence[Parameters],
    sessions: Sequence[str],
    objective: Objective,
    capital: Capital,
) -> list[tuple[Outcome | None, ...]]:
    """Return for each set its outcomes in the sessions; None in those that it did not reach."""
    found: list[dict[str, Outcome]] = [{} for _ in sets]
    alive = list(range(len(sets)))
    for every in _EVERY:
        rung = sessions[::every]
        outcomes = evaluator.outcomes([sets[place] for place in alive], rung)
        for place, reached in zip(alive, outcomes, strict=True):
            found[place] |= dict(zip(rung, reached, strict=True))
        scored = [
            (_score(profits, objective, capital), -place)
            for place, profits in zip(alive, map(profits_of, outcomes), strict=True)
            if profits is not None
        ]
        best = sorted(scored, reverse=True)[: math.ceil(len(scored) / 2)]
        alive = sorted(-place for _, place in best)
    return [tuple(each.get(session) for session in sessions) for each in found]


def _score(profits: Int1D, objective: Objective, capital: Capital) -> tuple[float, int]:
    """Return what a set with more stays by: the objective, then the net profit."""
    value = objective.measure(profits, capital)
    value = value if objective.is_maximised else -value
    return (-math.inf if math.isnan(value) else value), int(profits.sum())
