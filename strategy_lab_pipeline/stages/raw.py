"""`raw_ticks`: every row of every file that overlaps the session, exact and in source order.

Where rows come before the session, in its files or in those that its book begins with, the orders
that lived at the cut are written beside it as a seed: derived, not counted among its own rows.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from strategy_lab_core.book.seeds import SeedBuilder
from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.checks import Tainted, apply_row_rules
from strategy_lab_core.data.files import open_ticks
from strategy_lab_core.data.instruments import Product, instruments
from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.data.sessions import session_of
from strategy_lab_core.types import TickSchema
from strategy_lab_pipeline.db.store import FileRow
from strategy_lab_pipeline.lake import Draft
from strategy_lab_pipeline.stages.outcome import Outcome
from strategy_lab_pipeline.stages.placement import PRODUCT, TIME, Placement
from strategy_lab_pipeline.stages.publish import publish
from strategy_lab_pipeline.stages.sources import Sources, readable_path, sources_of
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["build", "config_of", "inputs_of"]

SEED = "seed"


def inputs_of(workspace: Workspace, product: str, session: date) -> dict[str, str]:
    """Return what the partition is made from: each file's name and hash, in reading order."""
    files = sources_of(workspace, product, session)
    named = {f"file:{number:03d}": file.sha256 for number, file in enumerate(files.session)}
    return named | {f"seed:{number:03d}": file.sha256 for number, file in enumerate(files.earlier)}


def config_of(workspace: Workspace, product: str) -> dict[str, Any]:
    """Return the settings that decide what comes out."""
    return {"product": product, **workspace.own_product(product)}


def build(workspace: Workspace, product: str, session: date, *, run_id: str) -> Outcome:
    """Write the partition's raw ticks, one table a schema, and the seed where there is one."""
    files = sources_of(workspace, product, session)
    hours = session_of(workspace.products[product], session)
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
    seeds = _Seeds(session.previous_close_ns, workspace.products)
    for file in files.earlier:
        for batch in _product_rows(workspace, file, product):
            seeds.feed(batch)
    for schema in sorted({file.schema for file in files.session}):
        columns = polars_schema(TickSchema(schema))
        with draft.table(schema, columns) as table:
            for file in (file for file in files.session if file.schema == schema):
                for batch in _product_rows(workspace, file, product):
                    inside = batch.filter(_within(session)).select(columns.names())
                    rows[schema] += inside.height
                    table.write(inside)
                    if schema == TickSchema.MBO:
                        seeds.feed(batch)
    seed = seeds.table()
    if seed.height:
        with draft.table(SEED, polars_schema(TickSchema.MBO)) as table:
            table.write(seed)
    details.update(rows=sum(rows.values()), by_schema=dict(rows), seed_orders=seed.height)
    details["source_files"] = [Path(file.path).name for file in files]
    return details


class _Seeds:
    """The orders that live when a session begins, from the well-formed rows before it."""

    def __init__(self, begin_ns: int, products: Mapping[str, Product]) -> None:
        self._begin_ns, self._builder = begin_ns, SeedBuilder(begin_ns)
        self._products = products
        self._symbols: dict[int, str] = {}
        self._tainted: Tainted = {}

    def feed(self, placed: pl.DataFrame) -> None:
        """Apply those of the rows that come before the session."""
        rows = placed.filter(pl.col(TIME) < self._begin_ns).drop(PRODUCT, TIME)
        if not rows.height:
            return
        named = rows.select("instrument_id", "symbol").drop_nulls().unique("instrument_id")
        self._symbols.update(named.iter_rows())
        known = instruments(self._symbols, table=self._products)
        valid, _ = apply_row_rules(rows, TickSchema.MBO, known, self._tainted)
        self._builder.feed(valid)

    def table(self) -> pl.DataFrame:
        """Return the seed."""
        return self._builder.table()


def _within(session: Session) -> pl.Expr:
    return (pl.col(TIME) >= session.previous_close_ns) & (pl.col(TIME) < session.close_ns)


def _product_rows(workspace: Workspace, file: FileRow, product: str) -> Iterator[pl.DataFrame]:
    """Yield the file's rows of one product, with their place."""
    placement = Placement(workspace.products)
    for batch in open_ticks(readable_path(workspace, file)).batches(file_hash=file.sha256):
        mine = placement.place(batch).filter(pl.col(PRODUCT) == product)
        if mine.height:
            yield mine
