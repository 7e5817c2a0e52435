"""What was tried: everything that a verdict counts, and the series that tell how alike it is."""

from collections.abc import Collection

import numpy as np

from strategy_lab_core.types import Float2D
from strategy_lab_pipeline.stages.search_files import SearchFile
from strategy_lab_pipeline.stages.searches import capital_of
from strategy_lab_pipeline.stages.walk_forwards import windows_of
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["training_series", "tried"]

EARNED = "net_profit_e6"


def tried(workspace: Workspace, search: SearchFile, first: str, last: str) -> frozenset[str]:
    """Return the experiment id of everything ever tried with the strategy on these sessions."""
    experiment = search.experiment
    return frozenset(
        workspace.store.tried(experiment.product, experiment.strategy.name, first, last)
    )


def training_series(
    workspace: Workspace, search: SearchFile, tried: Collection[str]
) -> Float2D | None:
    """Return what trials earned on all training sessions of a walk-forward; None where none did.

    By them the independent ones are counted: on the sessions that judge a walk-forward only the
    chosen trials were run. What was tried on a part of the training is left out, and counts as
    independent.

    Returns
    -------
    Float2D
        Net profit per session over capital (shape: training sessions x trials).
    """
    windows = windows_of(workspace, search).values()
    sessions = sorted({session for window in windows for session in window.train})
    earned: dict[str, dict[str, float]] = {}
    found = workspace.store.figures(search.experiment.product, tried, [EARNED])
    for (trial, session, _), figures in found.items():
        earned.setdefault(trial, {})[session] = float(figures[EARNED])
    full = [[earned[trial][session] for session in sessions] for trial in sorted(earned)
            if earned[trial].keys() >= set(sessions)]  # fmt: skip
    if not full or len(sessions) < 2:
        return None
    return np.array(full).T / capital_of(search).money
