"""A grid of parameter sets over the sessions that have books: many sets a pass, every trial kept.

A trial is a row of figures in the database under (digest of the set's experiment, session); with
the same ticks and code it is never run again. What an interrupt leaves undone, or a set that never
ended or wanted too much memory, is what the next call does. Tables of orders and fills are not
kept: a set worth looking at is an experiment.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import product
from typing import Any

import yaml

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.strategies.experiment import Experiment
from strategy_lab_pipeline.db.records import RunRow
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.progress import steps, tell_part
from strategy_lab_pipeline.stages.halving import Halving, RunPass
from strategy_lab_pipeline.stages.runs import inputs_of, require_inputs, run_sets
from strategy_lab_pipeline.stages.trials import SETS_A_PASS, Day, keep
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["Sweep", "grid", "sweep"]

RUN_ID = "strategy-lab sweep"
MAX_SETS = 100_000


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep found.

    Attributes
    ----------
    sessions
        Those that were run, or were there.
    skipped
        A sentence for each session that no set can run on: a partial one, above all.
    varied
        The parameters in which the sets differ.
    rows
        For each set its number, parameters and figures over all sessions, money in currency units
        of 1e-6; `won` counts the sessions with a profit, `failed` those without a result, and
        `error` is the first reason.
    ran, kept
        Trials of this call, and those that were there.
    """

    experiment: str
    sessions: tuple[str, ...]
    skipped: tuple[str, ...]
    varied: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    ran: int
    kept: int

    @property
    def success(self) -> bool:
        """Whether every set has a result in every session that was not skipped, and one at all."""
        return all(row["failed"] == 0 and row["sessions"] for row in self.rows)


def grid(experiment: Experiment, axes: Sequence[str]) -> list[Experiment]:
    """Return the experiment with every combination of values, each set once.

    Parameters
    ----------
    axes
        Texts such as ``threshold=0.6,0.8``; the last one varies fastest.

    Raises
    ------
    ConfigError
        An axis that is none, or given twice; a parameter misspelt or out of bounds.
    """
    values: dict[str, list[Any]] = {}
    for axis in axes:
        name, _, texts = axis.partition("=")
        if not texts or name in values:
            raise ConfigError("--set", axis, "name=value,value,... with each name once")
        try:
            values[name] = [yaml.safe_load(text) for text in texts.split(",")]
        except yaml.YAMLError as error:
            raise ConfigError("--set", axis, "name=value,value,... with plain values") from error
    found = {}
    for combination in product(*values.values()):
        chosen = dict(zip(values, combination, strict=True))
        one = replace(experiment, strategy=experiment.strategy(**chosen))
        found[one.digest()] = one
        if len(found) > MAX_SETS:
            raise ConfigError("--set", f"{', '.join(axes)}", f"at most {MAX_SETS:,} sets")
    return list(found.values())


def sweep(
    workspace: Workspace, experiments: Sequence[Experiment], sessions: Sequence[date] = ()
) -> Sweep:
    """Run every set on every session where its trial is not kept yet.

    A set that never ends, or wants too much memory, is found by halving its pass (`Halving`) and
    fails alone; the others have their results.

    Parameters
    ----------
    experiments
        As `grid` makes them: alike but for the parameters.
    sessions
        By default all that have books.

    Raises
    ------
    PipelineError
        A session without books, or none at all.
    EngineError
        The strategy's file was changed, the engine is broken, or no set ever ends; what was done
        before is kept.
    """
    traded = experiments[0].product
    if experiments[0].sessions:
        rule = "false: `strategy-lab sweep` takes sessions one by one; lab.sweep carries"
        raise ConfigError("carry", True, rule)
    contracts = [experiments[0].contract]
    days = [
        Day(workspace, traded, day, require_inputs(workspace, traded, day, contracts))
        for day in sorted(set(sessions)) or _with_books(workspace, traded)
    ]
    if not days:
        raise PipelineError(f"{traded}: no session has books; `strategy-lab ingest FILES` first")
    todo = [(day, [each for each in experiments if not _trial(workspace, each, day)])
            for day in days]  # fmt: skip
    passes = [(day, sets) for day, missing in todo for sets in _batches(missing)]
    numbers = {each.digest(): number for number, each in enumerate(experiments)}
    halving = Halving(numbers, workspace.settings.deadline_seconds)
    with steps(f"sweeping {len(experiments)} sets", total=len(passes)) as progress:
        for day, sets in passes:
            halving.run(_pass_on(workspace, day), sets)
            progress.advance(f"{traded} {day.session}")
    ran = sum(len(missing) for _, missing in todo)
    trials = [[_trial(workspace, each, day) for day in days] for each in experiments]
    skipped = dict(_skipped(trials, days))
    return Sweep(
        experiment=experiments[0].name,
        sessions=tuple(str(day.session) for day in days if day.session not in skipped),
        skipped=tuple(f"{traded} {day}: {reason}" for day, reason in skipped.items()),
        varied=_varied(experiments),
        rows=tuple(
            {"set": number, **_row(experiment, mine, halving.guilty)}
            for number, (experiment, mine) in enumerate(zip(experiments, trials, strict=True))
        ),
        ran=ran,
        kept=len(days) * len(experiments) - ran,
    )


def _varied(experiments: Sequence[Experiment]) -> tuple[str, ...]:
    """Return the parameters in which the sets are not all alike."""
    first = experiments[0].strategy.parameters
    return tuple(
        name
        for name, value in first.items()
        if any(each.strategy.parameters[name] != value for each in experiments)
    )


def _with_books(workspace: Workspace, traded: str) -> list[date]:
    places = (date.fromisoformat(day) for root, day in workspace.store.all_partitions()
              if root == traded)  # fmt: skip
    return sorted(day for day in places if inputs_of(workspace, traded, day, ()))


def _trial(workspace: Workspace, experiment: Experiment, day: Day) -> RunRow | None:
    """Return the trial that is kept, None where there is none."""
    for run in workspace.store.runs(experiment_id=experiment.digest()):
        if run.session == str(day.session) and run.version == day.version(experiment):
            return run
    return None


def _batches(experiments: list[Experiment]) -> Iterator[list[Experiment]]:
    for first in range(0, len(experiments), SETS_A_PASS):
        yield experiments[first : first + SETS_A_PASS]


def _pass_on(workspace: Workspace, day: Day) -> RunPass:
    """Return what runs sets in one pass over a session and keeps their trials."""

    def run_pass(experiments: list[Experiment], *, deadline_seconds: float) -> None:
        """Run the sets, and record them."""
        runs = run_sets(
            workspace,
            experiments,
            day.session,
            folder=None,
            on_progress=lambda done, total: tell_part(str(day.session), done, total),
            deadline_seconds=deadline_seconds,
        )
        keep(experiments, day, runs, RUN_ID)

    return run_pass


def _skipped(
    trials: Sequence[Sequence[RunRow | None]], days: Sequence[Day]
) -> Iterator[tuple[date, str]]:
    """Yield the sessions that are not for these sets, and why."""
    for day, found in zip(days, zip(*trials, strict=True), strict=True):
        reasons = [str(trial.metrics["error"]) for trial in found
                   if trial and trial.label == "not run"]  # fmt: skip
        if reasons:
            yield day.session, reasons[0]


def _row(
    experiment: Experiment, trials: Sequence[RunRow | None], guilty: Mapping[str, str]
) -> dict[str, Any]:
    mine = [trial for trial in trials if trial is None or trial.label != "not run"]
    done: list[Mapping[str, Any]] = [
        trial.metrics for trial in mine if trial and "error" not in trial.metrics
    ]
    errors = [str(trial.metrics["error"]) for trial in mine if trial and "error" in trial.metrics]
    if None in mine:
        errors.append(guilty[experiment.digest()])
    return {
        **experiment.strategy.parameters,
        "net_profit_e6": sum(found["net_profit_e6"] for found in done),
        "fees_e6": sum(found["fees_e6"] for found in done),
        "max_drawdown_e6": max((found["max_drawdown_e6"] for found in done), default=0),
        "n_fills": sum(found["n_fills"] for found in done),
        "sessions": len(done),
        "won": sum(found["net_profit_e6"] > 0 for found in done),
        "failed": len(mine) - len(done),
        "error": errors[0] if errors else None,
    }
