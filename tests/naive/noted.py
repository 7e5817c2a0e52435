"""The naive engine, noting by name what happens in a run: what random runs reach, and how often.

A note is made beside the engine's own step, from what was before it and is behind it.
"""

from fractions import Fraction
from typing import Any

from tests.naive.book import SNAPSHOT
from tests.naive.engine import NaiveEngine
from tests.naive.level_engine import HIDDEN, NaiveLevelEngine
from tests.naive.orders import Own

__all__ = ["NotedEngine", "NotedLevelEngine"]

PHASES = ("closed", "pre-open", "open", "halt")


class Noted(NaiveEngine):
    """What any feed can meet; `notes` has each name once."""

    def __init__(self, *args: Any, **named: Any) -> None:
        self.notes: set[str] = set()
        self.last_event = -1
        super().__init__(*args, **named)
        self.note(f"latency: {self.config.latency.model}")
        self.note("latency: negative, repaired", self.repair > 0)

    def note(self, name: str, happened: object = True) -> None:
        """Note a name where it has happened."""
        if happened:
            self.notes.add(name)

    def is_sent(self, kind: str, order: Own | None = None) -> bool:
        """Say whether such a message, of an order or of any, is on its way to the exchange."""
        return any(m[1] == kind and order in (None, m[2]) for m in self.to_exchange)

    def _market(self, event: Any) -> None:
        self.last_event = event.ts
        super()._market(event)

    def _arrives(self, order: Own, now: int) -> None:
        self.note("an order arrives with an event", now == self.last_event)
        super()._arrives(order, now)
        phase = PHASES[[phase for start, phase in self.phases if start <= now][-1]]
        self.note(f"phase: an order arrives in {phase}", phase != "open")
        self.note(f"{order.kind}: {_outcome(order)}")

    def _fire_stops(self, now: int) -> None:
        waited = list(self.stops)
        super()._fire_stops(now)
        for order in [each for each in waited if each not in self.stops]:
            sent = [m[0] for m in self.to_exchange if m[1] == "cancel" and m[2] is order]
            self.note(f"{order.kind} triggered: {_outcome(order)}")
            self.note("stop: triggered with its cancel under way", sent)
            self.note("stop: triggered as its cancel arrives", now in sent)

    def _cancel_arrives(self, order: Own, now: int) -> None:
        works = order.reason == "working"
        self.note("cancel: of a working stop", order in self.stops)
        self.note("cancel: of a resting order", order in self.resting)
        self.note("cancel: of a partly filled order", works and order.filled)
        self.note("cancel: too late, filled", order.reason == "filled")
        at_once = order.reason == "filled" and order.end == now
        self.note("cancel: arrives with the event that fills its order", at_once)
        self.note("cancel: too late, ended otherwise", not works and order.reason != "filled")
        super()._cancel_arrives(order, now)

    def _modify_arrives(self, order: Own, tick: int, lots: int, now: int) -> None:
        n_fills, before = len(self.fills), (order.tick, order.size)
        worked, filled, closed = order.reason == "working", order.filled, self._why_closed(now)
        is_kept = tick == order.tick and lots <= order.size
        super()._modify_arrives(order, tick, lots, now)
        if not worked or closed:
            self.note(f"modify: rejected, {closed.removeprefix('rejected_') or 'too late'}")
        elif lots <= filled:
            self.note("modify: to what is filled, ends the order")
        elif "stop" in order.kind:
            self.note("modify: of a bracket's stop")
        elif is_kept:
            self.note(f"modify: keeps the place of {'a partly filled' if filled else 'an'} order")
        elif (order.tick, order.size) == before:
            self.note("modify: rejected, would take or meet an own order")
        else:
            self.note("modify: trades at once", len(self.fills) > n_fills)
            self.note("modify: loses the place by price", tick != before[0])
            self.note("modify: loses the place by size", tick == before[0])
            self.note("modify: loses the place of a partly filled order", filled)

    def _fill(self, order: Own, lots: int, tick: int, maker: bool, now: int) -> None:
        super()._fill(order, lots, tick, maker, now)
        is_part, fees = order.filled < order.size, self.config.fees
        self.note(f"fill: {'maker' if maker else 'taker'}{', in part' * is_part}")
        self.note(
            "fill: in part, with a modify under way", is_part and self.is_sent("modify", order)
        )
        self.note("fill: with a cancel under way", self.is_sent("cancel", order))
        self.note("bracket: the entry fills in part", is_part and order.bracket)
        self.note("kill switch: fills afterwards", self.killed)
        self.note("fee: rebate in basis points", maker and fees.maker_rate_e8 < 0)
        self.note("fee: basis points", fees.maker_rate_e8 if maker else fees.taker_rate_e8)
        own = fees.maker_e6 if maker else fees.taker_e6
        self.note("fee: per contract, the run's own", own is not None)

    def _trade(self, row: Any, live: bool, now: int) -> None:
        n_fills = len(self.fills)
        super()._trade(row, live, now)
        self.note("fill: by a trade through our price", len(self.fills) > n_fills)
        self.note("resting: in a trade while untrusted or not open", not live and self.resting)
        self.note("resting: in a trade without a side", live and row.side == "N" and self.resting)

    def _turn_back(self, kind: str, order: Own, heard: int, now: int) -> None:
        super()._turn_back(kind, order, heard, now)
        self.note(f"gateway: rejects a {kind}")

    def _hear(self, now: int) -> None:
        _, kind, order, *_ = self.to_us[0]
        super()._hear(now)
        works_on = kind == "cancel lost" and not order.known_over
        self.note("gateway: the order of a lost cancel works on", works_on)

    def _judge_loss(self, now: int) -> bool:
        was, found = self.killed, super()._judge_loss(now)
        if self.killed and not was:
            self.note("kill switch: with nothing at the exchange", not self.resting + self.stops)
            self.note("kill switch: with an order under way", self.is_sent("new"))
            self.note("kill switch: with resting orders", self.resting)
            self.note("kill switch: with stops", self.stops)
            self.note("kill switch: with a bracket", any(o.sibling for o in self.live()))
            self.note("kill switch: with a fill unheard", any(m[1] == "filled" for m in self.to_us))
        return found

    def _flatten(self, now: int) -> None:
        self.note("flat: cancels orders", self.live())
        self.note("flat: tries again", self.next_flatten > self.flatten_at)
        super()._flatten(now)

    def _close(self, now: int) -> None:
        n_orders = len(self.orders)
        super()._close(now)
        self.note("flat: closes a position", len(self.orders) > n_orders)

    def send_modify(self, order: Own, tick: int, lots: int, now: int) -> None:
        """Note a change of one that closes a bracket's entry."""
        super().send_modify(order, tick, lots, now)
        self.note("bracket: less of one is left", order.sibling)

    def send_cancel(self, order: Own, now: int) -> None:
        """Note the end of one that closes a bracket's entry."""
        super().send_cancel(order, now)
        self.note("bracket: one is cancelled", order.sibling)

    def run(self) -> "NaiveEngine":
        """Note how orders ended too."""
        super().run()
        for order in self.orders:
            if (order.reason, order.end) == ("expired", self.end):
                self.note("expired: at the exchange", order.arrive >= 0)
                self.note("expired: on its way", order.arrive < 0)
                self.note("expired: partly filled", order.filled)
                self.note("expired: with a cancel under way", self.is_sent("cancel", order))
                self.note("expired: with a modify under way", self.is_sent("modify", order))
            if order.sibling is not None:
                leg = "stop" if order.kind == "stop" else "limit"
                self.note(f"bracket: the {leg} fills", order.filled)
                self.note("bracket: both fill", order.filled and order.sibling.filled)
        for why in self.refused:
            self.note(f"refused: {why}")
        return self

    def carry_on(self, *args: Any, **named: Any) -> "NaiveEngine":
        """Note what a close meets."""
        self.note("close: with a position", self.position)
        self.note("close: of a killed run with a position", self.killed and self.position)
        self.note("close: with an order under way", self.is_sent("new"))
        self.note("close: with a cancel under way", self.is_sent("cancel"))
        self.note("close: with a fill unheard", any(m[1] == "filled" for m in self.to_us))
        self.note("close: behind lots that were used", any(self.used.values()))
        return super().carry_on(*args, **named)

    def roll(self, old_rows: Any, now: int) -> int:
        """Note what rolls."""
        held, lacking = self.position, super().roll(old_rows, now)
        self.note("roll: of nothing", not held)
        self.note("roll: of a position", held and not lacking)
        self.note("roll: of more than is displayed", lacking)
        self.note("roll: of a killed run's position", held and self.killed)
        return lacking


class NotedEngine(Noted):
    """On market-by-order rows."""

    def _recorded_fill(self, row: Any, now: int) -> None:
        n_fills = len(self.fills)
        super()._recorded_fill(row, now)
        ahead = [o for o in self.resting if o.tick == row.price and row.order_id in o.ahead]
        self.note("L3: a fill ahead of us", ahead)
        self.note("L3: fills from behind us", len(self.fills) > n_fills)

    def _change(self, row: Any, live: bool, now: int) -> None:
        n_fills = len(self.fills)
        super()._change(row, live, now)
        self.note("L3: fills by an order that arrives", len(self.fills) > n_fills)
        self.note("L3: a snapshot while we rest", row.flags & SNAPSHOT and self.resting)
        self.note("L3: a clear while we rest", row.action == "R" and self.resting)


class NotedLevelEngine(Noted, NaiveLevelEngine):
    """On a feed by price."""

    def _move(self, order: Own, before: int, after: int, hidden: bool) -> None:
        front = self.front[order.number]
        super()._move(order, before, after, hidden)
        now = self.front[order.number]
        assert now is not HIDDEN
        self.note("levels: a fraction of a lot ahead", now.denominator > 1)
        if front is HIDDEN or hidden:
            self.note(f"levels: a queue comes {'into' if front is HIDDEN else 'back into'} view")
        elif self.depth != 1 and now < front and now < min(before, after):
            self.note(f"queue: {self.config.queue.model} moves us further than it must")

    def _trade_by_price(self, row: Any, live: bool, now: int) -> None:
        n_fills, front = len(self.fills), dict(self.front)
        super()._trade_by_price(row, live, now)
        here = [fill.order for fill in self.fills[n_fills:] if fill.tick == row.price]
        ahead = [Fraction(front[number] or 0) for number in here]
        self.note("levels: fills at the front", 0 in ahead)
        self.note("levels: fills beyond the queue", any(ahead))
        self.note("levels: fills behind a fraction", any(lots.denominator > 1 for lots in ahead))
        self.note("levels: fills two orders by one trade", len(here) > 1)

    def _set(self, change: Any, live: bool, now: int) -> None:
        n_fills = len(self.fills)
        super()._set(change, live, now)
        self.note("levels: fills by what is newly shown", len(self.fills) > n_fills)
        self.note("levels: a change while untrusted or not open", not live and self.resting)

    def _rest(self, order: Own) -> None:
        super()._rest(order)
        self.note("levels: rests where nothing is shown", order.queue_ahead == -1)
        self.note("levels: rests alone at its price", order.queue_ahead == 0)


def _outcome(order: Own) -> str:
    """Return what has become of an order that has just begun to trade or wait."""
    is_part = 0 < order.filled < order.size
    ended = "rests" if order.reason == "working" else order.reason
    return f"{ended}{', partly filled' * is_part}"
