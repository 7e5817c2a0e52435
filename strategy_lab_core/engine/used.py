"""Which lots of the displayed orders have already served ours: liquidity is used once.

Keyed by the venue's order id, because the recorded market is not changed by us: an order that we
have taken from is still displayed, and a modify or a snapshot does not make its lots new.
Open addressing, at most half full; nothing is ever removed within a session.
"""

import numpy as np

from strategy_lab_core._jit import hot_kernel, inlined, part
from strategy_lab_core.engine.state import USED, Sets
from strategy_lab_core.types import Records

__all__ = ["add_used", "forget_used", "used_lots", "with_used_room"]


@inlined
def _place(used: Records, key: int) -> int:
    mask = len(used) - 1
    place = (key ^ (key >> 15)) & mask  # ids are nearly consecutive: no better mixing is needed
    while used[place]["key"] != 0 and used[place]["key"] != key:
        place = (place + 1) & mask
    return int(place)


@inlined
def used_lots(sets: Sets, k: int, order_id: int) -> int:
    """Return how many lots of a displayed order have served set `k`."""
    return int(sets.used[k, _place(sets.used[k], order_id + 1)]["lots"])


@part
def add_used(sets: Sets, k: int, order_id: int, lots: int) -> None:
    """Note that `lots` more of a displayed order have served set `k`."""
    place = _place(sets.used[k], order_id + 1)
    if sets.used[k, place]["key"] == 0:
        sets.used[k, place]["key"] = order_id + 1
        sets.totals[k]["used"] += 1
    sets.used[k, place]["lots"] += lots


@hot_kernel
def _copy_used(used: Records, larger: Records) -> None:
    """Enter all that is in a table into a larger, empty one (shape: sets, entries)."""
    for k in range(len(used)):
        for i in range(used.shape[1]):
            key = used[k, i]["key"]
            if key != 0:
                place = _place(larger[k], key)
                larger[k, place]["key"] = key
                larger[k, place]["lots"] = used[k, i]["lots"]


def forget_used(sets: Sets) -> None:
    """Let every displayed order serve again: it is another book's."""
    sets.used[:] = 0
    sets.totals["used"] = 0


def with_used_room(sets: Sets, room: int) -> Sets:
    """Return the same sets, the table doubled until at least `room` entries are left."""
    n_sets, capacity = sets.used.shape
    needed = 2 * (int(sets.totals["used"].max()) + room)
    if capacity >= needed:
        return sets
    larger = np.zeros((n_sets, capacity << (-(-needed // capacity) - 1).bit_length()), USED)
    _copy_used(sets.used, larger)
    return sets._replace(used=larger)
