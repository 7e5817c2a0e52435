"""The command line `strategy-lab`: what to do is in the stages, how to show it is here.

Exit codes: 0 done, 1 something failed or is not as it should be, 2 the call was wrong. With
`--json` the answer goes to standard output as one JSON document and everything else to standard
error.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from strategy_lab_core.errors import StrategyLabError
from strategy_lab_pipeline import __version__
from strategy_lab_pipeline.settings import Settings

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="From exchange ticks to evidence: order books, honest backtests, reports.",
)
people = Console(stderr=True)
JSON = Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")]
FILES = Annotated[list[Path], typer.Argument(help="Tick files or folders of them.")]


@app.callback(invoke_without_command=True)
def options(
    home: Annotated[
        Path, typer.Option(envvar="STRATEGY_LAB_HOME", help="Folder of lake, database and runs.")
    ] = Path(".strategy-lab"),
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Set the home folder for the command that follows."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
    os.environ["STRATEGY_LAB_HOME"] = str(home.expanduser().resolve())


def _settings() -> Settings:
    return Settings()


def _answer(value: Any, as_json: bool, show: Callable[[Any], None]) -> None:
    if as_json:
        typer.echo(json.dumps(value, indent=2, sort_keys=False, default=str))
    else:
        show(value)


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold")
    for name in rows[0] if rows else ["nothing yet"]:
        table.add_column(name)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    return table


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
        _settings(), data=[data] if data else None, simulate=0 if data else events
    )
    _answer(summary.as_dict(), as_json, lambda _: summary.show(people))
    raise typer.Exit(0 if summary.success else 1)


@app.command()
def ingest(files: FILES, as_json: JSON = False) -> None:
    """Catalogue files and bring their sessions up to date, from raw ticks to order books."""
    from strategy_lab_pipeline.work import work_through

    summary = work_through(
        _settings(),
        data=files,
        assets=("raw_ticks", "validated_ticks", "quarantined_ticks", "order_books"),
    )
    _answer(summary.as_dict(), as_json, lambda _: summary.show(people))
    raise typer.Exit(0 if summary.success else 1)


@app.command()
def forget(files: Annotated[list[Path], typer.Argument(help="Tick files that are gone.")]) -> None:
    """Count files that you took away no more; their sessions are made without them."""
    from strategy_lab_pipeline.stages.catalogue import forget as forget_file
    from strategy_lab_pipeline.stages.workspace import open_workspace

    workspace = open_workspace(_settings())
    for path in files:
        forget_file(workspace, path.expanduser().resolve())
        people.print(
            f"{path}: counts no more; `strategy-lab backtest` brings its sessions up to date"
        )


@app.command()
def backtest(
    experiment: Annotated[
        Path | None, typer.Argument(help="An experiment file to add first.")
    ] = None,
    as_json: JSON = False,
) -> None:
    """Bring the backtests of every session up to date with the experiments."""
    from strategy_lab_pipeline.work import add_experiment, work_through

    settings = _settings()
    if experiment is not None:
        add_experiment(settings, experiment)
    summary = work_through(settings)
    _answer(summary.as_dict(), as_json, lambda _: summary.show(people))
    raise typer.Exit(0 if summary.success else 1)


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
    found = run_sweep(open_workspace(_settings()), sets, days)
    title = f"{found.experiment}: {found.ran} trials run, {found.kept} were there"
    answer = {"success": found.success, **asdict(found)}
    _answer(answer, as_json, lambda value: people.print(_table(title, list(value["rows"]))))
    raise typer.Exit(0 if found.success else 1)


@app.command()
def report(as_json: JSON = False) -> None:
    """Write every experiment's report anew where it is out of date, and say where it is."""
    from strategy_lab_pipeline.work import work_through

    summary = work_through(_settings(), assets=())
    _answer(summary.as_dict(), as_json, lambda _: summary.show(people))
    raise typer.Exit(0 if summary.success else 1)


@app.command()
def quality(
    product: Annotated[str | None, typer.Option(help="Only this product.")] = None,
    session: Annotated[str | None, typer.Option(help="Only this session, YYYY-MM-DD.")] = None,
    as_json: JSON = False,
) -> None:
    """Show what the rules found: counts, shares, the first rows, and broken files by name."""
    from strategy_lab_pipeline.inquiry import quality_rows

    rows = quality_rows(_settings(), product, session)
    _answer(rows, as_json, lambda found: people.print(_table("data quality", found)))


@app.command()
def book(files: FILES, as_json: JSON = False) -> None:
    """Replay files and show the last order book of each symbol, and how sound it is."""
    from strategy_lab_core.book.summary import summarise

    rows = summarise(files)
    _answer(rows, as_json, lambda found: people.print(_table("order books", found)))


EXPERIMENT = Annotated[str, typer.Argument(help="An experiment's name, or its file.")]
SESSION = Annotated[
    str | None, typer.Option(help="The session, YYYY-MM-DD; by default the newest.")
]
CONTRACT = Annotated[
    str | None, typer.Option(help="The contract; by default the one that traded most.")
]


@app.command()
def leaks(
    experiment: EXPERIMENT,
    session: SESSION = None,
    contract: CONTRACT = None,
    moments: Annotated[int, typer.Option(min=1, help="Times at which to look.")] = 10,
    repair_is_known: Annotated[
        bool, typer.Option(help="Take the repair of a slow capture clock for known.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Look for orders that depend on what came later; exit code 1 where there are any."""
    from strategy_lab_pipeline.probing import leaks_of

    place = (experiment, session, contract)
    found = leaks_of(_settings(), *place, moments=moments, repair_is_known=repair_is_known)
    _answer_probe(found, as_json)
    raise typer.Exit(1 if found["verdict"] == "leak" else 0)


@app.command()
def warmup(
    experiment: EXPERIMENT,
    session: SESSION = None,
    contract: CONTRACT = None,
    starts: Annotated[int, typer.Option(min=1, help="Later starts to try.")] = 5,
    as_json: JSON = False,
) -> None:
    """Find how long the strategy has to run before its past makes no difference."""
    from strategy_lab_pipeline.probing import warmup_of

    _answer_probe(warmup_of(_settings(), experiment, session, contract, starts=starts), as_json)


@app.command()
def sensitivity(
    experiment: EXPERIMENT,
    session: SESSION = None,
    contract: CONTRACT = None,
    chart: Annotated[Path | None, typer.Option(help="An SVG file to draw the curves in.")] = None,
    as_json: JSON = False,
) -> None:
    """Run the experiment under other latencies and costs, and show what is left of it."""
    from strategy_lab_pipeline.probing import sensitivity_of

    _answer_probe(sensitivity_of(_settings(), experiment, session, contract, chart), as_json)


@app.command("queue-models")
def queue_models(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="mbo files of one session; without: simulated."),
    ] = None,
    contract: CONTRACT = None,
    every_ms: Annotated[int, typer.Option(min=300, help="An order a side this often.")] = 10_000,
    hold_ms: Annotated[int, typer.Option(min=100, help="How long an order waits.")] = 8_000,
    seed: Annotated[int, typer.Option(min=0, help="Of moments, bootstrap, simulation.")] = 0,
    events: Annotated[int, typer.Option(min=200, help="Events to simulate.")] = 200_000,
    chart: Annotated[Path | None, typer.Option(help="An SVG file to draw the errors in.")] = None,
    as_json: JSON = False,
) -> None:
    """Compare the queue models for feeds by price with the queue that orders show."""
    from strategy_lab_pipeline.probing import queue_models_of, readable_errors

    found = queue_models_of(
        files, contract, every_ms=every_ms, hold_ms=hold_ms, seed=seed, events=events, chart=chart
    )
    title = f"{found['symbol']} {found['session']}, {found['orders']} orders: {found['verdict']}"
    shown = _table(title, readable_errors(found["rows"]))
    _answer(found, as_json, lambda _: people.print(shown))


def _answer_probe(found: dict[str, Any], as_json: bool) -> None:
    title = f"{found['experiment']} on {found['product']} {found['session']}"
    title += f": {found['verdict']}" if "verdict" in found else ""
    _answer(found, as_json, lambda value: people.print(_table(title, value["rows"])))


@app.command()
def status(as_json: JSON = False) -> None:
    """Show what is there, what is missing, and what to do next."""
    from strategy_lab_pipeline.inquiry import show_status, status_of

    found = status_of(_settings())
    _answer(found, as_json, lambda value: show_status(value, people))


@app.command()
def doctor(as_json: JSON = False) -> None:
    """Check this machine and this home folder; repair what a crash left behind."""
    from strategy_lab_pipeline.inquiry import examine

    rows = examine(_settings())
    _answer(rows, as_json, lambda found: people.print(_table("doctor", found)))
    raise typer.Exit(0 if all(row["ok"] for row in rows) else 1)


new = typer.Typer(no_args_is_help=True, help="Write files to begin with, that run as they are.")
app.add_typer(new, name="new")


@new.callback()
def _new() -> None:
    """Keep `strategy` a word of its own, though it is the only one."""


@new.command()
def strategy(
    name: Annotated[str, typer.Argument(help="Its name, such as my_idea.")],
    folder: Annotated[Path, typer.Option(help="Where the files go.")] = Path(),
) -> None:
    """Write a commented strategy and its test."""
    from strategy_lab_pipeline.scaffold import new_strategy

    made, test = new_strategy(name, folder)
    people.print(f"{made}\n{test}", highlight=False, soft_wrap=True)
    people.print(f"next: pytest {test}", highlight=False, soft_wrap=True)


@app.command()
def up(
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Start the Dagster UI and its daemon: sensor, schedule, run queue. Ctrl-C stops all."""
    from strategy_lab_pipeline.launch import up as start

    people.print(f"Dagster UI: http://{host}:{port}   (Ctrl-C stops everything)")
    raise typer.Exit(start(_settings(), host=host, port=port))


def main() -> None:
    """Run the command line; our own errors are one line and exit code 1, never a traceback."""
    try:
        app()
    except StrategyLabError as error:
        people.print(f"[bold red]error:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
