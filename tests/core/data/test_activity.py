"""Activity by second: equal to a count row by row, cut at halts, whatever the batches."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data.activity import (
    LEAST_STRETCH_NS,
    MINUTES,
    STRETCHES,
    ActivityTally,
    open_spans,
)
from strategy_lab_core.data.calendar import Session, phase_intervals
from strategy_lab_core.types import Int1D, RecordFlag
from tests.naive import gaps as naive

S = 1_000_000_000
OPEN = 1_736_722_800 * S
HALT = (OPEN + 130 * S, OPEN + 190 * S + S // 2)
SESSION = Session(
    key=date(2025, 1, 13), trade_date=date(2025, 1, 13), previous_close_ns=OPEN - 3600 * S,
    pre_open_ns=OPEN - 900 * S, open_ns=OPEN, close_ns=OPEN + 305 * S, halts=(HALT,),
)  # fmt: skip


def rows(times: Sequence[int] | Int1D, flags: int = 128) -> pl.DataFrame:
    """Return rows at these times."""
    at = np.asarray(times, dtype=np.int64)
    return pl.DataFrame(
        {"ts_event": at, "ts_recv": at + 1, "flags": np.full(len(at), flags, dtype=np.uint8)}
    )


def tally(*batches: pl.DataFrame) -> ActivityTally:
    """Return a tally of the session that got these batches."""
    made = ActivityTally(SESSION, phase_intervals(SESSION))
    for batch in batches:
        made.feed(batch)
    return made


offsets = st.lists(st.integers(-400 * S, 400 * S), max_size=40)


@given(offsets, st.integers(0, 40))
def test_tables__equal_a_count_row_by_row(found: list[int], cut: int) -> None:
    """Minutes and stretches, from one batch or two, in any order of rows."""
    times = [OPEN + offset for offset in found]
    spans = open_spans(phase_intervals(SESSION))
    made = tally(rows(times[:cut]), rows(times[cut:]))

    ends = (SESSION.open_ns, SESSION.close_ns)
    minutes = made.minutes()
    assert minutes.schema == MINUTES
    assert minutes.select("open_seconds", "active_seconds", "rows").rows() == naive.activity(
        times, spans, *ends
    )
    stretches = made.stretches()
    assert stretches.schema == STRETCHES
    assert stretches.rows() == naive.stretches(times, spans, *ends, LEAST_STRETCH_NS)


def test_feed__leaves_snapshots_out() -> None:
    """They restate orders of earlier hours: nothing happened then."""
    snapshot = rows([OPEN + S, OPEN + 200 * S], int(RecordFlag.SNAPSHOT))
    assert tally(snapshot).minutes()["rows"].sum() == 0


def test_stretches__are_cut_at_halts() -> None:
    """Nothing trades in a halt: only what is open before and after it is silence."""
    found = tally(rows([OPEN, OPEN + 250 * S])).stretches()
    close = SESSION.close_ns
    assert found.rows() == [(OPEN, HALT[0]), (HALT[1], OPEN + 250 * S), (OPEN + 250 * S, close)]
    assert np.all((found["end_ns"] - found["start_ns"]).to_numpy() > 0)
