"""Combinatorial purged cross-validation: many out-of-sample paths from one set of sessions.

M. Lopez de Prado (2018), Advances in Financial Machine Learning, chapter 12. A walk-forward is one
path of history; here every group of sessions is judged by several choices, none of which was made
on it. Choices are made on sessions after their test too: it says how a search holds, not what
it would have earned.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from strategy_lab_core.errors import DataError
from strategy_lab_core.search.config import SearchConfig
from strategy_lab_core.search.evaluate import Evaluator
from strategy_lab_core.search.objective import OBJECTIVES, Capital
from strategy_lab_core.search.space import Space
from strategy_lab_core.search.splits import Combinations, Window
from strategy_lab_core.search.walk_forward import WindowResult, run_window
from strategy_lab_core.types import Float1D, Int1D, Int2D

__all__ = ["CrossValidationResult", "cross_validate_splits"]


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
    for split in combinations.splits:
        test = tuple(session for group in split.tests for session in group)
        window = Window(split.train, test)
        done.append(run_window(space, config, evaluator, window, capital))
        if on_split is not None:
            on_split(done[-1])
    return CrossValidationResult(config, capital, combinations, tuple(done))
