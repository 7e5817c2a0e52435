"""One pass of validation over a partition: rows split as they stream by, figures of every rule.

What is published, and when a partition is blocked, is in `validated`; the rules are core's.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from strategy_lab_core.book.rules import UNRELIABLE_RULES, StateRule
from strategy_lab_core.book.validate import Validator
from strategy_lab_core.data.calendar import Session, phase_intervals
from strategy_lab_core.data.checks import not_applicable, quarantine_schema, row_rules
from strategy_lab_core.data.completeness import COVERAGE_NS
from strategy_lab_core.data.instruments import Instrument, Product, instruments
from strategy_lab_core.data.sessions import session_of
from strategy_lab_core.types import RecordFlag, TickSchema
from strategy_lab_pipeline.lake import Draft
from strategy_lab_pipeline.stages.outcome import Finding, Outcome
from strategy_lab_pipeline.stages.raw import SEED
from strategy_lab_pipeline.tables import read_batches

__all__ = ["LIMITS", "STATE_REASONS", "Hours", "Judgement", "judge", "known_instruments"]

FIRST_ROWS = 10
STATE_REASONS = {
    StateRule.UNKNOWN_ORDER.name.lower(): "a cancel names an order that is not in the book",
    StateRule.OVER_CANCEL.name.lower(): "a cancel takes more lots than the order has",
    StateRule.DUPLICATE_ORDER.name.lower(): "an add names an order that is in the book",
    StateRule.MODIFY_OF_UNKNOWN.name.lower(): "a modify names an unknown order: taken as an add",
    StateRule.CROSSED_OPEN.name.lower(): "bid at or above ask at an event's end in the open phase",
    StateRule.TIME_ORDER.name.lower(): "ts_recv goes back",
    StateRule.NEGATIVE_LATENCY.name.lower(): "a row was received before it happened",
    StateRule.UNSEEDED.name.lower(): "no seed, clear or snapshot yet: the book is not known",
}
# What stops everything downstream, with its reason; the other rules tell and do not stop.
LIMITS = {
    "rows_conserved": "raw rows = validated rows + quarantined rows",
    "quarantined_share": "the share of malformed rows is within its limit",
    "untrusted_share": "the share of open time without a trusted book is within its limit",
}
_FLAG_ONLY = {rule.name.lower() for rule in set(StateRule) - set(UNRELIABLE_RULES)}
_LIFE_CYCLE = {"unknown_order", "over_cancel", "duplicate_order", "modify_of_unknown", "unseeded"}
_TICKS = (
    TickSchema.MBO, TickSchema.MBP_10, TickSchema.MBP_1, TickSchema.TBBO, TickSchema.TRADES,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hours:
    """The session's hours and how far its rows reach, ns UTC."""

    open_ns: int
    close_ns: int
    first_ts: int
    last_ts: int
    symbols: Mapping[str, str]

    @property
    def complete(self) -> bool:
        """Whether the rows reach from the open to the close."""
        late = self.first_ts > self.open_ns + COVERAGE_NS
        return not (late or self.last_ts < self.close_ns - COVERAGE_NS)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one pass found; `blocked` has a sentence for each reason to stop."""

    raw_rows: int
    validated_rows: int
    quarantined_rows: int
    shares: Mapping[str, float]
    details: Mapping[str, Any]
    findings: tuple[Finding, ...]
    blocked: tuple[str, ...]
    hours: Hours | None


class _Tally:
    """Counts of every rule with the first rows that broke it, over schemas and batches."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, list[dict[str, Any]]] = {}
        self.raw = self.valid = self.quarantined = 0
        self.schemas: set[TickSchema] = set()
        self.first_ts = self.last_ts = 0
        self.rows_of: Counter[int] = Counter()

    def add(
        self, schema: TickSchema, batch: pl.DataFrame, valid: pl.DataFrame, bad: pl.DataFrame
    ) -> None:
        """Count one batch of raw rows and both sides of its split."""
        self.schemas.add(schema)
        self.raw += batch.height
        self.valid += valid.height
        self.quarantined += bad.height
        for (rule,), rows in bad.group_by("rule", maintain_order=True):
            self._note(str(rule), rows)
        if "state_rules" in valid.columns:
            for rule in StateRule:
                rows = valid.filter(pl.col("state_rules") & int(rule) != 0)
                self._note(rule.name.lower(), rows)
        self._reach(schema, valid)

    def _note(self, rule: str, rows: pl.DataFrame) -> None:
        self.counts[rule] += rows.height
        kept = self.first.setdefault(rule, [])
        names = [name for name in _SHOWN if name in rows.columns]
        kept.extend(rows.head(FIRST_ROWS - len(kept)).select(names).to_dicts())

    def _reach(self, schema: TickSchema, valid: pl.DataFrame) -> None:
        if schema not in _TICKS:
            return
        live = valid.filter((pl.col("flags") & int(RecordFlag.SNAPSHOT)) == 0)
        for id_, count in live["instrument_id"].value_counts().iter_rows():
            self.rows_of[id_] += count
        if live.height:
            first, last = live.select(a=pl.col("ts_event").min(), b=pl.col("ts_event").max()).row(0)
            self.first_ts = min(self.first_ts or first, first)
            self.last_ts = max(self.last_ts, last)


_SHOWN = ("file_hash", "row", "ts_event", "ts_recv", "symbol", "action", "side", "price", "size",
          "order_id", "flags", "sequence", "rule_reason")  # fmt: skip


def judge(
    raw: Outcome,
    product: Product,
    session: date,
    good: Draft,
    bad: Draft,
    *,
    limits: tuple[float, float],
    products: Mapping[str, Product],
) -> Judgement:
    """Judge every raw row of a partition, writing both sides of the split into their drafts.

    Parameters
    ----------
    limits
        Largest share of quarantined rows, and of open time without a trusted book.
    products
        All of them by root.
    """
    tables = {path.stem: path for path in sorted(raw.path.glob("*.parquet"))}
    schemas = [TickSchema(name) for name in tables if name != SEED]
    hours = session_of(product, session)
    known = known_instruments(tables, products)
    tally = _Tally()
    intervals: list[pl.DataFrame] = []
    for schema in schemas:
        status = pl.read_parquet(tables["status"]) if "status" in tables else None
        phases = phase_intervals(hours, status) if hours else None
        seed = pl.read_parquet(tables[SEED]) if SEED in tables and schema == "mbo" else None
        validator = Validator(schema, known, phases=phases, seed=seed)
        with (
            good.table(schema, validator.valid_schema) as kept,
            bad.table(schema, quarantine_schema(schema)) as quarantined,
        ):
            for batch in read_batches(tables[schema]):
                valid, broken = validator.feed(batch)
                kept.write(valid)
                quarantined.write(broken)
                tally.add(schema, batch, valid, broken)
        intervals.append(validator.finish())
    if SEED in tables:
        good.path(f"{SEED}.parquet").write_bytes(tables[SEED].read_bytes())
    joined = pl.concat(intervals) if intervals else pl.DataFrame()
    if joined.width:
        with good.table("intervals", joined.schema) as writer:
            writer.write(joined)
    return _judgement(tally, joined, hours, known, limits)


def known_instruments(
    tables: Mapping[str, Path], products: Mapping[str, Product]
) -> dict[int, Instrument]:
    """Return the instruments that a partition has ticks or states of, by id.

    Definitions count where there are; what has statistics alone is not there to be traded.
    """
    symbols: dict[int, str] = {}
    for name, path in tables.items():
        if name not in (SEED, TickSchema.DEFINITION, TickSchema.STATISTICS):
            pairs = pl.scan_parquet(path).select("instrument_id", "symbol").unique().collect()
            symbols.update(pairs.drop_nulls().sort("instrument_id").iter_rows())
    definitions = pl.read_parquet(tables["definition"]) if "definition" in tables else None
    return instruments(symbols, definitions, table=products)


def _judgement(
    tally: _Tally,
    intervals: pl.DataFrame,
    session: Session | None,
    known: Mapping[int, Instrument],
    limits: tuple[float, float],
) -> Judgement:
    max_quarantined, max_unreliable = limits
    quarantined = tally.quarantined / tally.raw if tally.raw else 0.0
    untrusted = _untrusted_share(tally, intervals, session)
    balance = tally.raw == tally.valid + tally.quarantined
    shares = {"quarantined_share": quarantined, "untrusted_share": untrusted}
    closing = (
        Finding(rule="rows_conserved", severity="error", passed=balance,
                reason=f"{tally.raw} raw = {tally.valid} valid + {tally.quarantined} quarantined"),
        Finding(rule="quarantined_share", severity="error", passed=quarantined <= max_quarantined,
                share=quarantined, rows=tally.quarantined,
                reason=f"{quarantined:.3%} of the rows are bad, {max_quarantined:.3%} allowed"),
        Finding(rule="untrusted_share", severity="error", passed=untrusted <= max_unreliable,
                share=untrusted, applicable=bool(tally.schemas & set(_TICKS[:4])),
                reason=f"{untrusted:.3%} of the open time has no trusted book, "
                       f"{max_unreliable:.3%} allowed"),
    )  # fmt: skip
    hours = None
    if session is not None and tally.last_ts:
        symbols = {str(id_): instrument.symbol for id_, instrument in sorted(known.items())}
        hours = Hours(session.open_ns, session.close_ns, tally.first_ts, tally.last_ts, symbols)
    return Judgement(
        raw_rows=tally.raw,
        validated_rows=tally.valid,
        quarantined_rows=tally.quarantined,
        shares=shares,
        details={**shares, "label": "empty" if hours is None else _label(hours)},
        findings=(*_row_findings(tally), *_state_findings(tally), *closing),
        blocked=tuple(f"{f.rule}: {f.reason}" for f in closing if not f.passed),
        hours=hours,
    )


def _label(hours: Hours) -> str:
    return "complete" if hours.complete else "partial"


def _row_findings(tally: _Tally) -> list[Finding]:
    return [
        Finding(
            rule=rule.name,
            severity=rule.severity,
            reason=rule.reason,
            passed=not tally.counts[rule.name],
            applicable=any(not not_applicable(rule, schema) for schema in tally.schemas),
            rows=tally.counts[rule.name],
            share=tally.counts[rule.name] / tally.raw if tally.raw else 0.0,
            first_rows=tuple(tally.first.get(rule.name, ())),
        )
        for rule in row_rules()
    ]


def _state_findings(tally: _Tally) -> list[Finding]:
    books = tally.schemas & set(_TICKS[:4])
    return [
        Finding(
            rule=name,
            severity="warning" if name in _FLAG_ONLY else "error",
            reason=reason,
            passed=not tally.counts[name],
            applicable=TickSchema.MBO in books if name in _LIFE_CYCLE else bool(books),
            rows=tally.counts[name],
            share=tally.counts[name] / tally.valid if tally.valid else 0.0,
            first_rows=tuple(tally.first.get(name, ())),
        )
        for name, reason in STATE_REASONS.items()
    ]


def _untrusted_share(tally: _Tally, intervals: pl.DataFrame, session: Session | None) -> float:
    """Return the share of the covered open time without a trusted book, of the busiest instrument.

    Overlapping intervals count once.
    """
    if session is None or not intervals.height or not tally.rows_of:
        return 0.0
    busiest = max(tally.rows_of, key=lambda id_: (tally.rows_of[id_], -id_))
    begin, end = session.open_ns, min(session.close_ns, tally.last_ts)
    own = intervals.filter(pl.col("instrument_id") == busiest).sort("start_ns")
    reached, untrusted = begin, 0
    for start, stop in own.select("start_ns", "end_ns").iter_rows():
        start, stop = max(start, reached), min(stop, end)
        if stop > start:
            untrusted += stop - start
            reached = stop
    return untrusted / (end - begin) if end > begin else 0.0
