"""The engine, slow and obvious: objects, lists and dicts, one thing at a time in order of time.

Written from docs/semantics.md, not from the kernels. The place in the queue is a set: the orders
that stood at our price when ours began to rest. The strategy is called through the same adapter.
"""

from tests.naive.brackets import try_again
from tests.naive.desk import Desk
from tests.naive.exchange import Exchange
from tests.naive.state import NEVER
from tests.naive.tape import Row, events_of

__all__ = ["NaiveEngine"]


class NaiveEngine(Exchange, Desk):
    """One run; read `orders`, `fills`, `position` and `cash` afterwards."""

    def run(self) -> "NaiveEngine":
        """Play everything in order of time."""
        waiting = self.waiting
        while True:
            candidates = [
                (waiting[0].ts if waiting else NEVER, 0),
                (self.to_exchange[0][0] if self.to_exchange else NEVER, 1),
                (self.to_us[0][0] if self.to_us else NEVER, 2),
                (self.flight[0][0] if self.flight else NEVER, 3),
                (self.next_flatten, 4),
                (self.next_timer, 5),
                (self.next_trim, 7),
            ]
            now, step = min(candidates)
            if now > self.end:
                break
            if step == 0:
                self._market(waiting.pop(0))
            else:
                self._own(now, step)
        for order in self.orders:
            if order.reason == "working":
                order.end, order.reason = self.end, "expired"
        return self

    def carry_on(
        self, rows: list[Row], *, hours: tuple[int, int, int], phases: list[tuple[int, int]]
    ) -> "NaiveEngine":
        """Make ready for the next session: nothing is open or on its way, all is known."""
        for order in self.orders:
            order.known_over = True
        for waiting in (self.resting, self.stops, self.to_exchange, self.to_us, self.flight):
            waiting.clear()
        self.known_position, self.known_cash = self.position, self.cash
        self._take_up(rows, hours, phases)
        return self

    def roll(self, old_rows: list[Row], now: int) -> int:
        """Sleep until `now`, then get out of the old contract and into the one of this session.

        Returns the lots that were not on display; nothing more is done then.
        """
        self.last_tick = 0
        while self.waiting and self.waiting[0].ts <= now:
            self._market(self.waiting.pop(0))
        while self.flight and self.flight[0][0] <= now:
            self.seen = self.flight.pop(0)[1]
        new, self.book = self.book, self._empty_book()
        for event in events_of(old_rows, self.config)[0]:
            for row in event.rows if event.ts <= now else ():
                self.book.apply(row)
        position = self.position
        lacking = self._take(-position, now)
        self.book = new
        self.used.clear()
        if not lacking and not self.killed:
            lacking = self._take(position, now)
        self.to_us.clear()
        self.known_position, self.known_cash = self.position, self.cash
        self.next_timer = self._first_timer(now)
        self.next_flatten = max(self.next_flatten, now)
        return lacking

    def _own(self, now: int, step: int) -> None:
        if step == 1:
            _, kind, order, tick, lots, heard = self.to_exchange.pop(0)
            if heard is not None:
                self._turn_back(kind, order, heard, now)
            elif kind == "cancel":
                self._cancel_arrives(order, now)
            elif kind == "modify":
                self._modify_arrives(order, tick, lots, now)
            else:
                self._arrives(order, now)
        elif step == 2:
            self._hear(now)
        elif step == 3:
            self.seen = self.flight.pop(0)[1]
            if self.strategy.on_book:
                self._call(now, 1)
            else:
                self._judge_loss(now)
        elif step == 4:
            self._flatten(now)
        elif step == 7:
            try_again(self, now)
        else:
            self.next_timer += self.strategy.timer_ns
            self._call(now, 3)
