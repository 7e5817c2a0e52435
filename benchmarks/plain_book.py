"""The books in plain Python, by order and by price, with what of them has served our orders.

Written from docs/semantics.md for the cross-check, so that neither engine judges itself.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from strategy_lab_core.engine.market import BY_ORDER
from strategy_lab_core.engine.tape import SessionTape
from strategy_lab_core.types import Action, Phase, RecordFlag, Side

__all__ = ["Event", "PlainBook", "PlainLevels", "Row", "events_of"]


_LEVEL_ACTIONS = (Action.ADD, Action.MODIFY, Action.CANCEL)


class Row(NamedTuple):
    """A recorded row; `side` is +1, -1 or 0, prices are ticks.

    With a feed by price `lots` is a level's new size and `order_id` the row's own number.
    """

    action: int
    side: int
    tick: int
    lots: int
    order_id: int
    in_snapshot: bool


class Event(NamedTuple):
    """Rows that happen at once; `is_live` where our orders may trade."""

    exchange_ns: int
    rows: list[Row]
    is_live: bool


@dataclass(slots=True)
class Displayed:
    """A recorded order in the book."""

    side: int
    tick: int
    lots: int
    arrival: int


class PlainBook:
    """Displayed orders by id, and how many lots of each have served ours."""

    def __init__(self) -> None:
        self.used: Counter[int] = Counter()
        self.arrivals = 0
        self._in_snapshot = False
        self._clear()

    def apply(self, row: Row) -> None:
        """Apply a row."""
        if row.action == Action.CLEAR or (row.in_snapshot and not self._in_snapshot):
            self._clear()
        self._in_snapshot = row.in_snapshot
        known = self.orders.get(row.order_id)
        if self.arriving(row) > 0:
            self._drop(row.order_id)
            self.orders[row.order_id] = Displayed(row.side, row.tick, row.lots, self.arrivals)
            self.levels[row.side].setdefault(row.tick, {})[row.order_id] = None
            self.arrivals += 1
        elif row.action == Action.MODIFY and known:
            known.lots = row.lots
        elif row.action == Action.CANCEL and known:
            known.lots -= row.lots
            if known.lots <= 0:
                self._drop(row.order_id)

    def arriving(self, row: Row) -> int:
        """Return the lots that a row puts at the end of a queue."""
        known = self.orders.get(row.order_id)
        if row.action == Action.MODIFY and known:
            stays = (known.side, known.tick) == (row.side, row.tick) and row.lots <= known.lots
            return 0 if stays else row.lots
        return row.lots if row.action in (Action.ADD, Action.MODIFY) else 0

    def best(self, side: int) -> int | None:
        """Return the best price of a side, None where nobody is there."""
        ticks = self.levels[side]
        return side * max(side * tick for tick in ticks) if ticks else None

    def within(self, side: int, limit: int) -> list[int]:
        """Return the ids that an incoming `side` order may trade with, the first to trade first."""
        level = self.levels[-side]
        ticks = sorted(side * tick for tick in level if side * tick <= side * limit)
        return [order_id for tick in ticks for order_id in level[side * tick]]

    def take(self, side: int, limit: int, lots: int) -> list[tuple[int, int]]:
        """Return the (tick, lots) that an incoming order gets of what is unused; they are used."""
        taken = []
        for order_id in self.within(side, limit):
            shown = self.orders[order_id]
            some = min(lots, shown.lots - self.used[order_id])
            if some > 0:
                self.used[order_id] += some
                taken.append((shown.tick, some))
                lots -= some
        return taken

    def _clear(self) -> None:
        self.orders: dict[int, Displayed] = {}
        # Ids of each price, the first in the queue first.
        self.levels: dict[int, dict[int, dict[int, None]]] = {1: {}, -1: {}}

    def _drop(self, order_id: int) -> None:
        gone = self.orders.pop(order_id, None)
        if gone is not None:
            level = self.levels[gone.side]
            del level[gone.tick][order_id]
            if not level[gone.tick]:
                del level[gone.tick]


class PlainLevels(PlainBook):
    """The same of a feed by price: a level is one order, another one whenever its size changes."""

    def apply(self, row: Row) -> None:
        """Apply a row."""
        if row.action == Action.CLEAR:
            self._clear()
        if row.action not in _LEVEL_ACTIONS or row.lots == self._shown(row):
            return
        for order_id in list(self.levels[row.side].get(row.tick, ())):
            self._drop(order_id)
        if row.lots > 0:
            self.orders[row.order_id] = Displayed(row.side, row.tick, row.lots, self.arrivals)
            self.levels[row.side][row.tick] = {row.order_id: None}

    def arriving(self, row: Row) -> int:
        """Return the lots by which a row lets its level grow."""
        return max(row.lots - self._shown(row), 0) if row.action == Action.MODIFY else 0

    def _shown(self, row: Row) -> int:
        ids = self.levels[row.side].get(row.tick, ())
        return sum(self.orders[order_id].lots for order_id in ids)


def events_of(session: SessionTape) -> Iterator[Event]:
    """Yield the events of a tape."""
    tape, sides = session.tape, {int(Side.BID): 1, int(Side.ASK): -1}
    ticks, rows, start = [*session.level_tick.tolist(), 0], [], 0
    is_by_order = session.window == BY_ORDER
    ids = tape.rows.order_id if is_by_order else np.arange(1, len(tape.event_ns) + 1)
    columns = (tape.rows.action, tape.rows.side, tape.rows.level, tape.rows.size)
    numbers = (*columns, ids, tape.rows.flags, tape.is_last)
    phases, phase = tape.phases.tolist(), -1
    everything = zip(*(column.tolist() for column in numbers), strict=True)
    for row, (action, side, level, lots, order_id, flags, is_last) in enumerate(everything):
        in_snapshot = flags & RecordFlag.SNAPSHOT != 0
        rows.append(Row(action, sides.get(side, 0), ticks[level], lots, order_id, in_snapshot))
        if is_last:
            now_ns = int(tape.event_ns[row])
            while phase + 1 < len(phases) and phases[phase + 1][0] <= now_ns:
                phase += 1
            is_open = phase >= 0 and phases[phase][1] == Phase.OPEN
            yield Event(now_ns, rows, is_open and bool(tape.is_trusted[start : row + 1].all()))
            rows, start = [], row + 1
