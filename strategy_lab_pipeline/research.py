"""The work of `search`, `walk-forward`, `evidence`, `compare`: through Dagster, for its lineage."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from strategy_lab_core._jit import is_compiled
from strategy_lab_pipeline import launch
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.progress import steps
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import evidence as evidence_stage
from strategy_lab_pipeline.stages import searches as search_stage
from strategy_lab_pipeline.stages import walk_forwards as window_stage
from strategy_lab_pipeline.stages.search_files import (
    SearchFile,
    find_search,
    read_search,
    searches,
)
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace

__all__ = ["compared", "search_file", "searched", "walked", "weighed"]


def search_file(settings: Settings, reference: str) -> SearchFile:
    """Return a search by its name, or by a file, which is copied into the home folder first."""
    path = Path(reference)
    if path.suffix not in (".yaml", ".yml"):
        return find_search(settings, reference)
    found = read_search(settings, path)
    settings.searches.mkdir(parents=True, exist_ok=True)
    target = settings.searches / path.with_suffix(".yaml").name
    if path.resolve() != target.resolve():
        shutil.copyfile(path, target)
    return find_search(settings, found.name)


def searched(settings: Settings, reference: str) -> dict[str, Any]:
    """Bring a search up to date, and return its best trials."""
    workspace, search = open_workspace(settings), search_file(settings, reference)
    if search_stage.current(workspace, search) is None:
        with _instance(settings) as instance, steps(_title(search.name), total=1) as progress:
            _require(launch.run_dynamic(instance, "run_search", "searches", search.name))
            progress.advance(search.name)
    return {"search": search.name, **search_stage.summary(workspace, search)}


def walked(settings: Settings, reference: str) -> dict[str, Any]:
    """Bring the windows of a walk-forward up to date, and return them in order.

    A window that fails does not keep the others from running; it is among `failures`.
    """
    workspace, search = open_workspace(settings), search_file(settings, reference)
    stale = window_stage.stale_windows(workspace, search)
    failures: list[str] = []
    if stale:
        title = _title(f"{search.name}: windows")
        with _instance(settings) as instance, steps(title, total=len(stale)) as progress:
            for key in stale:
                report = launch.run_dynamic(instance, "walk_window", "walk_forwards", key)
                failures += report.failures
                progress.advance(key.partition("_")[2])
    return {
        "search": search.name,
        "ran": len(stale) - len(failures),
        "failures": failures,
        **window_stage.summary(workspace, search),
    }


def weighed(settings: Settings, reference: str | None) -> list[dict[str, Any]]:
    """Bring the evidence on one search or on all of them up to date, and return it."""
    workspace = open_workspace(settings)
    names = (
        [search_file(settings, reference).name] if reference else list(searches(settings).by_name)
    )
    if not names:
        raise PipelineError(f"{settings.searches}: no search yet; `strategy-lab search FILE` first")
    with _instance(settings) as instance, steps("weighing evidence", total=len(names)) as progress:
        for name in names:
            _weigh(workspace, instance, name)
            progress.advance(name)
    return [evidence_stage.published(workspace, find_search(settings, name)) for name in names]


def compared(settings: Settings, references: Sequence[str]) -> dict[str, Any]:
    """Return the strategies of searches, of all that there are by default, ranked."""
    from strategy_lab_pipeline.stages.comparison import compare_searches

    names = list(references) or list(searches(settings).by_name)
    workspace = open_workspace(settings)
    return compare_searches(workspace, [find_search(settings, name) for name in names]).as_dict()


def _weigh(workspace: Workspace, instance: Any, name: str) -> None:
    search = find_search(workspace.settings, name)
    if evidence_stage.current(workspace, search) is None:
        _require(launch.run_dynamic(instance, "weigh_evidence", "evidence", name))


def _require(report: launch.RunReport) -> None:
    if not report.success:
        raise PipelineError("; ".join(report.failures))


def _title(what: str) -> str:
    return what if is_compiled() else f"{what}, compiling once (minutes)"


@contextmanager
def _instance(settings: Settings) -> Iterator[Any]:
    with launch.open_instance(settings) as instance:
        launch.repair(instance, daemon_lives=launch.is_up(settings))
        yield instance
