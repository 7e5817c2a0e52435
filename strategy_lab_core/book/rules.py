"""The state rules: what can be wrong with a row given the book before it, as bits of one mask.

Only the vocabulary: the book kernels set life-cycle bits, `trust` the others and the intervals.
"""

from enum import IntEnum

__all__ = ["UNRELIABLE_RULES", "StateRule"]


class StateRule(IntEnum):
    """Bits of the `state_rules` column (UInt16)."""

    UNKNOWN_ORDER = 1  # cancel of an order that is not in the book
    OVER_CANCEL = 2  # cancel of more lots than the order has
    DUPLICATE_ORDER = 4  # add of an order that is in the book: it replaces
    MODIFY_OF_UNKNOWN = 8  # taken as an add
    CROSSED_OPEN = 16  # bid >= ask at an event end in the open phase
    TIME_ORDER = 32  # ts_recv goes back
    NEGATIVE_LATENCY = 64  # ts_recv before ts_event
    UNSEEDED = 128  # no seed, clear or snapshot yet
    LOST_CHANGE = 256  # a row that may have changed the book is in quarantine


# A flag alone: modifies of unknown orders are well-defined, latency says nothing about the book.
UNRELIABLE_RULES = (
    StateRule.UNKNOWN_ORDER,
    StateRule.OVER_CANCEL,
    StateRule.DUPLICATE_ORDER,
    StateRule.CROSSED_OPEN,
    StateRule.TIME_ORDER,
    StateRule.LOST_CHANGE,
)
