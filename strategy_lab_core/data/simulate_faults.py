"""Deliberate faults in a simulated tape: each breaks one rule of validation, and is written down.

A fault of state is followed, a few events later, by a snapshot of the true book, as a vendor's
recovery would be: the book is untrusted in between only.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from strategy_lab_core.data.dbn_writer import Records
from strategy_lab_core.data.simulate_market import NO_RANK
from strategy_lab_core.data.simulate_tape import TAPE, live_orders, snapshot
from strategy_lab_core.types import Action, RecordFlag

__all__ = ["Fault", "add_row_faults", "add_state_faults"]

_RECOVERY_EVENTS = 12  # between a fault of state and the snapshot that repairs it
_UNKNOWN_ORDER = 999_999_999
_OFF_GRID = 100_000_000  # 0.10 in 1e-9: on no grid of 0.25


@dataclass(frozen=True, slots=True)
class Fault:
    """One deliberate fault: `rule` is the name of the rule that must find it.

    `rows` are row numbers in the session's uncut tape (`session_table`).
    """

    rule: str
    session: date
    rows: tuple[int, ...]


def _event_end(tape: Records, share: float) -> int:
    """Return the row after an event's end, about `share` of the way through the tape."""
    ends = np.flatnonzero(tape["flags"] & RecordFlag.LAST)
    return int(ends[int(share * len(ends))]) + 1


def _stray(tape: Records, row: int, action: str, size: int, order_id: int) -> Records:
    """Return one row like that before `row`, as an event of its own, in no queue."""
    stray = tape[row - 1 : row].copy()
    adds = tape[:row][tape["action"][:row] == Action.ADD]
    stray["price"], stray["side"] = adds["price"][-1], adds["side"][-1]
    stray["action"], stray["size"], stray["order_id"] = ord(action), size, order_id
    stray["flags"], stray["rank"] = RecordFlag.LAST, NO_RANK
    return stray


def _inserted(tape: Records, pieces: list[tuple[int, Records]]) -> Records:
    """Return the tape with each piece put before its row; rows are those of `tape`, ascending."""
    parts, start = [], 0
    for row, piece in pieces:
        parts += [tape[start:row], piece]
        start = row
    return np.concatenate([*parts, tape[start:]]).astype(TAPE, copy=False)


def add_row_faults(tape: Records, key: date, seeds: int) -> tuple[Records, list[Fault]]:
    """Add a zero size, an off-grid price with its later cancel, and an unknown action."""
    where = [_event_end(tape, share) for share in (0.35, 0.40, 0.41, 0.45)]
    strays = [
        _stray(tape, where[0], "A", 0, 1),
        _stray(tape, where[1], "A", 1, 2),
        _stray(tape, where[2], "C", 1, 2),
        _stray(tape, where[3], "X", 1, 3),
    ]
    # The add's price is garbled, its cancel's is not: the cancel is bad by its order only.
    strays[2]["price"], strays[2]["side"] = strays[1]["price"], strays[1]["side"]
    strays[1]["price"] += _OFF_GRID
    rules = ("size_not_positive", "off_grid_price", "order_of_quarantined_add", "unknown_action")
    faults = [
        Fault(rule, key, (row + shift - seeds,))
        for shift, (rule, row) in enumerate(zip(rules, where, strict=True))
    ]
    # Behind an unknown action the book may lack a change: a snapshot repairs it.
    pieces = [*zip(where, strays, strict=True), _recovery(tape, where[-1])]
    return _inserted(tape, pieces), faults


def _late_row(tape: Records, start: int) -> int:
    """Return a row of an event of its own that can be stamped later than the next row, only."""
    last = (tape["flags"] & RecordFlag.LAST) != 0
    stamps = tape["ts_recv"].astype(np.int64)
    for row in range(start, len(tape) - 2):
        if last[row - 1 : row + 2].all() and stamps[row + 2] - stamps[row + 1] > 1:
            return row
    raise AssertionError("no two single-row events in the tape")


def add_state_faults(tape: Records, key: date, seeds: int) -> tuple[Records, list[Fault]]:
    """Add a step back in `ts_recv` and a cancel of an unknown order, each with its recovery.

    The first `seeds` rows of the tape are orders from before the session, not counted in the
    faults' row numbers.
    """
    late = _late_row(tape, _event_end(tape, 0.6))
    stamps = tape["ts_recv"]
    stamps[late] = stamps[late + 1] + (stamps[late + 2] - stamps[late + 1]) // 2
    unknown = _event_end(tape, 0.8)
    pieces = [_recovery(tape, late + 1), (unknown, _stray(tape, unknown, "C", 1, _UNKNOWN_ORDER))]
    shift = len(pieces[0][1])
    pieces.append(_recovery(tape, unknown))
    faults = [
        Fault("time_order", key, (late + 1 - seeds,)),
        Fault("unknown_order", key, (unknown + shift - seeds,)),
    ]
    return _inserted(tape, pieces), faults


def _recovery(tape: Records, fault: int) -> tuple[int, Records]:
    """Return the snapshot that repairs a fault, and the row before which it belongs."""
    ends = np.flatnonzero(tape["flags"][fault:] & RecordFlag.LAST)
    row = fault + int(ends[_RECOVERY_EVENTS]) + 1
    return row, snapshot(live_orders(tape[:row]), int(tape["ts_recv"][row - 1]))
