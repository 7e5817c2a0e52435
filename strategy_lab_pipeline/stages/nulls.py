"""Null searches: a search repeated on simulated sessions, beside the evidence on the real ones.

They are no trials: nothing of them is in the database, and none counts among what was tried. Sets
that were run on sessions that never were can't have been chosen for the real ones, however many
they are. Each costs what the search itself does, at most; killed, they begin anew.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from strategy_lab_core.data.instruments import instruments
from strategy_lab_core.data.sessions import session_of
from strategy_lab_core.search.evaluate import Evaluator, Outcome, Pass
from strategy_lab_core.search.null import NullResult, count_events, null_result, null_session
from strategy_lab_core.search.trials import run_search
from strategy_lab_core.strategies.experiment import Experiment
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.stages import jobs
from strategy_lab_pipeline.stages.engine import engine
from strategy_lab_pipeline.stages.halving import Halving
from strategy_lab_pipeline.stages.publish import current_outcome
from strategy_lab_pipeline.stages.rolls import choice
from strategy_lab_pipeline.stages.runs import engine_tables
from strategy_lab_pipeline.stages.search_files import SearchFile
from strategy_lab_pipeline.stages.searches import Tell, capital_of, published
from strategy_lab_pipeline.stages.trials import Day, days_of, with_parameters
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["null_figures", "null_searches"]


def null_figures(workspace: Workspace, search: SearchFile, *, on_progress: Tell) -> dict[str, Any]:
    """Return what the null searches found beside the published search; empty: none is asked for.

    Raises
    ------
    EngineError
        A pass did not come to its end.
    """
    if not search.null_searches:
        return {}
    days = days_of(workspace, search.experiment, search.first, search.last)
    found = null_searches(workspace, search, days, on_progress=on_progress)
    outcome = published(workspace, search)
    trials = pl.read_parquet(outcome.path / "trials.parquet")
    chosen = trials.filter(pl.col("trial") == outcome.details["chosen"])
    seen = float(chosen[found.objective].item())
    return {
        "says": found.describe(seen),
        "objective": found.objective,
        "seen": seen,
        "share_as_good": found.share(seen),
        "trials": found.n_trials,
        "bests": [None if math.isnan(value) else value for value in found.bests],
    }


def null_searches(
    workspace: Workspace, search: SearchFile, days: Sequence[Day], *, on_progress: Tell
) -> NullResult:
    """Return what the best of each null search shows."""
    config, found = replace(search.config, max_seconds=None), []
    for repeat in range(search.null_searches):
        with workspace.lake.scratch() as folder:
            run_pass = _pass_of(workspace, search, days, repeat, folder)
            labels = [str(day.session) for day in days]
            found.append(
                run_search(search.space, config, Evaluator(run_pass), labels, capital_of(search))
            )
        on_progress(f"{search.name} null searches", repeat + 1, search.null_searches)
    return null_result(found)


def _pass_of(
    workspace: Workspace, search: SearchFile, days: Sequence[Day], repeat: int, folder: Path
) -> Pass:
    """Return what runs sets on the sessions of one null search, simulated when their turn comes."""
    by_label = {str(day.session): (place, day) for place, day in enumerate(days)}

    def run(session: str, sets: Sequence[Mapping[str, float]]) -> list[Outcome]:
        """Return the outcome of each set on a simulated session."""
        place, day = by_label[session]
        path = folder / f"{session}.parquet"
        if not path.exists():
            _simulate(workspace, search.experiment, day, repeat * len(days) + place, path)
        experiments = [with_parameters(search.experiment, each) for each in sets]
        return _outcomes(workspace, experiments, day, path)

    return run


def _simulate(
    workspace: Workspace, experiment: Experiment, day: Day, seed: int, path: Path
) -> None:
    """Write a simulated session of the contract that is traded on a day."""
    product = workspace.products[day.product]
    hours = session_of(product, day.session)
    ticks = engine_tables(
        current_outcome(workspace, "validated_ticks", day.product, str(day.session))
    )["ticks"]
    if hours is None or ticks is None:
        raise PipelineError(f"{day.product} {day.session}: no ticks with a book to stand beside")
    rows = pl.scan_parquet(ticks).select("symbol", "instrument_id", "flags")
    symbol = choice(workspace, day.product, day.session, experiment.contract).symbol
    if symbol is not None:
        rows = rows.filter(pl.col("symbol") == symbol)
    mine = rows.collect()
    found = instruments({int(mine["instrument_id"][0]): str(mine["symbol"][0])}, None,
                        table=workspace.products)  # fmt: skip
    (instrument,) = found.values()
    made = null_session(hours, instrument, events=count_events(mine), seed=seed)
    made.write_parquet(path)


def _outcomes(
    workspace: Workspace, experiments: Sequence[Experiment], day: Day, path: Path
) -> list[Outcome]:
    """Return each set's net profit on a simulated session in money units, or why there is none."""
    digests = [experiment.digest() for experiment in experiments]
    kept: dict[str, Outcome] = {}

    def run_pass(experiments: list[Experiment], *, deadline_seconds: float) -> None:
        """Run sets in the process that can be killed."""
        runs = engine().run(
            _job(workspace, experiments, day, path),
            deadline_seconds=deadline_seconds,
            on_progress=lambda *_: None,
        )
        for each, run in zip(experiments, runs, strict=True):
            kept[each.digest()] = _outcome(run)

    numbers = {digest: number for number, digest in enumerate(digests)}
    halving = Halving(numbers, workspace.settings.deadline_seconds)
    halving.run(run_pass, experiments)
    outcomes: dict[str, Outcome] = {**halving.guilty, **kept}
    return [outcomes[digest] for digest in digests]


def _outcome(run: Mapping[str, Any]) -> Outcome:
    return str(run["error"]) if run["error"] else int(run["metrics"]["net_profit_e6"])


def _job(workspace: Workspace, sets: Sequence[Experiment], day: Day, path: Path) -> jobs.Pass:
    first = sets[0]
    return jobs.Pass(
        strategy=first.reference,
        source=first.strategy.source,
        sets=tuple((each.strategy.parameters, each.config) for each in sets),
        product=day.product,
        products=dict(workspace.products),
        session=day.session,
        contract=None,
        choice="",
        ticks=path,
        seed=None,
        status=None,
        folder=None,
    )
