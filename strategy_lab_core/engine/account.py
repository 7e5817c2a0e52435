"""Position, cash and fees, moved by exactly the filled lots, in integers.

At every moment cash + position x mark x multiplier = sum over the fills of
side x lots x (mark - price) x multiplier - fees. Here "x multiplier" is "x the value of a tick".
"""

from strategy_lab_core._jit import inlined
from strategy_lab_core.types import Int1D, Records

__all__ = ["book_fill", "equity_at_mark", "liquidation_value"]


@inlined
def book_fill(
    totals: Records, k: int, side: int, lots: int, tick: int, tick_value: int, fee: int
) -> None:
    """Move the account of set `k` by one fill of `lots` at `tick`."""
    totals[k]["position"] += side * lots
    totals[k]["cash"] -= side * lots * tick * tick_value + fee
    totals[k]["fees"] += fee
    totals[k]["volume"] += lots


def equity_at_mark(position: Int1D, cash: Int1D, bid: Int1D, ask: Int1D, tick_value: int) -> Int1D:
    """Return cash plus the position at the mid; `bid` and `ask` in ticks, `tick_value` even."""
    equity: Int1D = cash + position * (bid + ask) * (tick_value // 2)
    return equity


def liquidation_value(
    position: Int1D, cash: Int1D, bid: Int1D, ask: Int1D, tick_value: int
) -> Int1D:
    """Return cash plus the position at the far side: longs at the bid, shorts at the ask."""
    far = (position > 0) * bid + (position < 0) * ask
    value: Int1D = cash + position * far * tick_value
    return value
