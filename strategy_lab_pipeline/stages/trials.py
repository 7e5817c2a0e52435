"""Trials: parameter sets of one experiment on sessions, each run once and kept, whoever asks.

A trial's figures are a row in the database under (digest of the set's experiment, session); with
the same ticks and code it is never run again. Grids (`stages.sweeps`), searches, the windows of a
walk-forward and null tests share them. Tables of orders and fills are not kept: a set worth looking
at is an experiment.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from strategy_lab_core.strategies.experiment import Experiment
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.stages.halving import Halving
from strategy_lab_pipeline.stages.runs import config_of, inputs_of, run_sets
from strategy_lab_pipeline.stages.versions import input_key
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["SETS_A_PASS", "Day", "days_of", "keep", "net_profits", "with_parameters"]

SETS_A_PASS = 64  # what an interrupt can cost at most; a set more costs a pass little
FIGURES = ("net_profit_e6", "error")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Day:
    """A session of a product, and the data versions that runs on it are made from."""

    workspace: Workspace
    product: str
    session: date
    inputs: Mapping[str, str]

    def version(self, experiment: Experiment) -> str:
        """Return the version of an experiment's run on these ticks with this code."""
        config = config_of(self.workspace, experiment)
        return input_key(f"run.{experiment.digest()}", self.inputs, config)


def days_of(
    workspace: Workspace,
    experiment: Experiment,
    first: date | None = None,
    last: date | None = None,
) -> list[Day]:
    """Return the complete sessions with books, in order; partial ones appear in no statistics.

    Raises
    ------
    PipelineError
        There is none.
    """
    product, found = experiment.product, []
    for traded, text in workspace.store.all_partitions():
        day = date.fromisoformat(text)
        if traded != product or (first and day < first) or (last and day > last):
            continue
        inputs = inputs_of(workspace, product, day, [experiment.contract])
        if inputs and workspace.store.session_label(product, text) == "complete":
            found.append(Day(workspace, product, day, inputs))
    if not found:
        span = f" from {first or 'the first'} to {last or 'the last'}" if first or last else ""
        raise PipelineError(
            f"{product}: no complete session{span} has books; `strategy-lab ingest FILES` first"
        )
    return sorted(found, key=lambda day: day.session)


def with_parameters(experiment: Experiment, parameters: Mapping[str, float]) -> Experiment:
    """Return the experiment with other values for its strategy's parameters."""
    return replace(experiment, strategy=experiment.strategy(**parameters))


def net_profits(
    workspace: Workspace,
    experiments: Sequence[Experiment],
    day: Day,
    *,
    run_id: str,
    on_progress: Progress = lambda *_: None,
) -> list[int | str]:
    """Return each experiment's net profit on a session in money units, or why there is none.

    A set that never ends, or wants too much memory, is found by halving its pass (`Halving`); it
    has no result in this call, and is tried again in the next.

    Parameters
    ----------
    experiments
        Alike but for their parameters; those without a kept trial are run, many in a pass.

    Raises
    ------
    EngineError
        The engine is broken, or no set ever ends; what was done before is kept.
    """
    wanted = {experiment.digest(): experiment for experiment in experiments}
    kept = _kept(workspace, wanted, day)
    missing = [experiment for digest, experiment in wanted.items() if digest not in kept]
    numbers = {experiment.digest(): number for number, experiment in enumerate(missing)}
    halving = Halving(numbers, workspace.settings.deadline_seconds)

    def run_pass(experiments: list[Experiment], *, deadline_seconds: float) -> None:
        """Run sets, and keep their trials."""
        runs = run_sets(
            workspace,
            experiments,
            day.session,
            folder=None,
            on_progress=on_progress,
            deadline_seconds=deadline_seconds,
        )
        kept.update(keep(experiments, day, runs, run_id))

    for first in range(0, len(missing), SETS_A_PASS):
        halving.run(run_pass, missing[first : first + SETS_A_PASS])
    outcomes: dict[str, int | str] = {**halving.guilty, **kept}
    return [outcomes[experiment.digest()] for experiment in experiments]


def _kept(workspace: Workspace, wanted: Mapping[str, Experiment], day: Day) -> dict[str, int | str]:
    found = workspace.store.figures(day.product, wanted.keys(), FIGURES, session=str(day.session))
    return {
        digest: _outcome(figures)
        for (digest, _, version), figures in found.items()
        if version == day.version(wanted[digest])
    }


def _outcome(figures: Mapping[str, int | float | str]) -> int | str:
    return str(figures["error"]) if "error" in figures else int(figures["net_profit_e6"])


def keep(
    experiments: list[Experiment], day: Day, runs: Sequence[Mapping[str, Any]], run_id: str
) -> dict[str, int | str]:
    """Keep the trials of a pass, and return their outcomes by digest."""
    rows, outcomes = [], {}
    for experiment, run in zip(experiments, runs, strict=True):
        digest = experiment.digest()
        figures = {"error": run["error"]} if run["error"] else run["metrics"]
        outcomes[digest] = _outcome(figures)
        rows.append(
            {
                "experiment": experiment.name,
                "experiment_id": digest,
                "product": day.product,
                "session": str(day.session),
                "version": day.version(experiment),
                "label": run["label"],
                "config": experiment.as_dict(),
                "metrics": figures,
                "run_id": run_id,
            }
        )
    day.workspace.store.record_runs(rows)
    return outcomes
