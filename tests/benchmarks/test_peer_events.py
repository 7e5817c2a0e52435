"""Our tapes as the peer's events: the same book after every event, nothing it would refuse."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.peer_events import EVENT, Kind, peer_events
from benchmarks.plain_book import PlainBook, events_of
from tests.benchmarks.scenes import tape_from, tape_of
from tests.core.engine.tapes import random_rows
from tests.naive.book import SNAPSHOT
from tests.naive.engine import Row

KIND, BUY = 0xFF, 1 << 29


def play(orders: dict[int, tuple[int, float, float]], event: Any) -> None:
    """Apply one of the peer's events as strictly as it does: unknown orders are errors."""
    kind, order = int(event["ev"]) & KIND, int(event["order_id"])
    placed = (1 if int(event["ev"]) & BUY else -1, float(event["px"]), float(event["qty"]))
    if kind == Kind.CLEAR:
        orders.clear()
    elif kind == Kind.ADD:
        assert order not in orders
        orders[order] = placed
    elif kind in (Kind.MODIFY, Kind.FILL, Kind.CANCEL):
        assert order in orders
        if kind == Kind.MODIFY:
            orders[order] = placed
        elif kind == Kind.CANCEL:
            del orders[order]


def kinds(rows: list[Row]) -> list[tuple[str, int, float, float]]:
    """Return kind, order, price and lots of the events of rows that are an event each."""
    events, _ = peer_events(tape_of([[row] for row in rows], []))
    return [
        (Kind(int(each["ev"]) & KIND).name, int(each["order_id"]), each["px"], each["qty"])
        for each in events
    ]


@given(seed=st.integers(0, 10**6), n_events=st.integers(0, 60))
def test_events__rebuild_the_same_book(seed: int, n_events: int) -> None:
    """However far a tape goes, the peer's orders are those of a plain book; no row is left out."""
    tape = tape_from(random_rows(seed, n_events, wild=False))
    events, skipped = peer_events(tape)
    book = PlainBook()
    orders: dict[int, tuple[int, float, float]] = {}
    for event in events_of(tape):
        for row in event.rows:
            book.apply(row)
    for each in events:
        play(orders, each)
    shown = {order_id: (each.side, each.tick, each.lots) for order_id, each in book.orders.items()}
    assert orders == shown
    assert skipped == (0, 0)


@given(seed=st.integers(0, 10**6))
def test_events__hold_nothing_that_the_peer_refuses(seed: int) -> None:
    """Rows that no sound market writes become events of known orders, or none."""
    events, _ = peer_events(tape_from(random_rows(seed, 40, wild=True)))
    orders: dict[int, tuple[int, float, float]] = {}
    for each in events:
        play(orders, each)


def test_events__rewrite_what_the_peer_has_no_words_for() -> None:
    """A part cancelled, an order added twice, a modify and a fill of nobody, and a snapshot."""
    added = ("ADD", 1, 100.0, 3.0)
    first = Row("A", "B", 100, 3, 1)
    assert kinds([first, Row("C", "B", 100, 1, 1)]) == [added, ("MODIFY", 1, 100.0, 2.0)]
    assert kinds([first, Row("C", "B", 100, 3, 1)]) == [added, ("CANCEL", 1, 100.0, 3.0)]
    again = [added, ("CANCEL", 1, 101.0, 3.0), ("ADD", 1, 101.0, 2.0)]
    assert kinds([first, Row("A", "B", 101, 2, 1)]) == again
    assert kinds([Row("M", "B", 100, 3, 1)]) == [added]
    assert kinds([first, Row("F", "B", 100, 1, 9), Row("C", "B", 100, 1, 9)]) == [added]
    shown = Row("A", "B", 100, 3, 1, SNAPSHOT)
    assert kinds([first, shown]) == [added, ("CLEAR", 0, 0.0, 0.0), added]


def test_events__count_what_is_left_out() -> None:
    """A fill and two cancels of orders that nobody added."""
    rows = [Row(action, "B", 100, 1, 9) for action in "FCC"]
    assert peer_events(tape_of([[row] for row in rows], []))[1] == (1, 2)


def test_events__lie_on_whole_cache_lines_with_both_clocks() -> None:
    """The peer reads them in place; every event is on the exchange's and on our clock."""
    events, _ = peer_events(tape_of([[Row("A", "A", 100, 3, 1)]], []))
    assert events.ctypes.data % 64 == 0
    assert EVENT.itemsize == 64
    assert int(events["ev"][0]) == 10 | 1 << 31 | 1 << 30 | 1 << 28
