"""From the arrays of a finished simulation to tables and figures: nothing is simulated here."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from strategy_lab_core.data.columns import Table, table
from strategy_lab_core.engine.account import equity_at_mark, liquidation_value
from strategy_lab_core.engine.run import Outcome
from strategy_lab_core.engine.state import Counted, EndReason, OrderKind, Refusal
from strategy_lab_core.types import EMPTY_PRICE, Int1D, IntAny, Records, Side

__all__ = ["equity_table", "fills_table", "metrics_of", "orders_table", "sessions_table"]


_KINDS = {int(kind): kind.name.lower() for kind in OrderKind}
_REASONS = {int(reason): reason.name.lower() for reason in EndReason}


def _letters(is_first: NDArray[np.bool_], first: str, second: str) -> NDArray[np.uint8]:
    return np.where(is_first, ord(first), ord(second)).astype(np.uint8)


def _sides(side: Int1D) -> NDArray[np.uint8]:
    return _letters(side > 0, chr(Side.BID), chr(Side.ASK))


def orders_table(orders: Records, tick_size: int) -> Table:
    """Return every order that was sent: prices in 1e-9, times in ns, -1 where there is none.

    A market order's price is its protection limit, null where it never got one. The average price
    of the fills is rounded to 1e-9.
    """
    orders = orders[np.argsort(orders["number"])]
    filled = np.maximum(orders["filled"], 1)
    mean = (2 * orders["notional"] * tick_size + filled) // (2 * filled)
    is_market = (orders["kind"] == OrderKind.MARKET) | (orders["kind"] == OrderKind.STOP)
    is_priced = ~is_market | (orders["tick"] != 0)
    return table(
        {
            "order_id": orders["number"],
            "side": _sides(orders["side"]),
            "type": [_KINDS[kind] for kind in orders["kind"].tolist()],
            "tag": orders["tag"],
            "price": np.where(is_priced, orders["tick"] * tick_size, EMPTY_PRICE),
            "trigger_price": np.where(
                orders["kind"] >= OrderKind.STOP, orders["trigger"] * tick_size, EMPTY_PRICE
            ),
            "size": orders["size"],
            "filled": orders["filled"],
            "average_price": np.where(orders["filled"] > 0, mean, EMPTY_PRICE),
            "ts_submit": orders["submit_ns"],
            "ts_exchange": orders["arrive_ns"],
            "ts_end": orders["end_ns"],
            "end_reason": [_REASONS[reason] for reason in orders["end_reason"].tolist()],
            "queue_ahead": orders["queue_ahead"],
        },
        letters=("side",),
        empty_as_null=("price", "trigger_price", "average_price"),
    )


def fills_table(fills: Records, tick_size: int) -> Table:
    """Return every fill in exchange order: prices in 1e-9, fees in money units, times in ns."""
    return table(
        {
            "fill_id": np.arange(len(fills)),
            "order_id": fills["order"],
            "ts_exchange": fills["exchange_ns"],
            "ts_local": fills["local_ns"],
            "side": _sides(fills["side"]),
            "price": fills["tick"] * tick_size,
            "size": fills["lots"],
            "liquidity": _letters(fills["is_maker"] == 1, "M", "T"),
            "fee": fills["fee"],
            "position_after": fills["position_after"],
            "queue_ahead": fills["queue_ahead"],
        },
        letters=("side", "liquidity"),
    )


def equity_table(samples: Records, tick_value: int) -> Table:
    """Return the account at fills and on the sampling grid, money in money units.

    `mark` is the mid of the exchange's book in half ticks, 0 before the first two-sided book.
    """
    marked = _marked(samples)
    return table(
        {
            "ts": samples["exchange_ns"],
            "position": samples["position"],
            "cash": samples["cash"],
            "mark": samples["bid"] + samples["ask"],
            "equity": equity_at_mark(*marked, tick_value),
            "liquidation_value": liquidation_value(*marked, tick_value),
        }
    )


def _marked(samples: Records) -> tuple[Int1D, Int1D, Int1D, Int1D]:
    return samples["position"], samples["cash"], samples["bid"], samples["ask"]


def sessions_table(
    samples: Records, tick_value: int, *, keys: Sequence[str], until: Sequence[int]
) -> Table:
    """Return a row for each session; the net profits, in money units, add up to the run's.

    Parameters
    ----------
    keys
        Of the sessions, in order of time.
    until
        How many samples the account had by each close: the last one is the close's.

    What is held over a close is marked at the mid there; at the end of the run, what is still open
    is valued at the far side.
    """
    closes = samples[np.array(until) - 1]
    marked = _marked(closes)
    worth = equity_at_mark(*marked, tick_value)
    worth[-1] = liquidation_value(*marked, tick_value)[-1]
    return table(
        {
            "session": list(keys),
            "ts_close": closes["exchange_ns"],
            "position": closes["position"],
            "net_profit": np.diff(worth, prepend=0),
        }
    )


def _round_trips(fills: Records, tick_value: int) -> Int1D:
    """Return the net profit of each stretch from flat to flat (shape: round trips)."""
    side = fills["side"]
    cash = np.cumsum(-side * fills["lots"] * fills["tick"] * tick_value - fills["fee"])
    # A fill that turns a long into a short ends one trip inside the next: count at flat only.
    at_flat = cash[fills["position_after"] == 0]
    profits: Int1D = np.diff(at_flat, prepend=0)
    return profits


def _drawdown(equity: IntAny) -> int:
    return int((np.maximum.accumulate(equity) - equity).max(initial=0))


def metrics_of(outcome: Outcome, k: int, tick_value: int) -> dict[str, int | float]:
    """Return the figures of one run, set `k`; money ends in `_e6`, in money units.

    What is still open is valued at the far side, not at the mid. The drawdown is that of the
    sampled equity. A hit is a round trip, flat to flat, with a profit after fees.
    """
    totals, counts, fills = outcome.sets.totals[k], outcome.sets.counts[k], outcome.fills(k)
    marked = _marked(outcome.samples(k))
    equity = equity_at_mark(*marked, tick_value)
    net = int(liquidation_value(*marked, tick_value)[-1])
    fees = int(totals["fees"])
    trips = _round_trips(fills, tick_value)
    ended, unsent = counts[Counted.END], counts[Counted.REFUSAL]
    counted = {f"n_{r.name.lower()}": int(ended[r]) for r in EndReason if r}
    refused = {f"n_refused_{r.name.lower()}": int(unsent[r]) for r in Refusal}
    lots, ticks = fills["lots"], fills["tick"]
    return {
        "net_profit_e6": net,
        "gross_profit_e6": net + fees,
        "fees_e6": fees,
        "max_drawdown_e6": _drawdown(equity),
        "turnover_e6": int(np.sum(lots * np.abs(ticks))) * tick_value,  # crude oil was below zero
        "volume": int(totals["volume"]),
        "maker_volume": int(np.sum(lots * fills["is_maker"])),
        "max_position": int(np.abs(fills["position_after"]).max(initial=0)),
        "final_position": int(totals["position"]),
        "n_orders": int(totals["orders"]),
        "n_fills": len(fills),
        "n_round_trips": len(trips),
        "hit_rate": float(np.mean(trips > 0)) if len(trips) else 0.0,
        "killed_ns": int(totals["killed_ns"]),
        "n_strategy_calls": int(totals["calls"]),
        **counted,
        **refused,
    }
