"""Which trial is chosen: the best, the first of equals, the middle of a plateau."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from strategy_lab_core.errors import DataError
from strategy_lab_core.search.choice import best, pareto_front
from strategy_lab_core.search.config import SearchConfig
from strategy_lab_core.search.evaluate import Evaluator
from strategy_lab_core.search.trials import SearchResult, run_search
from tests.core.search.toys import CAPITAL, DAYS, Market, toy_space


def _found(values: Sequence[tuple[float, ...]], given: Any = None, **changes: Any) -> SearchResult:
    """Return a grid's result whose trials have these values instead of their own."""
    space = toy_space({"fast": list(range(1, len(values) + 1))} if given is None else given)
    objectives = ("sharpe_ratio", "max_drawdown")[: len(values[0])]
    config = SearchConfig(method="grid", objectives=objectives, **changes)
    made = run_search(space, config, Evaluator(Market()), DAYS[:2], CAPITAL)
    trials = tuple(
        replace(trial, values=tuple(own)) for trial, own in zip(made.trials, values, strict=True)
    )
    return replace(made, trials=trials)


def test_best__is_the_first_of_equals() -> None:
    """Ties go to the lower number, and NaN is never chosen."""
    assert best(_found([(math.nan,), (2.0,), (1.0,), (2.0,)])).number == 1


def test_best__minimises_what_is_to_be_small() -> None:
    """Asked for another objective than the first."""
    found = _found([(1.0, 9.0), (2.0, 3.0), (3.0, 5.0)])
    assert best(found).number == 2
    assert best(found, "max_drawdown").number == 1


def test_best__of_a_plateau_is_its_middle() -> None:
    """A lonely peak loses to a broad hill: the median over a trial and its two nearest."""
    values = [(0.0,), (9.0,), (0.0,), (4.0,), (5.0,), (4.0,), (0.0,)]
    assert best(_found(values)).number == 1
    assert best(_found(values, n_neighbours=2)).number == 4


def test_best__of_a_plateau_keeps_choices_apart() -> None:
    """Values without an order are no neighbours: a 9 alone in model 0 has none in model 1."""
    given = {"fast": [1, 2, 3, 4], "model": [0, 1]}
    values = [(9.0,), (3.0,), (0.0,), (3.0,), (0.0,), (3.0,), (0.0,), (3.0,)]
    chosen = best(_found(values, given, n_neighbours=2))
    assert (chosen.number, chosen.parameters["model"]) == (1, 1)


def test_best__says_why_there_is_none() -> None:
    """Failed, pruned, and those without a meaning are counted."""
    config = SearchConfig(method="random", n_trials=4)
    failing = Evaluator(Market(fails=range(51)))
    found = run_search(toy_space(), config, failing, DAYS[:2], CAPITAL)
    message = "no trial of 4 has a sharpe_ratio: 4 failed \\(2025-01-01: the strategy raised\\)"
    with pytest.raises(DataError, match=message):
        best(found)
    alone = run_search(toy_space(), config, Evaluator(Market()), DAYS[:1], CAPITAL)
    with pytest.raises(DataError, match="0 failed, 0 pruned, 4 without a meaningful value"):
        best(alone)


def test_pareto_front__is_what_nothing_beats() -> None:
    """More of the first, less of the second; equals stand together."""
    values = [(1.0, 1.0), (2.0, 2.0), (2.0, 3.0), (3.0, 9.0), (2.0, 2.0), (math.nan, 0.0)]
    assert [trial.number for trial in pareto_front(_found(values))] == [0, 1, 3, 4]
