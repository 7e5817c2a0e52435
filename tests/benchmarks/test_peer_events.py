"""Our tapes as the peer's events: the same book after every event, nothing it would refuse."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.depth import depth_session
from benchmarks.peer_events import EVENT, Kind, peer_events
from benchmarks.plain_book import PlainBook, PlainLevels, events_of
from tests.benchmarks.scenes import tape_from, tape_of
from tests.core.engine.tapes import random_rows
from tests.naive.book import SNAPSHOT
from tests.naive.tape import Row

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


@given(seed=st.integers(0, 10**6), n_events=st.integers(0, 60))
def test_depth__shows_the_levels_of_the_same_book(seed: int, n_events: int) -> None:
    """However far a tape goes, its depth differences and the peer's events give its levels."""
    by_order = tape_from(random_rows(seed, n_events, wild=False))
    by_price = depth_session(by_order)
    book, levels = PlainBook(), PlainLevels()
    for plain, tape in ((book, by_order), (levels, by_price)):
        for event in events_of(tape):
            for row in event.rows:
                plain.apply(row)
    expected = {
        (side, tick): sum(book.orders[order_id].lots for order_id in ids)
        for side, ticks in book.levels.items()
        for tick, ids in ticks.items()
    }
    assert {(each.side, each.tick): each.lots for each in levels.orders.values()} == expected
    shown: dict[tuple[int, int], int] = {}
    for each in peer_events(by_price)[0]:
        side = 1 if int(each["ev"]) & BUY else -1
        if int(each["ev"]) & KIND == Kind.CLEAR:
            shown.clear()
        elif int(each["ev"]) & KIND == Kind.DEPTH:
            shown[side, int(each["px"])] = int(each["qty"])
    assert {place: lots for place, lots in shown.items() if lots > 0} == expected


def test_depth__keeps_trades_clocks_and_event_ends() -> None:
    """A trade of two fills: the trade, then the level twice, one event at the same two times."""
    sold = [Row("T", "A", 100, 3), Row("F", "B", 100, 1, 1), Row("C", "B", 100, 1, 1),
            Row("F", "B", 100, 2, 2), Row("C", "B", 100, 2, 2)]  # fmt: skip
    by_order = tape_of([[Row("A", "B", 100, 1, 1)], [Row("A", "B", 100, 4, 2)]], [sold])
    tape = depth_session(by_order).tape
    assert bytes(tape.rows.action) == b"MMTMM"
    assert tape.rows.size.tolist() == [1, 5, 3, 4, 2]
    assert tape.is_last.tolist() == [True, True, False, False, True]
    assert tape.event_ns[2:].tolist() == [by_order.tape.event_ns[-1]] * 3
    assert tape.local_ns[2:].tolist() == [by_order.tape.local_ns[-1]] * 3
