"""Bars: against the slow way, cut anywhere, and on real captures."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import databento_dbn as dbn
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data.bar_cells import BarRule, bar_rule, session_cells
from strategy_lab_core.data.bars import BAR_SCHEMA, BarBuilder, bars
from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.instruments import Instrument, products
from strategy_lab_core.data.result_schemas import RESULT_TABLES
from strategy_lab_core.data.schemas import LETTER, pandera_schema
from strategy_lab_core.data.ticks import read_ticks
from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.types import EMPTY_PRICE, RecordFlag
from tests.naive import bars as naive

MINUTE = 60_000_000_000
OPEN = 1_736_800_200_000_000_000
SESSION = Session(
    key=date(2025, 1, 14),
    trade_date=date(2025, 1, 14),
    previous_close_ns=OPEN - 60 * MINUTE,
    pre_open_ns=OPEN - 15 * MINUTE,
    open_ns=OPEN,
    close_ns=OPEN + 10 * MINUTE,
    halts=((OPEN + 150 * MINUTE // 60, OPEN + 3 * MINUTE),),
)
CELLS = [  # a minute each, the scheduled halt from 2:30 to 3:00 left out
    (0, 60), (60, 120), (120, 150), (180, 240), (240, 300), (300, 360), (360, 420), (420, 480),
    (480, 540), (540, 600),
]  # fmt: skip
MNQ = Instrument(
    instrument_id=7, symbol="MNQH5", product=products()["MNQ"], kind="outright",
    tick_size=250_000_000, multiplier=2_000_000_000,
)  # fmt: skip
POINT = 1_000_000_000
RULES = ("1m", "3ticks", "5volume", "300dollar")

ROWS = st.lists(
    st.builds(
        lambda second, lag, action, side, price, size, clocked: {
            "ts_event": OPEN + second * 1_000_000_000,
            "ts_recv": OPEN + second * 1_000_000_000 + lag,
            "action": action,
            "side": side,
            "price": price * POINT // 4,
            "size": size,
            "clocked": clocked,
        },
        st.integers(-30, 620),
        st.integers(-5, 9),
        st.sampled_from("TTTAF"),
        st.sampled_from("BAN"),
        st.integers(-200, 200),
        st.integers(0, 4),
        st.sampled_from([True, True, True, False]),
    ),
    max_size=25,
)


def ticks_of(rows: Sequence[dict[str, Any]], symbol: str = "MNQH5") -> pl.DataFrame:
    """Return rows as a tick table, in their order."""
    names = ("ts_event", "ts_recv", "price", "size")
    made = {name: [row[name] for row in rows] for name in names}
    flags = [0 if row["clocked"] else int(RecordFlag.BAD_TS_RECV) for row in rows]
    types = {"ts_event": pl.Int64, "ts_recv": pl.Int64, "price": pl.Int64, "size": pl.UInt32}
    return pl.DataFrame(made, schema=types).with_columns(
        pl.Series("action", [row["action"] for row in rows], dtype=LETTER),
        pl.Series("side", [row["side"] for row in rows], dtype=LETTER),
        pl.Series("flags", flags, dtype=pl.UInt8),
        instrument_id=pl.lit(7, dtype=pl.UInt32),
        symbol=pl.lit(symbol),
    )


def trade(second: float, price: int, size: int = 1, side: str = "B") -> dict[str, Any]:
    """Return a trade so many seconds after the open, received a millisecond later."""
    event = OPEN + round(second * 1e9)
    return {
        "ts_event": event, "ts_recv": event + 1_000_000, "action": "T", "side": side,
        "price": price * POINT, "size": size, "clocked": True,
    }  # fmt: skip


def built(rows: Sequence[dict[str, Any]], rule: BarRule, cuts: Sequence[int] = ()) -> pl.DataFrame:
    """Return the bars of rows that are fed in pieces, cut before the rows of these numbers."""
    builder = BarBuilder(MNQ, rule, session_cells([SESSION], rule))
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    pieces = [rows[start:end] for start, end in pairwise(edges)]
    return pl.concat([*(builder.feed(ticks_of(piece)) for piece in pieces), builder.finish()])


@given(ROWS, st.sampled_from(RULES))
def test_bars__are_those_of_the_slow_way(rows: list[dict[str, Any]], text: str) -> None:
    """Trades late, before the open, in the halt, without lots; negative prices and latencies."""
    rule = bar_rule(text)
    edges = CELLS if rule.kind == "time" else [(0, 150), (180, 600)]
    cells = [(OPEN + start * POINT, OPEN + end * POINT) for start, end in edges]
    limits: dict[str, dict[str, Any]] = {
        "time": {},
        "ticks": {"ticks": 3},
        "volume": {"volume": 5},
        "dollar": {"turnover": Fraction(150)},  # points x lots, at 2 USD a point
    }

    found = built(rows, rule)

    wanted = naive.bars(rows, cells, **limits[rule.kind])
    names = wanted[0] if wanted else ()
    exact = [row | {"notional": Fraction(row["notional"])} for row in found.to_dicts()]
    assert [{name: row[name] for name in names} for row in exact] == wanted
    assert found.schema == BAR_SCHEMA


@given(ROWS, st.sampled_from(RULES), st.lists(st.integers(0, 25), max_size=4))
def test_bars__are_the_same_wherever_the_rows_are_cut(
    rows: list[dict[str, Any]], text: str, cuts: list[int]
) -> None:
    """The open bar goes from piece to piece."""
    rule = bar_rule(text)

    assert built(rows, rule, cuts).equals(built(rows, rule))


@given(ROWS, st.sampled_from(RULES))
def test_bars__lose_no_lot(rows: list[dict[str, Any]], text: str) -> None:
    """Volume is what was traded, and is bought, sold or of an auction."""
    found = built(rows, bar_rule(text))

    sides = pl.col("auction_volume") + pl.col("buy_volume") + pl.col("sell_volume")
    assert found["volume"].sum() == sum(row["size"] for row in rows if row["action"] == "T")
    assert found.select((pl.col("volume") == sides).all()).item()
    assert found["start_ns"].is_sorted()
    assert found.select((pl.col("start_ns") < pl.col("end_ns")).all()).item()


@given(ROWS, st.sampled_from(RULES), st.integers(0, 25))
def test_bars__do_not_change_with_the_future(
    rows: list[dict[str, Any]], text: str, cut: int
) -> None:
    """What was closed by the first rows is what it is with all of them."""
    builder = BarBuilder(MNQ, bar_rule(text), session_cells([SESSION], bar_rule(text)))

    closed = builder.feed(ticks_of(rows[:cut]))

    assert built(rows, bar_rule(text)).head(closed.height).equals(closed)


def test_bars__auction_belongs_to_the_first_bar_apart() -> None:
    """Before the open or at it; its volume is in no side."""
    rows = [trade(-0.5, 20_000, 4, "N"), trade(0, 20_001, 3, "N"), trade(59.9, 20_002, 2, "A")]

    (bar,) = bars(ticks_of(rows), session=SESSION).iter_rows(named=True)

    assert (bar["start_ns"], bar["open"]) == (OPEN, 20_000 * POINT)
    assert (bar["volume"], bar["auction_volume"], bar["sell_volume"]) == (9, 7, 2)


def test_bars__are_cut_at_the_halt() -> None:
    """A minute that the halt begins in ends there; a volume bar in progress too."""
    rows = [trade(140, 20_000), trade(149.9, 20_001), trade(180, 20_002), trade(181, 20_003)]

    by_time = bars(ticks_of(rows), session=SESSION)
    by_volume = bars(ticks_of(rows), volume=3, session=SESSION)

    assert (by_time["end_ns"] - OPEN).to_list() == [150 * POINT, 240 * POINT]
    assert by_volume["n_trades"].to_list() == [2, 2]
    assert by_volume["end_ns"][0] == OPEN + 150 * POINT
    assert bars(ticks_of(rows), every="1d", session=SESSION).height == 1


def test_bars__a_trade_that_overshoots_stays_whole() -> None:
    """The bar has more than it asked for, the next begins with the next trade."""
    rows = [trade(1, 20_000, 3), trade(2, 20_000, 9), trade(3, 20_000, 1)]

    assert bars(ticks_of(rows), volume=5, session=SESSION)["volume"].to_list() == [12, 1]
    # 2 USD a point: 3 lots at 20,000 points are worth 120,000 USD.
    money = bars(ticks_of(rows), dollar=120_000, session=SESSION)
    assert money["volume"].to_list() == [3, 9, 1]
    money = bars(ticks_of(rows), dollar=120_001, session=SESSION)
    assert money["volume"].to_list() == [12, 1]


def test_bars__notional_is_exact_beyond_64_bits() -> None:
    """A day of four thousand million lots a trade."""
    rows = [trade(second, 20_000, 4_000_000_000) for second in range(3)]

    (bar,) = bars(ticks_of(rows), session=SESSION).iter_rows(named=True)

    assert bar["notional"] == 240_000_000_000_000


def test_bars__a_full_bar_is_seen_with_its_last_trade() -> None:
    """Its end is the nanosecond after: nothing before it can come later."""
    rows = [trade(1, 20_000), trade(2, 20_001), trade(9, 20_002)]

    (first, _) = bars(ticks_of(rows), ticks=2, session=SESSION).iter_rows(named=True)

    assert first["end_ns"] == rows[1]["ts_event"] + 1
    assert first["visible_ns"] == rows[1]["ts_recv"]


def test_bars__filled_rows_have_the_last_close_and_no_volume() -> None:
    """Between the first and the last bar; known as late after their end as the one before."""
    rows = [trade(1, 20_000, 5), trade(300, 20_010)]

    found = bars(ticks_of(rows), fill=True, session=SESSION)

    assert found["n_trades"].to_list() == [1, 0, 0, 0, 0, 1]
    assert found["open"].to_list() == [20_000 * POINT] * 5 + [20_010 * POINT]
    assert (found["visible_ns"] - found["end_ns"]).to_list() == [999_999] * 6
    assert bars(ticks_of(rows), session=SESSION).equals(found.filter(pl.col("n_trades") > 0))


def test_bars__spreads_are_left_out_and_sessions_found() -> None:
    """A spread's prices are differences; the session comes from the product's calendar."""
    rows = [trade(60, 20_000)]

    assert bars(ticks_of(rows, "MNQH5-MNQM5")).is_empty()
    assert bars(ticks_of(rows))["session"].to_list() == [date(2025, 1, 13)]
    assert bars(ticks_of([])).schema == BAR_SCHEMA


@pytest.mark.parametrize("text", ["0m", "2d", "25h", "90s", "1.5m", "", "ticks", "-5ticks"])
def test_bar_rule__refuses_what_is_no_rule(text: str) -> None:
    """And says which forms there are."""
    with pytest.raises(ConfigError, match="every must be a time from 1m to 1d"):
        bar_rule(text)


def test_bars__refuses_two_rules_and_no_number() -> None:
    """Or empty bars of something that can't be empty."""
    rows = ticks_of([trade(1, 20_000)])
    with pytest.raises(ConfigError, match="by one rule"):
        bars(rows, every="1m", ticks=5)
    with pytest.raises(ConfigError, match="volume must be a whole number above 0, got 0"):
        bars(rows, volume=0)
    with pytest.raises(ConfigError, match="only time has empty bars"):
        bars(rows, volume=5, fill=True)


def test_bars__refuses_an_undefined_price() -> None:
    """It would be the highest of its bar; prices too large for the sums likewise."""
    rows = [trade(1, 20_000), trade(2, 0) | {"price": EMPTY_PRICE}]
    with pytest.raises(DataError, match="undefined, or too far for a bar's sums"):
        bars(ticks_of(rows), session=SESSION)
    huge = [trade(second, 5 * 10**9, 4_000_000_000) for second in range(3)]
    with pytest.raises(DataError, match="undefined, or too far for a bar's sums"):
        bars(ticks_of(huge), session=SESSION)


def _half(path: Path, ticks: pl.DataFrame) -> Path:
    ticks.write_parquet(path)
    return path


@pytest.mark.real_data
def test_bars__same_for_any_order_of_files(real_data: Path, tmp_path: Path) -> None:
    """Five pieces of the NQ session, named out of order, in five orders."""
    whole = read_ticks(real_data / "cme_nq_trades")
    edges = [0, 1_000, 1_001, 4_000, 7_777, whole.height]
    pieces = [
        _half(tmp_path / f"{9 - n}.parquet", whole[start:end])
        for n, (start, end) in enumerate(pairwise(edges))
    ]
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(pieces))
        shuffled = read_ticks([pieces[n] for n in order])
        rules: list[dict[str, Any]] = [{"every": "1m"}, {"ticks": 100}, {"dollar": 10**8}]
        for rule in rules:
            assert bars(shuffled, **rule).equals(bars(whole, **rule))


@pytest.mark.real_data
def test_bars__nq_opening_auction_is_in_the_first_bar(real_data: Path) -> None:
    """NQM5, Sunday 2025-05-04: 16 lots at 20181.5 without a side; the spread makes no bar."""
    ticks = read_ticks(real_data / "cme_nq_trades")

    found = bars(ticks)

    pandera_schema("bars", RESULT_TABLES["bars"]).validate(found)
    assert found["session"].unique().to_list() == [date(2025, 5, 5)]
    assert found["symbol"].unique().sort().to_list() == ["NQM5", "NQU5"]
    first = found.filter(pl.col("symbol") == "NQM5").row(0, named=True)
    assert (first["open"], first["auction_volume"]) == (20_181_500_000_000, 16)
    assert first["volume"] == 16 + first["buy_volume"] + first["sell_volume"]
    traded = ticks.filter(pl.col("symbol") != "NQM5-NQU5")["size"].sum()
    assert found["volume"].sum() == traded


@pytest.mark.real_data
def test_bars__es_minutes_equal_the_vendors(real_data: Path) -> None:
    """ESU4, 2024-07-01 23:58 to 00:02 UTC: every minute of the trades, price and volume."""
    folder = real_data / "cme_es_small"
    (file,) = folder.glob("*ohlcv-1m*.dbn.zst")
    ours = bars(read_ticks(next(folder.glob("*_trades_*.dbn.zst"))))

    vendor = _vendor_minutes(file, set(ours["instrument_id"]))
    columns = ["start_ns", "open", "high", "low", "close", "volume"]
    whole = ours.select(columns).rows()
    assert whole == [row for row in vendor if row[0] in set(ours["start_ns"])]
    assert len(whole) == 4


def _vendor_minutes(file: Path, ids: set[int]) -> list[tuple[int, ...]]:
    decoder = dbn.DBNDecoder()
    with pa.input_stream(file, compression="zstd") as content:
        decoder.write(content.read())
    return [
        (bar.ts_event, bar.open, bar.high, bar.low, bar.close, bar.volume)
        for bar in decoder.decode()
        if isinstance(bar, dbn.OHLCVMsg) and bar.instrument_id in ids
    ]


@pytest.mark.real_data
def test_bars__trades_of_a_book_feed_make_the_same_bars(real_data: Path) -> None:
    """All but when they are seen: a feed of quotes tells more about its latency."""
    folder = real_data / "cme_es_small"
    quotes, trades = (
        bars(read_ticks(next(folder.glob(f"*_{name}_*.dbn.zst")))).drop("visible_ns")
        for name in ("mbp-1", "trades")
    )

    assert quotes.equals(trades)


@pytest.mark.real_data
def test_bars__es_orders_give_their_trades(real_data: Path) -> None:
    """ESH4 market-by-order at Christmas: 9,892 lots, the auction at 23:00 UTC in the first bar."""
    found = bars(read_ticks(real_data / "cme_es_mbo"))

    assert (found["volume"].sum(), found["n_trades"].sum()) == (9_892, 2_973)
    assert found["auction_volume"].to_list()[0] == 44
    assert found["auction_volume"].sum() == 44
    assert found["session"].unique().to_list() == [date(2023, 12, 26)]
