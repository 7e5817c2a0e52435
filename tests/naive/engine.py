"""The engine, slow and obvious: objects, lists and dicts, one thing at a time in order of time.

Written from docs/semantics.md, not from the kernels. The place in the queue is a set: the orders
that stood at our price when ours began to rest. The strategy is called through the same adapter.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from strategy_lab_core.engine.config import BacktestConfig
from tests.naive.book import LAST, SNAPSHOT, NaiveBook, Record

BAD_TS_RECV = 0x08
SECOND = 1_000_000_000
NEVER = 2**62


@dataclass
class Row(Record):
    """A record with its exchange time and whether its book may be trusted; price in ticks."""

    ts_event: int = 0
    trusted: bool = True


@dataclass
class Event:
    """Rows that happen at once, with exchange time and local time."""

    rows: list[Row]
    ts: int = 0
    local: int = 0


@dataclass
class Own:
    """An order of ours."""

    number: int
    side: int
    kind: str
    tick: int
    size: int
    tag: int
    submit: int
    arrive: int = -1
    end: int = -1
    reason: str = "working"
    filled: int = 0
    known_filled: int = 0
    known_over: bool = False
    cancel_sent: bool = False
    ahead: dict[int, int] = field(default_factory=dict)
    queue_ahead: int = -1

    def row(self, tick_size: int) -> tuple[object, ...]:
        """Return the row of the orders table, without the average price."""
        letter = "B" if self.side > 0 else "A"
        price = None if self.kind == "market" and self.tick == 0 else self.tick * tick_size
        asked = (self.number, letter, self.kind, self.tag, price, self.size)
        life = (self.submit, self.arrive, self.end, self.reason)
        return (*asked, self.filled, *life, self.queue_ahead)


@dataclass
class Fill:
    """A fill of ours."""

    order: int
    ts: int
    local: int
    tick: int
    lots: int
    maker: bool
    position: int

    def row(self, tick_size: int) -> tuple[object, ...]:
        """Return order, times, price, lots, liquidity and the position after it."""
        price, letter = self.tick * tick_size, "M" if self.maker else "T"
        return (self.order, self.ts, self.local, price, self.lots, letter, self.position)


def events_of(rows: list[Row], config: BacktestConfig) -> tuple[list[Event], int]:
    """Group rows into events, and give them their times; return the capture clock's repair too."""
    events: list[Event] = []
    for before, row in zip([None, *rows], rows, strict=False):
        if before is None or _ends_before(before, row):
            events.append(Event([]))
        events[-1].rows.append(row)
    lasts = [event.rows[-1] for event in events]
    clocked = [last for last in lasts if not last.flags & (SNAPSHOT | BAD_TS_RECV)]
    shortest = min((last.ts_recv - last.ts_event for last in clocked), default=0)
    repair = config.latency.base_feed_ns - shortest if shortest < 0 else 0
    now = local = 0
    for event, last in zip(events, lasts, strict=True):
        now = max(now, last.ts_recv if last.flags & SNAPSHOT else last.ts_event)
        is_clocked = not last.flags & (SNAPSHOT | BAD_TS_RECV)
        received = last.ts_recv + repair if is_clocked else now
        local = max(local, max(received, now) + config.latency.feed_offset_ns)
        event.ts, event.local = now, local
    return events, repair


def _ends_before(before: Row, row: Row) -> bool:
    """Say whether an event ends between two rows: a block of snapshot rows is one event."""
    if bool(before.flags & SNAPSHOT) != bool(row.flags & SNAPSHOT):
        return True
    return not row.flags & SNAPSHOT and bool(before.flags & LAST)


class NaiveEngine:
    """One run; read `orders`, `fills`, `position` and `cash` afterwards.

    Parameters
    ----------
    rows
        The tape, prices in ticks.
    strategy
        As for the engine.
    config
        As for the engine.
    hours
        (open, flatten, end) in ns.
    phases
        (start, phase) pairs; phase 2 is open.
    tick_value, maker_fee, taker_fee
        Money per lot.
    """

    def __init__(
        self,
        rows: list[Row],
        strategy: Any,
        config: BacktestConfig,
        *,
        hours: tuple[int, int, int],
        phases: list[tuple[int, int]],
        tick_value: int,
        maker_fee: int,
        taker_fee: int,
    ) -> None:
        self.events, self.repair = events_of(rows, config)
        self.strategy, self.config = strategy, config
        self.open, self.flatten_at, self.end = hours
        self.phases = phases
        self.money = (tick_value, maker_fee, taker_fee)
        self.book = NaiveBook()
        self.orders: list[Own] = []
        self.fills: list[Fill] = []
        self.used: dict[int, int] = {}
        self.refused: dict[str, int] = {}
        self.resting: list[Own] = []
        self.to_exchange: list[tuple[int, str, Own]] = []
        self.sent_at: list[int] = []
        self.to_us: list[tuple[int, str, Own, int]] = []
        self.last_arrival = self.last_response = 0
        self.position = self.cash = self.known_position = 0
        self.flight: list[tuple[int, tuple[int, ...]]] = []
        self.seen: tuple[int, ...] = (0,) * 11
        self.pushed: tuple[int, ...] | None = None
        self.trusted = False
        self.pool = self.trade_side = self.bought = self.sold = self.last_tick = 0
        self.may_close = False
        self.next_flatten = self.flatten_at
        self.next_timer = self._first_timer()
        self.ints = np.zeros(strategy.n_ints, np.int64)
        self.floats = np.zeros(strategy.n_floats)

    def _first_timer(self) -> int:
        timer = self.strategy.timer_ns
        if not timer:
            return NEVER
        when = self.open
        while when < self.events[0].local:
            when += timer
        return int(when)

    def run(self) -> "NaiveEngine":
        """Play everything in order of time."""
        waiting = list(self.events)
        while True:
            candidates = [
                (waiting[0].ts if waiting else NEVER, 0),
                (self.to_exchange[0][0] if self.to_exchange else NEVER, 1),
                (self.to_us[0][0] if self.to_us else NEVER, 2),
                (self.flight[0][0] if self.flight else NEVER, 3),
                (self.next_flatten, 4),
                (self.next_timer, 5),
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

    def _own(self, now: int, step: int) -> None:
        if step == 1:
            _, kind, order = self.to_exchange.pop(0)
            self._cancel_arrives(order, now) if kind == "cancel" else self._arrives(order, now)
        elif step == 2:
            self._hear(now)
        elif step == 3:
            self.seen = self.flight.pop(0)[1]
            if self.strategy.on_book:
                self._call(now, 1)
        elif step == 4:
            self._flatten(now)
        else:
            self.next_timer += self.strategy.timer_ns
            self._call(now, 3)

    def is_open(self, now: int) -> bool:
        """Say whether orders match at this time."""
        return [phase for start, phase in self.phases if start <= now][-1:] == [2]

    # The recorded market

    def _market(self, event: Event) -> None:
        is_open = self.is_open(event.ts)
        self.trade_side = self.pool = 0
        for row in event.rows:
            live = is_open and row.trusted
            if row.action in "TF":
                self.book.apply(row)  # leaves the book alone, but ends a block of snapshot rows
            if row.action == "T":
                if row.price is not None:
                    self._trade(row, live, event.ts)
            elif row.action == "F":
                if live and row.price is not None:
                    self._recorded_fill(row, event.ts)
            else:
                self._change(row, live, event.ts)
        self.trusted = event.rows[-1].trusted
        bids, asks = self.book.levels("B"), self.book.levels("A")
        bid = bids[0][:2] if bids else (0, 0)
        ask = asks[0][:2] if asks else (0, 0)
        news = (*bid, *ask, self.bought, self.sold, self.last_tick, int(is_open), int(self.trusted))
        if news != self.pushed:
            self.pushed = news
            self.flight.append((event.local, (event.local, event.ts, *news)))

    def _trade(self, row: Row, live: bool, now: int) -> None:
        assert row.price is not None
        self.last_tick = row.price
        self.trade_side = {"B": -1, "A": 1}.get(row.side, 0)
        self.pool = row.size
        if row.side == "B":
            self.bought += row.size
        if row.side == "A":
            self.sold += row.size
        if live and self.trade_side:
            better = [o for o in self.resting if o.side * (o.tick - row.price) > 0]
            self.pool = self._serve(self.trade_side, better, row.size, now)

    def _serve(self, side: int, candidates: list[Own], lots: int, now: int) -> int:
        ours = [order for order in candidates if order.side == side]
        for order in sorted(ours, key=lambda order: -side * order.tick):  # stable: then by age
            share = min(lots, order.size - order.filled)
            if share > 0:
                self._fill(order, share, order.tick, True, now)
                lots -= share
        return lots

    def _recorded_fill(self, row: Row, now: int) -> None:
        side = 1 if row.side == "B" else -1
        if side != self.trade_side:
            return
        theirs = self.book.orders.get(row.order_id)
        if theirs is None:
            return
        lots = row.size
        for order in list(self.resting):
            at_price = order.side == side and order.tick == row.price
            is_ahead = order.ahead.get(row.order_id) == theirs.arrival
            if at_price and not is_ahead:
                share = min(lots, self.pool, order.size - order.filled)
                if share > 0:
                    self._fill(order, share, order.tick, True, now)
                    lots -= share
                    self.pool -= share

    def _change(self, row: Row, live: bool, now: int) -> None:
        arrivals = self.book.arrivals
        self.book.apply(row)
        arrived = self.book.arrivals > arrivals and not row.flags & SNAPSHOT
        if not live or not arrived:
            return
        assert row.price is not None
        side = -1 if row.side == "B" else 1
        reached = [o for o in self.resting if o.side * (o.tick - row.price) >= 0]
        lots = row.size - self.used.get(row.order_id, 0)
        if lots > 0:
            left = self._serve(side, reached, lots, now)
            self.used[row.order_id] = self.used.get(row.order_id, 0) + lots - left

    # Our messages at the exchange

    def _arrives(self, order: Own, now: int) -> None:
        order.arrive = now
        reason = self._why_rejected(order, now)
        if reason:
            order.end, order.reason = now, reason
            self._respond("ended", order, now)
            return
        self._respond("accepted", order, now)
        for order_id, theirs, tick in self._opposite(order):
            lots = min(theirs.size - self.used.get(order_id, 0), order.size - order.filled)
            if lots > 0:
                self.used[order_id] = self.used.get(order_id, 0) + lots
                self._fill(order, lots, tick, False, now)
        if order.filled == order.size:
            return
        if order.kind == "market" and self.config.market_orders.cancel_remainder:
            order.end, order.reason = now, "remainder_cancelled"
            self._respond("ended", order, now)
            return
        letter = "B" if order.side > 0 else "A"
        level = {
            order_id: theirs
            for order_id, theirs in self.book.orders.items()
            if theirs.side == letter and theirs.price == order.tick
        }
        order.ahead = {order_id: theirs.arrival for order_id, theirs in level.items()}
        order.queue_ahead = sum(theirs.size for theirs in level.values())
        self.resting.append(order)

    def _opposite(self, order: Own) -> list[tuple[int, Any, int]]:
        """Return displayed orders within the limit, in the order in which they would trade."""
        letter = "A" if order.side > 0 else "B"
        within = [
            (order_id, theirs, theirs.price)
            for order_id, theirs in self.book.orders.items()
            if theirs.side == letter and order.side * (theirs.price - order.tick) <= 0
        ]
        return sorted(within, key=lambda entry: (order.side * entry[2], entry[1].arrival))

    def _why_rejected(self, order: Own, now: int) -> str:
        if not self.is_open(now):
            return "rejected_phase"
        if not self.trusted:
            return "rejected_untrusted"
        if order.kind == "market":
            levels = self.book.levels("A" if order.side > 0 else "B")
            if not levels:
                return "rejected_no_market"
            order.tick = levels[0][0] + order.side * self.config.market_orders.protection_ticks
        own = [other.tick for other in self.resting if other.side == -order.side]
        if own:
            first = min(own) if order.side > 0 else max(own)
            before = sum(
                max(theirs.size - self.used.get(order_id, 0), 0)
                for order_id, theirs, tick in self._opposite(order)
                if order.side * (tick - first) < 0
            )
            if order.side * (order.tick - first) >= 0 and before < order.size:
                return "rejected_own_cross"
        return ""

    def _cancel_arrives(self, order: Own, now: int) -> None:
        if order.reason != "working":
            self._respond("cancel rejected", order, now)
            return
        order.end, order.reason = now, "cancelled"
        if order in self.resting:
            self.resting.remove(order)
        self._respond("ended", order, now)

    def _fill(self, order: Own, lots: int, tick: int, maker: bool, now: int) -> None:
        tick_value, maker_fee, taker_fee = self.money
        order.filled += lots
        self.position += order.side * lots
        self.cash -= order.side * lots * tick * tick_value
        self.cash -= lots * (maker_fee if maker else taker_fee)
        local = self._respond("filled", order, now, lots)
        self.fills.append(Fill(order.number, now, local, tick, lots, maker, self.position))
        if order.filled == order.size:
            order.end, order.reason = now, "filled"
            if order in self.resting:
                self.resting.remove(order)

    def _respond(self, kind: str, order: Own, now: int, lots: int = 0) -> int:
        self.last_response = max(now + self.config.latency.response_ns, self.last_response)
        self.to_us.append((self.last_response, kind, order, lots))
        return self.last_response

    # Our side of the line

    def _live(self) -> list[Own]:
        return [order for order in self.orders if not order.known_over]

    def _hear(self, now: int) -> None:
        _, kind, order, lots = self.to_us.pop(0)
        order.known_filled += lots
        self.known_position += order.side * lots
        order.known_over |= kind == "ended" or order.known_filled == order.size
        if now >= self.flatten_at:
            self._close(now)
        self._call(now, 2)

    def _flatten(self, now: int) -> None:
        self.next_flatten += SECOND
        self.may_close = True
        if self.seen[10]:
            for order in self._live():
                self._send_cancel(order, now)
        self._close(now)

    def _close(self, now: int) -> None:
        can_trade = self.seen[9] and self.seen[10] and self.may_close
        if can_trade and self.known_position and not self._live():
            self.may_close = False
            side = -1 if self.known_position > 0 else 1
            self._send("market", side, 0, abs(self.known_position), 0, now)

    def _send(self, kind: str, side: int, tick: int, lots: int, tag: int, now: int) -> None:
        order = Own(len(self.orders), side, kind, tick, lots, tag, now)
        self.orders.append(order)
        self._post("new", order, now)

    def _send_cancel(self, order: Own, now: int) -> None:
        if not order.cancel_sent:
            order.cancel_sent = True
            self._post("cancel", order, now)

    def _post(self, kind: str, order: Own, now: int) -> None:
        self.last_arrival = max(now + self.config.latency.order_ns, self.last_arrival)
        self.to_exchange.append((self.last_arrival, kind, order))
        self.sent_at.append(now)

    def _call(self, now: int, wake: int) -> None:
        if now >= self.flatten_at or not self.seen[10]:
            return
        live = self._live()
        working = np.zeros((self.config.limits.max_open_orders + 1, 6), np.int64)
        for row, order in zip(working, live, strict=False):
            left = order.size - order.known_filled
            row[:] = (order.number, order.side, order.tick, left, order.tag, order.cancel_sent)
        _, exchange_ns, *book = self.seen
        bid, bid_size, ask, ask_size, bought, sold, last_tick, is_open, _ = book
        view = np.array(
            [
                now, wake, bid, bid_size, ask, ask_size, self.known_position, len(live), bought,
                sold, last_tick, exchange_ns, is_open, self.flatten_at,
            ],
            np.int64,
        )  # fmt: skip
        requests = np.zeros((17, 5), np.int64)
        params = self.strategy.encode()
        self.strategy.function(self.ints, self.floats, view, params, working, requests)
        asked = int(requests[0, 0])
        for request in requests[1 : asked + 1].tolist():
            self._handle(request, now)
        if asked > 16:
            self._refuse("overflow", asked - 16)

    def _refuse(self, why: str, times: int = 1) -> None:
        self.refused[why] = self.refused.get(why, 0) + times

    def _handle(self, request: list[int], now: int) -> None:
        kind, side, tick, lots, tag = request
        if kind == 3:
            found = [order for order in self._live() if order.number == tick]
            if found and not found[0].cancel_sent:
                self._send_cancel(found[0], now)
            else:
                self._refuse("unknown_order")
            return
        if kind not in (1, 2) or lots < 1 or side not in (-1, 1):
            self._refuse("invalid")
            return
        why = self._over_limit(kind, side, tick, lots, now)
        if why:
            self._refuse(why)
        else:
            self._send("limit" if kind == 1 else "market", side, tick, lots, tag, now)

    def _over_limit(self, kind: int, side: int, tick: int, lots: int, now: int) -> str:
        limits = self.config.limits
        _, _, bid, bid_size, ask, ask_size, *_ = self.seen
        known = [price for price, size in ((bid, bid_size), (ask, ask_size)) if size]
        near = any(abs(tick - price) <= limits.max_distance_ticks for price in known)
        if kind == 1 and not near:
            return "price_distance"
        if lots > limits.max_order_size:
            return "order_size"
        live = self._live()
        if len(live) >= limits.max_open_orders:
            return "open_orders"
        open_lots = sum(o.size - o.known_filled for o in live if o.side == side)
        if side * self.known_position + open_lots + lots > limits.max_position:
            return "position_limit"
        recent = [when for when in self.sent_at if when > now - SECOND]
        return "message_rate" if len(recent) >= limits.max_messages_per_second else ""
