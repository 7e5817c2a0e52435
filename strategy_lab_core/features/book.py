"""The best bid and offer as signals: which queue is the longer, and what that says of the price.

Every function takes one integer a side, inside a strategy, or arrays of one shape; prices in any
unit. What needs fitting to data is in `micro_price`.
"""

from typing import Any, TypeAlias

import numpy as np

from strategy_lab_core._jit import kernel

__all__ = ["bid_share", "queue_imbalance", "weighted_mid"]

Ints: TypeAlias = Any  # one integer, or an array of them
Floats: TypeAlias = Any


@kernel
def queue_imbalance(bid_size: Ints, ask_size: Ints) -> Floats:
    """Return (qb - qa) / (qb + qa) in [-1, 1], 0 where nobody is on either side.

    M. Gould and J. Bonart (2016), "Queue imbalance as a one-tick-ahead price predictor in a limit
    order book", Market Microstructure and Liquidity 2(2), doi:10.1142/S2382626616500064.
    """
    bid_lots = 1.0 * bid_size  # sizes in tables are unsigned: their difference would wrap
    return (bid_lots - ask_size) / np.maximum(bid_lots + ask_size, 1.0)


@kernel
def bid_share(bid_size: Ints, ask_size: Ints) -> Floats:
    """Return I = qb / (qb + qa) in [0, 1], one half where nobody is on either side."""
    return 0.5 + 0.5 * queue_imbalance(bid_size, ask_size)


@kernel
def weighted_mid(bid: Ints, bid_size: Ints, ask: Ints, ask_size: Ints) -> Floats:
    """Return ask I + bid (1 - I), I = qb / (qb + qa): near the side that is the shorter queue.

    Both sides must have a price; the mid where neither has a size.
    """
    return 0.5 * (bid + ask) + 0.5 * (ask - bid) * queue_imbalance(bid_size, ask_size)
