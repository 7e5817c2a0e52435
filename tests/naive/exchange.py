"""The naive engine's exchange: the recorded market, and our orders in it."""

from fractions import Fraction
from typing import Any

from tests.naive.book import SNAPSHOT
from tests.naive.orders import Fill, Own
from tests.naive.state import NEVER, State
from tests.naive.tape import BAD_TS_RECV, Event, Row

__all__ = ["Exchange"]


class Exchange(State):
    """Knows nothing of us but our messages."""

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
        self._end_event(event, is_open)

    def _end_event(self, event: Event, is_open: bool) -> None:
        """Fire the stops that its trades reached, and publish the book where it has changed."""
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

    # Our messages

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
