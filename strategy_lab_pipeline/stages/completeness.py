"""`completeness`: the gaps of a product's sessions, a score for each, and what became of the gaps.

Made from the raw ticks of all sessions, what validation found in them, and the catalogue of files.
A session that is catalogued and not read yet is no gap: there is nothing to judge.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from strategy_lab_core.data.calendar import SessionCalendar, session_calendar
from strategy_lab_core.data.completeness import SessionEvidence, assess
from strategy_lab_core.data.gap_kinds import REASONS, SEVERITIES, GapKind
from strategy_lab_pipeline.db.store import FoundGap, Materialization
from strategy_lab_pipeline.lake import Draft
from strategy_lab_pipeline.stages import raw
from strategy_lab_pipeline.stages.channels import FileEvidence, file_evidence
from strategy_lab_pipeline.stages.coverage import measure, measured_of, steps_of
from strategy_lab_pipeline.stages.outcome import Finding, Outcome
from strategy_lab_pipeline.stages.publish import current_outcome, publish, write_table
from strategy_lab_pipeline.stages.scope import why_no_partition
from strategy_lab_pipeline.stages.versions import digest, input_key
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = [
    "RULES",
    "CompletenessTables",
    "build",
    "completeness_of",
    "products_with_ticks",
    "stale_versions",
]

NOWHERE = "-"  # session of an asset without partitions
ASSET = "completeness"
GAPS = "gaps"
RAW, QUARANTINE = "raw_ticks", "quarantined_ticks"
RULES = {kind.value: reason for kind, reason in REASONS.items() if SEVERITIES[kind] != "info"}
FIRST_ROWS = 10


@dataclass(frozen=True, slots=True)
class CompletenessTables:
    """The published scores and gaps of one product; `findings` has one for each of `RULES`."""

    outcome: Outcome
    sessions: pl.DataFrame
    gaps: pl.DataFrame
    findings: tuple[Finding, ...]


def products_with_ticks(workspace: Workspace) -> list[str]:
    """Return the products with partitions of which any session was judged."""
    found = {row.product for row in workspace.store.materializations(QUARANTINE)}
    return sorted(found & workspace.products.keys() & set(workspace.settings.products))


def stale_versions(workspace: Workspace) -> dict[str, str]:
    """Return the version that products should have, of those that have another or none."""
    wanted = {
        product: input_key(ASSET, _inputs(workspace, product), _config(workspace, product))
        for product in products_with_ticks(workspace)
    }
    return {
        product: version
        for product, version in wanted.items()
        if current_outcome(workspace, ASSET, product, NOWHERE, version) is None
    }


def completeness_of(workspace: Workspace, product: str) -> CompletenessTables | None:
    """Return what is published of a product; None where nothing is."""
    outcome = current_outcome(workspace, ASSET, product, NOWHERE)
    return _read(outcome) if outcome else None


def build(workspace: Workspace, product: str, *, run_id: str) -> CompletenessTables:
    """Judge all sessions of a product together, and record the gaps with what became of them."""
    outcome = publish(
        workspace,
        ASSET,
        product,
        NOWHERE,
        inputs=_inputs(workspace, product),
        config=_config(workspace, product),
        build=lambda draft: _write(draft, workspace, product, run_id),
        run_id=run_id,
    )
    return _read(outcome)


def _inputs(workspace: Workspace, product: str) -> dict[str, str]:
    """Return what it is made from: all sessions that were judged, and what their files say."""
    judged = _judged(workspace, product)
    found = {f"{row.asset}:{row.session}": row.version for rows in judged for row in rows}
    return found | {"files": digest(_files(workspace, product))}


def _files(workspace: Workspace, product: str) -> list[Any]:
    """Return what of the catalogue decides what comes out: no place and no time of a delivery."""
    channels = [
        {**asdict(each), "path": Path(each.path).name}
        for each in workspace.store.whole_channels(product)
    ]
    doubtful = [
        (Path(each.file.path).name, each.file.sha256, each.file.status, Path(each.other).name)
        for each in workspace.store.doubtful_files(product)
    ]
    return [channels, doubtful]


def _config(workspace: Workspace, product: str) -> dict[str, Any]:
    first = str(workspace.settings.first_session)
    return {"product": product, "first_session": first, **workspace.own_product(product)}


def _judged(workspace: Workspace, product: str) -> list[tuple[Materialization, Materialization]]:
    """Return raw and quarantined ticks of the sessions that have files and were judged, by date."""
    store = workspace.store
    ticks, bad = (
        {row.session: row for row in store.materializations(asset, product)}
        for asset in (RAW, QUARANTINE)
    )
    days = sorted(_with_files(workspace, product) & ticks.keys() & bad.keys())
    return [
        (ticks[day], bad[day])
        for day in days
        if bad[day].inputs.get(RAW) == ticks[day].data_version  # else it is being read anew
    ]


def _with_files(workspace: Workspace, product: str) -> set[str]:
    return {
        day
        for root, day in workspace.store.all_partitions()
        if root == product
        and not why_no_partition(workspace.settings, product, date.fromisoformat(day))
    }


def _write(draft: Draft, workspace: Workspace, product: str, run_id: str) -> dict[str, Any]:
    judged, files = _judged(workspace, product), file_evidence(workspace, product)
    calendar = session_calendar(workspace.products[product].calendar)
    candidates = (_evidence(workspace, calendar, bad, files, run_id) for _, bad in judged)
    evidence = [each for each in candidates if each is not None]
    there = _with_files(workspace, product)
    waiting = there - {found.session for found, _ in judged}
    keys = [each.session.key for each in evidence]
    expected = calendar.sessions(min(keys), max(keys)) if keys else []
    expected = [each for each in expected if str(each.key) not in waiting]
    result = assess(expected, evidence, files.doubtful)
    write_table(draft, ASSET, result.sessions)
    write_table(draft, GAPS, result.gap_table)
    found = [
        FoundGap(**{**row, "session": str(row["session"])})
        for row in result.gap_table.rename({"where": "place"}).to_dicts()
    ]
    now = {ticks.session: _source_files(workspace, ticks) for ticks, _ in judged}
    waiting |= _outdated(workspace, [found for found, _ in judged])
    workspace.store.record_gaps(product, found, now, waiting=waiting, run_id=run_id)
    return {"rows": result.sessions.height, "gaps": len(found)}


def _outdated(workspace: Workspace, ticks: Iterable[Materialization]) -> set[str]:
    """Return the sessions whose files are others now than those that were read."""
    return {
        each.session
        for each in ticks
        if raw.inputs_of(workspace, each.product, date.fromisoformat(each.session)) != each.inputs
    }


def _evidence(
    workspace: Workspace,
    calendar: SessionCalendar,
    bad: Materialization,
    files: FileEvidence,
    run_id: str,
) -> SessionEvidence | None:
    """Return what is known of a session; None where it has no live row."""
    key = date.fromisoformat(bad.session)
    hours = calendar.sessions(key, key)
    row = workspace.store.session(bad.product, bad.session)
    ticks = current_outcome(workspace, RAW, bad.product, bad.session)
    if not hours or row is None or ticks is None or not ticks.rows:
        return None
    coverage = measure(workspace, ticks, hours[0], run_id=run_id)
    return SessionEvidence(
        session=hours[0],
        is_complete=row.label == "complete",
        schema=coverage.details["schema"],
        measured=measured_of(coverage, row),
        steps=steps_of(coverage),
        quarantined_share=bad.details["quarantined_share"],
        messages=files.messages.get(key, 0),
        sequence_gaps=files.sequence_gaps.get(key, ()),
    )


def _source_files(workspace: Workspace, ticks: Materialization) -> Mapping[str, str]:
    """Return hash and name of the files that a session's raw ticks were read from."""
    found = {}
    for sha256 in ticks.inputs.values():
        copies = workspace.store.files_by_hash(sha256)
        found[sha256] = Path(copies[-1].path).name if copies else sha256[:12]
    return found


def _read(outcome: Outcome) -> CompletenessTables:
    tables = {name: pl.read_parquet(outcome.path / f"{name}.parquet") for name in (ASSET, GAPS)}
    findings = tuple(_finding(kind, tables[GAPS]) for kind in GapKind if kind.value in RULES)
    return CompletenessTables(outcome, tables[ASSET], tables[GAPS], findings)


def _finding(kind: GapKind, gaps: pl.DataFrame) -> Finding:
    mine = gaps.filter(pl.col("kind") == kind.value)
    return Finding(
        rule=kind.value, severity="warning", reason=REASONS[kind], passed=mine.is_empty(),
        rows=mine.height, first_rows=tuple(mine.head(FIRST_ROWS).to_dicts()),
    )  # fmt: skip
