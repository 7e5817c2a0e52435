"""What a carried run takes from one session into the next: account, counters, what served us.

At a close every order expires and nothing stays on its way: messages that have not reached the
exchange never do, and what the exchange has answered is known by the next open, without a call.
"""

from typing import NamedTuple

from strategy_lab_core.engine.market import BY_ORDER
from strategy_lab_core.engine.recorded import World
from strategy_lab_core.engine.sheets import Sheets
from strategy_lab_core.engine.state import NEVER, Cursor, Sets
from strategy_lab_core.engine.used import forget_used
from strategy_lab_core.types import Int1D

__all__ = ["Held", "held_after"]

_GOES_ON = [
    Cursor.BOUGHT,
    Cursor.SOLD,
    Cursor.LAST_TICK,
    Cursor.MARK_BID,
    Cursor.MARK_ASK,
    Cursor.IS_MARKED,
    Cursor.TRADE_NUMBER,
]


class Held(NamedTuple):
    """What a session leaves to the next one: the sets, the strategies' memory, the market's end."""

    sets: Sets
    sheets: Sheets
    cursor: Int1D
    window: int

    def into(self, cursor: Int1D, window: int) -> Sets:
        """Let a session's `cursor` go on where this one ended, and return the sets."""
        cursor[_GOES_ON] = self.cursor[_GOES_ON]
        if self.window != BY_ORDER or window != BY_ORDER:
            # A displayed order keeps its id over night, a level of a feed by price has none.
            forget_used(self.sets)
        return self.sets


def held_after(world: World, sets: Sets, sheets: Sheets) -> Held:
    """Return what is left of a finished session; its arrays are used up."""
    totals = sets.totals
    totals["known_position"], totals["known_cash"] = totals["position"], totals["cash"]
    # The numbers of messages go on: a drawn latency belongs to its number.
    totals["arrived"], totals["heard"] = totals["sent"], totals["answered"]
    for name in ("live", "told", "may_close"):
        totals[name] = 0
    totals["is_stale"], totals["next_trim_ns"], totals["next_arrival_ns"] = 1, NEVER, NEVER
    return Held(sets, sheets, world.cursor, world.market.window)
