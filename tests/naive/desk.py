"""Our side of the line: what the naive engine hears, asks the strategy, checks and sends."""

import numpy as np

from tests.naive.book import SNAPSHOT
from tests.naive.brackets import follow
from tests.naive.orders import KINDS, Own
from tests.naive.state import SECOND, State
from tests.naive.tape import BAD_TS_RECV

__all__ = ["Desk"]


class Desk(State):
    """Knows of the exchange what has been heard."""

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
