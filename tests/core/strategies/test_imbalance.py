"""The imbalance rule, call by call: what it asks for in a given view."""

from typing import Any

import pytest

from strategy_lab_core.engine.sheets import REQUEST_ROWS, RequestKind, blank_sheets
from strategy_lab_core.strategies.imbalance import imbalance
from strategy_lab_core.strategies.strategy import View

BID, ASK = 1_000, 1_001
LIMIT, MARKET, CANCEL = (int(kind) for kind in (
    RequestKind.LIMIT, RequestKind.MARKET, RequestKind.CANCEL,
))  # fmt: skip
SECOND = 10**9
VIEW = {
    "now_ns": 0, "wake": 1, "bid": BID, "bid_size": 9, "ask": ASK, "ask_size": 1, "position": 0,
    "n_orders": 0, "bought": 0, "sold": 0, "last_tick": BID, "book_ns": 0, "is_open": 1,
    "flatten_ns": 10**18,
}  # fmt: skip


class Desk:
    """Calls the compiled strategy as the engine does, with a memory that stays."""

    def __init__(self, **parameters: float) -> None:
        self._strategy = own = imbalance(**parameters)
        self._sheets = blank_sheets(
            own.encode()[None], n_ints=own.n_ints, n_floats=own.n_floats, max_open_orders=8
        )

    def asks(self, *orders: tuple[int, ...], **changes: int) -> list[tuple[int, ...]]:
        """Return the requests in a view: kind, side, tick, lots; of a cancel the order's number."""
        view = VIEW | {"n_orders": len(orders)} | changes
        values = [view[name] for name in View._fields if name != "orders"]
        ints, floats, page = (each[0] for each in self._sheets)
        ints[: len(values)] = values
        page[:REQUEST_ROWS] = 0
        for row, order in enumerate(orders):
            page[REQUEST_ROWS + row, : len(order)] = order
        count = self._strategy.function(ints, floats, page)
        rows = [[int(cell) for cell in row] for row in page[1 : 1 + count]]
        return [(CANCEL, row[6]) if row[0] == CANCEL else tuple(row[:4]) for row in rows]


@pytest.mark.parametrize(
    ("passive", "sizes", "wanted"),
    [
        (0, (9, 1), (MARKET, 1, 0, 2)),
        (0, (1, 9), (MARKET, -1, 0, 2)),
        (1, (9, 1), (LIMIT, 1, BID, 2)),
        (1, (1, 9), (LIMIT, -1, ASK, 2)),
    ],
)
def test_entry__is_on_the_heavier_side(
    passive: int, sizes: tuple[int, int], wanted: tuple[int, ...]
) -> None:
    """Crossing the spread, or joining the queue at the best price."""
    desk = Desk(threshold=0.8, size=2, passive=bool(passive))

    assert desk.asks(bid_size=sizes[0], ask_size=sizes[1]) == [wanted]


@pytest.mark.parametrize(
    "changes",
    [
        {"bid_size": 8, "ask_size": 2},
        {"ask": BID + 3},
        {"is_open": 0},
        {"bid_size": 0},
        {"ask_size": 0},
    ],
    ids=["weak signal", "wide spread", "closed", "no bid", "no ask"],
)
def test_entry__stays_out(changes: dict[str, int]) -> None:
    """Below the threshold, in a wide market, in another phase, in a one-sided book."""
    assert Desk(threshold=0.7, max_spread_ticks=2).asks(**changes) == []


def _entered(**parameters: Any) -> Desk:
    """Return a desk that has just bought."""
    desk = Desk(threshold=0.6, hold_ms=5_000, **parameters)
    assert desk.asks()
    return desk


def test_exit__waits_while_the_signal_holds() -> None:
    """Long, the bid is still heavier, the time is not up."""
    assert _entered().asks(position=1, now_ns=5 * SECOND - 1) == []


@pytest.mark.parametrize(
    "changes", [{"now_ns": 5 * SECOND}, {"bid_size": 1, "ask_size": 2}], ids=["late", "turned"]
)
def test_exit__closes_at_the_market(changes: dict[str, int]) -> None:
    """The time is up, or the signal has turned."""
    assert _entered().asks(position=1, **changes) == [(MARKET, -1, 0, 1)]


def test_exit__cancels_first() -> None:
    """What rests is cancelled once; the position is closed when nothing is on its way."""
    desk = _entered(passive=True)
    working, leaving = (3, 1, BID, 1, 0, 0), (3, 1, BID, 1, 0, 1)

    assert desk.asks(working, now_ns=5 * SECOND) == [(CANCEL, 3)]
    assert desk.asks(leaving, now_ns=6 * SECOND) == []
    assert desk.asks(now_ns=6 * SECOND, position=-2) == [(MARKET, 1, 0, 2)]


def test_exit__leaves_its_own_closing_order_alone() -> None:
    """A market order that found nobody rests; to cancel it and ask again would flood the market."""
    closing, entering = (7, -1, BID - 40, 1, 0, 0, MARKET), (8, 1, ASK + 40, 1, 0, 0, MARKET)

    assert _entered().asks(closing, position=1, now_ns=6 * SECOND) == []
    assert _entered().asks(entering, position=0, now_ns=6 * SECOND) == [(CANCEL, 8)]
