"""Days that are not like the others: from a file through the rules and the books to a backtest.

Each has its rule and its reason in docs/semantics.md, "Unusual days". Auctions, limits, bursts,
empty hours, odd prices and sizes are the market's own: none of them stops anything.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

import strategy_lab_core as lab
from strategy_lab_core.book.validate import Validation
from strategy_lab_core.data.calendar import Session, phase_intervals, session_calendar
from strategy_lab_core.data.columns import column
from strategy_lab_core.data.dbn_writer import write_dbn
from strategy_lab_core.data.instruments import instruments, product_of
from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.engine.backtest import BacktestResult
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.report.html import report_figures
from strategy_lab_core.strategies.requests import buy_market, sell_market
from strategy_lab_core.strategies.strategy import Memory, View, strategy
from strategy_lab_core.types import BookState, Int2D, TickSchema
from tests.core.book.tapes import to_table
from tests.core.report.samples import report
from tests.naive.book import LAST, SNAPSHOT, Record

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
POINT = 10**9


class Nothing(NamedTuple):
    """No parameters."""


@strategy(Nothing, on_book=False, timer_ns=MINUTE, ints=1)
def in_and_out(memory: Memory, view: View, p: Nothing, requests: Int2D) -> None:
    """Buy a lot at the market when both sides are quoted, sell it ten minutes later."""
    if view.bid_size == 0 or view.ask_size == 0 or view.is_open == 0:
        return
    memory.ints[0] += 1
    if memory.ints[0] == 1:
        buy_market(requests, 1)
    elif memory.ints[0] == 11 and view.position > 0:
        sell_market(requests, 1)


class Day:
    """One contract's session, written record by record and read back from a file."""

    def __init__(self, symbol: str, key: str) -> None:
        self.symbol = symbol
        product = product_of(symbol)
        self.session: Session = session_calendar(product.calendar).session(date.fromisoformat(key))
        self.records: list[Record] = []
        start = self.session.pre_open_ns
        self.add(start, "R", flags=SNAPSHOT | 8)

    def add(
        self,
        at_ns: int,
        action: str,
        side: str = "N",
        price: float | None = None,
        size: int = 0,
        order_id: int = 0,
        flags: int = LAST,
    ) -> "Day":
        """Add a record, a whole event unless told otherwise."""
        exact = None if price is None else round(price * POINT)
        self.records.append(Record(action, side, exact, size, order_id, flags, at_ns, at_ns))
        return self

    def quotes(self, at_ns: int, bid: float | None, ask: float | None, first_id: int) -> "Day":
        """Add an order of five lots on each side that has a price."""
        for n, (side, price) in enumerate((("B", bid), ("A", ask))):
            if price is not None:
                self.add(at_ns, "A", side, price, 5, first_id + n)
        return self

    def read(self, folder: Path) -> pl.DataFrame:
        """Return the ticks after a way through a DBN file."""
        path = folder / "day.mbo.dbn.zst"
        write_dbn(path, to_table(self.records), {7: self.symbol})
        return lab.read_ticks(path)

    def validated(self, folder: Path, status: pl.DataFrame | None = None) -> Validation:
        """Return the ticks after both kinds of rules."""
        known = instruments({7: self.symbol})
        phases = phase_intervals(self.session, status)
        return lab.validate(self.read(folder), instruments=known, phases=phases)

    def backtested(self, folder: Path, status: pl.DataFrame | None = None) -> BacktestResult:
        """Run `in_and_out` on the file, with a last record just before the close."""
        self.add(self.session.close_ns - SECOND, "N")
        config = BacktestConfig(allow_partial=True)
        return lab.backtest(
            self.read(folder), in_and_out(), config, session=self.session, status=status
        )


def halts(rows: Sequence[tuple[int, int]]) -> pl.DataFrame:
    """Return a status table of (ts_event, action)."""
    table = pl.DataFrame(
        [(ts_ns, 7, action) for ts_ns, action in rows],
        schema=["ts_event", "instrument_id", "action"], orient="row",
    )  # fmt: skip
    empty = pl.DataFrame(schema=polars_schema(TickSchema.STATUS))
    cast = table.cast({"instrument_id": pl.UInt32, "action": pl.UInt16})
    return pl.concat([empty, cast], how="diagonal")


def test_opening_auction__crossed_before_it_and_no_fill_in_it(tmp_path: Path) -> None:
    """Orders cross while the auction collects them; its trades have no side and fill nobody."""
    day = Day("NQM5", "2025-05-05")
    start = day.session.open_ns
    day.quotes(start - HOUR + SECOND, 20182.0, 20181.0, 1)  # crossed by four ticks
    day.add(start, "T", "N", 20181.5, 5, flags=0)
    day.add(start, "F", "B", 20181.5, 5, 1, flags=0).add(start, "F", "A", 20181.5, 5, 2, flags=0)
    day.add(start, "C", "B", 20182.0, 5, 1, flags=0).add(start, "C", "A", 20181.0, 5, 2)
    day.quotes(start + SECOND, 20181.0, 20181.5, 3)
    found = day.validated(tmp_path)
    assert found.counts == {}
    assert set(column(found.valid, "book_state").tolist()) == {BookState.TRUSTED}
    fills = day.backtested(tmp_path).fills
    assert (fills["ts_exchange"] > start + SECOND).all()
    late = Day("NQM5", "2025-05-05").quotes(start + SECOND, 20182.0, 20181.0, 1)
    assert late.validated(tmp_path).counts == {"crossed_open": 1}  # nothing is collecting now


def test_limit_halt__nothing_is_sent_and_no_alarm_is_raised(tmp_path: Path) -> None:
    """Status records of a limit-down halt: crossed orders inside it are an auction's."""
    day = Day("ESM0", "2020-03-16")
    halt = day.session.open_ns + 2 * MINUTE + 30 * SECOND
    day.quotes(day.session.open_ns + SECOND, 2600.0, 2600.5, 1)
    day.quotes(halt + MINUTE, 2601.0, 2599.0, 3)
    over = halt + 10 * MINUTE
    day.add(over, "C", "B", 2601.0, 5, 3).add(over, "C", "A", 2599.0, 5, 4)
    day.add(halt + 20 * MINUTE, "A", "B", 2599.0, 1, 5)
    status = halts([(day.session.open_ns, 7), (halt, 8), (halt + 15 * MINUTE, 7)])
    assert day.validated(tmp_path, status).counts == {}
    assert day.validated(tmp_path).counts["crossed_open"] == 3  # unknown halts look like faults
    result = day.backtested(tmp_path, status)
    ends = halt + 15 * MINUTE
    assert len(result.fills) == 2
    assert not result.fills["ts_exchange"].is_between(halt, ends, closed="left").any()


def test_limit_up__a_side_without_orders(tmp_path: Path) -> None:
    """At the limit nobody sells: the book has one side, and a run only waits."""
    day = Day("ESM0", "2020-03-17")
    start = day.session.open_ns
    day.quotes(start + SECOND, 2500.0, 2500.5, 1)
    day.add(start + 3 * MINUTE, "C", "A", 2500.5, 5, 2)
    for n in range(30):
        day.add(start + (4 + n) * MINUTE, "A", "B", 2500.0, 100, 10 + n)
    books = lab.replay(day.read(tmp_path), depth=1)
    assert books["ask_px_00"].to_list()[-30:] == [None] * 30
    assert day.validated(tmp_path).counts == {}
    result = day.backtested(tmp_path)
    assert result.fills["price"].to_list() == [2500_500_000_000, 2500_000_000_000]
    assert result.metrics["n_fills"] == 2  # the second to the bids at the limit, to end flat


@pytest.mark.parametrize("together", [True, False])
def test_burst__twenty_thousand_events_in_a_second(tmp_path: Path, together: bool) -> None:
    """More than 10,000 events a second, also all of one nanosecond, keep their order."""
    day = Day("ESM5", "2025-04-09")
    start = day.session.open_ns + MINUTE
    day.quotes(start, 5000.0, 5000.25, 1)
    for n in range(10_000):
        at, price = start if together else start + n * 90_000, 4999.75 - n % 40 / 4
        day.add(at, "A", "B", price, 1, 100 + n).add(at, "C", "B", price, 1, 100 + n)
    found = day.validated(tmp_path)
    assert (found.counts, len(found.valid)) == ({}, 20_003)
    last = lab.replay(found.valid, depth=2).row(-1, named=True)
    assert (last["bid_px_00"], last["bid_px_01"]) == (5000 * POINT, None)
    assert len(day.backtested(tmp_path).fills) == 2


def test_thin_night__hours_without_a_row(tmp_path: Path) -> None:
    """Silence is no fault of the rows: the book stays trusted, and the clock goes on."""
    day = Day("GCM5", "2025-05-06")
    day.quotes(day.session.open_ns + SECOND, 3300.0, 3300.1, 1)
    day.add(day.session.open_ns + 9 * HOUR, "A", "B", 3299.9, 1, 3)
    found = day.validated(tmp_path)
    assert found.counts == {}
    assert found.intervals.is_empty()
    filled = day.backtested(tmp_path).fills["ts_exchange"].to_list()
    assert len(filled) == 2
    assert filled[1] - filled[0] < 11 * MINUTE  # ten minutes of timer in the silence


def test_negative_prices__crude_oil_of_april_2020(tmp_path: Path) -> None:
    """The book, the grid, the fills and the account go through zero; the report shows them."""
    day = Day("CLK0", "2020-04-20")
    start = day.session.open_ns
    day.quotes(start + SECOND, 0.01, 0.02, 1)
    day.add(start + 5 * MINUTE, "C", "B", 0.01, 5, 1).add(start + 5 * MINUTE, "C", "A", 0.02, 5, 2)
    day.quotes(start + 6 * MINUTE, -37.64, -37.63, 3)
    day.quotes(start + 7 * MINUTE, -37.645, -37.63, 5)  # the first is between two ticks
    found = day.validated(tmp_path)
    assert found.counts == {"off_grid_price": 1}
    books = lab.replay(found.valid, depth=1)
    assert books.row(-1, named=True)["bid_px_00"] == -37_640_000_000
    result = day.backtested(tmp_path)
    assert result.fills["price"].to_list() == [20_000_000, -37_640_000_000]
    lost = 37_660 * 10**6 + 2 * 1_620_000  # 37.66 x 1,000 barrels and two fees
    assert result.metrics["net_profit_e6"] == -lost
    assert result.metrics["turnover_e6"] == 37_660 * 10**6  # what was paid, both times
    assert result.equity["equity"].to_list()[-1] == -lost


def test_negative_prices__in_the_report() -> None:
    """A page and its figures with every price moved below zero; the money is the same."""
    down = 30_000 * POINT
    plain = report(2)
    moved = replace(
        plain,
        sessions=[
            replace(
                one,
                fills=one.fills.with_columns(pl.col("price") - down),
                prices=one.prices.with_columns(pl.col("bid", "ask") - down),
            )
            for one in plain.sessions
        ],
    )
    page = lab.report(moved)
    assert not re.search(r"\b(nan|inf|null)\b", page.split("<script", maxsplit=1)[0])
    trades = [one["trades"] for one in report_figures(moved)["sessions"]]
    before = [one["trades"] for one in report_figures(plain)["sessions"]]
    assert all(trade["entry_price"] < 0 for trade in trades[0])
    assert [t["net"] for t in trades[0]] == [t["net"] for t in before[0]]


def test_zero_sizes__each_by_its_rule(tmp_path: Path) -> None:
    """Orders and trades of no lots are quarantined with a reason; a cancel of none does nothing."""
    day = Day("MNQM5", "2025-05-06")
    start = day.session.open_ns + SECOND
    day.quotes(start, 20000.0, 20000.25, 1)
    day.add(start, "A", "B", 19999.75, 0, 3).add(start, "M", "B", 20000.0, 0, 1)
    day.add(start, "T", "B", 20000.25, 0).add(start, "F", "A", 20000.25, 0, 2)
    day.add(start, "C", "A", 20000.25, 0, 2)
    found = day.validated(tmp_path)
    assert found.counts["size_not_positive"] == 4
    assert found.quarantined["rule_reason"].n_unique() == 1
    last = lab.replay(found.valid, depth=1).row(-1, named=True)
    assert (last["bid_sz_00"], last["ask_sz_00"]) == (5, 5)
    assert day.backtested(tmp_path).fills.is_empty()  # the modify in quarantine is a lost change


def test_settlements_off_the_grid__are_no_ticks(tmp_path: Path) -> None:
    """A settlement between two ticks is fine in a bar; a trade there can't have happened."""
    day = Day("MNQM5", "2025-05-06")
    start = day.session.open_ns + SECOND
    day.quotes(start, 20000.0, 20000.25, 1).add(start, "T", "B", 20000.3, 1)
    assert day.validated(tmp_path).counts == {"off_grid_price": 1}


@pytest.mark.real_data
@pytest.mark.parametrize(("root", "closes"), [("MNQ", 22), ("MES", 21)])
def test_settlements_off_the_grid__of_the_real_daily_bars(
    real_data: Path, root: str, closes: int
) -> None:
    """The closes of data/README.md; another price between two ticks is that settlement again."""
    bars = pl.read_csv(real_data / "cme_mnq_daily" / f"{root}.csv")
    assert int((bars["Close"] * 4 % 1 != 0).sum()) == closes
    for name in ("Open", "High", "Low"):
        odd = bars.filter(pl.col(name) * 4 % 1 != 0)
        assert odd[name].to_list() == odd["Close"].to_list()
