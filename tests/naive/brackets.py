"""Brackets of the naive engine: what follows on our side of the line when a response is heard."""

from typing import Any

from tests.naive.state import NEVER, SECOND

__all__ = ["follow", "try_again"]


def follow(engine: Any, order: Any, kind: str, lots: int, now: int) -> None:
    """Send what closes an entry's fill, or take what one order has closed off the other."""
    if kind == "filled" and order.bracket is not None:
        take_profit, stop_loss = order.bracket
        side, tag = -order.side, order.tag
        stop = engine.place("stop", side, 0, lots, tag, stop_loss, now)
        profit = engine.place("limit", side, take_profit, lots, tag, 0, now)
        if stop is not None and profit is not None:
            stop.sibling, profit.sibling = profit, stop
    if order.sibling is None:
        return
    if kind in ("modify rejected", "cancel rejected", "cancel lost"):
        engine.next_trim = min(engine.next_trim, now + SECOND)
    elif kind != "filled":
        if not order.known_over:
            _trim(engine, order, now)
    elif not order.sibling.known_over:
        order.sibling.wanted -= lots
        _trim(engine, order.sibling, now)


def try_again(engine: Any, now: int) -> None:
    """Take off what an untrusted book or a rejection has kept from being taken off."""
    engine.next_trim = NEVER
    if now >= engine.flatten_at or engine.killed:
        return
    for order in engine.live():
        if order.sibling is not None:
            _trim(engine, order, now)


def _trim(engine: Any, order: Any, now: int) -> None:
    if order.cancel_sent or order.wanted >= order.known_size:
        return
    if not engine.seen[10]:
        engine.next_trim = min(engine.next_trim, now + SECOND)
    elif order.wanted <= order.known_filled:
        engine.send_cancel(order, now)
    elif not order.modify_sent:
        engine.send_modify(order, order.known_tick, order.wanted, now)
