"""Steps of a clock: found at their place and size, none where only single rows are late."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data.clock_steps import BLOCK_NS, BLOCK_ROWS, ClockStep, ClockTally
from strategy_lab_core.data.simulate import session_table
from strategy_lab_core.types import RecordFlag
from tests.naive import gaps as naive
from tests.pipeline.faulty_week import FIRST, session

S = 1_000_000_000
MS = 1_000_000
HOURS = session(FIRST)
TICKS = session_table(HOURS, seed=5, events=3_000)
LIVE = TICKS.filter((pl.col("flags") & int(RecordFlag.SNAPSHOT)) == 0)
FLOORS = naive.floors(LIVE.to_dicts(), BLOCK_ROWS, BLOCK_NS)
NOON = HOURS.open_ns + 15 * 3600 * S


def steps(ticks: pl.DataFrame, batch: int = 1 << 20) -> list[ClockStep]:
    """Return the steps of a table fed in batches."""
    tally = ClockTally()
    for rows in ticks.iter_slices(batch):
        tally.feed(rows)
    return tally.steps()


def moved(since: int, size_ns: int, *columns: str) -> pl.DataFrame:
    """Return the ticks with columns moved from a time on."""
    change = pl.when(pl.col("ts_event") >= since).then(size_ns).otherwise(0)
    return TICKS.with_columns(pl.col(name) + change for name in columns)


@pytest.mark.parametrize("seed", range(4))
def test_clean_session__has_no_step(seed: int) -> None:
    """Late packets and bursts lengthen delays; the least of many rows stays."""
    assert steps(session_table(HOURS, seed=seed, events=3_000, faults=True)) == []


@given(
    st.integers(2 * 3600, 21 * 3600),
    st.sampled_from([-1, 1]),
    st.integers(8, 5_000),
    st.integers(400, 5_000),
)
def test_level__is_found_at_its_place(second: int, sign: int, size_ms: int, batch: int) -> None:
    """Set forward or back anywhere in the session: one step, of that size, around that time."""
    since, size = HOURS.open_ns + second * S, sign * size_ms * MS
    (found,) = steps(moved(since, size, "ts_recv"), batch)
    assert found.kind == "level"
    assert abs(found.size_ns - size) < MS // 10
    rows = LIVE["ts_event"].to_numpy()
    before, after = rows[rows < since].max(), rows[rows >= since].min()
    assert found.start_ns <= before < since <= after <= found.end_ns
    between = rows[(rows > found.start_ns) & (rows < found.end_ns)]
    assert len(between) <= 2 * BLOCK_ROWS or found.end_ns - found.start_ns <= 2 * BLOCK_NS


def test_there_and_back__are_two_steps() -> None:
    """A clock that is set wrong and put right."""
    change = pl.col("ts_event").is_between(NOON, NOON + 2 * 3600 * S)
    found = steps(TICKS.with_columns(ts_recv=pl.col("ts_recv") + change * 300 * MS))
    assert [round(step.size_ns / MS) for step in found] == [300, -300]


def test_small_change__is_no_step() -> None:
    """Another route of a millisecond is no clock that was set."""
    assert steps(moved(NOON, 2 * MS, "ts_recv")) == []


def test_noise__widens_the_limit() -> None:
    """Where floors usually differ by 2 ms from block to block, 8 ms more are no step."""
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 4 * MS, TICKS.height // BLOCK_ROWS + 1).repeat(BLOCK_ROWS)
    noisy = moved(NOON, 8 * MS, "ts_recv").with_columns(
        ts_recv=pl.col("ts_recv") + pl.Series(noise[: TICKS.height])
    )
    assert [step for step in steps(noisy) if step.kind == "level"] == []


def test_both_clocks_back__is_found_by_time() -> None:
    """Where event and receipt are set back together, time is gone through twice."""
    (found,) = steps(moved(NOON, -1800 * S, "ts_event", "ts_recv"), batch=700)
    assert found.kind == "back"
    later = LIVE.filter(pl.col("ts_event") >= NOON)["ts_recv"].to_numpy().min()
    newest = LIVE.filter(pl.col("ts_event") < NOON)["ts_recv"].to_numpy().max()
    assert (found.start_ns, found.end_ns) == (later - 1800 * S, newest)
    assert found.size_ns == found.start_ns - newest


def test_single_late_rows__are_for_validation() -> None:
    """A row out of order is no clock: state rules flag it."""
    swapped = TICKS.with_columns(
        ts_recv=pl.when(pl.int_range(pl.len()) % 40 == 7)
        .then(pl.col("ts_recv") + 3 * S)
        .otherwise("ts_recv")
    )
    assert [step for step in steps(swapped) if step.kind == "level"] == []


def test_rows_without_delay__do_not_count() -> None:
    """Snapshots and rows with a bad receipt say nothing about the clock."""
    flagged = moved(NOON, 250 * MS, "ts_recv").with_columns(
        flags=pl.col("flags") | int(RecordFlag.BAD_TS_RECV)
    )
    assert steps(flagged) == []


@given(st.integers(60, 3_000))
def test_blocks__equal_a_cut_row_by_row(batch: int) -> None:
    """Whatever the batches: at least so many rows and so much time, with the least delay."""
    tally = ClockTally()
    for rows in TICKS.iter_slices(batch):
        tally.feed(rows)
    assert [(block.first_ns, block.floor_ns) for block in tally._blocks] == FLOORS
