"""The live orders of a book by id: chains over a pool of slots.

The slot that was freed last is taken first, so that the orders of a book lie close together and
stay in the cache however large the table is; a table that is probed instead touches a cold line for
every order that is added. Order ids are the uint64 of the feed seen as int64.
"""

from typing import NamedTuple

import numpy as np

from strategy_lab_core._jit import hot_kernel, inlined
from strategy_lab_core.book.hashing import home_slot
from strategy_lab_core.types import Int1D, IntAny, Records

__all__ = [
    "NO_SLOT",
    "ORDER",
    "OrderTable",
    "copy_orders",
    "empty_orders",
    "empty_table",
    "enter_order",
    "find_order",
    "remove_order",
]

ORDER = np.dtype(
    [
        ("order_id", np.int64),
        ("arrival", np.int64),  # per place, a smaller number is nearer the front
        ("lots", np.int64),
        ("place", np.int32),  # 2 * level + side (0 bid, 1 ask), -1 in a free slot
        ("next", np.int32),  # slot of the next order in the chain, or of the next free slot
    ],
    align=True,
)
NO_SLOT = -1
_HEADS_PER_SLOT = 2
_N_ENDS = 2  # entries of `heads` behind the chains


class OrderTable(NamedTuple):
    """Slots, and where the chains begin."""

    orders: Records  # `ORDER` (shape: capacity, a power of two)
    # First slot of each chain, int32; then the first freed slot and the first that was never used.
    heads: IntAny


def empty_table(capacity: int) -> OrderTable:
    """Return a table with room for `capacity` orders (a power of two)."""
    table = OrderTable(
        np.zeros(capacity, ORDER), np.zeros(_HEADS_PER_SLOT * capacity + _N_ENDS, np.int32)
    )
    table.orders["place"] = -1
    table.heads[:] = NO_SLOT
    table.heads[-1] = 0
    return table


@inlined
def _chain(heads: IntAny, order_id: int) -> int:
    return home_slot(order_id, len(heads) - _N_ENDS - 1)


@inlined
def find_order(table: OrderTable, order_id: int) -> int:
    """Return the slot of an order, `NO_SLOT` where it is not there."""
    slot = int(table.heads[_chain(table.heads, order_id)])
    while slot >= 0 and table.orders[slot]["order_id"] != order_id:
        slot = int(table.orders[slot]["next"])
    return slot


@inlined
def enter_order(table: OrderTable, order_id: int, place: int, lots: int, arrival: int) -> None:
    """Enter an order that is not there; the caller has made sure that there is a free slot."""
    orders, heads = table.orders, table.heads
    ends = len(heads) - _N_ENDS
    slot = int(heads[ends])
    if slot >= 0:
        heads[ends] = orders[slot]["next"]
    else:
        slot = int(heads[ends + 1])
        heads[ends + 1] = slot + 1
    chain = _chain(heads, order_id)
    orders[slot]["order_id"] = order_id
    orders[slot]["arrival"] = arrival
    orders[slot]["lots"] = lots
    orders[slot]["place"] = place
    orders[slot]["next"] = heads[chain]
    heads[chain] = slot


@inlined
def remove_order(table: OrderTable, slot: int) -> None:
    """Take the order in `slot` out of its chain."""
    orders, heads = table.orders, table.heads
    ends = len(heads) - _N_ENDS
    chain = _chain(heads, orders[slot]["order_id"])
    before = int(heads[chain])
    if before == slot:
        heads[chain] = orders[slot]["next"]
    else:
        while orders[before]["next"] != slot:
            before = int(orders[before]["next"])
        orders[before]["next"] = orders[slot]["next"]
    orders[slot]["place"] = -1
    orders[slot]["next"] = heads[ends]
    heads[ends] = slot


@inlined
def empty_orders(table: OrderTable) -> None:
    """Remove all orders."""
    ends = len(table.heads) - _N_ENDS
    for slot in range(table.heads[ends + 1]):
        table.orders[slot]["place"] = -1
    for chain in range(ends + 1):
        table.heads[chain] = NO_SLOT
    table.heads[ends + 1] = 0


@hot_kernel
def copy_orders(source: OrderTable, target: OrderTable, moved: Int1D) -> None:
    """Enter all orders of one table in another (empty) one, moving their levels by `moved`."""
    for slot in range(len(source.orders)):
        place = int(source.orders[slot]["place"])
        if place >= 0:
            order = source.orders[slot]
            to = 2 * moved[place >> 1] + (place & 1)
            enter_order(target, order["order_id"], to, order["lots"], order["arrival"])
