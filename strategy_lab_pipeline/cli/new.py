"""Commands that write files to begin with."""

from pathlib import Path
from typing import Annotated

import typer

from strategy_lab_pipeline.cli.shared import app, people

__all__ = ["schema", "strategy"]


new = typer.Typer(no_args_is_help=True, help="Write files to begin with, that run as they are.")
app.add_typer(new, name="new")


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


@new.command()
def schema(
    folder: Annotated[Path, typer.Option(help="Where the file goes.")] = Path(),
) -> None:
    """Write the JSON schema of experiment files: an editor completes keys and refuses others."""
    from strategy_lab_pipeline.scaffold import new_schema

    made = new_schema(folder)
    people.print(made, highlight=False, soft_wrap=True)
    people.print(
        f"on top of an experiment: # yaml-language-server: $schema={made.name}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
