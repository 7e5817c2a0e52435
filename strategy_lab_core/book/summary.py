"""The last book of each symbol in some files, and how sound the books were on the way.

What `strategy-lab book` shows. Files are read in the order of their first time, batch by batch.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from strategy_lab_core.book.differences import best_prices
from strategy_lab_core.book.l2 import crossed_at_event_ends, read_levels
from strategy_lab_core.book.l3 import L3Book
from strategy_lab_core.book.replay import by_instrument
from strategy_lab_core.book.rules import StateRule
from strategy_lab_core.data.calendar import SessionCalendar, session_calendar, session_date
from strategy_lab_core.data.columns import Table, column
from strategy_lab_core.data.instruments import Product, product_of
from strategy_lab_core.data.schemas import BOOK_SCHEMAS
from strategy_lab_core.data.ticks import tick_files
from strategy_lab_core.errors import InstrumentError
from strategy_lab_core.types import (
    EMPTY_PRICE,
    PRICE_SCALE,
    Action,
    Bool1D,
    Int1D,
    Int2D,
    IntAny,
    Phase,
    RecordFlag,
    TickSchema,
)

__all__ = ["BookSummary", "summarise"]

_UNKNOWN = StateRule.UNKNOWN_ORDER | StateRule.MODIFY_OF_UNKNOWN
_REFERENCE = (TickSchema.STATUS, TickSchema.STATISTICS, TickSchema.DEFINITION)  # without trades


def summarise(
    paths: Iterable[Path | str] | Path | str, *, products: Mapping[str, Product] | None = None
) -> list[dict[str, Any]]:
    """Replay files and return a row of figures for each symbol, by symbol.

    Parameters
    ----------
    paths
        Files of the schemas mbo, mbp-10, mbp-1, tbbo, depth or trades, or folders of them.
    products
        By root; those of the package by default.

    Returns
    -------
    Per symbol: symbol, rows, best_bid, best_bid_size, best_ask, best_ask_size (prices as decimal
    text, None where a side is empty), bid_levels, ask_levels, live_orders (None where the feed
    has no orders), last_sequence, last_ts_recv (ns UTC), trades, volume (lots), unknown_orders
    (cancels and modifies of orders not in the book), event_ends, crossed_states (event ends with
    bid >= ask), crossed_first_ts, crossed_last_ts (`ts_event`, ns UTC, None without any),
    crossed_outside_pre_open (by the calendar of the symbol's product; all where none is known).
    """
    found: dict[str, BookSummary] = {}
    for file in tick_files(paths):
        for batch in file.batches():
            for _, where in by_instrument(batch):
                mine = batch[where]
                symbol = str(mine["symbol"][0])
                if symbol not in found:
                    found[symbol] = BookSummary(symbol, products=products)
                found[symbol].feed(mine, file.schema)
    return [found[symbol].as_dict() for symbol in sorted(found)]


class BookSummary:
    """Figures of one symbol, added up batch by batch."""

    def __init__(self, symbol: str, *, products: Mapping[str, Product] | None = None) -> None:
        self.symbol = symbol
        self._book = L3Book()
        self._calendar = _calendar_of(symbol, products)
        self._best = (EMPTY_PRICE, 0, EMPTY_PRICE, 0)  # bid, lots, ask, lots
        self._levels: tuple[int | None, int | None] = (None, None)
        self._by_order = False
        self._counts = dict.fromkeys(
            ("rows", "trades", "volume", "unknown", "events", "crossed", "outside"), 0
        )
        self._last: tuple[int | None, int | None] = (None, None)  # sequence, ts_recv
        self._crossed_ts: tuple[int | None, int | None] = (None, None)

    def feed(self, ticks: Table, schema: TickSchema) -> None:
        """Take the rows of a batch."""
        counts = self._counts
        counts["rows"] += len(ticks)
        if schema in _REFERENCE or not len(ticks):
            return
        is_trade = column(ticks, "action") == Action.TRADE
        counts["trades"] += int(np.count_nonzero(is_trade))
        counts["volume"] += int(column(ticks, "size")[is_trade].sum(dtype=np.int64))
        ts_recv = column(ticks, "ts_recv")
        self._last = (int(column(ticks, "sequence")[-1]), int(ts_recv[-1]))
        if schema in BOOK_SCHEMAS:
            ends, crossed = self._apply(ticks, schema)
            counts["events"] += ends
            self._note_crossed(column(ticks, "ts_event")[crossed])

    def _apply(self, ticks: Table, schema: TickSchema) -> tuple[int, Bool1D]:
        """Apply a batch to the book; return its event ends, and where one is crossed."""
        flags = column(ticks, "flags")
        crossed: Bool1D = np.zeros(len(ticks), np.bool_)
        ends = int(np.count_nonzero(flags & RecordFlag.LAST))
        if schema is TickSchema.MBO:
            self._by_order = True
            books = self._book.replay(self._book.rows(ticks), depth=1, every=False)
            self._counts["unknown"] += int(np.count_nonzero(books.broken & _UNKNOWN))
            at: IntAny = books.at
            crossed[at] = crossed_at_event_ends(books.prices[:, 0], books.prices[:, 1], flags[at])
            self._from_orders()
            return ends, crossed
        if schema is TickSchema.DEPTH:
            prices = best_prices(self._book, ticks)
            self._from_orders()
            return ends, crossed_at_event_ends(prices[:, 0], prices[:, 1], flags)
        levels = read_levels(ticks, 10)
        depth = levels.prices.shape[1] // 2
        bids, asks = levels.prices[:, 0], levels.prices[:, depth]
        self._best = (int(bids[-1]), int(levels.sizes[-1, 0]), int(asks[-1]),
                      int(levels.sizes[-1, depth]))  # fmt: skip
        self._levels = (_used(levels.prices[-1:, :depth]), _used(levels.prices[-1:, depth:]))
        return ends, crossed_at_event_ends(bids, asks, flags)

    def _from_orders(self) -> None:
        best, levels = [], []
        for side in (0, 1):
            depth = self._book.depth(side)
            levels.append(len(depth.prices))
            best += [int(depth.prices[0]), int(depth.sizes[0])] if levels[-1] else [EMPTY_PRICE, 0]
        self._best = (best[0], best[1], best[2], best[3])
        self._levels = (levels[0], levels[1])

    def _note_crossed(self, ts_event: Int1D) -> None:
        if not len(ts_event):
            return
        first, _ = self._crossed_ts
        self._crossed_ts = (int(ts_event[0]) if first is None else first, int(ts_event[-1]))
        self._counts["crossed"] += len(ts_event)
        self._counts["outside"] += int(np.count_nonzero(~_in_pre_open(ts_event, self._calendar)))

    def as_dict(self) -> dict[str, Any]:
        """Return the figures so far."""
        bid, bid_size, ask, ask_size = self._best
        counts = self._counts
        return {
            "symbol": self.symbol,
            "rows": counts["rows"],
            "best_bid": _text(bid),
            "best_bid_size": bid_size,
            "best_ask": _text(ask),
            "best_ask_size": ask_size,
            "bid_levels": self._levels[0],
            "ask_levels": self._levels[1],
            "live_orders": self._book.live_orders if self._by_order else None,
            "last_sequence": self._last[0],
            "last_ts_recv": self._last[1],
            "trades": counts["trades"],
            "volume": counts["volume"],
            "unknown_orders": counts["unknown"],
            "event_ends": counts["events"],
            "crossed_states": counts["crossed"],
            "crossed_first_ts": self._crossed_ts[0],
            "crossed_last_ts": self._crossed_ts[1],
            "crossed_outside_pre_open": counts["outside"],
        }


def _calendar_of(symbol: str, products: Mapping[str, Product] | None) -> SessionCalendar | None:
    try:
        return session_calendar(product_of(symbol, table=products).calendar)
    except InstrumentError:
        return None


def _in_pre_open(ts_event: Int1D, calendar: SessionCalendar | None) -> Bool1D:
    """Return which moments lie in a pre-open of the calendar (shape: moments)."""
    inside: Bool1D = np.zeros(len(ts_event), np.bool_)
    if calendar is None:
        return inside
    for key, session in _sessions(calendar, ts_event):
        inside[key] = calendar.phases(ts_event[key], session) == Phase.PRE_OPEN
    return inside


def _sessions(calendar: SessionCalendar, ts_event: Int1D) -> Iterator[tuple[Bool1D, Any]]:
    keys = calendar.session_keys(ts_event)
    for key in np.unique(keys[keys >= 0]):
        yield keys == key, calendar.session(session_date(int(key)))


def _used(prices: Int2D) -> int:
    return int(np.count_nonzero(prices != EMPTY_PRICE))


def _text(price: int) -> str | None:
    """Return a price as decimal text with at least two places."""
    if price == EMPTY_PRICE:
        return None
    exact = Decimal(price) / PRICE_SCALE
    places = max(2, -int(exact.normalize().as_tuple().exponent))
    return f"{exact:.{places}f}"
