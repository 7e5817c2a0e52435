"""`coverage`: one session's activity and clock, measured once for each version of its raw ticks.

Kept in the lake for `completeness`, which judges all sessions of a product together: a session that
is delivered again is the only one to be measured again.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from strategy_lab_core.data.activity import ActivityTally
from strategy_lab_core.data.calendar import Session, phase_intervals
from strategy_lab_core.data.clock_steps import ClockStep, ClockTally
from strategy_lab_core.data.silence import Measured
from strategy_lab_core.types import TickSchema
from strategy_lab_pipeline.db.store import SessionRow
from strategy_lab_pipeline.lake import Draft
from strategy_lab_pipeline.stages.outcome import Outcome
from strategy_lab_pipeline.stages.publish import publish, write_table
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["COVERAGE", "measure", "measured_of", "steps_of"]

COVERAGE = "coverage"
# The first of these that a session has rows of is measured: the feed of books, or trades.
FEEDS = (
    TickSchema.MBO, TickSchema.MBP_10, TickSchema.DEPTH, TickSchema.MBP_1, TickSchema.TBBO,
    TickSchema.TRADES,
)  # fmt: skip
BATCH_ROWS = 1 << 18
_COLUMNS = ("ts_event", "ts_recv", "flags", "file_hash")
_STEPS = {"kind": pl.String, "start_ns": pl.Int64, "end_ns": pl.Int64, "size_ns": pl.Int64}


def measure(workspace: Workspace, raw: Outcome, session: Session, *, run_id: str) -> Outcome:
    """Measure a session's raw ticks, or return what was measured of the same ones before."""
    return publish(
        workspace,
        COVERAGE,
        raw.product,
        raw.session,
        inputs={"raw_ticks": raw.market_version},
        config={"product": raw.product, **workspace.own_product(raw.product)},
        build=lambda draft: _write(draft, raw.path, session),
        run_id=run_id,
    )


def measured_of(coverage: Outcome, row: SessionRow) -> Measured:
    """Return a session's activity; validation says from where to where it has rows."""
    tables = (pl.read_parquet(coverage.path / f"{name}.parquet") for name in _TABLES)
    return Measured(row.open_ns, row.first_ts, row.last_ts, *tables)


def steps_of(coverage: Outcome) -> list[ClockStep]:
    """Return the steps of a session's clock."""
    table = pl.read_parquet(coverage.path / "steps.parquet")
    return [ClockStep(*row) for row in table.iter_rows()]


def _write(draft: Draft, raw: Path, session: Session) -> dict[str, Any]:
    schema = next((feed for feed in FEEDS if _has_rows(raw / f"{feed}.parquet")), None)
    status = raw / f"{TickSchema.STATUS}.parquet"
    phases = phase_intervals(session, pl.read_parquet(status) if status.is_file() else None)
    activity = ActivityTally(session, phases)
    clocks: dict[str, ClockTally] = {}
    for batch in _batches(raw / f"{schema}.parquet") if schema else ():
        activity.feed(batch)
        for (file,), rows in batch.group_by("file_hash", maintain_order=True):
            clocks.setdefault(str(file), ClockTally()).feed(rows)
    minutes = activity.minutes()
    write_table(draft, "minutes", minutes)
    write_table(draft, "stretches", activity.stretches())
    steps = [step for clock in clocks.values() for step in clock.steps()]
    write_table(draft, "steps", pl.DataFrame(steps, schema=_STEPS, orient="row"))
    return {"rows": minutes.height, "schema": schema.value if schema else ""}


def _has_rows(path: Path) -> bool:
    return path.is_file() and bool(pl.scan_parquet(path).select(pl.len()).collect().item())


def _batches(path: Path) -> Iterator[pl.DataFrame]:
    """Yield the columns that are measured, in the order of the files: memory stays flat."""
    table = pl.scan_parquet(path).select(_COLUMNS)
    for start in range(0, table.select(pl.len()).collect().item(), BATCH_ROWS):
        yield table.slice(start, BATCH_ROWS).collect()


_TABLES = ("minutes", "stretches")
