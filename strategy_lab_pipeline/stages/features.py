"""`features`: what books and trades of each cell of time say, a table for each time among `bars`.

Nothing is fitted on the session itself: the micro-price on the books, and VPIN's buckets on the
volume, of the nearest earlier session that has both. Without one these two columns are null.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from strategy_lab_core.data.bar_cells import BarRule, bar_rule, session_cells
from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.instruments import Instrument
from strategy_lab_core.data.sessions import session_of
from strategy_lab_core.errors import DataError
from strategy_lab_core.features.flow import VpinMeter
from strategy_lab_core.features.micro_price import MicroPrice, fit_micro_price
from strategy_lab_core.features.table import FEATURE_SCHEMA, FeatureBuilder, with_vpin
from strategy_lab_core.types import BookState
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.lake import Draft
from strategy_lab_pipeline.stages.bars import outright
from strategy_lab_pipeline.stages.outcome import Outcome
from strategy_lab_pipeline.stages.publish import current_outcome, publish
from strategy_lab_pipeline.stages.workspace import Workspace
from strategy_lab_pipeline.tables import read_batches

__all__ = ["Features", "build", "config_of", "earlier_inputs", "inputs_of"]

UPSTREAM = ("order_books", "bars")
BUCKETS = 50  # of VPIN: a session's volume, and the window
HALF_LIFE_S = 60.0


@dataclass(frozen=True, slots=True)
class Features:
    """The published features, and a picture of the first table's busiest contract."""

    outcome: Outcome
    chart_svg: str


@dataclass(frozen=True, slots=True)
class _Past:
    """The nearest earlier session with books and bars."""

    session: Session
    books: Outcome
    bars: Outcome


def inputs_of(workspace: Workspace, product: str, session: date) -> dict[str, str] | None:
    """Return what the partition is made from; None where books or bars are not there."""
    found = _upstream(workspace, product, session)
    if found is None:
        return None
    made = {outcome.asset: outcome.data_version for outcome in found}
    return made | earlier_inputs(workspace, product, session)


def earlier_inputs(workspace: Workspace, product: str, session: date) -> dict[str, str]:
    """Return which books and bars of the nearest earlier session are used."""
    past = _past(workspace, product, session)
    found = (past.books, past.bars) if past else ()
    return {f"earlier:{outcome.asset}": outcome.data_version for outcome in found}


def config_of(workspace: Workspace, product: str) -> dict[str, Any]:
    """Return the settings that decide what comes out."""
    times = [rule.text for rule in _times(workspace)]
    return {"product": product, "times": times, "buckets": BUCKETS, "half_life_s": HALF_LIFE_S}


def build(workspace: Workspace, product: str, session: date, *, run_id: str) -> Features:
    """Make the features of every outright contract that has books."""
    inputs = inputs_of(workspace, product, session)
    upstream = _upstream(workspace, product, session)
    if inputs is None or upstream is None:
        raise PipelineError(
            f"{product} {session}: no order books or bars; materialise order_books and bars first"
        )
    past, rules = _past(workspace, product, session), _times(workspace)
    outcome = publish(
        workspace,
        "features",
        product,
        str(session),
        inputs=inputs,
        config=config_of(workspace, product),
        build=lambda draft: _write(
            draft, *upstream, session_of(workspace.products[product], session), past, rules
        ),
        run_id=run_id,
    )
    return Features(outcome, _chart(outcome, rules))


def _times(workspace: Workspace) -> list[BarRule]:
    rules = [bar_rule(text) for text in workspace.settings.bars]
    return [rule for rule in rules if rule.kind == "time"]


def _upstream(workspace: Workspace, product: str, session: date) -> tuple[Outcome, Outcome] | None:
    books, bars = (current_outcome(workspace, a, product, str(session)) for a in UPSTREAM)
    return (books, bars) if books and bars else None


def _past(workspace: Workspace, product: str, session: date) -> _Past | None:
    days = workspace.once(("made", product), lambda: _made_sessions(workspace, product))
    for day in reversed(days[: bisect_left(days, str(session))]):
        found = _upstream(workspace, product, date.fromisoformat(day))
        hours = session_of(workspace.products[product], date.fromisoformat(day))
        if found is not None and hours is not None:
            return _Past(hours, *found)
    return None


def _made_sessions(workspace: Workspace, product: str) -> list[str]:
    """Return the sessions that may be looked back on: most of a first backfill have nothing."""
    days = {day for root, day in workspace.store.all_partitions() if root == product}
    for asset in UPSTREAM:
        days &= workspace.store.sessions_with(asset, product)
    return sorted(days)


def _write(
    draft: Draft,
    books: Outcome,
    bars: Outcome,
    hours: Session | None,
    past: _Past | None,
    rules: list[BarRule],
) -> dict[str, Any]:
    fits: dict[str, Any] = {}
    with ExitStack() as stack:
        writers = [
            stack.enter_context(draft.table(f"features-{rule.text}", FEATURE_SCHEMA))
            for rule in rules
        ]
        for contract in _contracts(books) if hours else ():
            fit = _fitted(past, contract)
            if fit is not None:
                fits[contract.symbol] = _described(fit, past)
            for rule, writer in zip(rules, writers, strict=True):
                writer.write(_made(books, bars, contract, hours, past, rule, fit))
        rows = {rule.text: w.rows for rule, w in zip(rules, writers, strict=True)}
    draft.json("micro_price.json", fits)
    earlier = str(past.session.key) if past else None
    return {"rows": sum(rows.values()), "features": rows, "earlier_session": earlier}


def _contracts(books: Outcome) -> Iterator[Instrument]:
    """Yield the outright contracts that have books, by id."""
    ids = sorted(int(path.stem.removeprefix("bbo-")) for path in books.path.glob("bbo-*.parquet"))
    for id_ in ids:
        symbol = pl.scan_parquet(books.path / f"bbo-{id_}.parquet").select("symbol").head(1)
        names = symbol.collect().to_series()
        contract = outright(id_, names[0]) if len(names) else None
        if contract is not None:
            yield contract


def _fitted(past: _Past | None, contract: Instrument) -> MicroPrice | None:
    """Return the micro-price of the earlier session's open hours, None where it can't be fitted."""
    path = past.books.path / f"bbo-{contract.instrument_id}.parquet" if past else None
    if path is None or past is None or not path.is_file():
        return None
    inside = pl.col("ts_event").is_between(
        past.session.open_ns, past.session.close_ns, closed="left"
    )
    tick = contract.tick_size
    prices = [(pl.col(name).fill_null(0) // tick).alias(name) for name in ("bid_px", "ask_px")]
    rows = (
        pl.scan_parquet(path)
        .filter(inside, pl.col("book_state") == int(BookState.TRUSTED))
        .select(*prices, "bid_sz", "ask_sz")
        .collect()
    )
    columns = (rows[name].to_numpy() for name in ("bid_px", "bid_sz", "ask_px", "ask_sz"))
    try:
        return fit_micro_price(*columns)
    except DataError:  # a mid that never moved says nothing of the next move
        return None


def _described(fit: MicroPrice, past: _Past | None) -> Mapping[str, Any]:
    session = str(past.session.key) if past else ""
    return {"session": session, "rows": fit.n_rows, "adjustment": fit.adjustment.tolist()}


def _made(
    books: Outcome,
    bars: Outcome,
    contract: Instrument,
    hours: Session | None,
    past: _Past | None,
    rule: BarRule,
    fit: MicroPrice | None,
) -> pl.DataFrame:
    """Return one contract's features under one rule."""
    id_ = contract.instrument_id
    cells = session_cells([hours] if hours else [], rule)
    builder = FeatureBuilder(contract, cells, micro_price=fit, half_life_s=HALF_LIFE_S)
    parts = [builder.feed(batch) for batch in read_batches(books.path / f"bbo-{id_}.parquet")]
    made = pl.concat([*parts, builder.finish()])
    before = _traded(past.bars, id_, rule) if past else None
    if before is None:
        return made
    bought, sold = (before[name].to_numpy() for name in ("buy_volume", "sell_volume"))
    lots = int(bought.sum() + sold.sum())
    if lots < BUCKETS:
        return made
    meter = VpinMeter(bucket_lots=lots // BUCKETS, n_buckets=BUCKETS)
    meter.feed(bought, sold)
    today = _traded(bars, id_, rule)
    return made if today is None else with_vpin(made, today, meter)


def _traded(bars: Outcome, instrument_id: int, rule: BarRule) -> pl.DataFrame | None:
    path = bars.path / f"bars-{rule.text}.parquet"
    mine = pl.col("instrument_id") == instrument_id
    return pl.scan_parquet(path).filter(mine).collect() if path.is_file() else None


def _chart(outcome: Outcome, rules: list[BarRule]) -> str:
    from strategy_lab_core.report.bar_charts import features_chart
    from strategy_lab_core.report.charts import to_svg

    if not rules:
        return ""
    made = pl.read_parquet(outcome.path / f"features-{rules[0].text}.parquet")
    if made.is_empty():
        return ""
    events = made.group_by("instrument_id").agg(pl.col("n_events").sum())
    most = events.sort("n_events", "instrument_id", descending=[True, False])["instrument_id"][0]
    return to_svg(features_chart(made.filter(pl.col("instrument_id") == most)))
