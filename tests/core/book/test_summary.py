"""The figures of the command `book`."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from strategy_lab_core.book.summary import BookSummary, summarise
from strategy_lab_core.data.instruments import product_of
from strategy_lab_core.types import TickSchema
from tests.core.book.tapes import to_table
from tests.naive.book import LAST, Record
from tests.naive.tick_tables import random_ticks

ES = {
    "symbol": "ESH4",
    "rows": 77_517,
    "best_bid": "4810.00",
    "best_bid_size": 22,
    "best_ask": "4810.25",
    "best_ask_size": 28,
    "bid_levels": 922,
    "ask_levels": 565,
    "live_orders": 11_217,
    "last_sequence": 59_585,
    "last_ts_recv": 1_703_548_799_446_821_072,
    "trades": 2_973,
    "volume": 9_892,
    "unknown_orders": 0,
    "event_ends": 47_023,
    "crossed_states": 891,
    "crossed_first_ts": 1_703_543_995_216_798_489,
    "crossed_last_ts": 1_703_545_199_999_703_903,
    "crossed_outside_pre_open": 0,
}
SUNDAY = 1_736_722_800 * 10**9  # 2025-01-12 23:00 UTC: MNQ opens
PRICE = 21_000 * 10**9


def crossed_at(ts_ns: int) -> list[Record]:
    """Return a tape whose book is crossed at one event end."""
    return [
        Record("A", "B", PRICE + 250_000_000, 1, 1, LAST, ts_ns),
        Record("A", "A", PRICE, 2, 2, LAST, ts_ns),
        Record("C", "A", PRICE, 2, 2, LAST, ts_ns),
        Record("C", "A", PRICE, 2, 3, LAST, ts_ns),
    ]


@pytest.mark.real_data
def test_summarise__christmas_reopening_of_es(real_data: Path) -> None:
    """Both files together give the figures of an independent replay, in any order of files."""
    files = sorted((real_data / "cme_es_mbo").iterdir())

    assert summarise(files) == [ES]
    assert summarise(reversed(files)) == [ES]


@pytest.mark.parametrize(
    ("symbol", "ts_ns", "outside"),
    [
        ("MNQH5", SUNDAY - 600 * 10**9, 0),
        ("MNQH5", SUNDAY + 600 * 10**9, 1),
        ("NOBODY", SUNDAY - 600 * 10**9, 1),
    ],
    ids=["pre-open", "open", "no calendar"],
)
def test_summary__crossed_outside_the_pre_open(symbol: str, ts_ns: int, outside: int) -> None:
    """A crossed book counts as outside unless the calendar knows better."""
    summary = BookSummary(symbol)

    summary.feed(to_table(crossed_at(ts_ns)), TickSchema.MBO)
    found = summary.as_dict()

    assert found["crossed_states"] == 1
    assert found["crossed_first_ts"] == found["crossed_last_ts"] == ts_ns
    assert found["crossed_outside_pre_open"] == outside


def test_summary__asks_the_calendar_of_an_own_product() -> None:
    """A product that the package does not know has its hours too."""
    own = {"ZZZ": replace(product_of("MNQH5"), root="ZZZ")}
    summary, lost = BookSummary("ZZZH5", products=own), BookSummary("ZZZH5")

    for each in (summary, lost):
        each.feed(to_table(crossed_at(SUNDAY - 600 * 10**9)), TickSchema.MBO)

    assert summary.as_dict()["crossed_outside_pre_open"] == 0
    assert lost.as_dict()["crossed_outside_pre_open"] == 1


def test_summary__adds_up_over_batches() -> None:
    """Figures of one batch and of many are the same; sides that are empty have no price."""
    whole, parts = BookSummary("MNQH5"), BookSummary("MNQH5")
    tape = [*crossed_at(SUNDAY), Record("T", "A", PRICE, 7, 0, LAST, SUNDAY + 1)]
    ticks = to_table(tape)

    whole.feed(ticks, TickSchema.MBO)
    for row in range(len(ticks)):
        parts.feed(ticks[row : row + 1], TickSchema.MBO)

    found = whole.as_dict()
    assert parts.as_dict() == found | {"rows": 5}
    assert (found["best_bid"], found["best_ask"], found["ask_levels"]) == ("21000.25", None, 0)
    assert (found["trades"], found["volume"], found["unknown_orders"]) == (1, 7, 1)


def test_summary__trades_have_no_book() -> None:
    """A feed of trades alone counts them, and says nothing of a book."""
    summary = BookSummary("MNQH5")
    ticks = to_table([Record("T", "A", PRICE, 7, 0, LAST, SUNDAY)])

    summary.feed(ticks, TickSchema.TRADES)
    found = summary.as_dict()

    assert (found["trades"], found["best_bid"], found["live_orders"]) == (1, None, None)
    assert found["bid_levels"] is None


def test_summarise__counts_statistics_and_trades_nothing(tmp_path: Path) -> None:
    """A folder may hold them beside ticks; they have neither trades nor a book."""
    ticks = random_ticks(TickSchema.STATISTICS, 4, 1, "A").with_columns(symbol=pl.lit("MNQH5"))
    ticks.write_parquet(tmp_path / "statistics.parquet")
    (found,) = summarise(tmp_path)
    assert (found["symbol"], found["rows"], found["trades"]) == ("MNQH5", 4, 0)


@pytest.mark.real_data
def test_summarise__three_instruments_of_one_file_apart(real_data: Path) -> None:
    """The spread has figures of its own."""
    found = summarise(next((real_data / "cme_nq_trades").glob("*.csv")))

    assert [(row["symbol"], row["rows"]) for row in found] == [
        ("NQM5", 9_846),
        ("NQM5-NQU5", 14),
        ("NQU5", 27),
    ]
