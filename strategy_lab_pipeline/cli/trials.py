"""Commands that try many parameter sets."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from strategy_lab_pipeline.cli.shared import JSON, answer, app, people, settings, table

__all__ = ["sweep"]


@app.command()
def sweep(
    experiment: Annotated[Path, typer.Argument(help="An experiment file.")],
    axes: Annotated[
        list[str], typer.Option("--set", help="A parameter and its values: hold_ms=1000,5000.")
    ],
    sessions: Annotated[
        list[datetime] | None,
        typer.Option("--session", formats=["%Y-%m-%d"], help="Only this session; may be repeated."),
    ] = None,
    as_json: JSON = False,
) -> None:
    """Try every combination of values on every session; go on where an interrupt ended it."""
    from strategy_lab_pipeline.stages.experiments import read_experiment
    from strategy_lab_pipeline.stages.sweeps import grid
    from strategy_lab_pipeline.stages.sweeps import sweep as run_sweep
    from strategy_lab_pipeline.stages.workspace import open_workspace

    sets = grid(read_experiment(experiment), axes)
    days = [day.date() for day in sessions or ()]
    found = run_sweep(open_workspace(settings()), sets, days)
    title = f"{found.experiment}: {found.ran} trials run, {found.kept} were there"
    value = {"success": found.success, **asdict(found)}
    answer(value, as_json, lambda value: people.print(table(title, list(value["rows"]))))
    raise typer.Exit(0 if found.success else 1)
