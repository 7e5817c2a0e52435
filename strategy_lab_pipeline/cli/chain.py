"""Commands that move the data on: from files to reports, and the Dagster UI."""

from pathlib import Path
from typing import Annotated

import typer

from strategy_lab_pipeline.cli.shared import FILES, JSON, answer, app, people, settings
from strategy_lab_pipeline.say import say

__all__ = ["backtest", "demo", "forget", "ingest", "report", "up"]


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option("--data", help="Your own tick files instead of simulated ones.")
    ] = None,
    events: Annotated[
        int, typer.Option(min=1_000, help="Events of each simulated session.")
    ] = 120_000,
    as_json: JSON = False,
) -> None:
    """Run the whole chain, from files to reports; a second time only what is missing."""
    from strategy_lab_pipeline.work import work_through

    summary = work_through(
        settings(), data=[data] if data else None, simulate=0 if data else events
    )
    answer(summary.as_dict(), as_json, lambda _: summary.show(people))
    raise typer.Exit(0 if summary.success else 1)


@app.command()
def ingest(files: FILES, as_json: JSON = False) -> None:
    """Catalogue files and bring their sessions up to date, from raw ticks to bars and features."""
    from strategy_lab_pipeline.stages.plan import BOOKS, TABLES
    from strategy_lab_pipeline.work import work_through

    summary = work_through(settings(), data=files, assets=(*BOOKS, *TABLES))
    answer(summary.as_dict(), as_json, lambda _: summary.show(people))
    raise typer.Exit(0 if summary.success else 1)


@app.command()
def forget(
    files: Annotated[list[Path], typer.Argument(help="Tick files that are gone.")],
    as_json: JSON = False,
) -> None:
    """Leave out files that you took away: their sessions are made without them."""
    from strategy_lab_pipeline.stages.catalogue import forget as forget_files
    from strategy_lab_pipeline.stages.workspace import open_workspace

    workspace = open_workspace(settings())
    gone = [path.expanduser().resolve() for path in files]
    forget_files(workspace, *gone)
    note = "counts no more; `strategy-lab backtest` brings its sessions up to date"
    shown = "\n".join(f"{path}: {note}" for path in gone)
    answer({"forgotten": gone}, as_json, lambda _: say(people, shown))


@app.command()
def backtest(
    experiment: Annotated[
        Path | None, typer.Argument(help="An experiment file to add first.")
    ] = None,
    as_json: JSON = False,
) -> None:
    """Bring the backtests of every session up to date with the experiments."""
    from strategy_lab_pipeline.work import add_experiment, work_through

    if experiment is not None:
        add_experiment(settings(), experiment)
    summary = work_through(settings())
    answer(summary.as_dict(), as_json, lambda _: summary.show(people))
    raise typer.Exit(0 if summary.success else 1)


@app.command()
def report(as_json: JSON = False) -> None:
    """Write every experiment's report anew where it is out of date, and say where it is."""
    from strategy_lab_pipeline.work import work_through

    summary = work_through(settings(), assets=())
    answer(summary.as_dict(), as_json, lambda _: summary.show(people))
    raise typer.Exit(0 if summary.success else 1)


@app.command()
def up(
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Start the Dagster UI and its daemon: sensor, schedule, run queue. Ctrl-C stops all."""
    from strategy_lab_pipeline.launch import up as start

    people.print(f"Dagster UI: http://{host}:{port}   (Ctrl-C stops everything)")
    raise typer.Exit(start(settings(), host=host, port=port))
