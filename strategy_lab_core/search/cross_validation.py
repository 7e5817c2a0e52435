"""Combinatorial purged cross-validation: many out-of-sample paths from one set of sessions.

M. Lopez de Prado (2018), Advances in Financial Machine Learning, chapter 12. A walk-forward is one
path of history; here every group of sessions is judged by several choices, none of which was made
on it. Choices are made on sessions after their test too: it says how a search holds, not what
it would have earned.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from strategy_lab_core.errors import DataError
from strategy_lab_core.search.config import SearchConfig
from strategy_lab_core.search.evaluate import Evaluator, Outcome, set_key
from strategy_lab_core.search.objective import OBJECTIVES, Capital
from strategy_lab_core.search.space import Parameters, Space
from strategy_lab_core.search.splits import Combinations, Window
from strategy_lab_core.search.trials import SearchResult
from strategy_lab_core.search.walk_forward import WindowResult, judged, run_window
from strategy_lab_core.types import Float1D, Int1D, Int2D

__all__ = ["CrossValidationResult", "cross_validate_splits", "cross_validate_trials"]


@dataclass(frozen=True, slots=True)
class CrossValidationResult:
    """The splits with their choices, and the paths that they make."""

    config: SearchConfig
    capital: Capital
    combinations: Combinations
    splits: tuple[WindowResult, ...]

    def profits(self) -> Int2D:
        """Return the net profits of each path (shape: paths, sessions; money units).

        Raises
        ------
        DataError
            A split has no out-of-sample result.
        """
        lines = [
            np.concatenate([self._stretch(split, group) for group, split in enumerate(path)])
            for path in self.combinations.paths
        ]
        return np.array(lines)

    def values(self) -> Float1D:
        """Return the objective of each path (shape: paths)."""
        measure = OBJECTIVES[self.config.objectives[0]].measure
        return np.array([measure(path, self.capital) for path in self.profits()])

    def _stretch(self, split: int, group: int) -> Int1D:
        """Return the profits of one group's sessions, as the choice of one split made them."""
        found = self.splits[split]
        if found.profits is None:
            groups = self.combinations.splits[split].groups
            raise DataError(f"the split that tests groups {groups} has no result: {found.error}")
        first = found.window.test.index(self.combinations.groups[group][0])
        return found.profits[first : first + len(self.combinations.groups[group])]


def cross_validate_splits(
    space: Space,
    config: SearchConfig,
    evaluator: Evaluator,
    combinations: Combinations,
    capital: Capital,
    *,
    on_split: Callable[[WindowResult], None] | None = None,
) -> CrossValidationResult:
    """Search the training of every split, and judge its choice on its test groups."""
    done = []
    for window in _windows(combinations):
        done.append(run_window(space, config, evaluator, window, capital))
        if on_split is not None:
            on_split(done[-1])
    return CrossValidationResult(config, capital, combinations, tuple(done))


def cross_validate_trials(found: SearchResult, combinations: Combinations) -> CrossValidationResult:
    """Choose among the trials of one search on the training of every split; no set is run.

    What a grid or random draws propose does not depend on outcomes, so this is what
    `cross_validate_splits` finds. A method that learns has seen all sessions when it proposed its
    trials: the choice among them is cross-validated then, the proposals are not, and that flatters.

    Parameters
    ----------
    found
        Its complete trials can be chosen; one that failed in any session can't, pruned ones may
        not be there.

    Raises
    ------
    DataError
        Pruned trials, whose results are lost by how they did on other sessions; fewer than two
        complete ones, which leave nothing to choose from.
    """
    n_pruned = sum(trial.state == "pruned" for trial in found.trials)
    if n_pruned:
        raise DataError(f"{n_pruned} trials were pruned, and choosing needs complete series")
    complete = tuple(trial for trial in found.distinct() if trial.state == "complete")
    if len(complete) < 2:
        raise DataError("fewer than two complete trials leave nothing to choose from")
    whole = replace(found, trials=complete)
    by_key = {set_key(trial.parameters): trial for trial in complete}
    places = {session: place for place, session in enumerate(found.sessions)}

    def kept(session: str, sets: Sequence[Parameters]) -> list[Outcome]:
        """Return what sets earned in a session."""
        outcomes = [by_key[set_key(each)].outcomes[places[session]] for each in sets]
        return [outcome for outcome in outcomes if outcome is not None]

    evaluator = Evaluator(kept)
    done = [judged(whole.on(window.train), window, evaluator) for window in _windows(combinations)]
    return CrossValidationResult(found.config, found.capital, combinations, tuple(done))


def _windows(combinations: Combinations) -> list[Window]:
    """Return each split as the training and the test of a search."""
    return [
        Window(split.train, tuple(session for group in split.tests for session in group))
        for split in combinations.splits
    ]
