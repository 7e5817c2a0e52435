"""Commands that try many parameter sets."""

from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strategy_lab_pipeline.cli.shared import JSON, answer, app, people, settings, table
from strategy_lab_pipeline.say import say

if TYPE_CHECKING:
    from strategy_lab_pipeline.stages.sweeps import Sweep

__all__ = ["sweep"]

INTERRUPTED = 130  # as a shell tells it


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
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Run on sessions cut short, too.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Try every combination of values on every session; go on where an interrupt ended it."""
    from strategy_lab_pipeline.stages.experiments import read_experiment
    from strategy_lab_pipeline.stages.sweeps import grid
    from strategy_lab_pipeline.stages.sweeps import sweep as run_sweep
    from strategy_lab_pipeline.stages.workspace import open_workspace

    read = read_experiment(experiment)
    if allow_partial:
        read = replace(read, config=replace(read.config, allow_partial=True))
    sets = grid(read, axes)
    days = [day.date() for day in sessions or ()]
    try:
        found = run_sweep(open_workspace(settings()), sets, days)
    except KeyboardInterrupt as error:
        people.print("interrupted: every trial that was done is kept; the same call goes on there")
        raise typer.Exit(INTERRUPTED) from error
    value = {"success": found.success, **asdict(found)}
    answer(value, as_json, lambda _: _show(found))
    raise typer.Exit(0 if found.success else 1)


def _show(found: "Sweep") -> None:
    """Print what fits a narrow terminal: `--json` has the rest."""
    for note in found.skipped:
        say(people, f"{note} (--allow-partial)", mark="skipped", style="yellow")
    title = f"{found.experiment}: {found.ran} trials run, {found.kept} were there"
    people.print(table(title, [_readable(row, found.varied) for row in found.rows]))
    for row in found.rows:
        if row["error"]:
            values = ", ".join(f"{name}={_short(row[name])}" for name in found.varied)
            named = f"set {row['set']}" + (f" ({values})" if values else "")
            say(people, f"{named}: {row['error']}", mark="failed", style="red")


def _readable(row: dict[str, Any], varied: tuple[str, ...]) -> dict[str, Any]:
    won = f"{row['won'] / row['sessions']:.0%}" if row["sessions"] else ""
    wanted = f" of {row['sessions'] + row['failed']}" if row["failed"] else ""
    return {
        "set": row["set"],
        **{name: _short(row[name]) for name in varied},
        "sessions": f"{row['sessions']}{wanted}",
        "fills": f"{row['n_fills']:,}",
        "net profit": f"{row['net_profit_e6'] / 1e6:,.2f}",
        "won": won,
    }


def _short(value: float | bool) -> str:
    return str(value) if isinstance(value, bool | int) else f"{value:g}"
