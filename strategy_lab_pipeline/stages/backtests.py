"""`backtest_runs`: every experiment of the product on one session, flat to flat.

Per experiment the tables `<name>-orders`, `<name>-fills`, `<name>-equity`, and one `runs.json` with
figures, assumptions and labels. A session that an experiment can't run on is named with the reason.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from strategy_lab_core.engine.backtest import BacktestResult, backtest
from strategy_lab_core.errors import DataError
from strategy_lab_core.strategies.experiment import Experiment
from strategy_lab_core.types import TickSchema
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.lake import Draft
from strategy_lab_pipeline.stages.experiments import experiments_of
from strategy_lab_pipeline.stages.outcome import Finding, Outcome
from strategy_lab_pipeline.stages.publish import current_outcome, publish, write_table
from strategy_lab_pipeline.stages.raw import SEED, session_of
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["RULES", "BacktestRuns", "build", "config_of", "engine_inputs", "inputs_of"]

RULES = {
    "every_experiment_ran": "every experiment of the product could run on the session",
    "flat_at_the_end": "every run ended without a position",
    "complete_session": "the session's rows reach from open to close",
}


@dataclass(frozen=True, slots=True)
class BacktestRuns:
    """The published runs, a row of figures for each, pictures by title."""

    outcome: Outcome
    findings: tuple[Finding, ...]
    runs: tuple[Mapping[str, Any], ...]
    charts: Mapping[str, str]


def inputs_of(workspace: Workspace, product: str, session: date) -> dict[str, str] | None:
    """Return what the partition is made from; None where ticks or books are not there."""
    found = {
        asset: current_outcome(workspace, asset, product, str(session))
        for asset in ("validated_ticks", "order_books")
    }
    if any(outcome is None for outcome in found.values()):
        return None
    return {asset: outcome.data_version for asset, outcome in found.items() if outcome}


def config_of(workspace: Workspace, product: str) -> dict[str, Any]:
    """Return the experiments of the product by name."""
    found = experiments_of(workspace.settings, product)
    return {experiment.name: experiment.digest() for experiment in found}


def build(workspace: Workspace, product: str, session: date, *, run_id: str) -> BacktestRuns:
    """Run every experiment of the product on the session."""
    inputs = inputs_of(workspace, product, session)
    validated = current_outcome(workspace, "validated_ticks", product, str(session))
    if inputs is None or validated is None:
        raise PipelineError(f"{product} {session}: no order books; materialise order_books first")
    experiments = experiments_of(workspace.settings, product)
    outcome = publish(
        workspace,
        "backtest_runs",
        product,
        str(session),
        inputs=inputs,
        config=config_of(workspace, product),
        build=lambda draft: _write(draft, validated, experiments, session),
        run_id=run_id,
    )
    runs = json.loads((outcome.path / "runs.json").read_text(encoding="utf-8"))
    for run in runs:
        if run["error"] is None:
            workspace.store.record_run(
                experiment=run["experiment"],
                experiment_id=run["experiment_id"],
                product=product,
                session=str(session),
                version=outcome.version,
                label=run["label"],
                config=run["config"],
                metrics=run["metrics"],
                run_id=run_id,
            )
    findings = tuple(_findings(runs))
    workspace.store.record_quality("backtest_runs", product, str(session), findings)
    return BacktestRuns(outcome, findings, tuple(_row(run) for run in runs), _charts(outcome, runs))


def _write(
    draft: Draft, validated: Outcome, experiments: list[Experiment], session: date
) -> dict[str, Any]:
    runs = []
    for experiment in experiments:
        run: dict[str, Any] = {
            "experiment": experiment.name,
            "experiment_id": experiment.digest(),
            "config": experiment.as_dict(),
            "error": None,
        }
        try:
            result = _run(validated, experiment, session)
        except DataError as error:  # this session is not for this experiment; the others go on
            run["error"] = str(error)
        else:
            for name in ("orders", "fills", "equity"):
                write_table(draft, f"{experiment.name}-{name}", getattr(result, name))
            run.update(_described(result))
        runs.append(run)
    draft.json("runs.json", runs)
    return {"rows": len(runs), "experiments": [run["experiment"] for run in runs]}


def _run(validated: Outcome, experiment: Experiment, session: date) -> BacktestResult:
    return backtest(
        strategy=experiment.strategy,
        config=experiment.config,
        **engine_inputs(validated, experiment.product, session),
    )


def engine_inputs(ticks: Outcome, product: str, session: date) -> dict[str, Any]:
    """Return what the engine reads of a session: ticks, session, seed and status.

    Parameters
    ----------
    ticks
        The session's validated ticks, or its raw ones: then the engine validates them itself.
    product, session
        The partition.
    """
    path = ticks.path / f"{TickSchema.MBO}.parquet"
    if not path.is_file():
        raise DataError("the session has no market-by-order ticks, which the engine needs")
    table = pl.scan_parquet(path)
    if "book_state" in table.collect_schema():
        table = table.drop("file_hash", "row")
    return {
        "ticks": table.collect(),
        "session": session_of(product, session),
        "seed": _optional(ticks, SEED),
        "status": _optional(ticks, TickSchema.STATUS),
    }


def _optional(validated: Outcome, name: str) -> pl.DataFrame | None:
    path = validated.path / f"{name}.parquet"
    return pl.read_parquet(path) if path.is_file() else None


def _described(result: BacktestResult) -> dict[str, Any]:
    return {
        "symbol": result.instrument.symbol,
        "label": "partial" if "partial" in result.flags else "complete",
        "multiplier": result.instrument.multiplier,
        "currency": result.instrument.product.currency,
        "money_scale": result.instrument.product.money_scale,
        "flags": list(result.flags),
        "metrics": dict(result.metrics),
        "assumptions": list(result.assumptions),
    }


def _row(run: Mapping[str, Any]) -> dict[str, Any]:
    if run["error"] is not None:
        return {"experiment": run["experiment"], "label": "not run", "note": run["error"]}
    metrics = run["metrics"]
    return {
        "experiment": run["experiment"],
        "label": run["label"],
        "symbol": run["symbol"],
        "net profit": f"{metrics['net_profit_e6'] / 1e6:,.2f}",
        "fees": f"{metrics['fees_e6'] / 1e6:,.2f}",
        "fills": metrics["n_fills"],
        "max drawdown": f"{metrics['max_drawdown_e6'] / 1e6:,.2f}",
    }


def _findings(runs: list[dict[str, Any]]) -> list[Finding]:
    failed = [run for run in runs if run["error"] is not None]
    done = [run for run in runs if run["error"] is None]
    open_ends = [run for run in done if run["metrics"]["final_position"] != 0]
    partial = [run for run in done if run["label"] == "partial"]
    return [
        _finding("every_experiment_ran", "error", failed, [run["error"] for run in failed]),
        _finding("flat_at_the_end", "error", open_ends, [run["experiment"] for run in open_ends]),
        _finding("complete_session", "warning", partial, [run["experiment"] for run in partial]),
    ]


def _finding(rule: str, severity: str, broken: list[dict[str, Any]], notes: list[str]) -> Finding:
    return Finding(
        rule=rule,
        severity=severity,
        reason=RULES[rule],
        passed=not broken,
        rows=len(broken),
        first_rows=tuple({"experiment": run["experiment"], "note": note}
                         for run, note in zip(broken, notes, strict=True)),
    )  # fmt: skip


def _charts(outcome: Outcome, runs: list[dict[str, Any]]) -> dict[str, str]:
    from strategy_lab_core.report.charts import equity_chart, to_svg

    charts = {}
    for run in runs:
        if run["error"] is None:
            equity = pl.read_parquet(outcome.path / f"{run['experiment']}-equity.parquet")
            charts[f"equity of {run['experiment']}"] = to_svg(equity_chart(equity))
    return charts
