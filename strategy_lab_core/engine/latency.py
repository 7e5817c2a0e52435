"""How long a message takes between us and the exchange. Feed latency is the tape's (`tape`).

A new model is a member of `LatencyModel`, its numbers in `rules.RULE` and a branch in `delay`.
"""

from enum import IntEnum

from strategy_lab_core._jit import inlined
from strategy_lab_core.types import Records

__all__ = ["LatencyModel", "Leg", "arrival", "delay"]


class LatencyModel(IntEnum):
    """Where a delay comes from."""

    CONSTANT = 0


class Leg(IntEnum):
    """Direction of a message."""

    ENTRY = 0  # from us to the exchange
    RESPONSE = 1  # from the exchange to us


@inlined
def delay(rules: Records, k: int, leg: int) -> int:
    """Return the delay in ns of a message of set `k` on one leg.

    Constant: the same in quiet and in busy times, which flatters orders sent in a burst.
    """
    if leg == Leg.ENTRY:
        return int(rules[k]["order_ns"])
    return int(rules[k]["response_ns"])


@inlined
def arrival(sent_ns: int, delay_ns: int, previous_arrival_ns: int) -> int:
    """Return when a message arrives: messages of one line never overtake each other."""
    return max(sent_ns + delay_ns, previous_arrival_ns)
