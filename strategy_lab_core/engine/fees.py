"""What a fill costs: so much a lot, and so much of its value. Exact integers in the money unit."""

from strategy_lab_core._jit import inlined
from strategy_lab_core.types import Records

__all__ = ["RATE_SCALE", "fee"]

RATE_SCALE = 10**8  # of a rate on the value: a basis point is 10,000


@inlined
def _share(value: int, rate: int) -> int:
    """Return `value` x `rate` / `RATE_SCALE`, half to even; whole parts first, so that it fits."""
    whole, rest = value // RATE_SCALE, (value % RATE_SCALE) * rate
    part, left = rest // RATE_SCALE, rest % RATE_SCALE
    if 2 * left > RATE_SCALE or (2 * left == RATE_SCALE and (whole * rate + part) % 2 == 1):
        part += 1
    return int(whole * rate + part)


@inlined
def fee(rules: Records, k: int, lots: int, tick: int, is_maker: bool) -> int:
    """Return the fee of one fill of `lots` at `tick`; negative is a rebate.

    The value is that of the lots at the price, its amount where a price is negative.
    """
    value = abs(lots * tick * rules[k]["tick_value"])
    if is_maker:
        return int(lots * rules[k]["maker_fee"] + _share(value, rules[k]["maker_rate"]))
    return int(lots * rules[k]["taker_fee"] + _share(value, rules[k]["taker_rate"]))
