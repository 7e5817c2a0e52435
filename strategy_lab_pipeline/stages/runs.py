"""One experiment on one session: run once, kept under the experiment's digest, shared by all.

`run.<digest>` in the lake holds the tables `orders`, `fills`, `equity`, and `run.json` with label,
figures and assumptions. A strategy that raises, or a session that is not for it, is a result too:
the same inputs give it again. What a deadline or a crash ended is none, and is not kept.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from strategy_lab_core.data.roll_rules import RollRule
from strategy_lab_core.data.rolls import Choice
from strategy_lab_core.errors import DataError
from strategy_lab_core.strategies.experiment import Experiment
from strategy_lab_core.strategies.together import Together
from strategy_lab_core.types import TickSchema
from strategy_lab_pipeline.errors import EngineError, PipelineError
from strategy_lab_pipeline.lake import Draft
from strategy_lab_pipeline.stages import carried
from strategy_lab_pipeline.stages.books import PRIMARY
from strategy_lab_pipeline.stages.engine import Progress, engine
from strategy_lab_pipeline.stages.jobs import TABLES, Day, Pass, table_path
from strategy_lab_pipeline.stages.outcome import Outcome
from strategy_lab_pipeline.stages.publish import current_outcome, publish, write_table
from strategy_lab_pipeline.stages.raw import SEED
from strategy_lab_pipeline.stages.rolls import choice, choice_inputs
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = [
    "build",
    "config_of",
    "engine_tables",
    "inputs_of",
    "record",
    "recorded",
    "require_inputs",
    "require_tables",
    "run_sets",
]

CONTRACT_GUESSED = "contract_guessed"  # flag: nothing but the expiry spoke for the contract


def inputs_of(
    workspace: Workspace, product: str, session: date, contracts: Iterable[RollRule | str]
) -> dict[str, str] | None:
    """Return what runs on a session are made from; None where ticks or books are not there.

    `contracts` are those of the experiments: the choices of roll rules are inputs too.
    """
    found = {
        asset: current_outcome(workspace, asset, product, str(session))
        for asset in ("validated_ticks", "order_books")
    }
    if any(outcome is None for outcome in found.values()):
        return None
    versions = {asset: outcome.market_version for asset, outcome in found.items() if outcome}
    return versions | choice_inputs(workspace, product, session, contracts)


def build(
    workspace: Workspace,
    experiment: Experiment,
    session: date,
    *,
    run_id: str,
    on_progress: Progress,
) -> dict[str, Any]:
    """Run an experiment on a session where it is not kept yet; return what came out.

    Raises
    ------
    EngineError
        It did not come to its end; the message names the experiment and what to do.
    """
    product = experiment.product
    outcome = publish(
        workspace,
        f"run.{experiment.digest()}",
        product,
        str(session),
        inputs=require_inputs(workspace, product, session, [experiment.contract])
        | carried.inputs_of(workspace, [experiment]),
        config=config_of(workspace, experiment),
        build=lambda draft: _write(workspace, draft, experiment, session, on_progress),
        run_id=run_id,
    )
    return recorded(workspace, experiment, outcome, session, run_id=run_id)


def recorded(
    workspace: Workspace,
    experiment: Experiment | Together,
    outcome: Outcome,
    session: date,
    *,
    run_id: str,
) -> dict[str, Any]:
    """Return what a published run's `run.json` says, with whose run it is, and record it."""
    run: dict[str, Any] = json.loads((outcome.path / "run.json").read_text(encoding="utf-8"))
    if run["error"]:
        run["error"] = f"experiment {experiment.name}: {run['error']}"
    run |= {
        "asset": outcome.asset,
        "product": outcome.product,
        "experiment": experiment.name,
        "experiment_id": experiment.digest(),
        "config": experiment.as_dict(),
        "version": outcome.version,
        "data_version": outcome.data_version,
    }
    record(workspace, run, session, run_id=run_id)
    return run


def config_of(workspace: Workspace, experiment: Experiment) -> Any:
    """Return what a run's version rests on beside ticks and code."""
    own = workspace.own_product(experiment.product)
    return [experiment.digest(), own] if own else experiment.digest()


def require_tables(workspace: Workspace, session: date, run: Mapping[str, Any]) -> Path:
    """Return the folder of the tables of a run without an error."""
    key = (run["asset"], run["product"], str(session), run["version"])
    found = workspace.lake.find(*key)
    if found is None:
        raise PipelineError(f"{'/'.join(key)}: gone from the lake; run `strategy-lab backtest`")
    return found.path


def require_inputs(
    workspace: Workspace, product: str, session: date, contracts: Iterable[RollRule | str]
) -> dict[str, str]:
    """Return `inputs_of`; refuse a session that has none."""
    inputs = inputs_of(workspace, product, session, contracts)
    if inputs is None:
        remedy = "`strategy-lab status` shows the sessions that are there"
        raise PipelineError(f"{product} {session}: no order books; {remedy}")
    return inputs


def record(workspace: Workspace, run: Mapping[str, Any], session: date, *, run_id: str) -> None:
    """Record a run in the database; of a failed one the error is its only figure."""
    workspace.store.record_run(
        experiment=run["experiment"],
        experiment_id=run["experiment_id"],
        product=run["product"],
        session=str(session),
        version=run["version"],
        label=run["label"],
        config=run["config"],
        metrics={"error": run["error"]} if run["error"] else run["metrics"],
        run_id=run_id,
    )


def _write(
    workspace: Workspace,
    draft: Draft,
    experiment: Experiment,
    session: date,
    on_progress: Progress,
) -> dict[str, Any]:
    with workspace.lake.scratch() as folder:
        (run,) = run_sets(workspace, [experiment], session, folder=folder, on_progress=on_progress)
        for table in TABLES if run["error"] is None else ():
            write_table(draft, table, pl.read_ipc(table_path(folder, 0, table)))
    draft.json("run.json", run)
    return {"rows": 0 if run["error"] else 1}


def run_sets(
    workspace: Workspace,
    experiments: list[Experiment],
    session: date,
    *,
    folder: Path | None,
    on_progress: Progress,
    deadline_seconds: float | None = None,
) -> list[dict[str, Any]]:
    """Run experiments that differ in parameters and configuration alone in one pass.

    Parameters
    ----------
    folder
        Where the tables go; None keeps the figures alone.
    deadline_seconds
        Of the pass; by default that of the settings.

    Raises
    ------
    EngineError
        The pass did not come to its end; the message names the experiment.
    """
    first = experiments[0]
    validated = current_outcome(workspace, "validated_ticks", first.product, str(session))
    chosen = choice(workspace, first.product, session, first.contract)
    try:
        earlier = carried.require_earlier(workspace, first)
    except DataError as error:
        return [{"label": "not run", "error": str(error)} for _ in experiments]
    wanted = Pass(
        strategy=first.reference,
        source=first.strategy.source,
        sets=tuple((each.strategy.parameters, each.config) for each in experiments),
        product=first.product,
        products=dict(workspace.products),
        session=session,
        before=tuple(_day(workspace, first.product, day, each) for day, each in earlier),
        contract=chosen.symbol,
        choice=chosen.reason,
        **engine_tables(validated),
        folder=folder,
    )
    deadline = deadline_seconds or workspace.settings.deadline_seconds
    try:
        found = engine().run(wanted, deadline_seconds=deadline, on_progress=on_progress)
    except EngineError as error:
        many = f" ({len(experiments)} sets)" if len(experiments) > 1 else ""
        place = f"{first.product} {session}"
        raise type(error)(f"experiment {first.name}{many} on {place}: {error}") from error
    is_guess = any(each.is_guess for each in (chosen, *(each for _, each in earlier)))
    return [_completed(run, each, is_guess) for run, each in zip(found, experiments, strict=True)]


def _completed(run: Mapping[str, Any], experiment: Experiment, is_guess: bool) -> dict[str, Any]:
    """Return a run with what the engine can't know: the flag of a guess, the share of capital."""
    if run["error"] is not None:
        return dict(run)
    flags = [*run["flags"], *([CONTRACT_GUESSED] if is_guess else [])]
    share = run["metrics"]["max_margin_e6"] / experiment.capital_e6
    return {**run, "flags": flags, "metrics": {**run["metrics"], "max_margin_share": share}}


def _day(workspace: Workspace, product: str, session: date, chosen: Choice) -> Day:
    validated = current_outcome(workspace, "validated_ticks", product, str(session))
    return Day(session, chosen.symbol, **engine_tables(validated))


def engine_tables(ticks: Outcome | None) -> dict[str, Path | None]:
    """Return the Parquet files of a session that the engine reads, None for what is not there.

    `ticks` is the schema that the session's books are made from: orders before levels, many levels
    before one.
    """
    feeds = [path for schema in PRIMARY if (path := _table(ticks, schema))]
    return {
        "ticks": feeds[0] if feeds else None,
        "seed": _table(ticks, SEED),
        "status": _table(ticks, TickSchema.STATUS),
    }


def _table(validated: Outcome | None, name: str) -> Path | None:
    path = validated.path / f"{name}.parquet" if validated else None
    return path if path and path.is_file() else None
