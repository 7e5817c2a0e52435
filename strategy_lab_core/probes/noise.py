"""Rows that say nothing: what stands in place of rows that had not arrived."""

import numpy as np

from strategy_lab_core.book.replay import by_instrument
from strategy_lab_core.data.columns import Table, int64, table
from strategy_lab_core.types import EMPTY_PRICE, PRICE_SCALE, Action, Bool1D, Int1D, Side

__all__ = ["with_noise"]

_ACTIONS = np.array([Action.ADD, Action.CANCEL, Action.MODIFY, Action.TRADE], np.uint8)
_SIDES = np.array([Side.BID, Side.ASK], np.uint8)
_FIRST_ORDER_ID = 2**62  # no venue's
_MOST_LOTS = 50


def with_noise(ticks: Table, is_unknown: Bool1D, rng: np.random.Generator) -> Table:
    """Return the table with random actions, sides, prices, sizes and orders in some rows.

    Times, instruments and flags stay: where events end and when they come is not changed. Prices
    walk away from the instrument's last known one, on its grid, so that no sum or mean over the
    session comes out as it was.

    Parameters
    ----------
    ticks
        `mbo` rows.
    is_unknown
        Rows to be replaced (shape: rows).
    rng
        Where the random numbers come from.
    """
    where = np.flatnonzero(is_unknown)
    n = len(where)
    prices, sizes = int64(ticks, "price", null=EMPTY_PRICE), int64(ticks, "size", null=0)
    order_ids = ticks["order_id"].fill_null(0).to_numpy(writable=True)
    actions, sides = (
        ticks[name].to_physical().fill_null(0).cast(int).to_numpy(writable=True).astype(np.uint8)
        for name in ("action", "side")
    )
    for _, mine in by_instrument(ticks):
        unknown = mine[is_unknown[mine]]
        prices[unknown] = _walk(prices[mine], prices[mine[~is_unknown[mine]]], len(unknown), rng)
    sizes[where] = rng.integers(1, _MOST_LOTS, n)
    order_ids[where] = _FIRST_ORDER_ID + rng.integers(0, max(n, 1), n).astype(np.uint64)
    actions[where], sides[where] = rng.choice(_ACTIONS, n), rng.choice(_SIDES, n)
    made = table({"action": actions, "side": sides, "price": prices, "size": sizes,
                  "order_id": order_ids})  # fmt: skip
    kinds = {name: ticks.schema[name] for name in made.columns}
    return ticks.with_columns(made[name].cast(kind) for name, kind in kinds.items())


def _walk(all_prices: Int1D, known: Int1D, n: int, rng: np.random.Generator) -> Int1D:
    """Return `n` prices that walk from the last known one, or the first of all."""
    defined = all_prices[all_prices != EMPTY_PRICE]
    if not len(defined):
        return np.full(n, EMPTY_PRICE)
    known = known[known != EMPTY_PRICE]
    start = int(known[-1]) if len(known) else int(defined[0])
    grid = int(np.gcd.reduce(defined)) or PRICE_SCALE
    drift = int(rng.choice([-1, 1]))
    steps: Int1D = np.cumsum(rng.integers(-2, 3, n)) + drift * rng.integers(1, 4, n)
    return start + grid * steps
