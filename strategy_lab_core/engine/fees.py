"""What a fill costs. Exact integers in the instrument's money unit.

A new model is a member of `FeeModel`, its numbers in `rules.RULE` and a branch in `fee`.
"""

from enum import IntEnum

from strategy_lab_core._jit import inlined
from strategy_lab_core.types import Records

__all__ = ["FeeModel", "fee"]


class FeeModel(IntEnum):
    """What a fee is counted on."""

    PER_CONTRACT = 0


@inlined
def fee(rules: Records, k: int, lots: int, is_maker: bool) -> int:
    """Return the fee of one fill of `lots` contracts; negative is a rebate."""
    rate = rules[k]["maker_fee"] if is_maker else rules[k]["taker_fee"]
    return int(lots * rate)
