"""Why one engine filled an order where the other did not, told from the tape.

Both engines get the same orders at the same times, so that every order can be judged by itself:
the first moment at which they filled it differently is looked up in a book kept in plain Python,
and named after the rule of one engine that the other does not have. What no rule explains is
`UNEXPLAINED`: a finding, to be settled before a figure of either engine is believed.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from benchmarks.plain_book import Event, PlainBook, PlainLevels, Row, events_of
from strategy_lab_core.engine.market import BY_ORDER
from strategy_lab_core.engine.tape import SessionTape
from strategy_lab_core.types import Action

__all__ = ["Filled", "Order", "Reason", "explain"]


class Reason(StrEnum):
    """The rule that makes the first difference between the fills of an order."""

    SAME = "no difference"
    WHOLE = "an order is filled whole, at one price, by the first lot"
    AHEAD_OF_BOOK = "trades are not read: an order ahead of the book is traded through unfilled"
    LOTS_SPENT = "fills are not held to the lots of their trade"
    BEYOND_TRADE = "a fill beyond the price of its trade fills the prices between"
    USED_ONCE = "displayed lots serve any number of orders"
    AGGRESSOR = "a fill of the aggressor's own order counts in the queue that it left"
    NOT_LIVE = "orders are filled in any phase and on any book"
    REFUSED = "no order is refused: phase, untrusted book, own cross"
    UNEXPLAINED = "unexplained"


class Filled(NamedTuple):
    """A fill of an order, alike in both engines where nothing differs."""

    exchange_ns: int
    tick: int
    lots: int
    is_maker: bool


class Order(NamedTuple):
    """An order that both engines got; `side` is +1 or -1, `is_refused` by our exchange."""

    number: int
    side: int
    tick: int
    lots: int
    arrive_ns: int
    end_ns: int
    is_refused: bool


Fills = Mapping[int, Sequence[Filled]]


def explain(
    session: SessionTape, orders: Sequence[Order], ours: Fills, peers: Fills
) -> dict[int, Reason]:
    """Return the reason of every order by its number.

    Parameters
    ----------
    session
        The tape that both ran on.
    orders
        In order of arrival.
    ours, peers
        Fills by order number, in order of time.
    """
    judge = (Judge if session.window == BY_ORDER else LevelJudge)(ours, peers)
    waiting = iter(orders)
    order = next(waiting, None)
    for event in events_of(session):
        while order is not None and order.arrive_ns < event.exchange_ns:
            judge.arrive(order)
            order = next(waiting, None)
        judge.play(event)
    while order is not None:
        judge.arrive(order)
        order = next(waiting, None)
    return judge.verdicts()


@dataclass(slots=True)
class _Facts:
    """What an event says about one order of ours."""

    through: int = 0  # lots traded beyond its price
    behind: int = 0  # lots filled of orders behind it in its queue
    ahead: float = 0  # lots that trades took from before it, in feeds by price
    between: bool = False  # a fill beyond its price, which was not ahead of the book
    reached_by: dict[int, int] = field(default_factory=dict)  # lots by id of arriving orders


class Judge:
    """A book by order, the ledger of used lots, and what is known about each order of ours."""

    def __init__(self, ours: Fills, peers: Fills) -> None:
        self.ours, self.peers = ours, peers
        self.book = PlainBook()
        self.orders: dict[int, Order] = {}
        self.ranks: dict[int, int] = {}
        self.reasons: dict[int, Reason] = {}
        self.due: dict[int, set[int]] = defaultdict(set)  # orders to look at, by time

    def arrive(self, order: Order) -> None:
        """Let an order reach the exchange, and judge what it takes there."""
        number, now_ns = order.number, order.arrive_ns
        self.orders[number], self.ranks[number] = order, self.book.arrivals
        ours = list(self.ours.get(number, ()))
        if ours != list(self.peers.get(number, ())):
            self.due[_first_difference(ours, self.peers.get(number, ()))].add(number)
        for fill in ours:
            if fill.is_maker:
                self.due[fill.exchange_ns].add(number)
        if order.is_refused:
            self.reasons[number] = Reason.REFUSED
            return
        shown = self.book.within(order.side, order.tick)
        was_used = any(self.book.used[order_id] for order_id in shown)
        taken = [(fill.tick, fill.lots) for fill in ours if not fill.is_maker]
        if self.book.take(order.side, order.tick, order.lots) != taken:
            self.reasons[number] = Reason.UNEXPLAINED
        elif self._differs_at(number, now_ns):
            self.reasons[number] = Reason.USED_ONCE if was_used else Reason.WHOLE

    def play(self, event: Event) -> None:
        """Apply an event to the book; judge the orders whose fills it may explain."""
        numbers = self.due.get(event.exchange_ns, ())
        found = {number: _Facts() for number in numbers}
        for row in event.rows:
            for number, facts in found.items():
                self._look(row, self.orders[number], facts)
            self._apply(row)
        traded = {side: self._traded(event, side) for side in (1, -1)}
        for number in sorted(found, key=self._priority):
            self._use(number, found[number], event.exchange_ns, traded)
        for number, facts in found.items():
            if number not in self.reasons and self._differs_at(number, event.exchange_ns):
                self.reasons[number] = self._reason(number, facts, event)

    def verdicts(self) -> dict[int, Reason]:
        """Return the reason of every order."""
        found = {}
        for number in self.orders:
            same = list(self.ours.get(number, ())) == list(self.peers.get(number, ()))
            known = self.reasons.get(number, Reason.UNEXPLAINED)
            is_wrong = known == Reason.UNEXPLAINED and number in self.reasons
            found[number] = Reason.SAME if same and not is_wrong else known
        return found

    def _differs_at(self, number: int, now_ns: int) -> bool:
        ours, peers = self.ours.get(number, ()), self.peers.get(number, ())
        return list(ours) != list(peers) and _first_difference(ours, peers) == now_ns

    def _apply(self, row: Row) -> None:
        self.book.apply(row)

    def _look(self, row: Row, order: Order, facts: _Facts) -> None:
        side, tick = order.side, order.tick
        if row.action == Action.TRADE and row.side == -side:
            facts.through += row.lots * (side * row.tick < side * tick)
        elif row.action == Action.FILL and row.order_id in self.book.orders:
            self._look_at_fill(row, order, facts)
        elif row.side == -side and side * row.tick <= side * tick and self.book.arriving(row) > 0:
            facts.reached_by[row.order_id] = self.book.arriving(row)

    def _look_at_fill(self, row: Row, order: Order, facts: _Facts) -> None:
        side, tick, resting = order.side, order.tick, self.book.orders[row.order_id]
        if resting.side == side:
            is_behind = resting.arrival >= self.ranks[order.number]
            facts.behind += row.lots * (resting.tick == tick and is_behind)
            best = self.book.best(side)
            is_beyond = side * row.tick < side * tick
            facts.between |= is_beyond and best is not None and side * tick <= side * best

    def _priority(self, number: int) -> tuple[int, int]:
        order = self.orders[number]
        return -order.side * order.tick, self.ranks[number]

    def _traded(self, event: Event, side: int) -> int:
        """Return the lots that trades took from `side`."""
        trades = (row for row in event.rows if row.action == Action.TRADE)
        return sum(row.lots for row in trades if row.side == -side)

    def _at(self, fills: Fills, number: int, now_ns: int) -> list[Filled]:
        return [fill for fill in fills.get(number, ()) if fill.exchange_ns == now_ns]

    def _use(self, number: int, facts: _Facts, now_ns: int, traded: dict[int, int]) -> None:
        """Note which lots of arriving orders have served an order: what its trade has not."""
        lots = sum(fill.lots for fill in self._at(self.ours, number, now_ns) if fill.is_maker)
        side = self.orders[number].side
        by_trade = min(lots, traded[side], facts.through + facts.behind)
        traded[side] -= by_trade
        lots -= by_trade
        for order_id, shown in facts.reached_by.items():
            some = min(lots, shown - self.book.used[order_id])
            self.book.used[order_id] += some
            lots -= some

    def _reason(self, number: int, facts: _Facts, event: Event) -> Reason:
        ours = self._at(self.ours, number, event.exchange_ns)
        peers = self._at(self.peers, number, event.exchange_ns)
        if ours and peers:
            is_whole = peers[0].lots > ours[0].lots and peers[0].tick == ours[0].tick
            return Reason.WHOLE if is_whole else Reason.UNEXPLAINED
        if ours:
            is_peers = facts.behind > 0 or facts.between or facts.reached_by
            is_ahead = facts.through > 0 and not is_peers
            return Reason.AHEAD_OF_BOOK if is_ahead else Reason.UNEXPLAINED
        if not event.is_live:
            return Reason.NOT_LIVE
        if facts.reached_by:
            is_used = all(self.book.used[key] >= lots for key, lots in facts.reached_by.items())
            return Reason.USED_ONCE if is_used else Reason.UNEXPLAINED
        return self._reason_of_fill(number, facts, event)

    def _reason_of_fill(self, number: int, facts: _Facts, event: Event) -> Reason:
        """Name why recorded fills, or by price a trade, filled the peer's order only."""
        if not (facts.behind > 0 or facts.between):
            return Reason.UNEXPLAINED
        side = self.orders[number].side
        traded = self._traded(event, side)
        if traded == 0:
            return Reason.AGGRESSOR
        if facts.ahead + self._served(side, event.exchange_ns) >= traded:
            return Reason.LOTS_SPENT
        return Reason.BEYOND_TRADE if facts.between and facts.through == 0 else Reason.UNEXPLAINED

    def _served(self, side: int, now_ns: int) -> int:
        """Return the lots that our orders on `side` got in an event."""
        mine = [number for number in self.due[now_ns] if self.orders[number].side == side]
        fills = [fill for number in mine for fill in self._at(self.ours, number, now_ns)]
        return sum(fill.lots for fill in fills if fill.is_maker)


class LevelJudge(Judge):
    """The same for a feed by price: our place is a number of lots ahead, moved risk-averse."""

    def __init__(self, ours: Fills, peers: Fills) -> None:
        super().__init__(ours, peers)
        self.book = PlainLevels()
        self.ahead: dict[int, float] = {}

    def arrive(self, order: Order) -> None:
        """Let an order reach the exchange, behind all that its price shows."""
        super().arrive(order)
        level = self.book.levels[order.side]
        lots = sum(self.book.orders[order_id].lots for order_id in level.get(order.tick, ()))
        is_shown = any(order.side * tick <= order.side * order.tick for tick in level)
        self.ahead[order.number] = lots if is_shown else math.inf

    def play(self, event: Event) -> None:
        """Apply an event, for the orders that are not over."""
        over = [one for one in self.ahead if self.orders[one].end_ns < event.exchange_ns]
        for number in over:
            del self.ahead[number]
        super().play(event)

    def _apply(self, row: Row) -> None:
        self.book.apply(row)
        for number, lots in self.ahead.items():
            order = self.orders[number]
            if row.tick == order.tick and row.action == Action.TRADE and row.side == -order.side:
                self.ahead[number] = max(lots - row.lots, 0)
            elif row.tick == order.tick and row.action != Action.TRADE and row.side == order.side:
                self.ahead[number] = min(lots, row.lots)

    def _look(self, row: Row, order: Order, facts: _Facts) -> None:
        super()._look(row, order, facts)
        if row.action == Action.TRADE and row.side == -order.side:
            facts.between = facts.through > 0  # the peer reads these trades
            if row.tick == order.tick:
                ahead = min(self.ahead[order.number], row.lots)
                facts.ahead += ahead
                facts.behind += int(row.lots - ahead)


def _first_difference(ours: Sequence[Filled], peers: Sequence[Filled]) -> int:
    """Return when two unequal lists of fills first differ."""
    shared = 0
    while shared < min(len(ours), len(peers)) and ours[shared] == peers[shared]:
        shared += 1
    return min(fills[shared].exchange_ns for fills in (ours, peers) if shared < len(fills))
