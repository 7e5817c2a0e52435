"""Rows that say nothing: what stands in place of rows that had not arrived."""

import numpy as np

from strategy_lab_core.book.replay import by_instrument
from strategy_lab_core.data.columns import Table, int64, table
from strategy_lab_core.types import EMPTY_PRICE, PRICE_SCALE, Action, Bool1D, Int1D, IntAny, Side

__all__ = ["with_noise"]

_ACTIONS = np.array([Action.ADD, Action.CANCEL, Action.MODIFY, Action.TRADE], np.uint8)
_SIDES = np.array([Side.BID, Side.ASK], np.uint8)
_FIRST_ORDER_ID = 2**62  # no venue's
_MOST_LOTS = 50


def with_noise(ticks: Table, is_unknown: Bool1D, rng: np.random.Generator) -> Table:
    """Return the table with random actions, sides, prices, sizes, orders and levels in some rows.

    Times, instruments and flags stay: where events end and when they come is not changed. Prices
    walk away from the instrument's last known one, on its grid, so that no sum or mean over the
    session comes out as it was.

    Parameters
    ----------
    ticks
        Rows of a schema with a book.
    is_unknown
        Rows to be replaced (shape: rows).
    rng
        Where the random numbers come from.
    """
    where = np.flatnonzero(is_unknown)
    n = len(where)
    prices, sizes = int64(ticks, "price", null=EMPTY_PRICE), int64(ticks, "size", null=0)
    actions, sides = (
        ticks[name].to_physical().fill_null(0).cast(int).to_numpy(writable=True).astype(np.uint8)
        for name in ("action", "side")
    )
    for _, mine in by_instrument(ticks):
        unknown = mine[is_unknown[mine]]
        prices[unknown] = _walk(prices[mine], prices[mine[~is_unknown[mine]]], len(unknown), rng)
    sizes[where] = rng.integers(1, _MOST_LOTS, n)
    columns: dict[str, IntAny] = {"price": prices, "size": sizes}
    # A feed by price has its own kinds of rows: tbbo trades alone, differences two of them.
    drawn = np.unique(actions)
    if "order_id" in ticks.columns:
        drawn = _ACTIONS
        order_ids = ticks["order_id"].fill_null(0).to_numpy(writable=True)
        order_ids[where] = _FIRST_ORDER_ID + rng.integers(0, max(n, 1), n).astype(np.uint64)
        columns["order_id"] = order_ids
    actions[where], sides[where] = rng.choice(drawn, n), rng.choice(_SIDES, n)
    made = table(
        {**columns, "action": actions, "side": sides, **_levels(ticks, where, prices, rng)}
    )
    kinds = {name: ticks.schema[name] for name in made.columns}
    return ticks.with_columns(made[name].cast(kind) for name, kind in kinds.items())


def _levels(
    ticks: Table, where: Int1D, prices: Int1D, rng: np.random.Generator
) -> dict[str, IntAny]:
    """Return the level columns of a feed that has them, around the prices in the rows `where`."""
    found: dict[str, IntAny] = {}
    grid = _grid(prices[prices != EMPTY_PRICE])
    for name in (each for each in ticks.columns if each[:4] in ("bid_", "ask_")):
        is_price, side = "_px_" in name, -1 if name.startswith("bid") else 1
        values = int64(ticks, name, null=EMPTY_PRICE if is_price else 0)
        away = side * grid * (int(name[-2:]) + 1)
        values[where] = (
            prices[where] + away if is_price else rng.integers(1, _MOST_LOTS, len(where))
        )
        found[name] = values
    return found


def _grid(prices: Int1D) -> int:
    return int(np.gcd.reduce(prices)) if len(prices) else PRICE_SCALE


def _walk(all_prices: Int1D, known: Int1D, n: int, rng: np.random.Generator) -> Int1D:
    """Return `n` prices that walk from the last known one, or the first of all."""
    defined = all_prices[all_prices != EMPTY_PRICE]
    if not len(defined):
        return np.full(n, EMPTY_PRICE)
    known = known[known != EMPTY_PRICE]
    start = int(known[-1]) if len(known) else int(defined[0])
    grid = _grid(defined) or PRICE_SCALE
    drift = int(rng.choice([-1, 1]))
    steps: Int1D = np.cumsum(rng.integers(-2, 3, n)) + drift * rng.integers(1, 4, n)
    return start + grid * steps
