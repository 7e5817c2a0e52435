"""`evidence`: what a search or a walk-forward proves, and on how many trials it rests.

A plain search is judged by its chosen trial among all trials, a walk-forward by its out-of-sample
sessions. Counted is everything ever tried with the strategy on the product and overlapping
sessions; one more trial anywhere makes the evidence out of date.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.report.verdict_page import render_verdict
from strategy_lab_core.search.objective import OBJECTIVES
from strategy_lab_core.stats.reality import Reality, reality
from strategy_lab_core.stats.verdict import SAME_SESSIONS
from strategy_lab_core.types import Float2D
from strategy_lab_pipeline.db.records import VerdictRow
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.lake import Draft
from strategy_lab_pipeline.stages import searches, walk_forwards
from strategy_lab_pipeline.stages.crossed import Crossed, cross_validated
from strategy_lab_pipeline.stages.evidence_charts import evidence_charts
from strategy_lab_pipeline.stages.nulls import null_figures
from strategy_lab_pipeline.stages.outcome import Outcome
from strategy_lab_pipeline.stages.publish import current_outcome, publish
from strategy_lab_pipeline.stages.search_files import SearchFile
from strategy_lab_pipeline.stages.searches import Tell, capital_of
from strategy_lab_pipeline.stages.trials import days_of
from strategy_lab_pipeline.stages.tried import training_series, tried
from strategy_lab_pipeline.stages.versions import digest, input_key
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["Series", "Weighed", "build", "current", "published", "series_of"]

NOWHERE = "-"
RANDOM_TRIALS = 64  # beside an adaptive search, whose own trials understate their spread


@dataclass(frozen=True, slots=True)
class Series:
    """What is judged.

    Attributes
    ----------
    returns
        Net profit per session over capital (shape: sessions x trials with a full series).
    chosen
        The column that is to be traded.
    sessions
        ISO dates in order.
    tried
        Experiment ids of everything that was tried.
    n_pruned
        Trials without a full series because they were dropped.
    kind
        "search", or "walk-forward" where the only column is out-of-sample.
    inputs
        What it is read from, with the data versions.
    counted
        Series of the trials on other sessions, by which they are counted; None: `returns`.
    """

    returns: Float2D
    chosen: int
    sessions: tuple[str, ...]
    tried: frozenset[str]
    n_pruned: int
    kind: str
    inputs: Mapping[str, str]
    counted: Float2D | None = None


@dataclass(frozen=True, slots=True)
class Weighed:
    """Published evidence: verdict and figures, pictures by title."""

    outcome: Outcome
    evidence: Mapping[str, Any]
    charts: Mapping[str, str]


def build(
    workspace: Workspace,
    search: SearchFile,
    *,
    run_id: str,
    on_progress: Tell = lambda *_: None,
) -> Weighed:
    """Judge a search or walk-forward that has run.

    Raises
    ------
    PipelineError
        It has not run, or has no trial with a result in every session.
    """
    random = _random_sharpes(workspace, search, run_id, on_progress)
    series = series_of(workspace, search)
    null = null_figures(workspace, search, on_progress=on_progress)
    found = reality(
        series.returns,
        chosen=series.chosen,
        n_trials=max(len(series.tried), series.returns.shape[1]),
        counted=series.counted,
        random_sharpes=random,
        n_pruned=series.n_pruned,
        sessions_per_year=_sessions_a_year(search, series),
    )
    crossed = cross_validated(workspace, search)
    charts = evidence_charts(found, series.returns, null, crossed.figures)
    outcome = publish(
        workspace,
        *_place(search),
        inputs=_inputs(series),
        config=_config(search),
        build=lambda draft: _write(draft, search, series, found, null, crossed, charts),
        remember=lambda version, folder: workspace.store.record_verdict(
            _row(search, version, _read(folder)), run_id=run_id
        ),
        run_id=run_id,
    )
    return Weighed(outcome, _read(outcome.path), charts)


def _read(folder: Path) -> dict[str, Any]:
    evidence: dict[str, Any] = json.loads((folder / "evidence.json").read_text("utf-8"))
    return evidence


def current(workspace: Workspace, search: SearchFile) -> Outcome | None:
    """Return the published evidence if nothing was tried or delivered since."""
    try:
        series = series_of(workspace, search)
    except PipelineError:
        return None
    place = _place(search)
    version = input_key(place[0], _inputs(series), _config(search))
    return current_outcome(workspace, *place, version)


def published(workspace: Workspace, search: SearchFile) -> dict[str, Any]:
    """Return the published evidence, and where its page is."""
    outcome = current_outcome(workspace, *_place(search))
    if outcome is None:
        raise PipelineError(f"{search.name}: no evidence; `strategy-lab evidence {search.name}`")
    return {**_read(outcome.path), "page": str(outcome.path / "evidence.html")}


def series_of(workspace: Workspace, search: SearchFile) -> Series:
    """Return the series that a search or walk-forward is judged by.

    Raises
    ------
    PipelineError
        It has not run, a window is missing, or no trial is complete.
    """
    return (
        _of_search(workspace, search) if search.windows is None else _of_windows(workspace, search)
    )


def _of_search(workspace: Workspace, search: SearchFile) -> Series:
    outcome = searches.published(workspace, search)
    trials = pl.read_parquet(outcome.path / "trials.parquet")
    profits = pl.read_parquet(outcome.path / "profits.parquet")
    objective = OBJECTIVES[search.config.objectives[0]]
    ranked = trials.filter(pl.col("state") == "complete", pl.col("same_as").is_null())
    ranked = ranked.drop_nulls(objective.name)
    if ranked.is_empty():
        raise PipelineError(
            f"{search.name}: no trial has a {objective.name} over all sessions: nothing to judge"
        )
    number = outcome.details["chosen"]
    wide = profits.pivot("trial", index="session", values="net_profit").sort("session")
    columns = wide.columns[1:]
    sessions = tuple(wide["session"].to_list())
    return Series(
        returns=wide.select(columns).to_numpy() / capital_of(search).money,
        chosen=columns.index(str(number)),
        sessions=sessions,
        tried=tried(workspace, search, sessions[0], sessions[-1]),
        n_pruned=int(outcome.details["pruned"]),
        kind="search",
        inputs={"searches": outcome.data_version},
    )


def _of_windows(workspace: Workspace, search: SearchFile) -> Series:
    missing = walk_forwards.stale_windows(workspace, search)
    if missing:
        raise PipelineError(
            f"{search.name}: {len(missing)} windows have not run, the first {missing[0]}; "
            f"`strategy-lab walk-forward {search.name}`"
        )
    windows = walk_forwards.published(workspace, search)
    sessions = tuple(windows["test"].explode().to_list())
    profits = windows["net_profits"].explode().to_numpy()
    known = tried(workspace, search, sessions[0], sessions[-1])
    return Series(
        returns=(profits / capital_of(search).money).reshape(-1, 1),
        chosen=0,
        sessions=sessions,
        tried=known,
        counted=training_series(workspace, search, known),
        n_pruned=0,
        kind="walk-forward",
        inputs={
            f"walk_forwards:{key}": version
            for key, version in windows.select("key", "data_version").iter_rows()
        },
    )


def _random_sharpes(
    workspace: Workspace, search: SearchFile, run_id: str, on_progress: Tell
) -> list[float] | None:
    """Return the Sharpe ratios of random trials of an adaptive search's space; they count too."""
    if search.windows is not None or not search.config.learns:
        return None
    config = replace(
        search.config,
        method="random", objectives=("sharpe_ratio",), n_trials=RANDOM_TRIALS, prune=False,
        batch_size=RANDOM_TRIALS, max_seconds=None,
    )  # fmt: skip
    drawn = replace(search, name=f"{search.name}-random", config=config)
    days = days_of(workspace, search.experiment, search.first, search.last)
    found = searches.searched(workspace, drawn, days, run_id=run_id, on_progress=on_progress)
    sharpes = [trial.values[0] for trial in found.distinct() if trial.state == "complete"]
    known = [value for value in sharpes if np.isfinite(value)]
    return known if len(known) >= 50 else None


def _sessions_a_year(search: SearchFile, series: Series) -> float:
    """Return how many sessions the calendar has in the year that ends with the series."""
    last = date.fromisoformat(series.sessions[-1])
    calendar = session_calendar(search.product.calendar)
    return float(len(calendar.sessions(last - timedelta(days=364), last)))


def _place(search: SearchFile) -> tuple[str, str, str]:
    return f"evidence.{search.name}", search.experiment.product, NOWHERE


def _inputs(series: Series) -> dict[str, str]:
    return {**series.inputs, "tried": digest(sorted(series.tried))}


def _config(search: SearchFile) -> dict[str, Any]:
    config = searches.config_of(search)
    if search.cross_validation is not None:
        config["cross_validation"] = asdict(search.cross_validation)
    return config | {"null_searches": search.null_searches} if search.null_searches else config


def _write(
    draft: Draft,
    search: SearchFile,
    series: Series,
    found: Reality,
    null: Mapping[str, Any],
    crossed: Crossed,
    charts: Mapping[str, str],
) -> dict[str, Any]:
    evidence: dict[str, Any] = {
        "search": search.name,
        "kind": series.kind,
        "product": search.experiment.product,
        "strategy": search.experiment.strategy.name,
        "sessions": [series.sessions[0], series.sessions[-1], len(series.sessions)],
        **found.to_dict(),
    }
    if null:
        evidence["evidence"]["null_search"] = null
    evidence["evidence"]["cross_validation"] = crossed.figures
    if crossed.missing is not None:
        evidence["evidence"]["missing"]["cross-validation"] = crossed.missing
        evidence["verdict"]["not_tested"].append(f"Cross-validation: {crossed.missing}.")
    if series.kind == "walk-forward":
        evidence["verdict"]["not_tested"].remove(SAME_SESSIONS)
    draft.json("evidence.json", evidence)
    draft.text("evidence.html", render_verdict(evidence, charts))
    return {"rows": 1, "verdict": found.verdict.colour.value, "n_trials": found.verdict.n_trials}


def _row(search: SearchFile, version: str, evidence: Mapping[str, Any]) -> VerdictRow:
    verdict = evidence["verdict"]
    return VerdictRow(
        subject=search.name,
        product=search.experiment.product,
        strategy=search.experiment.strategy.name,
        version=version,
        light=verdict["colour"],
        n_trials=verdict["n_trials"],
        figures={light["name"]: light["value"] for light in verdict["lights"]},
    )
