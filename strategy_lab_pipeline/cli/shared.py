"""What every command shares: the application, its options, how an answer is given."""

import json
import os
from collections.abc import Callable
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from strategy_lab_pipeline.settings import Settings

__all__ = ["FILES", "JSON", "answer", "app", "people", "settings", "table"]

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
        typer.echo(installed("strategy-lab"))
        raise typer.Exit
    os.environ["STRATEGY_LAB_HOME"] = str(home.expanduser().resolve())


def settings() -> "Settings":
    """Return the settings of the chosen home folder."""
    from strategy_lab_pipeline.settings import Settings

    return Settings()


def answer(value: Any, as_json: bool, show: Callable[[Any], None]) -> None:
    """Write the answer for a program to standard output, or show it to a person."""
    if as_json:
        typer.echo(json.dumps(value, indent=2, sort_keys=False, default=str))
    else:
        show(value)


def table(title: str, rows: list[dict[str, Any]]) -> Table:
    """Return rows of equal keys as a table, its first column names taken from them."""
    shown = Table(title=title, title_justify="left", header_style="bold")
    for name in rows[0] if rows else ["nothing yet"]:
        shown.add_column(name)
    for row in rows:
        shown.add_row(*("" if value is None else str(value) for value in row.values()))
    return shown
