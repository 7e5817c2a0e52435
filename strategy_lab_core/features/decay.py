"""Exponential forgetting: sums in which what is one half-life old counts half.

A mean is the ratio of two faded sums, of the values and of their weights: right from the first.
"""

from strategy_lab_core._jit import kernel

__all__ = ["faded"]


@kernel
def faded(total: float, elapsed: float, half_life: float) -> float:
    """Return what is left of a sum after `elapsed`, in the unit of `half_life` (above 0)."""
    return float(total * 0.5 ** (elapsed / half_life))
