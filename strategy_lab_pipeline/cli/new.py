"""Commands that write files to begin with."""

from pathlib import Path
from typing import Annotated

import typer

from strategy_lab_pipeline.cli.shared import app, people

__all__ = ["strategy"]


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
