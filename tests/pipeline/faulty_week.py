"""Sessions of a whole channel with faults planted in them, as one file a session."""

from datetime import date
from pathlib import Path

import polars as pl

from strategy_lab_core.data.calendar import Session, session_calendar
from strategy_lab_core.data.dbn_writer import write_dbn
from strategy_lab_core.data.simulate import Simulation, simulate
from strategy_lab_core.types import NS_PER_SECOND, RecordFlag

__all__ = ["DAYS", "FIRST", "LAST", "MINUTE", "deliver", "market", "session", "without"]

FIRST, LAST = date(2025, 1, 13), date(2025, 1, 24)  # Martin Luther King Day is inside
CALENDAR = session_calendar("CME Globex Equity")
DAYS = [each.key for each in CALENDAR.sessions(FIRST, LAST)]
MINUTE = 60 * NS_PER_SECOND
_LIVE = (pl.col("flags") & int(RecordFlag.SNAPSHOT)) == 0


def session(day: date) -> Session:
    """Return the hours of a day."""
    return CALENDAR.session(day)


def market(events: int = 1_500) -> dict[date, pl.DataFrame]:
    """Return each session's rows, numbered as on a channel that carries nothing else."""
    simulated = simulate(
        CALENDAR.sessions(FIRST, LAST), seed=11, events_per_session=events, faults=False
    )
    rows = pl.concat([_with_snapshot(simulated, day) for day in DAYS])
    numbered = rows.with_columns(
        sequence=pl.when(_LIVE)
        .then(pl.col("sequence").rank("dense"))
        .otherwise("sequence")
        .cast(pl.UInt32)
    )
    return {day: numbered.filter(pl.col("_day") == day).drop("_day") for day in DAYS}


def _with_snapshot(simulated: Simulation, day: date) -> pl.DataFrame:
    return simulated.table(day).with_columns(_day=pl.lit(day))


def without(rows: pl.DataFrame, start_ns: int, end_ns: int) -> pl.DataFrame:
    """Return the rows but those with `ts_event` in [start, end)."""
    inside = pl.col("ts_event").is_between(start_ns, end_ns, closed="left")
    return rows.filter(~inside | ~_LIVE)


def deliver(folder: Path, name: str, rows: pl.DataFrame) -> Path:
    """Write a file of rows."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.mbo.dbn.zst"
    ids = rows.select("instrument_id", "symbol").unique()
    write_dbn(path, rows, dict(ids.iter_rows()))
    return path
