"""Where a 64-bit key begins its search in an open addressing table.

Shared by the order table (`l3`) and the price table (`grid`). The tables themselves live with their
owners: capacity is a power of two, collisions go to the next slot.
"""

from strategy_lab_core._jit import inlined

__all__ = ["capacity_for", "home_slot"]

_MULTIPLIER = 0x45D9F3B  # 27 bits: times 32 bits stays inside int64, as Python and compiled


@inlined
def home_slot(key: int, mask: int) -> int:
    """Return the first slot to look at for `key` in a table of ``mask + 1`` slots."""
    folded = (key ^ (key >> 32)) & 0xFFFFFFFF
    return ((folded * _MULTIPLIER) >> 20) & mask


def capacity_for(keys: int, *, load: int = 4) -> int:
    """Return the smallest power of two that is at least `load` times `keys`, and 64."""
    return 1 << max(6, (load * keys - 1).bit_length())
