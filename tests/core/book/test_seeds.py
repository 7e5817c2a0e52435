"""A session cut at midnight gives the book of the uncut one, orders' places included."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.book.l3 import L3Book
from strategy_lab_core.book.replay import replay
from strategy_lab_core.book.seeds import SeedBuilder, live_orders
from strategy_lab_core.data.columns import Table, column, concat
from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.types import TickSchema
from tests.core.book.tapes import tapes, to_table
from tests.naive.book import LAST, SNAPSHOT, Record

MIDNIGHT = 1_000_000


def book_of(*parts: Table) -> L3Book:
    """Return the book after all parts."""
    book = L3Book()
    for ticks in parts:
        book.feed(book.rows(ticks))
    return book


def queues(book: L3Book) -> list[tuple[int, int, int, int]]:
    """Return side, price, order and size of all orders, each level's front first."""
    orders = book.orders()
    rows = zip(orders.side, orders.price, orders.order_id, orders.size, strict=True)
    found = [(int(side), int(price), int(order), int(size)) for side, price, order, size in rows]
    return sorted(found, key=lambda row: row[:2])


def rest(draw: st.DrawFn) -> list[Record]:
    """Draw the rows after midnight; none are snapshots."""
    later = [record for record in draw(tapes()) if not record.flags & SNAPSHOT]
    for record in later:
        record.ts_recv += MIDNIGHT
    return later


@st.composite
def days(draw: st.DrawFn) -> tuple[list[Record], list[Record]]:
    """Draw the rows before and after midnight of a book that began with a clear."""
    return [Record("R", ts_recv=1), *draw(tapes())], rest(draw)


def snapshot_of(book: L3Book, *, by_price: bool, cleared: bool) -> Table:
    """Return the vendor's snapshot: per side by price and place, perhaps after a clear."""
    rows = live_orders(book, instrument_id=7, symbol="S7", ts_ns=MIDNIGHT)
    if by_price:
        rows = rows[np.lexsort((np.arange(len(rows)), column(rows, "price"), column(rows, "side")))]
    clear = to_table([Record("R", flags=8, ts_recv=MIDNIGHT)])
    return concat([clear, rows]) if cleared else rows


@given(day=days(), by_price=st.booleans(), cleared=st.booleans())
def test_snapshot__of_the_second_file_changes_nothing(
    day: tuple[list[Record], list[Record]], by_price: bool, cleared: bool
) -> None:
    """Book and queues are those of the uncut file, with the vendor's snapshot in between."""
    before, after = (to_table(tape) for tape in day)
    middle = snapshot_of(book_of(before), by_price=by_price, cleared=cleared)

    cut = book_of(before, middle, after) if len(middle) else book_of(before, after)

    assert queues(cut) == queues(book_of(before, after))


@given(day=days())
def test_seed__continues_as_the_uncut_file(day: tuple[list[Record], list[Record]]) -> None:
    """A session begun from the seed shows the events of the uncut file, and ends in its book."""
    before, after = (to_table(tape) for tape in day)
    builder = SeedBuilder(MIDNIGHT)
    builder.feed(before[:5])
    builder.feed(before[5:])
    seed = builder.table()
    if not len(seed):
        return

    whole = replay(concat([before, after]), depth=3)
    found = replay(after, depth=3, seed=seed)

    assert queues(book_of(seed, after)) == queues(book_of(before, after))
    levels = [name for name in found.columns if name[:3] in ("bid", "ask")]
    assert found.select(levels).equals(whole.select(levels)[len(whole) - len(found) :])


def test_seed__is_a_canonical_snapshot_in_order_of_arrival() -> None:
    """The rows have the schema of market-by-order ticks, arrival first, the last one ends it."""
    tape = [Record("R", ts_recv=1), *(Record("A", "B", 100, 2, i, LAST, 5) for i in (9, 4, 6))]
    builder = SeedBuilder(MIDNIGHT)
    builder.feed(to_table(tape))

    seed = builder.table()

    assert seed.schema == polars_schema(TickSchema.MBO)
    assert column(seed, "order_id").tolist() == [9, 4, 6]
    assert column(seed, "flags").tolist() == [SNAPSHOT | 8, SNAPSHOT | 8, SNAPSHOT | 8 | LAST]
    assert set(column(seed, "ts_recv").tolist()) == {MIDNIGHT}


def test_seed__none_from_a_book_that_is_not_known() -> None:
    """Neither an unseeded book nor an unreliable one makes a seed."""
    unseeded, unreliable = SeedBuilder(MIDNIGHT), SeedBuilder(MIDNIGHT)
    order = Record("A", "B", 100, 2, 1, LAST, 5)
    unseeded.feed(to_table([order]))
    unreliable.feed(to_table([Record("R", ts_recv=1), order, Record("C", "B", 100, 1, 7)]))

    assert len(unseeded.table()) == 0
    assert len(unreliable.table()) == 0
    assert unreliable.table().schema == polars_schema(TickSchema.MBO)
