"""`backtest_runs`: every experiment of one group and product on one session, or carried up to it.

`runs.json` lists what came out with the versions of the runs (`stages.runs`), which hold the
tables: what has been run is not run again because its neighbours change. The default group's asset
is `backtest_runs`, another's `backtest_runs.<group>`. Of several instruments in one account the
list has the account, with the runs that it is made of as its `parts` (`stages.together`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from strategy_lab_core.data.roll_rules import RollRule
from strategy_lab_core.strategies.experiment import Experiment
from strategy_lab_core.strategies.together import Together, parts_of
from strategy_lab_pipeline.errors import EngineError
from strategy_lab_pipeline.lake import Draft
from strategy_lab_pipeline.stages import carried, together
from strategy_lab_pipeline.stages import runs as kept
from strategy_lab_pipeline.stages.experiments import (
    ASSET,
    experiments,
    experiments_of,
    together_of,
)
from strategy_lab_pipeline.stages.outcome import Finding, Outcome
from strategy_lab_pipeline.stages.publish import publish
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["RULES", "BacktestRuns", "build", "config_of", "inputs_of", "listed"]

RULES = {
    "every_experiment_ran": "every experiment of the product could run on the session",
    "flat_at_the_end": "every run ended without a position",
    "complete_session": "the session's rows reach from open to close",
}
Progress = Callable[[str, int, int], None]  # experiment, rows done, rows in all


@dataclass(frozen=True, slots=True)
class BacktestRuns:
    """The published runs, a row of figures for each, pictures by title.

    Attributes
    ----------
    failures
        A sentence for each experiment that failed; the others are published without them.
    """

    outcome: Outcome
    findings: tuple[Finding, ...]
    runs: tuple[Mapping[str, Any], ...]
    charts: Mapping[str, str]
    failures: tuple[str, ...]


def config_of(
    workspace: Workspace, product: str, asset: str = ASSET, session: date | None = None
) -> dict[str, Any]:
    """Return the experiments of the asset's group and the product by name, those of a session.

    Beside them stand the products of theirs that the home's file changes.
    """
    return _config(workspace, product, _wanted(workspace, product, asset, session))


def inputs_of(
    workspace: Workspace, product: str, session: date, asset: str = ASSET
) -> dict[str, str] | None:
    """Return what the partition is made from; None where ticks or books are not there."""
    wanted = _wanted(workspace, product, asset, session)
    inputs = kept.inputs_of(workspace, product, session, _contracts(wanted))
    return None if inputs is None else inputs | _from_elsewhere(workspace, wanted, session)


def _wanted(
    workspace: Workspace, product: str, asset: str, session: date | None
) -> list[Experiment | Together]:
    found = workspace.once("experiments", lambda: experiments(workspace.settings))
    several = [
        each
        for each in together_of(found, product, asset, session)
        if session is None or together.home(workspace, each, session) == product
    ]
    return [*experiments_of(found, product, asset, session), *several]


def _contracts(wanted: Sequence[Experiment | Together]) -> list[RollRule | str]:
    return [each.contract for each in wanted if isinstance(each, Experiment)]


def _from_elsewhere(
    workspace: Workspace, wanted: Sequence[Experiment | Together], session: date
) -> dict[str, str]:
    """Return inputs beside the session's own: earlier sessions, other products."""
    alone = [each for each in wanted if isinstance(each, Experiment)]
    several = [each for each in wanted if isinstance(each, Together)]
    return carried.inputs_of(workspace, alone) | together.inputs_of(workspace, several, session)


def _config(
    workspace: Workspace, product: str, wanted: Sequence[Experiment | Together]
) -> dict[str, Any]:
    digests = {experiment.name: experiment.digest() for experiment in wanted}
    products = {product, *(part.product for each in wanted for part in parts_of(each))}
    own = {name: found for name in sorted(products) if (found := workspace.own_product(name))}
    return {"experiments": digests, "products": own}


def build(
    workspace: Workspace,
    product: str,
    session: date,
    *,
    run_id: str,
    asset: str = ASSET,
    on_progress: Progress = lambda *_: None,
) -> BacktestRuns:
    """Run every experiment of the asset's group and the product on the session.

    What a deadline or a crash ended is left out, so that the version is that of the experiments
    which came to an end, and not of those which are wanted: it is out of date, and tried again.
    """
    wanted = _wanted(workspace, product, asset, session)
    inputs = kept.require_inputs(workspace, product, session, _contracts(wanted))
    inputs |= _from_elsewhere(workspace, wanted, session)
    runs, ended, unfinished = [], [], []
    for experiment in wanted:
        try:
            runs.append(_run(workspace, experiment, session, run_id, on_progress))
            ended.append(experiment)
        except EngineError as error:
            unfinished.append({"experiment": experiment.name, "error": str(error)})
    outcome = publish(
        workspace,
        asset,
        product,
        str(session),
        inputs=inputs,
        config=_config(workspace, product, ended),
        build=lambda draft: _write(draft, runs),
        run_id=run_id,
    )
    findings = tuple(_findings(runs, unfinished))
    workspace.store.record_quality(asset, product, str(session), findings)
    failed = [run for run in runs if run["label"] == "failed"]
    return BacktestRuns(
        outcome,
        findings,
        tuple(_row(one) for run in runs for one in (run, *run.get("parts", ()))),
        _charts(workspace, session, runs),
        tuple(run["error"] for run in (*failed, *unfinished)),
    )


def _run(
    workspace: Workspace,
    experiment: Experiment | Together,
    session: date,
    run_id: str,
    tell: Progress,
) -> dict[str, Any]:
    def on_progress(done: int, total: int) -> None:
        """Tell whose rows they are."""
        tell(experiment.name, done, total)

    if isinstance(experiment, Together):
        return together.build(
            workspace, experiment, session, run_id=run_id, on_progress=on_progress
        )
    return kept.build(workspace, experiment, session, run_id=run_id, on_progress=on_progress)


def _write(draft: Draft, runs: list[dict[str, Any]]) -> dict[str, Any]:
    draft.json("runs.json", runs)
    without = [[run["label"], run["error"]] for run in runs if run["error"]]
    details: dict[str, Any] = {"experiments": [run["experiment"] for run in runs]}
    return {"rows": len(runs), **details, **({"without_result": without} if without else {})}


def listed(outcome: Outcome) -> list[dict[str, Any]]:
    """Return the runs of a published partition, the failed ones with their `error`."""
    found: list[dict[str, Any]] = json.loads((outcome.path / "runs.json").read_text("utf-8"))
    return found


def _row(run: Mapping[str, Any]) -> dict[str, Any]:
    name = ", ".join([run["experiment"], *([run["instrument"]] if "instrument" in run else [])])
    if run["error"] is not None:
        return {"experiment": name, "label": run["label"], "note": run["error"]}
    metrics = run["metrics"]
    return {
        "experiment": name,
        "label": run["label"],
        "symbol": run["symbol"],
        "net profit": f"{metrics['net_profit_e6'] / 1e6:,.2f}",
        "fees": f"{metrics['fees_e6'] / 1e6:,.2f}",
        "fills": metrics["n_fills"],
        "max drawdown": f"{metrics['max_drawdown_e6'] / 1e6:,.2f}",
    }


def _findings(runs: list[dict[str, Any]], unfinished: list[dict[str, Any]]) -> list[Finding]:
    failed = [*(run for run in runs if run["error"] is not None), *unfinished]
    done = [run for run in runs if run["error"] is None]
    open_ends = [run for run in done if "open_position" in run["flags"]]
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


def _charts(workspace: Workspace, session: date, runs: list[dict[str, Any]]) -> dict[str, str]:
    from strategy_lab_core.report.charts import equity_chart, to_svg

    charts = {}
    for run in runs:
        if run["error"] is None:
            folder = kept.require_tables(workspace, session, run)
            name = together.EQUITY if "parts" in run else "equity"
            equity = pl.read_parquet(folder / f"{name}.parquet")
            charts[f"equity of {run['experiment']}"] = to_svg(equity_chart(equity))
    return charts
