"""The two lines between us and the exchange: messages arrive in the order in which they were sent.

A line is a ring. It begins again at its first place whenever nothing is on its way, so that a set
with few messages in flight keeps to the same few places in memory.
"""

from typing import Any

from strategy_lab_core._jit import POSITIVE, inlined
from strategy_lab_core.engine.latency import arrival
from strategy_lab_core.engine.state import NEVER, Sets
from strategy_lab_core.types import Records

__all__ = ["incoming", "is_sent_within", "outgoing", "post_in", "post_out", "take_out"]


@inlined
def _place(n: int, places: int) -> int:
    """Return where the `n`-th message since a ring's first place lies."""
    return n & (places - 1) & POSITIVE


@inlined
def outgoing(sets: Sets, k: int, n: int) -> Any:
    """Return the `n`-th message to the exchange, while it is on its way."""
    return sets.outbound[k, _place(n - sets.totals[k]["sent_from"], sets.outbound.shape[1])]


@inlined
def take_out(sets: Sets, k: int) -> Any:
    """Return the message that reaches the exchange now, and note when the next one does."""
    totals = sets.totals[k]
    n = totals["arrived"]
    totals["arrived"] = n + 1
    totals["next_arrival_ns"] = NEVER
    if n + 1 < totals["sent"]:
        totals["next_arrival_ns"] = outgoing(sets, k, n + 1)["arrive_ns"]
    return outgoing(sets, k, n)


@inlined
def incoming(sets: Sets, k: int, n: int) -> Any:
    """Return the `n`-th response, while it is on its way."""
    return sets.inbound[k, _place(n - sets.totals[k]["answered_from"], sets.inbound.shape[1])]


@inlined
def is_sent_within(sets: Sets, k: int, n: int, since_ns: int) -> bool:
    """Say whether one of the last messages, the `n`-th, was sent after `since_ns`."""
    return bool(sets.sent_ns[k, _place(n, sets.sent_ns.shape[1])] > since_ns)


@inlined
def _write(
    line: Records, place: int, arrives_ns: int, kind: int, order: int, lots: int, tick: int
) -> None:
    line[place]["arrive_ns"] = arrives_ns
    line[place]["kind"] = kind
    line[place]["order"] = order
    line[place]["lots"] = lots
    line[place]["tick"] = tick


@inlined
def post_out(
    sets: Sets,
    k: int,
    now_ns: int,
    delay_ns: int,
    kind: int,
    order: int,
    lots: int,
    tick: int,
    rejected_ns: int,
) -> None:
    """Send a message to the exchange; 0, or when we hear that the gateway rejected it."""
    totals = sets.totals[k]
    n = totals["sent"]
    arrives_ns = arrival(now_ns, delay_ns, totals["last_arrive_ns"])
    if totals["arrived"] == n:
        totals["sent_from"] = n
        totals["next_arrival_ns"] = arrives_ns
    place = _place(n - totals["sent_from"], sets.outbound.shape[1])
    totals["sent"] = n + 1
    totals["last_arrive_ns"] = arrives_ns
    _write(sets.outbound[k], place, arrives_ns, kind, order, lots, tick)
    sets.outbound[k, place]["send_ns"] = now_ns
    sets.outbound[k, place]["rejected_ns"] = rejected_ns
    sets.sent_ns[k, _place(n, sets.sent_ns.shape[1])] = now_ns


@inlined
def post_in(
    sets: Sets,
    k: int,
    now_ns: int,
    delay_ns: int,
    kind: int,
    order: int,
    lots: int,
    tick: int,
    cost: int,
) -> int:
    """Send a response from the exchange and return when we shall hear it."""
    totals = sets.totals[k]
    n = totals["answered"]
    if totals["heard"] == n:
        totals["answered_from"] = n
    place = _place(n - totals["answered_from"], sets.inbound.shape[1])
    heard_ns = arrival(now_ns, delay_ns, totals["last_heard_ns"])
    totals["answered"] = n + 1
    totals["last_heard_ns"] = heard_ns
    _write(sets.inbound[k], place, heard_ns, kind, order, lots, tick)
    sets.inbound[k, place]["fee"] = cost
    return heard_ns
