"""The one kernel of all bars: trades in feed order to bars, with the open bar as its memory.

A bar in progress is a record that goes in and out, so that a batch, a file and a stream give the
same bars wherever they are cut. Cells (see `bar_cells`) bound every bar; a time bar fills its cell.
"""

from typing import NamedTuple

import numpy as np

from strategy_lab_core._jit import kernel
from strategy_lab_core.types import PRICE_SCALE, Action, Int1D, IntAny, RecordFlag, Records, Side

__all__ = ["BAR", "NO_CELL", "BarRows", "Limit", "close_bar", "count_bars"]

NO_CELL = -1
BAR = np.dtype(
    [
        ("cell", np.int64),  # number of its cell, NO_CELL before the first trade
        ("start_ns", np.int64),
        ("end_ns", np.int64),  # the cell's, or just after the trade that filled the bar
        ("open", np.int64),  # prices in 1e-9
        ("high", np.int64),
        ("low", np.int64),
        ("close", np.int64),
        ("volume", np.int64),  # lots, of which:
        ("auction_volume", np.int64),
        ("buy_volume", np.int64),
        ("sell_volume", np.int64),
        ("n_trades", np.int64),
        ("notional", np.int64),  # sum of price x lots, whole points
        ("notional_nano", np.int64),  # and the rest, 0 to 1e-9 x (1e9 - 1)
        ("turnover", np.int64),  # sum of |price| x lots, in the same two parts
        ("turnover_nano", np.int64),
        ("clock_ns", np.int64),  # latest trade, inside the cell
        ("heard_ns", np.int64),  # latest receipt of its rows: its trades, and others before its end
        ("lag_ns", np.int64),  # receipt less event of the last such row
        ("visible_ns", np.int64),  # set when the bar is closed
    ]
)

_TRADE, _BID, _ASK = int(Action.TRADE), int(Side.BID), int(Side.ASK)
_UNCLOCKED = int(RecordFlag.SNAPSHOT | RecordFlag.BAD_TS_RECV)


class BarRows(NamedTuple):
    """Rows of one instrument in feed order, all of its actions (shape: rows)."""

    ts_event: Int1D
    ts_recv: Int1D
    action: IntAny
    side: IntAny
    price: Int1D
    size: Int1D
    flags: IntAny


class Limit(NamedTuple):
    """What fills a bar before its cell ends; 0 where nothing of the kind does."""

    ticks: int
    volume: int
    turnover: int  # price x lots, whole points
    turnover_nano: int  # and 1e-9 of them


@kernel
def count_bars(
    rows: BarRows, starts: Int1D, ends: Int1D, limit: Limit, bar: Records, out: Records
) -> int:
    """Take in rows; return how many bars were closed and written to `out`.

    Parameters
    ----------
    starts, ends
        Cells in order of time, ns (shape: cells, at least one). A trade between two cells counts
        in the later one, after the last in the last; one that the feed brings late in the open one.
    bar
        The bar in progress (shape: 1), changed in place; at first `cell` is NO_CELL, the rest 0.
    out
        Room for as many bars as there are trades.
    """
    n = 0
    now = bar[0]
    for i in range(len(rows.ts_event)):
        event = rows.ts_event[i]
        is_trade = rows.action[i] == _TRADE and rows.size[i] > 0
        if is_trade:
            cell = max(now["cell"], 0)
            while cell + 1 < len(ends) and event >= ends[cell]:
                cell += 1
            if now["n_trades"] > 0 and (cell != now["cell"] or is_full(now, limit)):
                close_bar(bar)
                out[n] = bar[0]
                n += 1
                now["n_trades"] = 0
            now["clock_ns"] = max(now["clock_ns"], starts[cell], min(event, ends[cell] - 1))
            if now["n_trades"] == 0:
                open_bar(now, cell, starts[cell], ends[cell], limit, rows.price[i])
            take_trade(now, rows.side[i], rows.price[i], rows.size[i])
            if is_full(now, limit):
                now["end_ns"] = now["clock_ns"] + 1
        if rows.flags[i] & _UNCLOCKED == 0 and (is_trade or event < now["end_ns"]):
            now["heard_ns"] = max(now["heard_ns"], rows.ts_recv[i])
            now["lag_ns"] = max(rows.ts_recv[i] - event, 0)
    return n


@kernel
def is_full(now: Records, limit: Limit) -> bool:
    """Say whether the bar has reached its limit."""
    if limit.ticks > 0:
        return bool(now["n_trades"] >= limit.ticks)
    if limit.volume > 0:
        return bool(now["volume"] >= limit.volume)
    if limit.turnover > 0 or limit.turnover_nano > 0:
        if now["turnover"] == limit.turnover:
            return bool(now["turnover_nano"] >= limit.turnover_nano)
        return bool(now["turnover"] > limit.turnover)
    return False


@kernel
def open_bar(now: Records, cell: int, start: int, end: int, limit: Limit, price: int) -> None:
    """Begin a bar at its cell's start, or at its first trade where trades fill it."""
    is_filled = limit.ticks + limit.volume + limit.turnover + limit.turnover_nano > 0
    now["cell"] = cell
    now["start_ns"] = now["clock_ns"] if is_filled else start
    now["end_ns"] = end
    now["open"], now["high"], now["low"] = price, price, price
    now["volume"], now["auction_volume"] = 0, 0
    now["buy_volume"], now["sell_volume"] = 0, 0
    now["notional"], now["notional_nano"] = 0, 0
    now["turnover"], now["turnover_nano"] = 0, 0


@kernel
def take_trade(now: Records, side: int, price: int, lots: int) -> None:
    """Add one trade to the bar; `side` is the aggressor's, none in an auction."""
    now["high"] = max(now["high"], price)
    now["low"] = min(now["low"], price)
    now["close"] = price
    now["volume"] += lots
    now["n_trades"] += 1
    if side == _BID:
        now["buy_volume"] += lots
    elif side == _ASK:
        now["sell_volume"] += lots
    else:
        now["auction_volume"] += lots
    # Points and their fractions apart: a day's sum of price x lots in 1e-9 exceeds 64 bits.
    nano = now["notional_nano"] + price % PRICE_SCALE * lots
    now["notional"] += price // PRICE_SCALE * lots + nano // PRICE_SCALE
    now["notional_nano"] = nano % PRICE_SCALE
    nano = now["turnover_nano"] + abs(price) % PRICE_SCALE * lots
    now["turnover"] += abs(price) // PRICE_SCALE * lots + nano // PRICE_SCALE
    now["turnover_nano"] = nano % PRICE_SCALE


@kernel
def close_bar(bar: Records) -> None:
    """Set when the bar can be known.

    By then an event of its last nanosecond has come, if it takes as long as the last row did, and
    so have all rows that were counted.
    """
    now = bar[0]
    now["visible_ns"] = max(now["heard_ns"], now["end_ns"] - 1 + now["lag_ns"])
