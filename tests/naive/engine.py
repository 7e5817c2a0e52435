"""The engine, slow and obvious: objects, lists and dicts, one thing at a time in order of time.

Written from docs/semantics.md, not from the kernels. The place in the queue is a set: the orders
that stood at our price when ours began to rest. The strategy is called through the same adapter.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from strategy_lab_core.engine.config import BacktestConfig
from tests.naive.book import LAST, SNAPSHOT, NaiveBook, Record
from tests.naive.brackets import follow, try_again
from tests.naive.latency import NaiveLatency

BAD_TS_RECV = 0x08
SECOND = 1_000_000_000
NEVER = 2**62
KINDS = ("limit", "market", "ioc", "fok", "post_only", "stop", "stop_limit")


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
    trigger: int
    submit: int
    arrive: int = -1
    end: int = -1
    reason: str = "working"
    filled: int = 0
    known_filled: int = 0
    known_over: bool = False
    known_tick: int = 0
    known_size: int = 0
    asked_size: int = 0
    cancel_sent: bool = False
    modify_sent: bool = False
    bracket: tuple[int, int] | None = None
    sibling: "Own | None" = None
    wanted: int = 0
    ahead: dict[int, int] = field(default_factory=dict)
    queue_ahead: int = -1

    def row(self, tick_size: int) -> tuple[object, ...]:
        """Return the row of the orders table, without the average price."""
        letter = "B" if self.side > 0 else "A"
        is_market = self.kind in ("market", "stop")
        price = None if is_market and self.tick == 0 else self.tick * tick_size
        trigger = self.trigger * tick_size if "stop" in self.kind else None
        asked = (self.number, letter, self.kind, self.tag, price, trigger, self.size)
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
        self.strategy, self.config, self.repair = strategy, config, 0
        self.max_position = config.limits.max_position
        if config.limits.max_margin_e6 is not None:  # in the tests the margin is always given
            assert config.margin.initial_e6
            most = config.limits.max_margin_e6 // config.margin.initial_e6
            self.max_position = min(self.max_position, most)
        self.money = (tick_value, maker_fee, taker_fee)
        self.orders: list[Own] = []
        self.fills: list[Fill] = []
        self.used: dict[int, int] = {}
        self.refused: dict[str, int] = {}
        self.resting: list[Own] = []
        self.stops: list[Own] = []
        self.traded: list[int] = []
        self.latency = NaiveLatency(config)
        self.answers = 0
        self.to_exchange: list[tuple[int, str, Own, int, int, int | None]] = []
        self.sent_at: list[int] = []
        self.to_us: list[tuple[int, str, Own, int, int]] = []
        self.last_arrival = self.last_response = 0
        self.position = self.cash = self.known_position = self.known_cash = self.killed = 0
        self.flight: list[tuple[int, tuple[int, ...]]] = []
        self.pool = self.trade_side = self.bought = self.sold = self.last_tick = 0
        self._take_up(rows, hours, phases)
        self.ints = np.zeros(strategy.n_ints, np.int64)
        self.floats = np.zeros(strategy.n_floats)

    def _take_up(
        self, rows: list[Row], hours: tuple[int, int, int], phases: list[tuple[int, int]]
    ) -> None:
        """Begin a session: its events are to come, its book is empty, nothing is seen."""
        self.events, repair = events_of(rows, self.config)
        self.repair = max(self.repair, repair)
        self.open, self.flatten_at, self.end = hours
        self.phases, self.book = phases, self._empty_book()
        self.seen: tuple[int, ...] = (0,) * 11
        self.pushed: tuple[int, ...] | None = None
        self.trusted = self.may_close = False
        self.feed_sent, self.next_trim, self.next_timer = 0, NEVER, self._first_timer()
        self.next_flatten = self.open if self.killed else self.flatten_at
        self.waiting = list(self.events)

    def _empty_book(self) -> Any:
        return NaiveBook()

    def _first_timer(self, begin: int = 0) -> int:
        timer = self.strategy.timer_ns
        if not timer:
            return NEVER
        when = self.open
        while when < max(self.events[0].local, begin):
            when += timer
        return int(when)

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

    def _take(self, lots: int, now: int) -> int:
        """Take signed lots from what is displayed, at any price; return what was not there."""
        if lots == 0:
            return 0
        side = 1 if lots > 0 else -1
        order = Own(len(self.orders), side, "market", side * NEVER, abs(lots), 0, 0, now)
        order.arrive, order.known_over = now, True
        self.orders.append(order)
        for order_id, theirs, tick in self._opposite(order):
            ours = min(theirs.size - self.used.get(order_id, 0), order.size - order.filled)
            if ours > 0:
                self.used[order_id] = self.used.get(order_id, 0) + ours
                self._fill(order, ours, tick, False, now)
        order.tick = 0
        return order.size - order.filled

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

    def is_open(self, now: int) -> bool:
        """Say whether orders match at this time."""
        return [phase for start, phase in self.phases if start <= now][-1:] == [2]

    # The recorded market

    def _begin(self, event: Event) -> bool:
        """Forget the last event's trades, note how late this one is; say whether orders match."""
        self.trade_side = self.pool = 0
        self.traded = []
        if not event.rows[-1].flags & (SNAPSHOT | BAD_TS_RECV):
            self.feed_sent = event.local - event.ts
        return self.is_open(event.ts)

    def _market(self, event: Event) -> None:
        is_open = self._begin(event)
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
        if self.traded:
            self._fire_stops(event.ts)
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
            self.traded.append(row.price)
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
        if theirs is None or (theirs.side, theirs.price) != (row.side, row.price):
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
        is_stop = "stop" in order.kind
        reason = self._why_closed(now) or ("" if is_stop else self._why_rejected(order))
        if reason:
            order.end, order.reason = now, reason
            self._respond("ended", order, now)
            return
        self._respond("accepted", order, now)
        if is_stop:
            self.stops.append(order)
        else:
            self._trade_and_rest(order, now)

    def _fire_stops(self, now: int) -> None:
        high, low = max(self.traded), min(self.traded)
        for order in list(self.stops):
            if (order.side > 0 and high >= order.trigger) or (
                order.side < 0 and low <= order.trigger
            ):
                self.stops.remove(order)
                reason = self._why_closed(now) or self._why_rejected(order)
                if reason:
                    order.end, order.reason = now, reason
                    self._respond("ended", order, now)
                else:
                    self._trade_and_rest(order, now)

    def _modify_arrives(self, order: Own, tick: int, lots: int, now: int) -> None:
        if order.reason != "working" or self._why_closed(now):
            self._respond("modify rejected", order, now)
            return
        if lots <= order.filled:
            order.end, order.reason = now, "remainder_cancelled"
            for orders in (self.resting, self.stops):
                if order in orders:
                    orders.remove(order)
            self._respond("ended", order, now, 0, modified=True)
            return
        if order.kind not in ("limit", "post_only"):
            order.size = lots  # a bracket takes lots off its stop
            self._respond("modified", order, now, lots, tick)
            return
        before = (order.tick, order.size)
        order.tick, order.size = tick, lots
        if tick == before[0] and lots <= before[1]:
            self._respond("modified", order, now, lots, tick)
            return
        letter = "A" if order.side > 0 else "B"
        best = self.book.levels(letter)[:1]
        would_trade = order.kind == "post_only" and any(
            order.side * (price - tick) <= 0 for price, *_ in best
        )
        if would_trade or self._crosses_own(order):
            order.tick, order.size = before
            self._respond("modify rejected", order, now)
            return
        self._respond("modified", order, now, lots, tick)
        if order in self.resting:
            self.resting.remove(order)
        self._trade_and_rest(order, now)

    def _trade_and_rest(self, order: Own, now: int) -> None:
        for order_id, theirs, tick in self._opposite(order):
            lots = min(theirs.size - self.used.get(order_id, 0), order.size - order.filled)
            if lots > 0:
                self.used[order_id] = self.used.get(order_id, 0) + lots
                self._fill(order, lots, tick, False, now)
        if order.filled == order.size:
            return
        is_market = order.kind in ("market", "stop")
        if order.kind in ("ioc", "fok") or (
            is_market and self.config.market_orders.cancel_remainder
        ):
            order.end, order.reason = now, "remainder_cancelled"
            self._respond("ended", order, now)
            return
        self._rest(order)
        self.resting.append(order)

    def _rest(self, order: Own) -> None:
        """Remember who is ahead."""
        letter = "B" if order.side > 0 else "A"
        level = {
            order_id: theirs
            for order_id, theirs in self.book.orders.items()
            if theirs.side == letter and theirs.price == order.tick
        }
        order.ahead = {order_id: theirs.arrival for order_id, theirs in level.items()}
        order.queue_ahead = sum(theirs.size for theirs in level.values())

    def _opposite(self, order: Own) -> list[tuple[int, Any, int]]:
        """Return displayed orders within the limit, in the order in which they would trade."""
        letter = "A" if order.side > 0 else "B"
        within = [
            (order_id, theirs, theirs.price)
            for order_id, theirs in self.book.orders.items()
            if theirs.side == letter and order.side * (theirs.price - order.tick) <= 0
        ]
        return sorted(within, key=lambda entry: (order.side * entry[2], entry[1].arrival))

    def _why_closed(self, now: int) -> str:
        if not self.is_open(now):
            return "rejected_phase"
        return "" if self.trusted else "rejected_untrusted"

    def _unused(self, entries: list[tuple[int, Any, int]]) -> int:
        return sum(
            max(theirs.size - self.used.get(order_id, 0), 0) for order_id, theirs, _ in entries
        )

    def _why_rejected(self, order: Own) -> str:
        levels = self.book.levels("A" if order.side > 0 else "B")
        protection = order.side * self.config.market_orders.protection_ticks
        if order.kind == "stop":
            order.tick = order.trigger + protection
        elif order.kind == "market":
            if not levels:
                return "rejected_no_market"
            order.tick = levels[0][0] + protection
        if order.kind == "post_only" and self._opposite(order):
            return "rejected_would_trade"
        if order.kind == "fok" and self._unused(self._opposite(order)) < order.size:
            return "rejected_fill_or_kill"
        return "rejected_own_cross" if self._crosses_own(order) else ""

    def _crosses_own(self, order: Own) -> bool:
        own = [other.tick for other in self.resting if other.side == -order.side]
        if own:
            first = min(own) if order.side > 0 else max(own)
            nearer = [
                entry for entry in self._opposite(order) if order.side * (entry[2] - first) < 0
            ]
            left = order.size - order.filled
            return order.side * (order.tick - first) >= 0 and self._unused(nearer) < left
        return False

    def _cancel_arrives(self, order: Own, now: int) -> None:
        if order.reason != "working":
            self._respond("cancel rejected", order, now)
            return
        order.end, order.reason = now, "cancelled"
        for orders in (self.resting, self.stops):
            if order in orders:
                orders.remove(order)
        self._respond("ended", order, now)

    def _fill(self, order: Own, lots: int, tick: int, maker: bool, now: int) -> None:
        tick_value, maker_fee, taker_fee = self.money
        order.filled += lots
        self.position += order.side * lots
        change = -order.side * lots * tick * tick_value
        rate = self.config.fees.maker_rate_e8 if maker else self.config.fees.taker_rate_e8
        change -= lots * (maker_fee if maker else taker_fee)
        change -= round(Fraction(abs(lots * tick * tick_value) * rate, 10**8))  # half to even
        self.cash += change
        local = self._respond("filled", order, now, lots, change)
        self.fills.append(Fill(order.number, now, local, tick, lots, maker, self.position))
        if order.filled == order.size:
            order.end, order.reason = now, "filled"
            if order in self.resting:
                self.resting.remove(order)

    def _respond(
        self,
        kind: str,
        order: Own,
        now: int,
        lots: int = 0,
        value: int = 0,
        *,
        modified: bool = False,
    ) -> int:
        """Send a response; its value is a modify's new price, or what a fill adds to the cash."""
        kind = "ended by modify" if modified else kind
        delay = self.latency.delay(1, self.answers, now, self.feed_sent)
        return self._answer_at(now + delay, kind, order, lots, value)

    def _answer_at(self, when: int, kind: str, order: Own, lots: int = 0, value: int = 0) -> int:
        self.last_response = max(when, self.last_response)
        self.answers += 1
        self.to_us.append((self.last_response, kind, order, lots, value))
        return self.last_response

    def _turn_back(self, kind: str, order: Own, heard: int, now: int) -> None:
        """Let the gateway reject a message: matching never knows of it."""
        if kind == "new":
            order.reason = "rejected_gateway"
        answer = {"new": "ended", "cancel": "cancel lost", "modify": "modify rejected"}[kind]
        self._answer_at(max(heard, now), answer, order)

    # Our side of the line

    def live(self) -> list[Own]:
        """Return the orders that we do not know to be over."""
        return [order for order in self.orders if not order.known_over]

    def _hear(self, now: int) -> None:
        _, kind, order, lots, value = self.to_us.pop(0)
        if kind == "filled":
            order.known_filled += lots
            self.known_position += order.side * lots
            self.known_cash += value
        if kind == "modified":
            order.known_tick, order.known_size = value, lots
        if kind in ("modified", "modify rejected", "ended by modify"):
            order.modify_sent, order.asked_size = False, order.known_size
        if kind == "cancel lost":
            order.cancel_sent = False
        is_full = order.known_filled == order.known_size
        order.known_over |= kind in ("ended", "ended by modify") or is_full
        if now >= self.flatten_at or self.killed:
            self._close(now)
        else:
            follow(self, order, kind, lots, now)
        if self.strategy.on_response:
            self._call(now, 2)
        else:
            self._judge_loss(now)

    def _flatten(self, now: int) -> None:
        self.next_flatten += SECOND
        self.may_close = True
        if self.seen[10]:
            for order in self.live():
                self.send_cancel(order, now)
        self._close(now)

    def _close(self, now: int) -> None:
        can_trade = self.seen[9] and self.seen[10] and self.may_close
        if can_trade and self.known_position and not self.live():
            self.may_close = False
            side = -1 if self.known_position > 0 else 1
            self._send("market", side, 0, abs(self.known_position), 0, 0, now)

    def _send(
        self, kind: str, side: int, tick: int, lots: int, tag: int, trigger: int, now: int
    ) -> Own:
        order = Own(len(self.orders), side, kind, tick, lots, tag, trigger, now)
        order.known_tick, order.known_size, order.asked_size = tick, lots, lots
        order.wanted = lots
        self.orders.append(order)
        self._post("new", order, now)
        return order

    def send_modify(self, order: Own, tick: int, lots: int, now: int) -> None:
        """Send a modify, unchecked."""
        order.modify_sent, order.asked_size = True, lots
        self._post("modify", order, now, tick, lots)

    def send_cancel(self, order: Own, now: int) -> None:
        """Send a cancel, unless one is on its way."""
        if not order.cancel_sent:
            order.cancel_sent = True
            self._post("cancel", order, now)

    def _post(self, kind: str, order: Own, now: int, tick: int = 0, lots: int = 0) -> None:
        heard = self.latency.rejected(now)
        delay = self.latency.delay(0, len(self.sent_at), now, self._feed_heard(now))
        self.last_arrival = max(now + (delay if heard is None else 0), self.last_arrival)
        self.to_exchange.append((self.last_arrival, kind, order, tick, lots, heard))
        self.sent_at.append(now)

    def _feed_heard(self, now: int) -> int:
        """Return the feed latency of the last event that has reached us and has one."""
        unclocked = SNAPSHOT | BAD_TS_RECV
        heard = [e for e in self.events if e.local <= now and not e.rows[-1].flags & unclocked]
        return heard[-1].local - heard[-1].ts if heard else 0

    def _judge_loss(self, now: int) -> bool:
        """Begin to end flat where the loss limit is reached; say whether it was, now or before."""
        limit = self.config.limits.max_loss_e6
        _, _, bid, bid_size, ask, ask_size, *_ = self.seen
        if self.killed or limit is None or now >= self.flatten_at or not self.seen[10]:
            return self.killed != 0
        if bid_size and ask_size:
            worth = self.known_position * (bid + ask) * self.money[0] // 2
            if self.known_cash + worth <= -limit:
                self.killed = self.next_flatten = now
        return self.killed != 0

    def _call(self, now: int, wake: int) -> None:
        if now >= self.flatten_at or not self.seen[10] or self._judge_loss(now):
            return
        live = self.live()
        working = np.zeros((self.config.limits.max_open_orders + 1, 8), np.int64)
        for row, order in zip(working, live, strict=False):
            left = order.known_size - order.known_filled
            changes = (order.cancel_sent, 1 + KINDS.index(order.kind), order.modify_sent)
            row[:] = (order.number, order.side, order.known_tick, left, order.tag, *changes)
        _, exchange_ns, *book = self.seen
        bid, bid_size, ask, ask_size, bought, sold, last_tick, is_open, _ = book
        view = np.array(
            [
                now, wake, bid, bid_size, ask, ask_size, self.known_position, len(live), bought,
                sold, last_tick, exchange_ns, is_open, self.flatten_at,
            ],
            np.int64,
        )  # fmt: skip
        page = np.vstack((np.zeros((17, 8), np.int64), working))
        ints = np.concatenate((view, self.ints))
        floats = np.concatenate((self.strategy.encode(), self.floats))
        self.strategy.function(ints, floats, page)
        self.ints, self.floats = ints[len(view) :], floats[len(floats) - len(self.floats) :]
        asked = int(page[0, 0])
        for request in page[1 : min(asked, 16) + 1, :7].tolist():
            self._handle(request, now)
        if asked > 16:
            self._refuse("overflow", asked - 16)

    def _refuse(self, why: str, times: int = 1) -> None:
        self.refused[why] = self.refused.get(why, 0) + times

    def _handle(self, request: list[int], now: int) -> None:
        kind, side, tick, lots, tag, trigger, number = request
        if kind in (8, 9):
            found = [order for order in self.live() if order.number == number]
            if not found or found[0].cancel_sent or (kind == 9 and found[0].modify_sent):
                self._refuse("unknown_order")
            elif kind == 8:
                self.send_cancel(found[0], now)
            else:
                self._ask_to_modify(found[0], tick, lots, now)
            return
        if kind == 10:
            if side * (number - tick) <= 0 or side * (tick - trigger) <= 0:
                self._refuse("invalid")
                return
            entry = self.place("limit", side, tick, lots, tag, 0, now)
            if entry is not None:
                entry.bracket = (number, trigger)
        elif 1 <= kind <= 7:
            self.place(KINDS[kind - 1], side, tick, lots, tag, trigger, now)
        else:
            self._refuse("invalid")

    def place(
        self, name: str, side: int, tick: int, lots: int, tag: int, trigger: int, now: int
    ) -> Own | None:
        """Send a new order that nothing speaks against, or count why not."""
        prices = [] if name in ("market", "stop") else [tick]
        prices += [trigger] if "stop" in name else []
        if not self.seen[10]:
            why = "untrusted"
        elif lots < 1 or side not in (-1, 1):
            why = "invalid"
        elif name == "post_only" and not self.config.market_orders.simulate_unsupported:
            why = "unsupported"
        else:
            why = self._over_limit(prices, side, lots, now)
        if why:
            self._refuse(why)
            return None
        limit = 0 if name in ("market", "stop") else tick
        return self._send(name, side, limit, lots, tag, trigger, now)

    def _ask_to_modify(self, order: Own, tick: int, lots: int, now: int) -> None:
        limits = self.config.limits
        grows_by = max(lots - order.known_size, 0)
        if order.kind not in ("limit", "post_only") or lots < 1:
            self._refuse("invalid")
        elif not self._is_near(tick):
            self._refuse("price_distance")
        elif lots > limits.max_order_size:
            self._refuse("order_size")
        elif self._worst(order.side) + grows_by > self.max_position:
            self._refuse("position_limit")
        elif self._is_over_rate(now):
            self._refuse("message_rate")
        else:
            self.send_modify(order, tick, lots, now)

    def _is_near(self, tick: int) -> bool:
        _, _, bid, bid_size, ask, ask_size, *_ = self.seen
        known = [price for price, size in ((bid, bid_size), (ask, ask_size)) if size]
        return any(abs(tick - price) <= self.config.limits.max_distance_ticks for price in known)

    def _worst(self, side: int) -> int:
        open_lots = sum(
            max(o.known_size, o.asked_size) - o.known_filled for o in self.live() if o.side == side
        )
        return side * self.known_position + open_lots

    def _is_over_rate(self, now: int) -> bool:
        recent = [when for when in self.sent_at if when > now - SECOND]
        return len(recent) >= self.config.limits.max_messages_per_second

    def _over_limit(self, prices: list[int], side: int, lots: int, now: int) -> str:
        limits = self.config.limits
        if not all(self._is_near(price) for price in prices):
            return "price_distance"
        if lots > limits.max_order_size:
            return "order_size"
        if len(self.live()) >= limits.max_open_orders:
            return "open_orders"
        if self._worst(side) + lots > self.max_position:
            return "position_limit"
        return "message_rate" if self._is_over_rate(now) else ""
