"""The one kernel of the features of books: best bids and offers to cells of time.

A cell in progress is a record that goes in and out, so that a batch, a file and a stream give the
same features. What one book says by itself (imbalance, micro-price) is computed from its rows.
"""

from typing import NamedTuple

import numpy as np

from strategy_lab_core._jit import kernel
from strategy_lab_core.features.flow import flow_step
from strategy_lab_core.features.volatility import (
    realised_so_far,
    watch_realised,
    watch_volatility,
)
from strategy_lab_core.types import BookState, Float1D, Int1D, IntAny, RecordFlag, Records

__all__ = ["CELL", "NO_CELL", "Clocks", "Memory", "Quotes", "close_cell", "watch_cells"]

NO_CELL = -1
CELL = np.dtype(
    [
        ("cell", np.int64),  # its number, NO_CELL before the first event
        ("is_known", np.int64),  # whether the last book could be trusted
        ("bid", np.int64),  # ticks; 0 where the side is empty, as is its size
        ("bid_size", np.int64),
        ("ask", np.int64),
        ("ask_size", np.int64),
        ("n_events", np.int64),
        ("flow", np.int64),  # sum of e_n, lots
        ("volatility", np.float64),  # ticks per square root of a second
        ("realised", np.float64),
        ("heard_ns", np.int64),  # latest receipt of an event before the end
        ("lag_ns", np.int64),  # receipt less event of the last
        ("visible_ns", np.int64),  # set when the cell is closed
    ]
)

_TRUSTED = int(BookState.TRUSTED)
_UNCLOCKED = int(RecordFlag.SNAPSHOT | RecordFlag.BAD_TS_RECV)


class Quotes(NamedTuple):
    """Best bids and offers of one instrument at event ends (shape: events); prices in ticks."""

    ts_event: Int1D
    ts_recv: Int1D
    flags: IntAny
    state: IntAny  # BookState
    bid: Int1D
    bid_size: Int1D
    ask: Int1D
    ask_size: Int1D


class Clocks(NamedTuple):
    """How volatility is measured: what is one half-life old counts half; the grid's step."""

    half_life_s: float
    sample_ns: int


class Memory(NamedTuple):
    """What goes from batch to batch: the cell in progress, and the volatilities' own."""

    row: Records
    ints: Int1D  # of `watch_volatility`
    floats: Float1D
    grid_ints: Int1D  # of `watch_realised`
    grid_floats: Float1D


@kernel
def watch_cells(
    quotes: Quotes, starts: Int1D, ends: Int1D, clocks: Clocks, memory: Memory, out: Records
) -> int:
    """Take in events; return how many cells were closed and written to `out`.

    Parameters
    ----------
    starts, ends
        Cells in order of time, ns (shape: cells, at least one). Events outside them do not count;
        a cell without any has the last book, if no halt was between, and no flow.
    out
        Room for as many cells as there are.
    """
    n = 0
    now = memory.row[0]
    for i in range(len(quotes.ts_event)):
        event = quotes.ts_event[i]
        if event < starts[0] or event >= ends[-1]:
            continue
        if now["cell"] == NO_CELL:
            now["cell"] = 0
            while event >= ends[now["cell"]]:
                now["cell"] += 1
        while event >= ends[now["cell"]]:
            close_cell(memory, ends, clocks)
            out[n] = memory.row[0]
            n += 1
            now["cell"] += 1
            now["n_events"], now["flow"] = 0, 0
            if starts[now["cell"]] > ends[now["cell"] - 1]:  # what follows is another market
                now["is_known"], memory.grid_ints[0] = 0, 0
        if event < starts[now["cell"]] and starts[now["cell"]] > ends[now["cell"] - 1]:
            continue
        take_quote(quotes, i, clocks, memory)
        if quotes.flags[i] & _UNCLOCKED == 0:
            now["heard_ns"] = max(now["heard_ns"], quotes.ts_recv[i])
            now["lag_ns"] = max(quotes.ts_recv[i] - event, 0)
    return n


@kernel
def take_quote(quotes: Quotes, i: int, clocks: Clocks, memory: Memory) -> None:
    """Add one event to the cell; flow is counted between two books that can be trusted."""
    now = memory.row[0]
    now["n_events"] += 1
    was_known = now["is_known"]
    now["is_known"] = quotes.state[i] == _TRUSTED
    if not now["is_known"]:
        memory.grid_ints[0] = 0
        return
    bid, bid_size = quotes.bid[i], quotes.bid_size[i]
    ask, ask_size = quotes.ask[i], quotes.ask_size[i]
    if was_known:
        now["flow"] += flow_step(
            now["bid"], now["bid_size"], now["ask"], now["ask_size"], bid, bid_size, ask, ask_size
        )
    now["bid"], now["bid_size"] = bid, bid_size
    now["ask"], now["ask_size"] = ask, ask_size
    if bid_size > 0 and ask_size > 0:
        event = quotes.ts_event[i]
        now["volatility"] = watch_volatility(
            memory.ints, memory.floats, bid + ask, event, clocks.half_life_s
        )
        watch_realised(
            memory.grid_ints, memory.grid_floats, event, 0.5 * (bid + ask), clocks.sample_ns
        )


@kernel
def close_cell(memory: Memory, ends: Int1D, clocks: Clocks) -> None:
    """Set what is known at the cell's end, and when that is: as for a bar."""
    now = memory.row[0]
    end = ends[now["cell"]]
    now["realised"] = realised_so_far(
        memory.grid_ints, memory.grid_floats, end - 1, clocks.sample_ns
    )
    now["visible_ns"] = max(now["heard_ns"], end - 1 + now["lag_ns"])
