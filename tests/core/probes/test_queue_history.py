"""The levels of a tape through time, against the books and scenes by hand."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.book.l3 import L3Book
from strategy_lab_core.probes.queue_history import QueueHistory
from tests.core.book.tapes import tapes, to_table
from tests.naive.book import SNAPSHOT, NaiveBook, Record


@dataclass
class Counting(NaiveBook):
    """Counts how often it began anew."""

    begins: int = 0

    def _clear(self) -> None:
        super()._clear()
        self.begins += 1


def is_valid(record: Record) -> bool:
    """Say whether a validated table can hold it: an order has a side, a price and lots."""
    has_place = record.side != "N" and record.price is not None and record.size > 0
    return has_place or record.action not in "AM"


def shown(order_id: int, lots: int, ts_recv: int) -> Record:
    """Return a snapshot row of a bid at 100."""
    return Record("A", "B", 100, lots, order_id, SNAPSHOT, ts_recv)


def read(records: list[Record], *, cut: int) -> QueueHistory:
    """Return the history of a tape whose first `cut` rows are the seed."""
    ticks = to_table(records)
    return QueueHistory(ticks[cut:], ticks[:cut])


@given(tape=tapes(), cut=st.integers(0, 20))
def test_history__ends_with_the_sizes_of_the_book(tape: list[Record], cut: int) -> None:
    """Every level that ever changed, and as many beginnings; wherever the seed ends."""
    tape = [record for record in tape if is_valid(record)]
    cut = min(cut, max(len(tape) - 1, 0))  # whose orders a seed has is known by the rows
    book, naive = L3Book(), Counting()
    book.feed(book.rows(to_table(tape)))
    for record in tape:
        naive.apply(record)

    history = read(tape, cut=cut)

    for side, letter in enumerate("BA"):
        prices = {r.price for r in tape if r.side == letter and r.price is not None}
        levels = {price: history.changes(ord(letter), price) for price in prices}
        sizes = {price: int(found[-1, 2]) for price, found in levels.items() if len(found)}
        depth = book.depth(side)
        assert {price: lots for price, lots in sizes.items() if lots} == dict(
            zip(depth.prices.tolist(), depth.sizes.tolist(), strict=True)
        )
    assert len(history.begin_ns) == naive.begins


def test_history__begins_anew_with_a_snapshot_of_another_time() -> None:
    """Two snapshots in a row: 5 lots go, 3 and 2 come, and whoever waited is over a beginning."""
    history = read([shown(1, 5, 10), shown(2, 3, 20), shown(3, 2, 20)], cut=0)

    assert history.begin_ns.tolist() == [10, 20]
    assert history.changes(ord("B"), 100)[:, :3].tolist() == [
        [10, 0, 5], [20, 5, 0], [20, 0, 3], [20, 3, 5],
    ]  # fmt: skip
    assert not history.is_unbroken(np.array([[10]]), np.array([[20]])).any()


def test_history__begins_once_with_a_clear_and_its_snapshot() -> None:
    """Whether the clear is flagged as the snapshot's or not, and whatever its time."""
    for flags in (0, SNAPSHOT):
        clear = Record("R", flags=flags, ts_recv=15)
        history = read([shown(1, 5, 10), clear, shown(2, 3, 20)], cut=0)

        assert history.begin_ns.tolist() == [10, 15]


def test_history__goes_on_from_the_seed_with_a_snapshot_of_its_time() -> None:
    """As the book does, which reads the two in one go."""
    assert read([shown(1, 5, 10), shown(2, 3, 10)], cut=1).begin_ns.tolist() == [10]


def test_history__leaves_out_what_the_book_leaves_out() -> None:
    """A cancel that is flagged as of a snapshot, and another instrument's orders in the seed."""
    cancel = Record("C", "B", 100, 5, 1, SNAPSHOT, 10)
    ticks = to_table([shown(1, 5, 10), cancel])
    other = to_table([shown(7, 9, 10)]).with_columns(pl.col("instrument_id") + 1)

    found = QueueHistory(ticks, other).changes(ord("B"), 100)

    assert found[:, 1:3].tolist() == [[0, 5]]
