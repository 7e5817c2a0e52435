"""Which orders of ours rest at a price, over all sets: what the market asks at every change of it.

Orders hang on a doubly linked list for each side and price, so that a change of a level costs what
it concerns, however many sets there are. Prices share `Sets.heads` modulo its length: who walks a
list looks at the price too. A reference is a set and a slot in one number, 0 for none; the first
order of a list refers back to its head by a negative one.
"""

from strategy_lab_core._jit import POSITIVE, hot_kernel, inlined
from strategy_lab_core.engine.state import Sets

__all__ = ["drop_resting", "first_at", "is_resting", "link", "set_of", "slot_of", "unlink"]

_SLOT_BITS = 32


@inlined
def _reference(k: int, order: int) -> int:
    return ((k + 1) << _SLOT_BITS) | order


@inlined
def set_of(reference: int) -> int:
    """Return the set of a reference that is not 0."""
    return ((reference >> _SLOT_BITS) - 1) & POSITIVE


@inlined
def slot_of(reference: int) -> int:
    """Return the order's slot of a reference that is not 0."""
    return reference & POSITIVE


@inlined
def _head_of(sets: Sets, side: int, tick: int) -> int:
    place = 2 * (tick & ((len(sets.heads) >> 1) - 1)) + (0 if side > 0 else 1)
    return place & POSITIVE


@inlined
def first_at(sets: Sets, side: int, tick: int) -> int:
    """Return the reference of the first order in the list of a side and a price, or 0."""
    return int(sets.heads[_head_of(sets, side, tick)])


@inlined
def is_resting(sets: Sets, k: int, order: int) -> bool:
    """Say whether an order hangs on a list."""
    return bool(sets.orders[k, order]["previous"] != 0)


@inlined
def link(sets: Sets, k: int, order: int) -> None:
    """Hang an order on the list of its side and price."""
    mine = sets.orders[k, order]
    head = _head_of(sets, mine["side"], mine["tick"])
    reference, follower = _reference(k, order), sets.heads[head]
    mine["previous"], mine["next"] = -1 - head, follower
    sets.heads[head] = reference
    if follower != 0:
        sets.orders[set_of(follower), slot_of(follower)]["previous"] = reference


@inlined
def unlink(sets: Sets, k: int, order: int) -> None:
    """Take an order off its list."""
    mine = sets.orders[k, order]
    before, follower = mine["previous"], mine["next"]
    mine["previous"] = 0
    if before < 0:
        sets.heads[-1 - before] = follower
    else:
        sets.orders[set_of(before), slot_of(before)]["next"] = follower
    if follower != 0:
        sets.orders[set_of(follower), slot_of(follower)]["previous"] = before


@hot_kernel
def drop_resting(sets: Sets, k: int) -> None:
    """Take all orders of a set off their lists: it takes no further part."""
    for order in range(sets.orders.shape[1]):
        if is_resting(sets, k, order):
            unlink(sets, k, order)
    sets.totals[k]["resting"] = 0
