"""The slow engine on feeds by price: levels that are shown, levels that are not, modelled queues.

Written from docs/semantics.md, not from the kernels. The lots ahead are fractions; only a model's
share is a float, rounded to 1e-9 as the page says.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tests.naive.book import SNAPSHOT, Order
from tests.naive.engine import NaiveEngine
from tests.naive.orders import Own
from tests.naive.tape import Event, Row

HIDDEN = None  # the lots ahead of an order at a price that the feed does not show
SLACK = Fraction(1, 10**6)


@dataclass
class Window(Row):
    """A record that restates its levels: (price, size) of each side, best first."""

    bids: list[tuple[int, int]] = field(default_factory=list)
    asks: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Change:
    """A level's new size; hidden where the feed did not show the level before."""

    side: str
    price: int
    size: int
    hidden: bool = False
    leaves_view: bool = False  # nothing else is known of it


class LevelBook:
    """Sizes by (side, price); each level looks like one order whose id changes with its size.

    Parameters
    ----------
    depth
        Levels a side in every record; None for depth differences.
    """

    def __init__(self, depth: int | None) -> None:
        self.depth = depth
        self.window: dict[str, list[tuple[int, int]]] | None = None
        self.sizes: dict[tuple[str, int], int] = {}
        self.ids: dict[tuple[str, int], int] = {}
        self.changes = 0

    def apply(self, row: Row) -> None:
        """Take in a record."""
        for change in self.news(row):
            self.set(change.side, change.price, change.size)

    def news(self, row: Row) -> list[Change]:
        """Return the levels that a record changes; a clear takes them all away at once."""
        if isinstance(row, Window):
            return self._restated(row)
        if row.action == "R":
            self.sizes.clear()
        if row.action != "M" or row.side not in "BA":
            return []
        assert row.price is not None
        hidden = bool(row.flags & SNAPSHOT) or not self.is_shown(row.side, row.price)
        return [Change(row.side, row.price, row.size, hidden)]

    def _restated(self, row: Window) -> list[Change]:
        windows, before = {"B": row.bids, "A": row.asks}, self.window
        self.window, found = windows, []
        for side, new in windows.items():
            sign = 1 if side == "B" else -1
            old = None if before is None else before[side]
            prices = {price for price, _ in [*new, *(old or [])]}
            for price in sorted(prices, reverse=side == "B"):
                size = dict(new).get(price, 0)
                if size == 0 and _is_beyond(new, price, sign, self.depth):
                    found.append(Change(side, price, 0, leaves_view=True))
                    continue
                hidden = old is None or _is_beyond(old, price, sign, self.depth)
                found.append(Change(side, price, size, hidden or bool(row.flags & SNAPSHOT)))
        return found

    def set(self, side: str, price: int, size: int) -> None:
        """Set a level; 0 takes it away."""
        key = (side, price)
        if self.sizes.get(key, 0) == size:
            return
        self.changes += 1
        self.sizes.pop(key, None)
        if size:
            self.sizes[key] = size
            self.ids[key] = self.changes

    @property
    def orders(self) -> dict[int, Order]:
        """Return the levels as orders."""
        return {
            self.ids[key]: Order(key[0], key[1], size, self.ids[key])
            for key, size in self.sizes.items()
        }

    def levels(self, side: str) -> list[tuple[int, int, int]]:
        """Return (price, size, 1) of a side, best first."""
        sign = -1 if side == "B" else 1
        here = [(price, size, 1) for (s, price), size in self.sizes.items() if s == side]
        return sorted(here, key=lambda level: sign * level[0])

    def is_shown(self, side: str, price: int) -> bool:
        """Say whether the book shows this price, taken or not."""
        levels = self.levels(side)
        if self.depth is not None and len(levels) < self.depth:
            return True
        sign = 1 if side == "B" else -1
        return any(sign * (price - worse) >= 0 for worse, *_ in levels)


def share_behind(model: str, n: float, front: float, back: float) -> float:
    """Return the share of cancellations behind us, as the table of models has it."""

    def ratio(above: float, below: float) -> float:
        return above / below if below else 1.0

    if front + back == 0:
        return 1.0
    forms: dict[str, Callable[[], float]] = {
        "power_1": lambda: ratio(back**n, back**n + front**n),
        "power_2": lambda: ratio(back**n, (back + front) ** n),
        "power_3": lambda: 1.0 - float(ratio(front, front + back) ** n),
        "log_1": lambda: ratio(math.log(1 + back), math.log(1 + back) + math.log(1 + front)),
        "log_2": lambda: ratio(math.log(1 + back), math.log(1 + back + front)),
    }
    return forms[model]()


class NaiveLevelEngine(NaiveEngine):
    """One run on a feed by price.

    Parameters
    ----------
    depth
        Levels a side in every record; None for depth differences.
    others
        Those of `NaiveEngine`.
    """

    def __init__(self, *others: Any, depth: int | None, **named: Any) -> None:
        self.depth = depth
        super().__init__(*others, **named)
        self.front: dict[int, Fraction | None] = {}  # by order number
        self.traded_since: dict[int, int] = {}

    def _empty_book(self) -> LevelBook:
        return LevelBook(self.depth)

    def _take_up(self, *others: Any, **named: Any) -> None:
        super()._take_up(*others, **named)
        self.used.clear()  # a level has no identity over night
        self.before_trade = all(row.action == "T" for event in self.events for row in event.rows)

    def _market(self, event: Event) -> None:
        is_open = self._begin(event)
        for row in event.rows:
            live = is_open and row.trusted
            is_trade = row.action == "T" and row.price is not None
            if is_trade and not self.before_trade:
                self._trade_by_price(row, live, event.ts)
            for change in self.book.news(row):
                if change.leaves_view:
                    self.book.set(change.side, change.price, 0)
                else:
                    self._set(change, live, event.ts)
            if is_trade and self.before_trade:
                self._trade_by_price(row, live, event.ts)
        self._end_event(event, is_open)

    def _set(self, change: Change, live: bool, now: int) -> None:
        side, price, size = change.side, change.price, change.size
        before = self.book.sizes.get((side, price), 0)
        self.book.set(side, price, size)
        if not live or before == size:
            return
        sign = 1 if side == "B" else -1
        for order in self.resting:
            if order.side == sign and order.tick == price:
                self._move(order, before, size, change.hidden)
        if size > before and not change.hidden and self.depth != 1:
            reached = [o for o in self.resting if -sign * (o.tick - price) >= 0]
            left = self._serve(-sign, reached, size - before, now)
            level = self.book.ids[side, price]
            self.used[level] = size - before - left

    def _move(self, order: Own, before: int, after: int, hidden: bool) -> None:
        front = self.front[order.number]
        traded, self.traded_since[order.number] = self.traded_since[order.number], 0
        if hidden:
            self.front[order.number] = min(_known(front, after), Fraction(after))
            return
        front = min(_known(front, before), Fraction(before))
        cancelled = before - after - traded
        queue = self.config.queue
        if self.depth != 1 and queue.model != "risk_averse" and cancelled >= 0:
            back = before - front
            p = share_behind(queue.model, queue.exponent, float(front), float(back))
            share = Fraction(round(p * 10**9), 10**9)
            front += min(back - share * cancelled, Fraction(0)) - (1 - share) * cancelled
        self.front[order.number] = min(max(front, Fraction(0)), Fraction(after))

    def _trade_by_price(self, row: Row, live: bool, now: int) -> None:
        self._trade(row, live, now)
        if not live or not self.trade_side:
            return
        assert row.price is not None
        self._keep_order(self.trade_side, row.price)
        served = Fraction(row.size - self.pool)  # the aggressor met our better prices first
        for order in list(self.resting):
            if order.side != self.trade_side or order.tick != row.price:
                continue
            front = _known(self.front[order.number], row.size)
            begin = front if front > served else served
            share = min(max(math.floor(row.size - begin + SLACK), 0), order.size - order.filled)
            if self.front[order.number] is not HIDDEN:
                self.front[order.number] = max(front - row.size, Fraction(0))
            self.traded_since[order.number] += row.size
            if share:
                served = begin + share
                self._fill(order, share, order.tick, True, now)

    def _keep_order(self, side: int, tick: int) -> None:
        """Put no order of ours behind a younger one at its price."""
        here = [order.number for order in self.resting if (order.side, order.tick) == (side, tick)]
        for place, number in enumerate(here):
            known = [front for n in here[place:] if (front := self.front[n]) is not HIDDEN]
            self.front[number] = min(known, default=HIDDEN)

    def _rest(self, order: Own) -> None:
        letter = "B" if order.side > 0 else "A"
        size = self.book.sizes.get((letter, order.tick), 0)
        is_known = size > 0 or self.book.is_shown(letter, order.tick)
        order.queue_ahead = size if is_known else -1
        self.front[order.number] = Fraction(size) if is_known else HIDDEN
        self.traded_since[order.number] = 0


def _known(front: Fraction | None, most: int) -> Fraction:
    """Return the lots ahead; where they are hidden, more than `most`."""
    return Fraction(most + 1) if front is HIDDEN else front


def _is_beyond(window: list[tuple[int, int]], price: int, sign: int, depth: int | None) -> bool:
    """Say whether a price is behind the last level of a full window."""
    return len(window) == depth and sign * (price - window[-1][0]) < 0
