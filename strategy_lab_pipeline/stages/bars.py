"""`bars`: the bars of every outright contract, a table for each rule in the settings.

Made from the trades of one schema an instrument, the one that its book is made from, else trades
alone.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from strategy_lab_core.data.bar_cells import BarRule, bar_rule, session_cells
from strategy_lab_core.data.bars import BAR_SCHEMA, BarBuilder
from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.instruments import Instrument, instruments
from strategy_lab_core.data.sessions import session_of
from strategy_lab_core.types import Action, TickSchema
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.lake import Draft
from strategy_lab_pipeline.stages.books import PRIMARY, feeds_of, rows_of
from strategy_lab_pipeline.stages.outcome import Finding, Outcome
from strategy_lab_pipeline.stages.publish import current_outcome, publish
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["RULES", "Bars", "bars_of", "build", "config_of", "inputs_of", "outright"]

FEEDS = (*PRIMARY, TickSchema.TRADES)
RULES = {"lots_conserved": "every rule's bars have the volume of the outright trades"}


@dataclass(frozen=True, slots=True)
class Bars:
    """The published bars, whether they have all lots, and a picture of the first rule's."""

    outcome: Outcome
    findings: tuple[Finding, ...]
    chart_svg: str


def inputs_of(workspace: Workspace, product: str, session: date) -> dict[str, str] | None:
    """Return what the partition is made from; None where there are no validated ticks."""
    found = current_outcome(workspace, "validated_ticks", product, str(session))
    return {"validated_ticks": found.market_version} if found else None


def config_of(workspace: Workspace, product: str) -> dict[str, Any]:
    """Return the settings that decide what comes out."""
    return {"product": product, "bars": list(workspace.settings.bars)}


def build(workspace: Workspace, product: str, session: date, *, run_id: str) -> Bars:
    """Make the bars of every outright contract of the partition."""
    validated = _validated(workspace, product, session)
    rules = [bar_rule(text) for text in workspace.settings.bars]
    outcome = publish(
        workspace,
        "bars",
        product,
        str(session),
        inputs={"validated_ticks": validated.market_version},
        config=config_of(workspace, product),
        build=lambda draft: _write(
            draft, validated, session_of(workspace.products[product], session), rules
        ),
        run_id=run_id,
    )
    finding = _conserved(outcome.details)
    workspace.store.record_quality("bars", product, str(session), [finding])
    return Bars(outcome, (finding,), _chart(outcome, rules[0]))


def bars_of(workspace: Workspace, product: str, session: date, text: str) -> pl.DataFrame:
    """Return the bars of one rule: those of the lake, or made now where the settings lack it.

    Raises
    ------
    PipelineError
        The session has no validated ticks.
    """
    rule, found = bar_rule(text), current_outcome(workspace, "bars", product, str(session))
    if found is not None and (found.path / f"bars-{text}.parquet").is_file():
        return pl.read_parquet(found.path / f"bars-{text}.parquet")
    validated, hours = (
        _validated(workspace, product, session),
        session_of(workspace.products[product], session),
    )
    tables = [
        table
        for contract, feed in _contracts(validated)
        for (table,) in _made(validated.path, contract, feed, hours, [rule])
    ]
    return pl.concat([BAR_SCHEMA.to_frame(), *tables])


def outright(instrument_id: int, symbol: str) -> Instrument | None:
    """Return the contract of an id, None where it is a spread."""
    (found,) = instruments({instrument_id: symbol}).values()
    return found if found.kind == "outright" else None


def _validated(workspace: Workspace, product: str, session: date) -> Outcome:
    found = current_outcome(workspace, "validated_ticks", product, str(session))
    if found is None:
        raise PipelineError(
            f"{product} {session}: no validated ticks; materialise validated_ticks first, and see "
            "its checks where it is blocked"
        )
    return found


def _contracts(validated: Outcome) -> Iterator[tuple[Instrument, TickSchema]]:
    """Yield each outright contract with the schema of its trades, by id."""
    for id_, schema in feeds_of(validated.path, FEEDS).items():
        rows = pl.scan_parquet(validated.path / f"{schema}.parquet")
        mine = rows.filter(pl.col("instrument_id") == id_).select("symbol")
        contract = outright(id_, mine.head(1).collect().item())
        if contract is not None:
            yield contract, schema


def _write(
    draft: Draft, validated: Outcome, hours: Session | None, rules: Sequence[BarRule]
) -> dict[str, Any]:
    details: dict[str, Any] = {"rows": 0, "traded": 0, "volume": {}, "bars": {}}
    with ExitStack() as stack:
        writers = [
            stack.enter_context(draft.table(f"bars-{rule.text}", BAR_SCHEMA)) for rule in rules
        ]
        counts = dict.fromkeys((rule.text for rule in rules), 0)
        for contract, feed in _contracts(validated) if hours else ():
            details["traded"] += _traded(validated.path / f"{feed}.parquet", contract)
            for tables in _made(validated.path, contract, feed, hours, rules):
                for rule, writer, table in zip(rules, writers, tables, strict=True):
                    writer.write(table)
                    counts[rule.text] += int(table["volume"].sum())
        details["bars"] = {rule.text: w.rows for rule, w in zip(rules, writers, strict=True)}
    return details | {"rows": sum(details["bars"].values()), "volume": counts}


def _traded(path: Path, contract: Instrument) -> int:
    """Return the lots of a contract's trades, counted without a bar."""
    is_trade = pl.col("action").to_physical() == int(Action.TRADE)
    mine = pl.col("instrument_id") == contract.instrument_id
    rows = pl.scan_parquet(path).filter(mine & is_trade)
    return int(rows.select(pl.col("size").cast(pl.Int64).sum()).collect().item())


def _made(
    validated: Path,
    contract: Instrument,
    feed: TickSchema,
    hours: Session | None,
    rules: Sequence[BarRule],
) -> Iterator[list[pl.DataFrame]]:
    """Yield the bars of each rule, batch by batch of one contract's rows."""
    if hours is None:
        return
    status_path = validated / f"{TickSchema.STATUS}.parquet"
    status = pl.read_parquet(status_path) if status_path.is_file() else None
    id_ = contract.instrument_id
    builders = [
        BarBuilder(contract, rule, session_cells([hours], rule, status=status, instrument_id=id_))
        for rule in rules
    ]
    for batch in rows_of(validated / f"{feed}.parquet", id_):
        yield [builder.feed(batch) for builder in builders]
    yield [builder.finish() for builder in builders]


def _conserved(details: Any) -> Finding:
    wrong = {text: lots for text, lots in details["volume"].items() if lots != details["traded"]}
    return Finding(
        rule="lots_conserved",
        severity="error",
        reason=RULES["lots_conserved"],
        passed=not wrong,
        applicable=details["traded"] > 0,
        rows=len(wrong),
        first_rows=tuple(
            {"bars": text, "lots": lots, "traded": details["traded"]}
            for text, lots in wrong.items()
        ),
    )


def _chart(outcome: Outcome, rule: BarRule) -> str:
    from strategy_lab_core.report.bar_charts import bars_chart
    from strategy_lab_core.report.charts import to_svg

    made = pl.read_parquet(outcome.path / f"bars-{rule.text}.parquet")
    if made.is_empty():
        return ""
    lots = made.group_by("instrument_id").agg(pl.col("volume").sum())
    most = lots.sort("volume", "instrument_id", descending=[True, False])["instrument_id"][0]
    return to_svg(bars_chart(made.filter(pl.col("instrument_id") == most)))
