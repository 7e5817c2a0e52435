"""The feed latency that is known at each end of the line, for orders that take as long.

Snapshot rows and rows with a bad capture time have none: the one before them stays. It is 0 until
there is one.
"""

from strategy_lab_core._jit import part
from strategy_lab_core.engine.latency import Leg
from strategy_lab_core.engine.tape import Tape
from strategy_lab_core.types import Int2D, RecordFlag

__all__ = ["note_heard", "note_sent"]

_UNCLOCKED = int(RecordFlag.SNAPSHOT | RecordFlag.BAD_TS_RECV)


@part
def note_sent(tape: Tape, line: Int2D, row: int) -> None:
    """Keep the latency of the event that begins at `row`: the exchange's answers go with it."""
    last = row
    while not tape.is_last[last]:
        last += 1
    if tape.rows.flags[last] & _UNCLOCKED == 0:
        line[0, Leg.RESPONSE] = tape.local_ns[last] - tape.event_ns[last]


@part
def note_heard(tape: Tape, line: Int2D, now_ns: int) -> None:
    """Keep the latency of the last event that has reached us by our time `now_ns`."""
    low, high = 0, len(tape.local_ns)
    while low < high:
        middle = (low + high) // 2
        if tape.local_ns[middle] <= now_ns:
            low = middle + 1
        else:
            high = middle
    row = low - 1
    while row >= 0 and not (tape.is_last[row] and tape.rows.flags[row] & _UNCLOCKED == 0):
        row -= 1
    line[0, Leg.ENTRY] = tape.local_ns[row] - tape.event_ns[row] if row >= 0 else 0
