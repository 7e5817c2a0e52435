"""What a strategy may ask for: the functions that write on its request sheet.

Sides are in the functions' names, prices in ticks, sizes in lots. `tag` is the strategy's own mark
on an order, shown again in `View.orders`. The engine checks every request before it is sent: what
breaks a limit, or is of a type that the exchange does not have, is not sent and counted.
"""

from strategy_lab_core._jit import kernel
from strategy_lab_core.engine.sheets import RequestKind
from strategy_lab_core.types import Int2D

__all__ = [
    "buy_bracket",
    "buy_fok",
    "buy_ioc",
    "buy_limit",
    "buy_market",
    "buy_post_only",
    "buy_stop",
    "buy_stop_limit",
    "cancel",
    "modify",
    "sell_bracket",
    "sell_fok",
    "sell_ioc",
    "sell_limit",
    "sell_market",
    "sell_post_only",
    "sell_stop",
    "sell_stop_limit",
]


@kernel
def _ask_for(
    requests: Int2D,
    kind: int,
    side: int,
    tick: int,
    lots: int,
    tag: int,
    trigger: int = 0,
    order: int = 0,
) -> None:
    requests[0, 0] += 1
    row = requests[0, 0]
    if row < len(requests):  # the engine counts what does not fit
        requests[row, 0] = kind
        requests[row, 1] = side
        requests[row, 2] = tick
        requests[row, 3] = lots
        requests[row, 4] = tag
        requests[row, 5] = trigger
        requests[row, 6] = order


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
def buy_ioc(requests: Int2D, tick: int, lots: int, tag: int = 0) -> None:
    """Ask to buy what is there at `tick` or lower; the remainder is cancelled at once."""
    _ask_for(requests, RequestKind.IOC, 1, tick, lots, tag)


@kernel
def sell_ioc(requests: Int2D, tick: int, lots: int, tag: int = 0) -> None:
    """Ask to sell what is wanted at `tick` or higher; the remainder is cancelled at once."""
    _ask_for(requests, RequestKind.IOC, -1, tick, lots, tag)


@kernel
def buy_fok(requests: Int2D, tick: int, lots: int, tag: int = 0) -> None:
    """Ask to buy all `lots` at `tick` or lower at once, or none."""
    _ask_for(requests, RequestKind.FOK, 1, tick, lots, tag)


@kernel
def sell_fok(requests: Int2D, tick: int, lots: int, tag: int = 0) -> None:
    """Ask to sell all `lots` at `tick` or higher at once, or none."""
    _ask_for(requests, RequestKind.FOK, -1, tick, lots, tag)


@kernel
def buy_post_only(requests: Int2D, tick: int, lots: int, tag: int = 0) -> None:
    """Ask to buy `lots` at `tick`, but only by resting there."""
    _ask_for(requests, RequestKind.POST_ONLY, 1, tick, lots, tag)


@kernel
def sell_post_only(requests: Int2D, tick: int, lots: int, tag: int = 0) -> None:
    """Ask to sell `lots` at `tick`, but only by resting there."""
    _ask_for(requests, RequestKind.POST_ONLY, -1, tick, lots, tag)


@kernel
def buy_stop(requests: Int2D, trigger: int, lots: int, tag: int = 0) -> None:
    """Ask to buy `lots` at the market from the first trade at `trigger` or higher on."""
    _ask_for(requests, RequestKind.STOP, 1, 0, lots, tag, trigger)


@kernel
def sell_stop(requests: Int2D, trigger: int, lots: int, tag: int = 0) -> None:
    """Ask to sell `lots` at the market from the first trade at `trigger` or lower on."""
    _ask_for(requests, RequestKind.STOP, -1, 0, lots, tag, trigger)


@kernel
def buy_stop_limit(requests: Int2D, trigger: int, tick: int, lots: int, tag: int = 0) -> None:
    """Ask to buy `lots` at `tick` or lower from the first trade at `trigger` or higher on."""
    _ask_for(requests, RequestKind.STOP_LIMIT, 1, tick, lots, tag, trigger)


@kernel
def sell_stop_limit(requests: Int2D, trigger: int, tick: int, lots: int, tag: int = 0) -> None:
    """Ask to sell `lots` at `tick` or higher from the first trade at `trigger` or lower on."""
    _ask_for(requests, RequestKind.STOP_LIMIT, -1, tick, lots, tag, trigger)


@kernel
def buy_bracket(
    requests: Int2D, tick: int, lots: int, take_profit: int, stop_loss: int, tag: int = 0
) -> None:
    """Ask to buy `lots` at `tick` or lower, and to sell what that fills at one of two prices.

    Each fill, when it is heard, sends a limit at `take_profit`, above `tick`, and a stop at
    `stop_loss`, below it, both with the entry's `tag`. What one of them fills is then taken off the
    other, late by a response and an entry: both can fill.
    """
    _ask_for(requests, RequestKind.BRACKET, 1, tick, lots, tag, stop_loss, take_profit)


@kernel
def sell_bracket(
    requests: Int2D, tick: int, lots: int, take_profit: int, stop_loss: int, tag: int = 0
) -> None:
    """Ask to sell `lots` at `tick` or higher, and to buy back what that fills at one of two prices.

    As `buy_bracket`, with `take_profit` below `tick` and `stop_loss` above it.
    """
    _ask_for(requests, RequestKind.BRACKET, -1, tick, lots, tag, stop_loss, take_profit)


@kernel
def cancel(requests: Int2D, order: int) -> None:
    """Ask to cancel a working order by its number (column 0 of `View.orders`)."""
    _ask_for(requests, RequestKind.CANCEL, 0, 0, 0, 0, 0, order)


@kernel
def modify(requests: Int2D, order: int, tick: int, lots: int) -> None:
    """Ask to change a working limit order's price and size, what is filled included.

    It keeps its place in the queue where the price stays and the size does not grow.
    """
    _ask_for(requests, RequestKind.MODIFY, 0, tick, lots, 0, 0, order)
