"""Commands that only look: what is there, what is missing, how sound it is."""

from datetime import datetime
from typing import Annotated

import typer

from strategy_lab_pipeline.cli.shared import FILES, JSON, answer, app, people, settings, table

__all__ = ["bars", "book", "doctor", "quality", "rolls", "status"]


@app.command()
def status(as_json: JSON = False) -> None:
    """Show what is there, what is missing, and what to do next."""
    from strategy_lab_pipeline.inquiry import show_status, status_of

    found = status_of(settings())
    answer(found, as_json, lambda value: show_status(value, people))


@app.command()
def quality(
    product: Annotated[str | None, typer.Option(help="Only this product.")] = None,
    session: Annotated[str | None, typer.Option(help="Only this session, YYYY-MM-DD.")] = None,
    as_json: JSON = False,
) -> None:
    """Show how complete each session is, its gaps with their repair, and what the rules found."""
    from strategy_lab_pipeline.quality import quality_of, show_quality

    found = quality_of(settings(), product, session)
    answer(found, as_json, lambda value: show_quality(value, people))


@app.command()
def book(files: FILES, as_json: JSON = False) -> None:
    """Replay files and show the last order book of each symbol, and how sound it is."""
    from strategy_lab_core.book.summary import summarise
    from strategy_lab_pipeline.stages.workspace import products_of

    rows = summarise(files, products=products_of(settings()))
    answer(rows, as_json, lambda found: people.print(table("order books", found)))


@app.command()
def bars(
    product: Annotated[str, typer.Argument(help="The product, such as MNQ.")],
    session: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The session.")],
    every: Annotated[
        str, typer.Option(help="1m to 1d, or 500ticks, 1000volume, 1000000dollar.")
    ] = "1m",
    as_json: JSON = False,
) -> None:
    """Show the bars of a session's contracts; those that the settings lack are made now."""
    from strategy_lab_pipeline.inquiry import bar_rows, readable_bars

    rows = bar_rows(settings(), product, session.date(), every)
    title = f"{product} {session.date()}, {every}, UTC"
    answer(rows, as_json, lambda found: people.print(table(title, readable_bars(found))))


@app.command()
def rolls(
    product: Annotated[str, typer.Argument(help="Its root, such as MNQ.")],
    rule: Annotated[
        str, typer.Option(help="volume, volume-partial, expiry-N, monday or thursday.")
    ] = "volume",
    as_json: JSON = False,
) -> None:
    """Show which contract each session trades since when, and why: the audit of the rolls."""
    from strategy_lab_pipeline.inquiry import roll_rows

    rows = roll_rows(settings(), product, rule)
    title = f"rolls of {product} by the rule {rule}"
    shown = ("session", "from_symbol", "to_symbol", "cause", "gap_ticks", "missing")
    short = [{name: row[name] for name in shown} for row in rows]
    answer(rows, as_json, lambda _: people.print(table(title, short)))


@app.command()
def doctor(as_json: JSON = False) -> None:
    """Check this machine and this home folder; repair what a crash left behind."""
    from strategy_lab_pipeline.inquiry import examine

    rows = examine(settings())
    answer(rows, as_json, lambda found: people.print(table("doctor", found)))
    raise typer.Exit(0 if all(row["ok"] for row in rows) else 1)
