"""Commands that search parameters, walk forward, and say whether an edge is real."""

from typing import Annotated, Any

import typer

from strategy_lab_pipeline.cli.shared import JSON, answer, app, people, settings, table
from strategy_lab_pipeline.say import say

__all__ = ["compare", "evidence", "search", "walk_forward"]

MOST_CHOICES = 5
SEARCH = Annotated[str, typer.Argument(help="A search's name, or its file.")]


@app.command()
def search(reference: SEARCH, as_json: JSON = False) -> None:
    """Search a strategy's parameters; go on where an interrupt ended it, keep every trial."""
    from strategy_lab_pipeline.research import searched

    found = searched(settings(), reference)
    counts = ", ".join(f"{found[state]} {state}" for state in ("complete", "failed", "pruned"))
    title = f"{found['search']}: {found['trials']} trials ({counts}), the best"
    answer(found, as_json, lambda value: people.print(table(title, _short(value["best"]))))
    raise typer.Exit(0 if found["complete"] else 1)


@app.command("walk-forward")
def walk_forward(reference: SEARCH, as_json: JSON = False) -> None:
    """Choose on the sessions before, judge on the sessions after, window by window."""
    from strategy_lab_pipeline.research import walked

    found = walked(settings(), reference)
    for failure in found["failures"]:
        say(people, failure, mark="failed", style="red")
    value = found["out_of_sample"]
    judged = "undefined" if value is None else f"{value:.4f}"
    title = f"{found['search']}: {found['objective']} {judged} over {found['sessions']} sessions"
    rows = [_window(row) for row in found["windows"]]
    answer(found, as_json, lambda _: people.print(table(title, _short(rows))))
    raise typer.Exit(1 if found["failures"] else 0)


def _window(row: dict[str, Any]) -> dict[str, Any]:
    """Return what fits a narrow terminal: `--json` has the rest."""
    parameters = {name.removeprefix("parameter_"): value for name, value in row.items()
                  if name.startswith("parameter_")}  # fmt: skip
    return {
        "test from": row["test_from"],
        "trials": row["n_trials"],
        "in sample": row["in_sample"],
        "after": row["out_of_sample"],
        **parameters,
    }


@app.command()
def evidence(
    reference: Annotated[
        str | None, typer.Argument(help="A search's name, or its file; without: all of them.")
    ] = None,
    as_json: JSON = False,
) -> None:
    """Say whether an edge is real: the verdict, why, and what was not tested."""
    from strategy_lab_pipeline.research import weighed

    answer(weighed(settings(), reference), as_json, _show_verdicts)


@app.command()
def compare(
    references: Annotated[
        list[str] | None, typer.Argument(help="Searches by name; without: all of them.")
    ] = None,
    as_json: JSON = False,
) -> None:
    """Rank the strategies of several searches, with p-values that count all of their trials."""
    from strategy_lab_pipeline.research import compared

    found = compared(settings(), references or [])
    title = f"{len(found['sessions'])} sessions, {found['sessions'][0]} to {found['sessions'][-1]}"
    answer(found, as_json, lambda value: people.print(table(title, _short(list(value["rows"])))))


def _show_verdicts(found: list[dict[str, Any]]) -> None:
    for each in found:
        _show_verdict(each)


def _show_verdict(found: dict[str, Any]) -> None:
    verdict = found["verdict"]
    colour = {"green": "green", "red": "red"}.get(verdict["colour"], "yellow")
    people.print(f"[bold]{found['search']}[/] ({found['kind']})", highlight=False)
    people.print(f"[bold {colour}]{verdict['summary']}[/]", highlight=False, soft_wrap=True)
    lights = [{"question": light["name"], "answer": light["colour"], "why": light["reason"]}
              for light in verdict["lights"]]  # fmt: skip
    people.print(table("", lights))
    people.print(verdict["what_would_change"], highlight=False, soft_wrap=True)
    if null := found["evidence"].get("null_search"):
        people.print(f"null test: {null['says']}", highlight=False, soft_wrap=True)
    if crossed := found["evidence"].get("cross_validation"):
        _show_crossed(crossed)
    for sentence in verdict["not_tested"]:
        people.print(f"not tested: {sentence}", highlight=False, soft_wrap=True)
    people.print(f"page: {found['page']}", highlight=False, soft_wrap=True)


def _show_crossed(crossed: dict[str, Any]) -> None:
    from strategy_lab_core.search.path_figures import parameters_text

    people.print(f"cross-validation: {crossed['says']}", highlight=False, soft_wrap=True)
    for sentence in crossed["caveats"]:
        people.print(f"cross-validation: {sentence}", highlight=False, soft_wrap=True)
    rows = [{"parameters": parameters_text(each["parameters"]), "splits": each["splits"]}
            for each in crossed["choices"][:MOST_CHOICES]]  # fmt: skip
    title = f"chosen in {crossed['splits']} splits; different sets: {len(crossed['choices'])}"
    people.print(table(title, rows))


def _short(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows for people: four digits, no column that says nothing."""
    said = [name for name in rows[0] if any(row[name] is not None for row in rows)] if rows else []
    return [{name: _digits(row[name]) for name in said} for row in rows]


def _digits(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value
