"""`searches`: every trial of one search over its sessions, and the one that it chooses.

A search is replayed from the trials that are kept (`stages.trials`), and goes on where they end:
killed at any moment and asked for again, it makes the same trials, none twice and none lost.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from strategy_lab_core.data.instruments import MONEY_SCALE
from strategy_lab_core.errors import DataError
from strategy_lab_core.report.charts import to_svg
from strategy_lab_core.report.search_charts import heat_map, progress_chart
from strategy_lab_core.search.choice import best
from strategy_lab_core.search.evaluate import Evaluator
from strategy_lab_core.search.objective import OBJECTIVES, Capital
from strategy_lab_core.search.trials import SearchResult, Trial, run_search
from strategy_lab_pipeline.db.records import SearchRow, TrialRow
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.lake import Draft
from strategy_lab_pipeline.stages.outcome import Outcome
from strategy_lab_pipeline.stages.publish import current_outcome, publish, write_table
from strategy_lab_pipeline.stages.search_files import SearchFile
from strategy_lab_pipeline.stages.trials import Day, days_of, net_profits, with_parameters
from strategy_lab_pipeline.stages.versions import digest, input_key
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = [
    "Searched",
    "Tell",
    "build",
    "capital_of",
    "config_of",
    "current",
    "evaluator",
    "inputs_of",
    "published",
    "searched",
    "summary",
]

Tell = Callable[[str, int, int], None]  # what, done, in all
NOWHERE = "-"
MOST = 10  # trials that are shown


@dataclass(frozen=True, slots=True)
class Searched:
    """A published search, a row for each of the best trials, pictures by title."""

    outcome: Outcome
    rows: tuple[Mapping[str, Any], ...]
    charts: Mapping[str, str]


def asset_of(search: SearchFile) -> str:
    """Return the name of a search's versions in the lake."""
    return f"searches.{search.name}"


def build(
    workspace: Workspace,
    search: SearchFile,
    *,
    run_id: str,
    on_progress: Tell = lambda *_: None,
) -> Searched:
    """Search all complete sessions between the search's first and last.

    Raises
    ------
    PipelineError, EngineError
        No session, or a pass that did not come to its end; trials that are done are kept.
    """
    days = days_of(workspace, search.experiment, search.first, search.last)
    result = searched(workspace, search, days, run_id=run_id, on_progress=on_progress)
    outcome = publish(
        workspace,
        asset_of(search),
        search.experiment.product,
        NOWHERE,
        inputs=inputs_of(days),
        config=config_of(search, len(result.trials)),
        build=lambda draft: _write(draft, result),
        run_id=run_id,
    )
    return Searched(outcome, tuple(_best(search, result.table(), MOST)), _charts(result))


def inputs_of(days: Sequence[Day]) -> dict[str, str]:
    """Return the data versions that trials on these sessions are made from."""
    return {f"{asset}:{day.product}:{day.session}": version
            for day in days for asset, version in day.inputs.items()}  # fmt: skip


def config_of(search: SearchFile, n_trials: int | None = None) -> dict[str, Any]:
    """Return everything but the sessions that decides what comes out."""
    fixed = {key: value for key, value in search.experiment.as_dict().items()
             if key not in ("name", "description", "parameters")}  # fmt: skip
    return {
        "experiment": fixed,
        "space": search.space.as_dict(),
        "search": search.config.as_dict(),
        "n_neighbours": search.config.n_neighbours,
        "n_trials": search.config.n_trials if n_trials is None else n_trials,
    }


def searched(
    workspace: Workspace,
    search: SearchFile,
    days: Sequence[Day],
    *,
    run_id: str,
    on_progress: Tell,
) -> SearchResult:
    """Return the search over these sessions; its trials are in the database, batch by batch."""
    row = _row(search, days)
    workspace.store.record_search(row, run_id=run_id)
    wanted, done = search.config.n_trials, 0

    def keep(batch: Sequence[Trial]) -> None:
        """Keep a batch whose trials all have their results."""
        nonlocal done
        done += len(batch)
        workspace.store.record_trials(row.digest, (_kept(search, trial) for trial in batch))
        on_progress(f"{search.name} trials", done, wanted)

    return run_search(
        search.space,
        search.config,
        evaluator(workspace, search, days, run_id=run_id, on_progress=on_progress),
        [str(day.session) for day in days],
        capital_of(search),
        on_batch=keep,
    )


def evaluator(
    workspace: Workspace,
    search: SearchFile,
    days: Sequence[Day],
    *,
    run_id: str,
    on_progress: Tell,
) -> Evaluator:
    """Return what trials of the search are worth in each of the sessions."""
    by_session = {str(day.session): day for day in days}

    def run_pass(session: str, sets: Sequence[Mapping[str, float]]) -> list[int | str]:
        """Return the outcome of each parameter set in a session, those kept from before too."""
        return net_profits(
            workspace,
            [with_parameters(search.experiment, parameters) for parameters in sets],
            by_session[session],
            run_id=run_id,
            on_progress=lambda done, total: on_progress(f"{search.name} {session}", done, total),
        )

    return Evaluator(run_pass)


def capital_of(search: SearchFile) -> Capital:
    """Return the fixed capital that the search's returns are counted on."""
    scale = search.product.money_scale
    return Capital(search.experiment.capital_e6 * scale // MONEY_SCALE, scale)


def _row(search: SearchFile, days: Sequence[Day]) -> SearchRow:
    # A larger budget goes on with the same search, so the number of trials is no part of its name.
    config = {**config_of(search), "n_trials": None, "n_neighbours": None}
    sessions = [str(day.session) for day in days]
    return SearchRow(
        digest=digest([config, inputs_of(days)]),
        name=search.name,
        product=search.experiment.product,
        strategy=search.experiment.strategy.name,
        first_session=sessions[0],
        last_session=sessions[-1],
        config={**config, "sessions": sessions},
    )


def _kept(search: SearchFile, trial: Trial) -> TrialRow:
    values = zip(search.config.objectives, trial.values, strict=True)
    return TrialRow(
        number=trial.number,
        experiment_id=with_parameters(search.experiment, trial.parameters).digest(),
        parameters=dict(trial.parameters),
        state=trial.state,
        objectives={name: None if math.isnan(value) else value for name, value in values},
        reason=trial.error or "",
    )


def _write(draft: Draft, result: SearchResult) -> dict[str, Any]:
    write_table(draft, "trials", result.table())
    write_table(draft, "profits", _profits(result))
    states = [trial.state for trial in result.trials]
    counts = {state: states.count(state) for state in ("complete", "failed", "pruned")}
    chosen = {"chosen": _chosen(result)}
    return {"rows": len(result.trials), **counts, **chosen, "ended": result.ended}


def _chosen(result: SearchResult) -> int | None:
    """Return the number of the trial that the search stands for, None where none has a value."""
    try:
        return best(result).number
    except DataError:
        return None


def _profits(result: SearchResult) -> pl.DataFrame:
    """Return a row for each session and distinct complete trial: what it earned there."""
    trials = [trial for trial in result.distinct() if trial.state == "complete"]
    return pl.DataFrame(
        {
            "session": [session for _ in trials for session in result.sessions],
            "trial": [trial.number for trial in trials for _ in result.sessions],
            "net_profit": [profit for trial in trials for profit in trial.outcomes],
        },
        schema={"session": pl.String, "trial": pl.Int64, "net_profit": pl.Int64},
    )


def _best(search: SearchFile, trials: pl.DataFrame, most: int) -> list[dict[str, Any]]:
    """Return the best trials first, then those without a value."""
    objective = OBJECTIVES[search.config.objectives[0]]
    varied = [axis.name for axis in search.space.axes]
    table = trials.filter(pl.col("same_as").is_null())
    table = table.select("trial", *varied, *search.config.objectives, "state", "error")
    ordered = table.sort(
        objective.name, descending=objective.is_maximised, nulls_last=True, maintain_order=True
    )
    return ordered.head(most).to_dicts()


def _charts(result: SearchResult) -> dict[str, str]:
    name = result.config.objectives[0]
    charts = {f"best {name} by trials": to_svg(progress_chart(result.best_so_far(), name))}
    axes = [axis.name for axis in result.space.axes]
    if len(axes) >= 2:
        table = result.table()
        charts[f"{name} over {axes[0]} and {axes[1]}"] = to_svg(
            heat_map(table, axes[0], axes[1], name)
        )
    return charts


def current(workspace: Workspace, search: SearchFile) -> Outcome | None:
    """Return the published search if it is that of today's data, code and file."""
    product = search.experiment.product
    days = days_of(workspace, search.experiment, search.first, search.last)
    version = input_key(asset_of(search), inputs_of(days), config_of(search))
    return current_outcome(workspace, asset_of(search), product, NOWHERE, version)


def published(workspace: Workspace, search: SearchFile) -> Outcome:
    """Return the published search, also one that a time limit ended; refuse where none is there."""
    found = current_outcome(workspace, asset_of(search), search.experiment.product, NOWHERE)
    if found is None:
        raise PipelineError(f"{search.name}: not searched yet; `strategy-lab search {search.name}`")
    return found


def summary(workspace: Workspace, search: SearchFile, most: int = MOST) -> dict[str, Any]:
    """Return counts of the published trials, and the best of them."""
    outcome = published(workspace, search)
    trials = pl.read_parquet(outcome.path / "trials.parquet")
    return {**outcome.details, "trials": trials.height, "best": _best(search, trials, most)}
