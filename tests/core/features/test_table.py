"""Features on a grid: against the slow way, cut anywhere, and without a look ahead."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data.bar_cells import bar_rule, session_cells
from strategy_lab_core.data.bars import bars
from strategy_lab_core.data.calendar import Session, session_calendar
from strategy_lab_core.data.instruments import Instrument, products
from strategy_lab_core.data.result_schemas import RESULT_TABLES
from strategy_lab_core.data.schemas import pandera_schema
from strategy_lab_core.data.simulate import write_sessions
from strategy_lab_core.data.ticks import read_ticks
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.features.flow import VpinMeter, vpin
from strategy_lab_core.features.micro_price import MicroPrice
from strategy_lab_core.features.table import FeatureBuilder, feature_table, with_vpin
from strategy_lab_core.features.volatility import realised_volatility
from strategy_lab_core.types import BookState
from tests.naive import features as naive

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
OPEN = 1_736_800_200_000_000_000
SESSION = Session(
    key=date(2025, 1, 14),
    trade_date=date(2025, 1, 14),
    previous_close_ns=OPEN - 60 * MINUTE,
    pre_open_ns=OPEN - 15 * MINUTE,
    open_ns=OPEN,
    close_ns=OPEN + 5 * MINUTE,
    halts=((OPEN + 150 * SECOND, OPEN + 3 * MINUTE),),
)
CELLS = session_cells([SESSION], bar_rule("1m"))
TICK = 250_000_000
MNQ = Instrument(
    instrument_id=7, symbol="MNQH5", product=products()["MNQ"], kind="outright", tick_size=TICK,
    multiplier=2_000_000_000,
)  # fmt: skip
MICRO = MicroPrice(np.linspace(-0.5, 0.5, 30).reshape(3, 10), 100)

Event = tuple[int, bool, tuple[int, int, int, int]]
EVENTS = st.lists(
    st.tuples(
        st.integers(-20, 310),
        st.sampled_from([True, True, True, False]),
        st.tuples(st.integers(95, 99), st.integers(0, 5), st.integers(100, 104), st.integers(0, 5)),
    ),
    max_size=25,
)


def bbo_of(events: Sequence[Event]) -> pl.DataFrame:
    """Return events, seconds after the open, as a table of best bids and offers."""
    times = [OPEN + second * SECOND for second, _, _ in events]
    columns = list(zip(*(quote for _, _, quote in events), strict=True)) or [()] * 4
    bid, bid_size, ask, ask_size = (np.array(each, np.int64) for each in columns)
    states = [BookState.TRUSTED if trusted else BookState.UNRELIABLE for _, trusted, _ in events]
    return pl.DataFrame(
        {
            "ts_event": pl.Series(times, dtype=pl.Int64),
            "ts_recv": pl.Series([time + 5 for time in times], dtype=pl.Int64),
            "flags": pl.Series([128] * len(events), dtype=pl.UInt8),
            "book_state": pl.Series([int(state) for state in states], dtype=pl.UInt8),
            "bid_px": bid * TICK,
            "bid_sz": bid_size.astype(np.uint32),
            "ask_px": ask * TICK,
            "ask_sz": ask_size.astype(np.uint32),
        }
    ).with_columns(
        pl.when(pl.col("bid_sz") > 0).then("bid_px"), pl.when(pl.col("ask_sz") > 0).then("ask_px")
    )


def built(events: Sequence[Event], cuts: Sequence[int] = ()) -> pl.DataFrame:
    """Return the features of events that are fed in pieces."""
    builder = FeatureBuilder(MNQ, CELLS, micro_price=MICRO, half_life_s=2.0)
    edges = [0, *sorted(min(cut, len(events)) for cut in cuts), len(events)]
    bbo = bbo_of(events)
    parts = [builder.feed(bbo[start:end]) for start, end in pairwise(edges)]
    return pl.concat([*parts, builder.finish()])


@given(EVENTS)
def test_features__are_those_of_the_slow_way(events: list[Event]) -> None:
    """Late events, the pre-open and the halt, untrusted and one-sided books."""
    cells = [
        ((int(start) - OPEN) // SECOND, (int(end) - OPEN) // SECOND)
        for start, end in zip(CELLS.starts_ns, CELLS.ends_ns, strict=True)
    ]

    found = built(events)

    wanted = naive.book_cells(events, cells)
    assert found["start_ns"].to_list() == [int(CELLS.starts_ns[cell]) for cell, *_ in wanted]
    assert found["n_events"].to_list() == [count for _, count, _, _ in wanted]
    assert found["order_flow_imbalance"].to_list() == [flow for _, _, flow, _ in wanted]
    for row, (*_, book) in zip(found.iter_rows(named=True), wanted, strict=True):
        if book is None or not (book[1] and book[3]):
            assert row["bid_px"] is row["imbalance"] is row["micro_price"] is None
            continue
        bid, bid_size, ask, ask_size = book
        share = bid_size / (bid_size + ask_size)
        assert (row["bid_px"], row["ask_px"]) == (bid * TICK, ask * TICK)
        assert row["imbalance"] == pytest.approx(share)
        assert row["weighted_mid"] == pytest.approx((ask * share + bid * (1 - share)) / 4)
        micro = MICRO.price(*(np.array([each]) for each in book))[0] / 4
        assert row["micro_price"] == (None if np.isnan(micro) else pytest.approx(micro))


@given(EVENTS, st.lists(st.integers(0, 25), max_size=4))
def test_features__are_the_same_wherever_the_events_are_cut(
    events: list[Event], cuts: list[int]
) -> None:
    """To the last bit of a float."""
    assert built(events, cuts).equals(built(events))


@given(EVENTS, st.integers(0, 25))
def test_features__do_not_change_with_the_future(events: list[Event], cut: int) -> None:
    """What was closed by the first events is what it is with all of them."""
    builder = FeatureBuilder(MNQ, CELLS, micro_price=MICRO, half_life_s=2.0)

    closed = builder.feed(bbo_of(events[:cut]))

    assert built(events).head(closed.height).equals(closed)


def test_features__volatility_of_a_cell_is_the_realised_one() -> None:
    """On a grid of seconds from the first event, in points per root second."""
    mids = [0, 1, 1, 3, 2, 2, 5]
    events = [(10 * n, True, (99 + mid, 1, 101 + mid, 1)) for n, mid in enumerate(mids)]

    first, second = built([*events, (61, True, events[-1][2])])["realised_volatility"]

    times = np.array([10 * SECOND * n for n in range(len(mids))])
    price = np.array(mids) / 4
    assert first == pytest.approx(realised_volatility(times[:6], price[:6]) * (50 / 59) ** 0.5)
    assert second == pytest.approx(3 / 4 / 60**0.5)  # three ticks, at the first of its 60 points


def test_features__a_cell_is_seen_when_all_before_its_end_could_have_come() -> None:
    """An event of its last nanosecond would be 5 ns on its way, like the last."""
    quote = (99, 1, 101, 1)

    first, _ = built([(3, True, quote), (70, True, quote)])["visible_ns"]

    assert first == OPEN + MINUTE - 1 + 5


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20),
    st.lists(st.integers(0, 20), max_size=3),
    st.integers(1, 12),
    st.integers(1, 4),
)
def test_vpin_meter__is_the_same_wherever_the_rows_are_cut(
    rows: list[tuple[int, int]], cuts: list[int], bucket_lots: int, n_buckets: int
) -> None:
    """The open bucket and the last ones go from piece to piece."""
    bought, sold = np.array(rows, float).reshape(-1, 2).T
    meter = VpinMeter(bucket_lots=bucket_lots, n_buckets=n_buckets)
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    spans = list(pairwise(edges))
    pieces = [(start, meter.feed(bought[start:end], sold[start:end])) for start, end in spans]

    whole = vpin(bought, sold, bucket_lots=bucket_lots, n_buckets=n_buckets)

    assert [row + start for start, piece in pieces for row in piece.row] == whole.row.tolist()
    assert [value for _, piece in pieces for value in piece.value] == whole.value.tolist()


def _simulated(folder: Path) -> pl.DataFrame:
    day = date(2025, 1, 14)
    sessions = session_calendar("CME Globex Equity").sessions(day, day)
    write_sessions(folder, sessions, seed=3, events_per_session=400)
    return read_ticks(folder)


def test_feature_table__has_what_the_vocabulary_says(tmp_path: Path) -> None:
    """With VPIN from the bars, as for `with_vpin` in two pieces."""
    ticks = _simulated(tmp_path)

    found = feature_table(ticks, micro_price=MICRO, bucket_lots=4, n_buckets=3)

    pandera_schema("features", RESULT_TABLES["features"]).validate(found)
    traded, meter = bars(ticks), VpinMeter(bucket_lots=4, n_buckets=3)
    half = found["start_ns"][found.height // 2]
    early = pl.col("start_ns") < half
    pieces = [with_vpin(found.filter(part), traded.filter(part), meter) for part in (early, ~early)]
    assert found["vpin"].null_count() < found.height
    assert pl.concat(pieces).equals(found)


def test_feature_table__refuses_what_is_no_time(tmp_path: Path) -> None:
    """A grid is of time."""
    with pytest.raises(ConfigError, match="every must be a time, as for `bars`"):
        feature_table(pl.DataFrame(), every="500ticks")
    with pytest.raises(ConfigError, match="half_life_s must be above 0"):
        FeatureBuilder(MNQ, CELLS, half_life_s=0.0)
    with pytest.raises(ConfigError, match="sample_ns must be above 0"):
        FeatureBuilder(MNQ, CELLS, sample_ns=0)
