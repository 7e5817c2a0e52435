"""A run that is stopped at a moment, what it had sent by then, and where two such runs differ.

The tape keeps its later rows: a run that is stopped does what the whole run did until that moment.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import Any, NamedTuple

from strategy_lab_core.engine.backtest import costs_of
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.results import orders_table
from strategy_lab_core.engine.run import RunnableStrategy, run_pass
from strategy_lab_core.engine.stage import Stage
from strategy_lab_core.engine.state import MessageKind, Sets
from strategy_lab_core.engine.tape import SessionTape
from strategy_lab_core.types import PRICE_SCALE

__all__ = ["NOTHING_SENT", "Difference", "Sent", "first_difference", "run_until"]

_CHANGES = {MessageKind.CANCEL: "cancel", MessageKind.MODIFY: "modify"}
_NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class _HaltedTape(SessionTape):
    """A tape on which the simulation ends at `halt_ns`, whatever rows there are."""

    halt_ns: int = 0

    @property
    def end_ns(self) -> int:
        """When the simulation ends."""
        return self.halt_ns


class Sent(NamedTuple):
    """What a run had sent by a moment, one row each.

    Orders are rows of the engine's order table, with what had become of them: cancels and modifies
    that had arrived are in there. `changes` are the cancels and modifies still on their way:
    ts_submit, what, price (1e-9), size.
    """

    orders: list[dict[str, Any]]
    changes: list[dict[str, Any]]


NOTHING_SENT = Sent([], [])


class Difference(NamedTuple):
    """The first thing in which two runs differ: ns on our clock, and what either had sent."""

    ts_submit: int
    sent: str
    instead: str


def run_until(
    stage: Stage,
    strategy: RunnableStrategy,
    config: BacktestConfig,
    halt_ns: int,
    *,
    on_rows: Callable[[int], None] | None = None,
) -> Sent:
    """Run a strategy until everything that happens at `halt_ns` has happened, on either clock.

    Parameters
    ----------
    on_rows
        As for `engine.run.run_pass`.

    Raises
    ------
    SimulationError
        The strategy raised.
    """
    parts = {field.name: getattr(stage.tape, field.name) for field in fields(SessionTape)}
    tape = _HaltedTape(**{**parts, "book": stage.tape.book.copy()}, halt_ns=halt_ns)
    costs = costs_of(stage.instrument, config)
    outcome = run_pass(tape, [strategy], [config], [costs], on_rows=on_rows)
    if outcome.errors:
        raise outcome.errors[0]
    orders = orders_table(outcome.orders(0), stage.tape.tick_size)
    return Sent(orders.to_dicts(), _on_their_way(outcome.sets, stage.tape.tick_size))


def _on_their_way(sets: Sets, tick_size: int) -> list[dict[str, Any]]:
    line, totals = sets.outbound[0], sets.totals[0]
    numbers = range(int(totals["arrived"]), int(totals["sent"]))
    waiting = [line[(n - int(totals["sent_from"])) % len(line)] for n in numbers]
    return [
        {
            "ts_submit": int(each["send_ns"]),
            "what": _CHANGES[MessageKind(each["kind"])],
            "price": int(each["tick"]) * tick_size,
            "size": int(each["lots"]),
        }
        for each in waiting
        if each["kind"] in _CHANGES
    ]


def first_difference(one: Sent, other: Sent) -> Difference | None:
    """Return the first order, or else the first change on its way, that is not the same in both."""
    for mine, theirs in ((one.orders, other.orders), (one.changes, other.changes)):
        for left, right in zip_longest(mine, theirs):
            if left != right:
                times = [each["ts_submit"] for each in (left, right) if each is not None]
                return Difference(min(times), _sentence(left), _sentence(right))
    return None


def _sentence(sent: dict[str, Any] | None) -> str:
    if sent is None:
        return _NOTHING
    if "what" in sent:
        return f"{sent['what']} to {sent['size']} at {_price(sent['price'])}"
    side = "buy" if sent["side"] == "B" else "sell"
    trigger = sent["trigger_price"]
    parts = [
        f"order {sent['order_id']}: {side} {sent['size']} {sent['type']}",
        "" if sent["price"] is None else f" at {_price(sent['price'])}",
        "" if trigger is None else f" from {_price(trigger)}",
        f", sent {sent['ts_submit']}, {sent['filled']} filled, {_fate(sent['end_reason'])}",
    ]
    return "".join(parts)


def _fate(end_reason: str) -> str:
    return "working" if end_reason == "expired" else end_reason


def _price(price: int) -> str:
    return f"{price / PRICE_SCALE:.10g}"
