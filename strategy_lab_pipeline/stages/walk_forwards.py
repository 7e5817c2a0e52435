"""`walk_forwards`: one window a partition; what it chose in-sample, what that earned after.

A window's sessions come from the calendar, so that one without books is missing by name. Trials are
shared with every other window and search (`stages.trials`). What is reported of a walk-forward is
the out-of-sample sessions of all its windows, one after the other.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.search.objective import OBJECTIVES
from strategy_lab_core.search.splits import Window, walk_forward_windows
from strategy_lab_core.search.trials import Trial
from strategy_lab_core.search.walk_forward import WindowResult, judged
from strategy_lab_core.types import Int1D
from strategy_lab_pipeline.db.records import WindowRow
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.lake import Draft
from strategy_lab_pipeline.stages.outcome import Outcome
from strategy_lab_pipeline.stages.publish import current_outcome, publish
from strategy_lab_pipeline.stages.search_files import SearchFile, searches
from strategy_lab_pipeline.stages.searches import (
    Tell,
    capital_of,
    config_of,
    evaluator,
    inputs_of,
    searched,
)
from strategy_lab_pipeline.stages.trials import Day, days_of, with_parameters
from strategy_lab_pipeline.stages.versions import digest, input_key
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = [
    "Walked",
    "build",
    "published",
    "search_of_window",
    "stale_windows",
    "summary",
    "windows_of",
]


@dataclass(frozen=True, slots=True)
class Walked:
    """A published window, and what came out of it."""

    outcome: Outcome
    result: Mapping[str, Any]


def windows_of(workspace: Workspace, search: SearchFile) -> dict[str, Window]:
    """Return the windows of a walk-forward by key, over the calendar's sessions.

    Raises
    ------
    ConfigError
        The file has no `walk_forward`, or there are too few sessions for one window.
    PipelineError
        No session has books.
    """
    if search.windows is None:
        raise ConfigError(f"{search.name}: walk_forward", None, "given, with `train` and `test`")
    days = days_of(workspace, search.experiment, search.first, search.last)
    first, last = search.first or days[0].session, search.last or days[-1].session
    calendar = session_calendar(search.product.calendar)
    sessions = [str(session.key) for session in calendar.sessions(first, last)
                if session.key not in search.skip]  # fmt: skip
    found = walk_forward_windows(sessions, **search.windows)
    return {window.key(_experiment_id(search)): window for window in found}


def search_of_window(workspace: Workspace, key: str) -> SearchFile:
    """Return the first search, by file, that has the window.

    The experiment id in the key is the same for searches that differ in their dates alone, such as
    the lengths of their windows.
    """
    found = searches(workspace.settings).by_name
    for search in found.values():
        is_alike = search.windows is not None and key.startswith(f"{_experiment_id(search)}_")
        if is_alike and _has(workspace, search, key):
            return search
    raise PipelineError(
        f"window {key!r} belongs to no search of {workspace.settings.searches}: its file is gone "
        "or has changed; `strategy-lab walk-forward` adds the windows that there are now"
    )


def _has(workspace: Workspace, search: SearchFile, key: str) -> bool:
    try:
        return key in windows_of(workspace, search)
    except ConfigError:  # too few sessions for a window of these lengths
        return False


def _experiment_id(search: SearchFile) -> str:
    """Return 16 hex digits of everything but the dates."""
    return digest(config_of(search))


def _place(search: SearchFile, key: str) -> tuple[str, str, str]:
    """Return asset, product and session under which a window is kept in the lake."""
    experiment_id, _, dates = key.partition("_")
    return f"walk_forwards.{experiment_id}", search.experiment.product, dates


def build(
    workspace: Workspace,
    search: SearchFile,
    key: str,
    *,
    run_id: str,
    on_progress: Tell = lambda *_: None,
) -> Walked:
    """Search a window's training sessions, and judge the choice on its test.

    Raises
    ------
    PipelineError
        No such window, or a session of it without books: named.
    """
    windows = windows_of(workspace, search)
    if key not in windows:
        raise PipelineError(f"{search.name}: no window {key!r}; there are {', '.join(windows)}")
    window = windows[key]
    days = _days(workspace, search, window)
    inputs = inputs_of(days)

    def remember(version: str, folder: Path) -> None:
        """Record what the window chose."""
        row = _row(search, key, version, _result(folder), inputs)
        workspace.store.record_window(row, run_id=run_id)

    outcome = publish(
        workspace,
        *_place(search, key),
        inputs=inputs,
        config=config_of(search),
        build=lambda draft: _write(
            draft, _run(workspace, search, window, days, run_id, on_progress)
        ),
        remember=remember,
        run_id=run_id,
    )
    return Walked(outcome, _result(outcome.path))


def _result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "window.json").read_text("utf-8"))
    return found


def _days(workspace: Workspace, search: SearchFile, window: Window) -> list[Day]:
    product = search.experiment.product
    known = {str(day.session): day for day in days_of(workspace, search.experiment)}
    missing = [session for session in (*window.train, *window.test) if session not in known]
    if missing:
        raise PipelineError(
            f"{search.name}: no complete books for {product} {', '.join(missing)}: deliver their "
            "files, or list them under `skip`"
        )
    return [known[session] for session in (*window.train, *window.test)]


def _run(
    workspace: Workspace,
    search: SearchFile,
    window: Window,
    days: Sequence[Day],
    run_id: str,
    on_progress: Tell,
) -> dict[str, Any]:
    how: dict[str, Any] = {"run_id": run_id, "on_progress": on_progress}
    found = searched(workspace, search, days[: len(window.train)], **how)
    result = judged(found, window, evaluator(workspace, search, days, **how))
    if result.trial is None or result.profits is None:
        raise PipelineError(f"{search.name} {window.test[0]}: {result.error}")
    return _plain(search, result, result.trial, result.profits)


def _plain(
    search: SearchFile, result: WindowResult, trial: Trial, profits: Int1D
) -> dict[str, Any]:
    """Return a window's result in plain types."""
    return {
        "window": asdict(result.window),
        "n_trials": result.n_trials,
        "parameters": dict(trial.parameters),
        "chosen": with_parameters(search.experiment, trial.parameters).digest(),
        "objective": search.config.objectives[0],
        "in_sample": _or_none(result.in_sample),
        "out_of_sample": _or_none(result.out_of_sample),
        "net_profits": [int(profit) for profit in profits],
    }


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _write(draft: Draft, result: Mapping[str, Any]) -> dict[str, Any]:
    draft.json("window.json", result)
    return {"rows": len(result["net_profits"]), "n_trials": result["n_trials"]}


def _row(
    search: SearchFile,
    key: str,
    version: str,
    result: Mapping[str, Any],
    inputs: Mapping[str, str],
) -> WindowRow:
    sessions = (*result["window"]["train"], *result["window"]["test"])
    versions = {
        session: digest({name: version for name, version in inputs.items()
                         if name.endswith(f":{session}")})
        for session in sessions
    }  # fmt: skip
    return WindowRow(
        key=key,
        name=search.name,
        product=search.experiment.product,
        strategy=search.experiment.strategy.name,
        version=version,
        chosen=result["chosen"],
        parameters=result["parameters"],
        in_sample=result["in_sample"],
        out_of_sample=result["out_of_sample"],
        sessions=versions,
    )


def stale_windows(workspace: Workspace, search: SearchFile) -> list[str]:
    """Return the keys of the windows that are not there, or not of the data that there are now."""
    return [key for key, window in windows_of(workspace, search).items()
            if _current(workspace, search, key, window) is None]  # fmt: skip


def _current(workspace: Workspace, search: SearchFile, key: str, window: Window) -> Outcome | None:
    asset, product, session = _place(search, key)
    try:
        inputs = inputs_of(_days(workspace, search, window))
    except PipelineError:
        return None  # a session is missing: the run of the window says which
    version = input_key(asset, inputs, config_of(search))
    return current_outcome(workspace, asset, product, session, version)


def published(workspace: Workspace, search: SearchFile) -> pl.DataFrame:
    """Return a row for each window that is up to date, in order: the walk-forward as it stands.

    Columns: key, data_version, train_from, train_to, test_from, test_to, n_trials, in_sample,
    out_of_sample, net_profits (a list, money units, one for each session of the test), test (its
    sessions) and the chosen parameters.
    """
    rows = []
    for key, window in windows_of(workspace, search).items():
        outcome = _current(workspace, search, key, window)
        if outcome is not None:
            result = _result(outcome.path)
            rows.append(
                {
                    "key": key,
                    "data_version": outcome.data_version,
                    "train_from": window.train[0],
                    "train_to": window.train[-1],
                    "test_from": window.test[0],
                    "test_to": window.test[-1],
                    "test": list(window.test),
                    **{name: result[name] for name in
                       ("n_trials", "in_sample", "out_of_sample", "net_profits")},
                    **{f"parameter_{name}": result["parameters"][name]
                       for name in (axis.name for axis in search.space.axes)},
                }
            )  # fmt: skip
    return pl.DataFrame(rows)


def summary(workspace: Workspace, search: SearchFile) -> dict[str, Any]:
    """Return the windows that are up to date, and the objective of all their tests together."""
    rows = published(workspace, search).to_dicts()
    profits = np.array([profit for row in rows for profit in row["net_profits"]], dtype=np.int64)
    objective = OBJECTIVES[search.config.objectives[0]]
    value = objective.measure(profits, capital_of(search)) if len(profits) else math.nan
    return {
        "objective": objective.name,
        "out_of_sample": _or_none(value),
        "net_profit_e6": int(profits.sum()),
        "sessions": len(profits),
        "windows": [{name: value for name, value in row.items() if name != "test"} for row in rows],
    }
