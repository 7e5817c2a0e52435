"""The words that every layer shares: Databento's enums and flags, sentinels, array aliases.

Values are what sits in the arrays (an action is the ASCII code of its letter, as in a DBN record).
No functions and no table layouts here: columns are declared in `data.schemas`.
"""

from enum import IntEnum, StrEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "EMPTY_PRICE",
    "NS_PER_SECOND",
    "PRICE_SCALE",
    "Action",
    "BookState",
    "Bool1D",
    "Float1D",
    "Float2D",
    "Int1D",
    "Int2D",
    "IntAny",
    "Phase",
    "RecordFlag",
    "Records",
    "Side",
    "StatType",
    "StatUpdate",
    "TickSchema",
]

PRICE_SCALE = 1_000_000_000  # stored prices are integers in 1e-9 of the quoted unit
EMPTY_PRICE = 2**63 - 1  # DBN's undefined price: no level, or a clear's price
NS_PER_SECOND = 1_000_000_000

Int1D: TypeAlias = NDArray[np.int64]
Int2D: TypeAlias = NDArray[np.int64]
IntAny: TypeAlias = NDArray[Any]  # integers of the width that the column is stored in
Records: TypeAlias = NDArray[np.void]  # structured: fields are declared beside their use
Float1D: TypeAlias = NDArray[np.float64]
Float2D: TypeAlias = NDArray[np.float64]
Bool1D: TypeAlias = NDArray[np.bool_]


class Action(IntEnum):
    """What a record does to the book: ASCII code of DBN's letter."""

    ADD = ord("A")
    CANCEL = ord("C")
    MODIFY = ord("M")
    CLEAR = ord("R")
    TRADE = ord("T")
    FILL = ord("F")
    NONE = ord("N")


class Side(IntEnum):
    """Side of the resting order (adds, cancels), of the aggressor (trades): DBN's letter."""

    BID = ord("B")
    ASK = ord("A")
    NONE = ord("N")


class RecordFlag(IntEnum):
    """Bits of a record's `flags`."""

    LAST = 0x80  # the event ends with this record
    TOB = 0x40
    SNAPSHOT = 0x20  # replayed state, not a market event
    MBP = 0x10
    BAD_TS_RECV = 0x08
    MAYBE_BAD_BOOK = 0x04


class Phase(IntEnum):
    """Phase of a trading session at one moment."""

    CLOSED = 0
    PRE_OPEN = 1
    OPEN = 2
    HALT = 3


class BookState(IntEnum):
    """Whether an order book may be trusted at one moment."""

    TRUSTED = 0
    UNSEEDED = 1  # no seed, clear or snapshot yet
    UNRELIABLE = 2  # a state rule was broken since the last snapshot or clear


class StatType(IntEnum):
    """What a `statistics` record tells: those of DBN's StatType that something is built on."""

    OPEN_INTEREST = 9


class StatUpdate(IntEnum):
    """DBN's StatUpdateAction: whether a `statistics` record gives a figure or withdraws one."""

    NEW = 1
    DELETE = 2


class TickSchema(StrEnum):
    """DBN's schema names that Strategy Lab reads as ticks or reference data, and one more."""

    MBO = "mbo"
    MBP_1 = "mbp-1"
    MBP_10 = "mbp-10"
    TBBO = "tbbo"
    TRADES = "trades"
    DEPTH = "depth"  # not Databento's: depth differences and trades
    STATUS = "status"
    STATISTICS = "statistics"
    DEFINITION = "definition"
