"""Intervals of ratios of sums over orders in time, by resampling blocks of consecutive orders.

H. R. Kuensch (1989), "The jackknife and the bootstrap for general stationary observations",
Ann. Statist. 17(3), 1217-1241, doi:10.1214/aos/1176347265; here with blocks that do not overlap
and percentile intervals.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategy_lab_core.types import Int2D

__all__ = ["Blocks", "Estimate"]

_MIN_BLOCKS = 10  # with fewer there are too few distinct samples for the ends of an interval


class Estimate(NamedTuple):
    """A ratio with its 95 % interval; None: nothing to divide by, or too few blocks."""

    value: float | None
    low: float | None
    high: float | None

    def named(self, name: str, unit: str = "") -> dict[str, float | None]:
        """Return the three by name, the ends of the interval with `_low` and `_high`."""
        values = zip(("", "_low", "_high"), self, strict=True)
        return {f"{name}{which}{unit}": value for which, value in values}


class Blocks:
    """The blocks of `orders` consecutive orders, and the samples drawn from them.

    All estimates are made from the same samples, so that those of differences are paired.

    Parameters
    ----------
    orders, length
        How many orders, and how many of them make a block; the last block may be shorter.
    samples
        How often blocks are drawn, with replacement, as many as there are.
    random_seed
        Of the draws.
    """

    def __init__(self, orders: int, *, length: int, samples: int, random_seed: int) -> None:
        self.starts = np.arange(0, orders, length)
        count = len(self.starts)
        rng = np.random.default_rng(random_seed)
        self._drawn: Int2D = rng.integers(0, max(count, 1), (samples, count))

    def ratio(self, above: NDArray[Any], below: NDArray[Any]) -> Estimate:
        """Estimate sum(above) / sum(below) (shape of both: orders)."""
        if not below.sum():
            return Estimate(None, None, None)
        value = float(above.sum() / below.sum())
        if len(self.starts) < _MIN_BLOCKS:
            return Estimate(value, None, None)
        tops = np.add.reduceat(above, self.starts)[self._drawn].sum(axis=1)
        bottoms = np.add.reduceat(below, self.starts)[self._drawn].sum(axis=1)
        drawn = tops[bottoms > 0] / bottoms[bottoms > 0]
        low, high = np.percentile(drawn, (2.5, 97.5))
        return Estimate(value, float(low), float(high))
