"""Which searches, windows and verdicts are out of date."""

from dataclasses import dataclass

from strategy_lab_core.errors import StrategyLabError
from strategy_lab_pipeline.stages import evidence, searches, walk_forwards
from strategy_lab_pipeline.stages.search_files import SearchFile
from strategy_lab_pipeline.stages.search_files import searches as read_searches
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["PARTITIONS", "Stale", "stale_research"]

PARTITIONS = {"searches": "searches", "walk_forwards": "windows", "evidence": "searches"}
"""The set of dynamic partitions of each asset."""


@dataclass(frozen=True, slots=True)
class Stale:
    """What is out of date as (asset, partition key), and a sentence for what can't be told."""

    stale: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]


def stale_research(workspace: Workspace) -> Stale:
    """Compare the search files, the sessions and the trials with what is published.

    Evidence is wanted only for what is up to date: its turn comes after the search's.
    """
    files = read_searches(workspace.settings)
    found: list[tuple[str, str]] = []
    problems = list(files.problems)
    for search in files.by_name.values():
        try:
            found += _stale(workspace, search)
        except StrategyLabError as error:
            problems.append(f"search {search.name}: {error}")
    return Stale(tuple(found), tuple(problems))


def _stale(workspace: Workspace, search: SearchFile) -> list[tuple[str, str]]:
    if search.windows is not None:
        windows = walk_forwards.stale_windows(workspace, search)
        if windows:
            return [("walk_forwards", key) for key in windows]
    elif searches.current(workspace, search) is None:
        return [("searches", search.name)]
    if evidence.current(workspace, search) is None:
        return [("evidence", search.name)]
    return []
