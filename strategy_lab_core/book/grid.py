"""Prices as level indexes: the rank of a price among all prices seen so far.

Kernels index arrays by level, so a stub quote at 199,999.99 or a price off the tick grid costs one
level and no more. New prices shift the ranks: whoever stores levels moves them with the mapping
that `PriceGrid.extend` returns. No orders and no sizes here.
"""

import numpy as np

from strategy_lab_core._jit import hot_kernel
from strategy_lab_core.book.hashing import capacity_for, home_slot
from strategy_lab_core.types import EMPTY_PRICE, Int1D, IntAny

__all__ = ["NO_LEVEL", "PriceGrid", "find_levels"]

NO_LEVEL = -1  # the level of an undefined price
_FREE = EMPTY_PRICE  # never a key: an undefined price has no level


@hot_kernel
def find_levels(prices: Int1D, keys: Int1D, ranks: IntAny, levels: IntAny, fresh: Int1D) -> int:
    """Write the level of every price; return how many prices were not in the table.

    Unseen prices are collected in `fresh` and entered in the table without a rank. When `fresh` is
    full the search stops, so that the table's load stays bounded.
    """
    mask = len(keys) - 1
    found = 0
    for row in range(len(prices)):
        price = prices[row]
        if price == _FREE:
            levels[row] = NO_LEVEL
            continue
        slot = home_slot(price, mask)
        while keys[slot] != price and keys[slot] != _FREE:
            slot = (slot + 1) & mask
        if keys[slot] == _FREE:
            keys[slot] = price
            fresh[found] = price
            found += 1
            if found == len(fresh):
                return found
        levels[row] = ranks[slot]
    return found


@hot_kernel
def _enter(prices: Int1D, keys: Int1D, ranks: IntAny) -> None:
    """Fill an empty table with sorted prices and their ranks."""
    mask = len(keys) - 1
    for rank in range(len(prices)):
        slot = home_slot(prices[rank], mask)
        while keys[slot] != _FREE:
            slot = (slot + 1) & mask
        keys[slot] = prices[rank]
        ranks[slot] = rank


class PriceGrid:
    """All prices seen, in ascending order; a price's level is its index.

    Attributes
    ----------
    prices
        Seen prices, 1e-9 (shape: levels), strictly ascending.
    """

    def __init__(self, prices: Int1D | None = None) -> None:
        self.prices: Int1D = np.empty(0, np.int64)
        self._rebuild(self.prices)
        if prices is not None:
            self.extend(prices)

    def __len__(self) -> int:
        return len(self.prices)

    def extend(self, prices: Int1D) -> tuple[IntAny, Int1D | None]:
        """Return the level of every price, entering prices that are new.

        Parameters
        ----------
        prices
            Prices in 1e-9 (shape: rows); undefined prices (`EMPTY_PRICE`) get `NO_LEVEL`.

        Returns
        -------
        levels
            int32 (shape: rows).
        moved
            New level of each level known before (shape: levels before), or None where all stay.
        """
        levels = np.empty(len(prices), np.int32)
        before = self.prices
        while True:
            fresh = np.empty(len(self._keys) // 4, np.int64)
            found = find_levels(prices, self._keys, self._ranks, levels, fresh)
            if not found:
                break
            self._rebuild(np.sort(np.concatenate((self.prices, fresh[:found]))))
        if len(before) == len(self.prices):
            return levels, None
        return levels, np.searchsorted(self.prices, before)

    def price_of(self, levels: IntAny) -> Int1D:
        """Return the price of every level, `EMPTY_PRICE` for `NO_LEVEL`; any shape."""
        return np.append(self.prices, EMPTY_PRICE)[levels]

    def _rebuild(self, prices: Int1D) -> None:
        self.prices = prices
        self._keys = np.full(capacity_for(len(prices)), _FREE, np.int64)
        self._ranks = np.full(len(self._keys), NO_LEVEL, np.int32)
        _enter(prices, self._keys, self._ranks)
