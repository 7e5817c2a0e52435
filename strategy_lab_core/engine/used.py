"""Which lots of the displayed orders have already served ours: liquidity is used once.

Keyed by the venue's order id, because the recorded market is not changed by us: an order that we
have taken from is still displayed, and a modify or a snapshot does not make its lots new.
Open addressing, at most half full; nothing is ever removed within a session.
"""

import numpy as np

from strategy_lab_core._jit import hot_kernel, inlined
from strategy_lab_core.engine.state import Sets

__all__ = ["add_used", "used_lots", "with_used_room"]


@inlined
def _place(sets: Sets, k: int, key: int) -> int:
    used = sets.used[k]
    mask = len(used) - 1
    place = (key ^ (key >> 15)) & mask  # ids are nearly consecutive: no better mixing is needed
    while used[place]["key"] != 0 and used[place]["key"] != key:
        place = (place + 1) & mask
    return int(place)


@inlined
def used_lots(sets: Sets, k: int, order_id: int) -> int:
    """Return how many lots of a displayed order have served set `k`."""
    return int(sets.used[k, _place(sets, k, order_id + 1)]["lots"])


@hot_kernel
def add_used(sets: Sets, k: int, order_id: int, lots: int) -> None:
    """Note that `lots` more of a displayed order have served set `k`."""
    place = _place(sets, k, order_id + 1)
    if sets.used[k, place]["key"] == 0:
        sets.used[k, place]["key"] = order_id + 1
        sets.totals[k]["used"] += 1
    sets.used[k, place]["lots"] += lots


def with_used_room(sets: Sets, room: int) -> Sets:
    """Return the same sets, the table doubled where less than `room` entries are left."""
    n_sets, capacity = sets.used.shape
    if capacity // 2 - int(sets.totals["used"].max()) >= room:
        return sets
    larger = sets._replace(used=np.zeros((n_sets, 2 * capacity), sets.used.dtype))
    larger.totals["used"] = 0
    for k in range(n_sets):
        for entry in sets.used[k][sets.used[k]["key"] != 0]:
            add_used(larger, k, int(entry["key"]) - 1, int(entry["lots"]))
    return larger
