"""The order-by-order book against the naive one, and facts about single rules."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.book.l3 import L3Book
from strategy_lab_core.book.rules import StateRule
from tests.core.book.tapes import LONGEST, tapes, to_table
from tests.naive.book import LAST, SNAPSHOT, NaiveBook, Record


def names(bits: int) -> list[str]:
    """Return the names of the rules in a mask."""
    return [rule.name.lower() for rule in StateRule if bits & rule]


def levels(book: L3Book, side: int) -> list[tuple[int, int, int]]:
    """Return the levels of one side as the naive book gives them."""
    return list(zip(*(column.tolist() for column in book.depth(side)), strict=True))


def queues(book: L3Book) -> dict[tuple[str, int], list[int]]:
    """Return the order ids of every level, front first."""
    found: dict[tuple[str, int], list[int]] = {}
    orders = book.orders()
    for order_id, side, price in zip(orders.order_id, orders.side, orders.price, strict=True):
        found.setdefault((chr(side), int(price)), []).append(int(order_id))
    return found


def naive_queues(book: NaiveBook) -> dict[tuple[str, int], list[int]]:
    """Return the same from the naive book."""
    places = {(order.side, order.price) for order in book.orders.values()}
    return {place: book.queue(*place) for place in places}


def assert_same(book: L3Book, naive: NaiveBook) -> None:
    """Compare everything that the two books know."""
    assert levels(book, 0) == naive.levels("B")
    assert levels(book, 1) == naive.levels("A")
    assert queues(book) == naive_queues(naive)
    assert book.live_orders == len(naive.orders)
    assert book.started == naive.started


@given(tape=tapes())
def test_feed__agrees_with_the_naive_book_after_every_record(tape: list[Record]) -> None:
    """Levels, sizes, counts, queues and broken rules, one record at a time."""
    book, naive = L3Book(orders=1), NaiveBook()

    for record in tape:
        broken = book.feed(book.rows(to_table([record])))

        assert names(broken[0]) == naive.apply(record)
        assert_same(book, naive)


@given(tape=tapes(4 * LONGEST), cuts=st.lists(st.integers(0, 8 * LONGEST), max_size=4))
def test_feed__is_the_same_in_any_batches(tape: list[Record], cuts: list[int]) -> None:
    """Growth of grid and table between batches changes nothing."""
    book, naive = L3Book(orders=1), NaiveBook()
    ticks = to_table(tape)

    for part in np.split(np.arange(len(tape)), sorted(cuts)):
        book.feed(book.rows(ticks[part]))
    for record in tape:
        naive.apply(record)

    assert_same(book, naive)


@given(tape=tapes(), depth=st.integers(1, 4), every=st.booleans())
def test_replay__writes_the_best_levels(tape: list[Record], depth: int, every: bool) -> None:
    """Each written book holds the naive book's best levels, padded where there are fewer."""
    book, naive = L3Book(), NaiveBook()

    books = book.replay(book.rows(to_table(tape)), depth=depth, every=every)

    number = 0
    for row, record in enumerate(tape):
        naive.apply(record)
        if not every and not record.flags & LAST:
            continue
        expected = [
            (naive.levels(side) + [(2**63 - 1, 0, 0)] * depth)[:depth] for side in ("B", "A")
        ]
        found = (books.prices[number], books.sizes[number], books.counts[number])
        assert books.at[number] == row
        assert list(zip(*(f.tolist() for f in found), strict=True)) == expected[0] + expected[1]
        number += 1
    assert number == len(books.at)


@given(tape=tapes(), depths=st.lists(st.integers(0, 3), max_size=LONGEST))
def test_replay__in_parts_is_as_in_one(tape: list[Record], depths: list[int]) -> None:
    """Whatever was fed in between without books (depth 0), or shown to another depth."""
    book, other = L3Book(orders=1), L3Book(orders=1)

    for record, depth in zip(tape, depths, strict=False):
        rows, others = book.rows(to_table([record])), other.rows(to_table([record]))
        if not depth:
            book.feed(rows)
            other.feed(others)
            continue
        books = book.replay(rows, depth=depth, every=True)
        shown = other.copy().replay(others, depth=depth, every=True)  # a book of its own each time
        other.feed(others)
        np.testing.assert_array_equal(books.prices, shown.prices)
        np.testing.assert_array_equal(books.sizes, shown.sizes)
        np.testing.assert_array_equal(books.counts, shown.counts)


def test_feed__holds_thousands_of_orders_in_a_table_that_began_small() -> None:
    """The table grows in the middle of a batch; nothing is lost or doubled."""
    tape = [Record("A", "B", 100 + i % 50, 1, order_id=i * 2**33) for i in range(5_000)]
    book = L3Book(orders=1)

    book.feed(book.rows(to_table(tape)))

    assert book.live_orders == 5_000
    assert book.depth(0).counts.tolist() == [100] * 50


def test_reserve__keeps_book_and_queue() -> None:
    """Making room ahead moves orders in memory only."""
    tape = [Record("A", "B", 100, 1, order_id=i) for i in (5, 3, 9)]
    book = L3Book()
    book.feed(book.rows(to_table(tape)))

    book.reserve(100_000)

    assert book.capacity >= 100_000
    assert queues(book) == {("B", 100): [5, 3, 9]}


FRONT = [Record("A", "B", 100, 5, order_id=1), Record("A", "B", 100, 5, order_id=2)]


@pytest.mark.parametrize(
    ("record", "queue"),
    [
        (Record("M", "B", 100, 3, order_id=1), [1, 2]),
        (Record("M", "B", 100, 5, order_id=1), [1, 2]),
        (Record("M", "B", 100, 6, order_id=1), [2, 1]),
        (Record("C", "B", 100, 4, order_id=1), [1, 2]),
        (Record("C", "B", 100, 5, order_id=1), [2]),
        (Record("A", "B", 100, 5, order_id=1), [2, 1]),
        (Record("F", "B", 100, 5, order_id=1), [1, 2]),
        (Record("T", "A", 100, 5, order_id=0), [1, 2]),
    ],
    ids=["smaller", "same", "larger", "reduced", "gone", "duplicate", "fill", "trade"],
)
def test_feed__queue_place(record: Record, queue: list[int]) -> None:
    """Who is ahead at 100 after one more record."""
    book = L3Book()

    book.feed(book.rows(to_table([*FRONT, record])))

    assert queues(book) == {("B", 100): queue}


def test_snapshot__keeps_the_place_of_unchanged_orders() -> None:
    """In a snapshot listed in another order, only the changed order loses its place."""
    rows = [Record("A", "B", 100, size, i, SNAPSHOT, 9) for i, size in ((3, 5), (2, 5), (1, 4))]
    book = L3Book()

    book.feed(book.rows(to_table([*FRONT, *rows])))

    assert queues(book) == {("B", 100): [2, 3, 1]}


def test_snapshot__another_time_is_another_snapshot() -> None:
    """An order that the second of two snapshots no longer has is gone."""
    rows = [Record("A", "B", 100, 5, order_id, SNAPSHOT, ts) for order_id, ts in ((1, 8), (2, 9))]
    book = L3Book()

    book.feed(book.rows(to_table(rows)))

    assert queues(book) == {("B", 100): [2]}
