"""When rows happened and could be known; and rows that say nothing."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.book.validate import validate
from strategy_lab_core.data.calendar import phase_intervals, session_calendar
from strategy_lab_core.data.columns import column, int64
from strategy_lab_core.data.simulate import simulate
from strategy_lab_core.engine.config import LatencyConfig
from strategy_lab_core.engine.selection import select
from strategy_lab_core.engine.tape import session_tape
from strategy_lab_core.probes.noise import with_noise
from strategy_lab_core.probes.times import row_times, with_repaired_clock
from strategy_lab_core.types import EMPTY_PRICE, Action, RecordFlag
from tests.core.engine.tapes import (
    MNQ,
    SECOND,
    START_NS,
    TICK,
    random_rows,
    session_until,
    to_table,
)

DAY = date(2025, 1, 14)
LATENCY = LatencyConfig(feed_offset_ns=700_000)


@given(seed=st.integers(0, 10**6), wild=st.booleans())
def test_row_times__are_those_of_the_engine_s_tape(seed: int, wild: bool) -> None:
    """Exchange time, local time and repair of every row, snapshots and bad clocks included."""
    rows = to_table(random_rows(seed, 60, wild=wild))
    session = session_until(START_NS + 10**12)
    tape = session_tape(rows, session, phase_intervals(session), tick_size=TICK, latency=LATENCY)

    found = row_times(rows, MNQ, LATENCY)

    assert np.array_equal(found.exchange_ns, tape.tape.event_ns)
    assert np.array_equal(found.local_ns, tape.tape.local_ns)
    assert found.repair_ns == {7: tape.repair_ns}


@given(seed=st.integers(0, 10**6))
def test_repaired_clock__has_the_same_times_and_nothing_to_repair(seed: int) -> None:
    """The repair moves into the rows."""
    rows = to_table(random_rows(seed, 60, wild=True))
    found = row_times(rows, MNQ, LATENCY)

    again = row_times(with_repaired_clock(rows, found), MNQ, LATENCY)

    assert np.array_equal(found.local_ns, again.local_ns)
    assert np.array_equal(found.exchange_ns, again.exchange_ns)
    assert again.repair_ns == {7: 0}


def test_row_times__of_raw_rows_leave_malformed_ones_out_of_events() -> None:
    """The well-formed rows have the times that they have after validation."""
    day = session_calendar("CME Globex Equity").sessions(DAY, DAY)
    raw = simulate(day, seed=3, events_per_session=600).table()
    add = int(np.flatnonzero(column(raw, "action") == Action.ADD)[200])
    sizes, event_ns = int64(raw, "size"), int64(raw, "ts_event")
    sizes[add], event_ns[add] = 0, event_ns[add] + 3_600 * SECOND  # would hold the clock up
    raw = raw.with_columns(size=pl.Series(sizes, dtype=pl.UInt32), ts_event=event_ns)
    chosen = select(raw)
    valid = validate(
        raw,
        instruments={chosen.instrument.instrument_id: chosen.instrument},
        phases=phase_intervals(chosen.session),
    ).valid
    assert 0 < raw.height - valid.height < 100

    of_raw = row_times(raw, chosen.instrument, LATENCY)
    of_valid = row_times(valid, chosen.instrument, LATENCY)

    kept = np.isin(int64(raw, "row"), int64(valid, "row"))
    assert np.array_equal(of_raw.exchange_ns[kept], of_valid.exchange_ns)
    assert np.array_equal(of_raw.local_ns[kept], of_valid.local_ns)


@given(seed=st.integers(0, 10**6), share=st.sampled_from([0.0, 0.3, 1.0]))
def test_noise__changes_what_is_unknown_and_nothing_else(seed: int, share: float) -> None:
    """Known rows, times, flags and instruments stay; prices stay on the grid."""
    rows = to_table(random_rows(seed % 100, 80, wild=False))
    rng = np.random.default_rng(seed)
    unknown = rng.random(rows.height) < share

    noisy = with_noise(rows, unknown, rng)

    assert noisy.schema == rows.schema
    assert noisy.filter(~unknown).equals(rows.filter(~unknown))
    kept = ["ts_event", "ts_recv", "instrument_id", "flags", "symbol", "book_state"]
    assert noisy.select(kept).equals(rows.select(kept))
    drawn = noisy.filter(unknown)
    assert np.all(column(drawn, "price") % TICK == 0)
    assert np.all(column(drawn, "size") >= 1)
    allowed = [Action.ADD, Action.CANCEL, Action.MODIFY, Action.TRADE]
    assert np.isin(column(drawn, "action"), allowed).all()
    assert not np.isin(column(drawn, "order_id"), column(rows, "order_id")).any()


def test_noise__moves_every_sum() -> None:
    """A mean over the session does not come out as it was, in prices or sizes."""
    rows = to_table(random_rows(1, 200, wild=False))
    noisy = with_noise(rows, np.arange(rows.height) >= 100, np.random.default_rng(1))
    for name in ("price", "size"):
        was, now = (int64(table, name)[100:] for table in (rows, noisy))
        assert was[was != EMPTY_PRICE].mean() != now[now != EMPTY_PRICE].mean()


@pytest.mark.parametrize("flag", [RecordFlag.SNAPSHOT, RecordFlag.BAD_TS_RECV])
def test_repaired_clock__leaves_unclocked_rows_alone(flag: int) -> None:
    """A snapshot acts at its `ts_recv`; a bad capture time is not used at all."""
    rows = to_table(random_rows(4, 30, wild=False))
    flags = column(rows, "flags")
    flags[5] |= flag
    rows = rows.with_columns(flags=flags)
    moved = with_repaired_clock(rows, row_times(rows, MNQ, LATENCY)._replace(repair_ns={7: SECOND}))

    by = int64(moved, "ts_recv") - int64(rows, "ts_recv")
    assert by[5] == 0
    assert set(by.tolist()) == {0, SECOND}
