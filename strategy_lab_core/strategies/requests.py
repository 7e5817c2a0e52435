"""What a strategy may ask for: the functions that write on its request sheet.

Sides are in the functions' names, prices in ticks, sizes in lots. `tag` is the strategy's own mark
on an order, shown again in `View.orders`. The engine checks every request before it is sent.
"""

from strategy_lab_core._jit import kernel
from strategy_lab_core.engine.sheets import RequestKind
from strategy_lab_core.types import Int2D

__all__ = ["buy_limit", "buy_market", "cancel", "sell_limit", "sell_market"]


@kernel
def _ask_for(requests: Int2D, kind: int, side: int, tick: int, lots: int, tag: int) -> None:
    requests[0, 0] += 1
    row = requests[0, 0]
    if row < len(requests):  # the engine counts what does not fit
        requests[row, 0] = kind
        requests[row, 1] = side
        requests[row, 2] = tick
        requests[row, 3] = lots
        requests[row, 4] = tag


@kernel
def buy_limit(requests: Int2D, tick: int, lots: int, tag: int = 0) -> None:
    """Ask to buy `lots` at `tick` or lower."""
    _ask_for(requests, RequestKind.LIMIT, 1, tick, lots, tag)


@kernel
def sell_limit(requests: Int2D, tick: int, lots: int, tag: int = 0) -> None:
    """Ask to sell `lots` at `tick` or higher."""
    _ask_for(requests, RequestKind.LIMIT, -1, tick, lots, tag)


@kernel
def buy_market(requests: Int2D, lots: int, tag: int = 0) -> None:
    """Ask to buy `lots` at the market, within the exchange's protection points."""
    _ask_for(requests, RequestKind.MARKET, 1, 0, lots, tag)


@kernel
def sell_market(requests: Int2D, lots: int, tag: int = 0) -> None:
    """Ask to sell `lots` at the market, within the exchange's protection points."""
    _ask_for(requests, RequestKind.MARKET, -1, 0, lots, tag)


@kernel
def cancel(requests: Int2D, order: int) -> None:
    """Ask to cancel a working order by its number (column 0 of `View.orders`)."""
    _ask_for(requests, RequestKind.CANCEL, 0, order, 0, 0)
