"""`order_books`: best bid and offer at every event end, and every change among the ten best levels.

One pair of tables an instrument: `bbo-<id>` and `levels-<id>`; `replay` of the same rows and
`expand` of these tables give the same books. Beside them the tables that rolls are decided from
(`stages.contracts`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from strategy_lab_core.book.changes import BookWriter
from strategy_lab_core.data.calendar import Session, phase_intervals
from strategy_lab_core.data.instruments import Product
from strategy_lab_core.data.schemas import LETTER, MAX_TS_NS
from strategy_lab_core.data.sessions import session_of
from strategy_lab_core.types import BookState, Phase, TickSchema
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.lake import Draft
from strategy_lab_pipeline.stages.contracts import write_contracts
from strategy_lab_pipeline.stages.outcome import Finding, Outcome
from strategy_lab_pipeline.stages.publish import current_outcome, publish
from strategy_lab_pipeline.stages.raw import SEED
from strategy_lab_pipeline.stages.workspace import Workspace
from strategy_lab_pipeline.tables import TableWriter, read_batches

__all__ = [
    "PRIMARY",
    "RULES",
    "OrderBooks",
    "build",
    "config_of",
    "feeds_of",
    "inputs_of",
    "quotes",
    "rows_of",
]

# The first of these that an instrument has rows in feeds its book; the others cross-check.
PRIMARY = (TickSchema.MBO, TickSchema.MBP_10, TickSchema.MBP_1, TickSchema.TBBO)
CHART_POINTS = 1_500
DEPTH = 10
NO_FILLS = pl.DataFrame(
    schema={
        "ts_exchange": pl.Int64,
        "side": LETTER,
        "price": pl.Int64,
        "size": pl.Int64,
        "liquidity": LETTER,
    }
)
RULES = {
    "has_books": "at least one instrument has a feed from which a book can be built",
    "seeded": "no event end is without a known book",
    "reliable": "no event end lies in an interval with a broken state rule",
    "crossed_outside_pre_open": "no trusted book is crossed in the open phase",
    "one_sided_open": "both sides are quoted throughout the open phase",
}


@dataclass(frozen=True, slots=True)
class OrderBooks:
    """The published books, what their consistency figures say, and a picture."""

    outcome: Outcome
    findings: tuple[Finding, ...]
    chart_svg: str


def inputs_of(workspace: Workspace, product: str, session: date) -> dict[str, str] | None:
    """Return what the partition is made from; None where there are no validated ticks."""
    found = current_outcome(workspace, "validated_ticks", product, str(session))
    return {"validated_ticks": found.market_version} if found else None


def config_of(workspace: Workspace, product: str) -> dict[str, Any]:
    """Return the settings that decide what comes out."""
    return {"product": product, "depth": DEPTH, **workspace.own_product(product)}


def build(workspace: Workspace, product: str, session: date, *, run_id: str) -> OrderBooks:
    """Rebuild the books of every instrument of the partition."""
    validated = current_outcome(workspace, "validated_ticks", product, str(session))
    if validated is None:
        raise PipelineError(
            f"{product} {session}: no validated ticks; materialise validated_ticks first, and see "
            "its checks where it is blocked"
        )
    hours = session_of(workspace.products[product], session)
    outcome = publish(
        workspace,
        "order_books",
        product,
        str(session),
        inputs={"validated_ticks": validated.market_version},
        config=config_of(workspace, product),
        build=lambda draft: _write(draft, validated, hours, workspace.products),
        run_id=run_id,
    )
    findings = tuple(_findings(outcome.details["figures"]))
    workspace.store.record_quality("order_books", product, str(session), findings)
    return OrderBooks(outcome, findings, _chart(workspace, outcome))


def feeds_of(validated: Path, schemas: Sequence[TickSchema] = PRIMARY) -> dict[int, TickSchema]:
    """Return the first of the schemas that each instrument has, by instrument id."""
    feeds: dict[int, TickSchema] = {}
    for schema in schemas:
        path = validated / f"{schema}.parquet"
        if path.is_file():
            ids = pl.scan_parquet(path).select(pl.col("instrument_id").unique()).collect()
            for id_ in ids["instrument_id"].sort():
                feeds.setdefault(id_, schema)
    return dict(sorted(feeds.items()))


def rows_of(path: Path, instrument_id: int) -> Iterator[pl.DataFrame]:
    """Yield one instrument's rows of a table, batch by batch."""
    for batch in read_batches(path):
        yield batch.filter(pl.col("instrument_id") == instrument_id)


def _write(
    draft: Draft, validated: Outcome, session: Session | None, products: Mapping[str, Product]
) -> dict[str, Any]:
    figures = {"events": 0, "unseeded": 0, "unreliable": 0, "open": 0, "crossed": 0, "one_sided": 0}
    feeds = feeds_of(validated.path)
    seed_path = validated.path / f"{SEED}.parquet"
    seed = pl.read_parquet(seed_path) if seed_path.is_file() else None
    for id_, schema in feeds.items():
        books = BookWriter(id_, depth=DEPTH, seed=seed if schema is TickSchema.MBO else None)
        with ExitStack() as stack:
            writers: list[TableWriter] = []
            for batch in rows_of(validated.path / f"{schema}.parquet", id_):
                tables = books.feed(batch)
                if not writers:
                    writers = [
                        stack.enter_context(draft.table(f"{name}-{id_}", table.schema))
                        for name, table in zip(("bbo", "levels"), tables, strict=True)
                    ]
                for writer, table in zip(writers, tables, strict=True):
                    writer.write(table)
                _count(figures, tables[0], session)
    if session is not None:
        write_contracts(draft, validated, session, feeds, products)
    return {"rows": figures["events"], "figures": figures, "instruments": len(feeds)}


def _count(figures: dict[str, int], bbo: pl.DataFrame, session: Session | None) -> None:
    state, bid, ask = pl.col("book_state"), pl.col("bid_px"), pl.col("ask_px")
    trusted = state == int(BookState.TRUSTED)
    is_open = pl.lit(value=False)
    if session is not None:
        starts, phases = phase_intervals(session)
        spans = [
            pl.col("ts_event").is_between(int(starts[i]), int(starts[i + 1]), closed="left")
            for i in range(len(starts) - 1)
            if phases[i] == Phase.OPEN
        ]
        is_open = pl.any_horizontal(spans) if spans else is_open
    found = bbo.select(
        events=pl.len(),
        unseeded=(state == int(BookState.UNSEEDED)).sum(),
        unreliable=(state == int(BookState.UNRELIABLE)).sum(),
        open=is_open.sum(),
        crossed=(is_open & trusted & (bid >= ask)).sum(),
        one_sided=(is_open & trusted & (bid.is_null() | ask.is_null())).sum(),
    ).row(0, named=True)
    for name, value in found.items():
        figures[name] += int(value or 0)


def _findings(figures: Mapping[str, int]) -> Iterator[Finding]:
    events = figures["events"]
    yield Finding(
        rule="has_books", severity="warning", reason=RULES["has_books"], passed=events > 0
    )
    for rule, name, severity in (
        ("seeded", "unseeded", "warning"),
        ("reliable", "unreliable", "warning"),
        ("crossed_outside_pre_open", "crossed", "error"),
        ("one_sided_open", "one_sided", "warning"),
    ):
        yield Finding(
            rule=rule,
            severity=severity,
            reason=RULES[rule],
            passed=figures[name] == 0,
            applicable=events > 0,
            rows=figures[name],
            share=figures[name] / events if events else 0.0,
        )


def quotes(
    workspace: Workspace, outcome: Outcome, instrument_id: int | None = None
) -> pl.DataFrame:
    """Return a sample of best bid and offer over the session: ts, bid, ask.

    Of the instrument with the most events where none is named; event ends in the pre-open and
    without a trusted book are left out.
    """
    tables = sorted(outcome.path.glob("bbo-*.parquet"))
    if instrument_id is not None:
        tables = [path for path in tables if path.stem == f"bbo-{instrument_id}"]
    sizes = {path: pl.scan_parquet(path).select(pl.len()).collect().item() for path in tables}
    if not sizes or not max(sizes.values()):
        return pl.DataFrame(schema={"ts": pl.Int64, "bid": pl.Int64, "ask": pl.Int64})
    path = max(sizes, key=lambda found: (sizes[found], found.name))
    every = max(1, sizes[path] // CHART_POINTS)
    product = workspace.products[outcome.product]
    hours = session_of(product, date.fromisoformat(outcome.session))
    begin, end = (hours.pre_open_ns, hours.close_ns) if hours else (0, MAX_TS_NS)
    return (
        pl.scan_parquet(path)
        .filter(
            pl.col("ts_event").is_between(begin, end),
            pl.col("book_state") == int(BookState.TRUSTED),
            pl.col("bid_px") < pl.col("ask_px"),
        )
        .select(ts="ts_event", bid="bid_px", ask="ask_px")
        .gather_every(every)
        .collect()
    )


def _chart(workspace: Workspace, outcome: Outcome) -> str:
    from strategy_lab_core.report.charts import fills_chart, to_svg

    sample = quotes(workspace, outcome)
    return to_svg(fills_chart(sample, NO_FILLS)) if sample.height else ""
