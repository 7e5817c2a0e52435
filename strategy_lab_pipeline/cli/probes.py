"""Commands that ask what a result rests on."""

from pathlib import Path
from typing import Annotated, Any

import typer

from strategy_lab_pipeline.cli.shared import JSON, answer, app, people, settings, table

__all__ = ["leaks", "queue_models", "sensitivity", "warmup"]


EXPERIMENT = Annotated[str, typer.Argument(help="An experiment's name, or its file.")]
SESSION = Annotated[
    str | None, typer.Option(help="The session, YYYY-MM-DD; by default the newest.")
]
CONTRACT = Annotated[
    str | None, typer.Option(help="The contract; by default the one that the experiment trades.")
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
    found = leaks_of(settings(), *place, moments=moments, repair_is_known=repair_is_known)
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

    _answer_probe(warmup_of(settings(), experiment, session, contract, starts=starts), as_json)


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

    _answer_probe(sensitivity_of(settings(), experiment, session, contract, chart), as_json)


@app.command("queue-models")
def queue_models(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="mbo files; without: simulated."),
    ] = None,
    session: Annotated[
        str | None, typer.Option(help="The session, YYYY-MM-DD, where the files hold several.")
    ] = None,
    contract: CONTRACT = None,
    every_ms: Annotated[int, typer.Option(min=300, help="An order a side this often.")] = 10_000,
    hold_ms: Annotated[int, typer.Option(min=100, help="How long an order waits.")] = 8_000,
    seed: Annotated[int, typer.Option(min=0, help="Of moments, bootstrap, simulation.")] = 0,
    events: Annotated[int, typer.Option(min=200, help="Events to simulate.")] = 200_000,
    chart: Annotated[Path | None, typer.Option(help="An SVG file to draw the errors in.")] = None,
    places_chart: Annotated[
        Path | None, typer.Option(help="An SVG file for the errors while orders wait.")
    ] = None,
    as_json: JSON = False,
) -> None:
    """Compare the queue models for feeds by price with the queue that orders show."""
    from strategy_lab_pipeline.probing import queue_models_of, readable_errors, readable_places

    found = queue_models_of(
        files, session, contract, every_ms=every_ms, hold_ms=hold_ms, seed=seed, events=events,
        chart=chart, places_chart=places_chart,
    )  # fmt: skip
    title = f"{found['symbol']} {found['session']}, {found['orders']} orders: {found['verdict']}"
    errors = table(title, readable_errors(found["rows"]))
    places = table("Lots ahead, off while orders wait", readable_places(found["places"]))
    answer(found, as_json, lambda _: people.print(errors, places))


def _answer_probe(found: dict[str, Any], as_json: bool) -> None:
    title = f"{found['experiment']} on {found['product']} {found['session']}"
    title += f": {found['verdict']}" if "verdict" in found else ""
    answer(found, as_json, lambda value: people.print(table(title, value["rows"])))
