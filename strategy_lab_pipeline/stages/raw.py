"""`raw_ticks`: every row of every file that overlaps the session, exact and in source order.

Where rows come before the session, in its files or in those that its book begins with, the orders
that lived at the cut are written beside it as a seed: derived, not counted among its own rows.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from strategy_lab_core.book.seeds import SeedBuilder
from strategy_lab_core.data.calendar import Session, session_calendar
from strategy_lab_core.data.files import open_ticks
from strategy_lab_core.data.instruments import product_of, products
from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.data.sessions import index_times, rows_in_session
from strategy_lab_core.errors import InstrumentError
from strategy_lab_core.types import TickSchema
from strategy_lab_pipeline.db.store import FileRow
from strategy_lab_pipeline.lake import Draft
from strategy_lab_pipeline.stages.outcome import Outcome
from strategy_lab_pipeline.stages.publish import publish
from strategy_lab_pipeline.stages.sources import Sources, readable_path, sources_of
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["build", "config_of", "inputs_of", "session_of"]

SEED = "seed"


def session_of(product: str, session: date) -> Session | None:
    """Return the session of a product on that day; None where it does not trade."""
    calendar = session_calendar(products()[product].calendar)
    found = calendar.sessions(session, session)
    return found[0] if found else None


def inputs_of(workspace: Workspace, product: str, session: date) -> dict[str, str]:
    """Return what the partition is made from: each file's name and hash, in reading order."""
    files = sources_of(workspace, product, session)
    named = {f"file:{number:03d}": file.sha256 for number, file in enumerate(files.session)}
    return named | {f"seed:{number:03d}": file.sha256 for number, file in enumerate(files.earlier)}


def config_of(_: Workspace, product: str) -> dict[str, Any]:
    """Return the settings that decide what comes out."""
    return {"product": product}


def build(workspace: Workspace, product: str, session: date, *, run_id: str) -> Outcome:
    """Write the partition's raw ticks, one table a schema, and the seed where there is one."""
    files = sources_of(workspace, product, session)
    hours = session_of(product, session)
    return publish(
        workspace,
        "raw_ticks",
        product,
        str(session),
        inputs=inputs_of(workspace, product, session),
        config=config_of(workspace, product),
        build=lambda draft: _write(draft, workspace, files, product, hours),
        run_id=run_id,
    )


def _write(
    draft: Draft, workspace: Workspace, files: Sources, product: str, session: Session | None
) -> dict[str, Any]:
    rows: Counter[str] = Counter()
    details: dict[str, Any] = {"rows": 0}
    if session is None or not files.session:
        draft.json("empty.json", {"reason": "no session" if session is None else "no files"})
        return details
    seeds = SeedBuilder(session.previous_close_ns)
    for file in files.earlier:
        for batch in _product_rows(workspace, file, product):
            seeds.feed(_rows_before(batch, session))
    for schema in sorted({file.schema for file in files.session}):
        with draft.table(schema, polars_schema(TickSchema(schema))) as table:
            for file in (file for file in files.session if file.schema == schema):
                for batch in _product_rows(workspace, file, product):
                    inside = rows_in_session(batch, session)
                    rows[schema] += inside.height
                    table.write(inside)
                    if schema == TickSchema.MBO:
                        seeds.feed(_rows_before(batch, session))
    seed = seeds.table()
    if seed.height:
        with draft.table(SEED, polars_schema(TickSchema.MBO)) as table:
            table.write(seed)
    details.update(rows=sum(rows.values()), by_schema=dict(rows), seed_orders=seed.height)
    details["source_files"] = [Path(file.path).name for file in files]
    return details


def _rows_before(batch: pl.DataFrame, session: Session) -> pl.DataFrame:
    before = index_times(batch) < session.previous_close_ns
    return batch.filter(pl.Series(before))


def _product_rows(workspace: Workspace, file: FileRow, product: str) -> Iterator[pl.DataFrame]:
    """Yield the file's rows of one product."""
    path = readable_path(workspace, file)
    for batch in open_ticks(path).batches(file_hash=file.sha256):
        symbols = batch["symbol"].unique().to_list()
        wanted = [symbol for symbol in symbols if _root(symbol) == product]
        if len(wanted) == len(symbols):
            yield batch
        elif wanted:
            yield batch.filter(pl.col("symbol").is_in(wanted))


def _root(symbol: str | None) -> str | None:
    try:
        return product_of(symbol or "").root
    except InstrumentError:
        return None
