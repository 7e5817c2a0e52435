"""Commands that write files to begin with."""

from pathlib import Path
from typing import Annotated

import typer

from strategy_lab_pipeline.cli.shared import JSON, answer, app, people
from strategy_lab_pipeline.say import say

__all__ = ["schema", "strategy"]


new = typer.Typer(no_args_is_help=True, help="Write files to begin with, that run as they are.")
app.add_typer(new, name="new")


@new.command()
def strategy(
    name: Annotated[str, typer.Argument(help="Its name, such as my_idea.")],
    folder: Annotated[Path, typer.Option(help="Where the files go.")] = Path(),
    as_json: JSON = False,
) -> None:
    """Write a commented strategy and its test."""
    from strategy_lab_pipeline.scaffold import new_strategy

    made, test = new_strategy(name, folder)
    shown = f"{made}\n{test}\nnext: pytest {test}"
    answer({"files": [made, test]}, as_json, lambda _: say(people, shown))


@new.command()
def schema(
    folder: Annotated[Path, typer.Option(help="Where the file goes.")] = Path(),
    as_json: JSON = False,
) -> None:
    """Write the JSON schema of experiment files: an editor completes keys and refuses others."""
    from strategy_lab_pipeline.scaffold import new_schema

    made = new_schema(folder)
    hint = f"on top of an experiment: # yaml-language-server: $schema={made.name}"
    answer({"files": [made]}, as_json, lambda _: say(people, f"{made}\n{hint}"))
