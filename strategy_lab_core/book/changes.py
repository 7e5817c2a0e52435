"""Order books as they are stored: best bid and offer at each event end, and the changed levels.

`BookWriter` turns ticks into the two tables, `expand` turns them back into the wide rows that
`replay` gives. A full book at fixed intervals lets a reader begin in the middle.
"""

from typing import NamedTuple

import numpy as np

from strategy_lab_core._jit import hot_kernel, inlined
from strategy_lab_core.book.l2 import Levels
from strategy_lab_core.book.replay import KEY_COLUMNS, BookFeed, FeedBooks, level_table
from strategy_lab_core.data.columns import Table, column, table
from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.types import EMPTY_PRICE, Bool1D, Int1D, Int2D, IntAny, Side

__all__ = ["FULL_EVERY", "BookWriter", "expand"]

FULL_EVERY = 10_000  # events from one full book to the next
_CHUNK_ROWS = 1 << 13  # the ten levels of so many events stay in the processor's cache
_BID, _ASK = int(Side.BID), int(Side.ASK)


class _Changes(NamedTuple):
    """Changed levels (shape: changes): a level that left has size and count 0."""

    event: Int1D
    side: IntAny
    price: Int1D
    size: IntAny
    orders: IntAny


@inlined
def _find(prices: Int2D, row: int, first: int, depth: int, price: int) -> int:
    for place in range(first, first + depth):
        if prices[row, place] == price:
            return place
    return -1


@inlined
def _note(out: _Changes, n: int, event: int, side: int, price: int, size: int, orders: int) -> int:
    """Write one change; return the number of changes."""
    out.event[n] = event
    out.side[n] = side
    out.price[n] = price
    out.size[n] = size
    out.orders[n] = orders
    return n + 1


@hot_kernel
def _diff(
    prices: Int2D, sizes: IntAny, counts: IntAny, full: Bool1D, first_event: int, out: _Changes
) -> int:
    """Write what each row changed against the one before; row 0 is the book before the first.

    Returns the number of changes.
    """
    depth = prices.shape[1] >> 1
    n = 0
    for row in range(1, len(prices)):
        event = first_event + row - 1
        for place in range(2 * depth):
            first, side = (0, _BID) if place < depth else (depth, _ASK)
            price, gone = prices[row, place], prices[row - 1, place]
            if price != EMPTY_PRICE:
                old = place if gone == price else _find(prices, row - 1, first, depth, price)
                changed = full[row] or old < 0
                if not changed:
                    changed = sizes[row - 1, old] != sizes[row, place]
                    changed |= counts[row - 1, old] != counts[row, place]
                if changed:
                    n = _note(out, n, event, side, price, sizes[row, place], counts[row, place])
            if gone in (price, EMPTY_PRICE) or full[row]:
                continue
            if _find(prices, row, first, depth, gone) < 0:
                n = _note(out, n, event, side, gone, 0, 0)
    return n


@inlined
def _put(
    prices: Int2D,
    sizes: IntAny,
    counts: IntAny,
    row: int,
    first: int,
    price: int,
    size: int,
    orders: int,
) -> None:
    """Insert or replace one level of a side that begins at `first`; bids descend, asks ascend."""
    depth = prices.shape[1] // 2
    sign = 1 if first == 0 else -1
    place = first
    while (
        place < first + depth
        and prices[row, place] != EMPTY_PRICE
        and sign * prices[row, place] > sign * price
    ):
        place += 1
    if place == first + depth:
        return
    if prices[row, place] != price:
        for move in range(first + depth - 1, place, -1):
            prices[row, move] = prices[row, move - 1]
            sizes[row, move] = sizes[row, move - 1]
            counts[row, move] = counts[row, move - 1]
    prices[row, place], sizes[row, place], counts[row, place] = price, size, orders


@inlined
def _remove(prices: Int2D, sizes: IntAny, counts: IntAny, row: int, first: int, price: int) -> None:
    depth = prices.shape[1] // 2
    place = _find(prices, row, first, depth, price)
    if place < 0:
        return
    for move in range(place, first + depth - 1):
        prices[row, move] = prices[row, move + 1]
        sizes[row, move] = sizes[row, move + 1]
        counts[row, move] = counts[row, move + 1]
    last = first + depth - 1
    prices[row, last], sizes[row, last], counts[row, last] = EMPTY_PRICE, 0, 0


@hot_kernel
def _expand(
    changes: _Changes, full: Bool1D, first_event: int, prices: Int2D, sizes: IntAny, counts: IntAny
) -> None:
    """Write the book of each event; removals of an event go before its insertions."""
    depth = prices.shape[1] // 2
    n = 0
    for row in range(len(prices)):
        if row > 0 and not full[row]:
            for place in range(2 * depth):
                prices[row, place] = prices[row - 1, place]
                sizes[row, place] = sizes[row - 1, place]
                counts[row, place] = counts[row - 1, place]
        begin = n
        while n < len(changes.event) and changes.event[n] == first_event + row:
            if changes.size[n] == 0:
                first = 0 if changes.side[n] == _BID else depth
                _remove(prices, sizes, counts, row, first, changes.price[n])
            n += 1
        for i in range(begin, n):
            if changes.size[i] > 0:
                first = 0 if changes.side[i] == _BID else depth
                _put(
                    prices,
                    sizes,
                    counts,
                    row,
                    first,
                    changes.price[i],
                    changes.size[i],
                    changes.orders[i],
                )


class BookWriter:
    """Turns one instrument's ticks into the stored form of its books, batch by batch.

    Parameters
    ----------
    instrument_id
        Of the ticks that will be fed.
    depth
        Levels a side.
    seed
        Live orders before the first row.
    full_every
        Events from one full book to the next.
    """

    def __init__(
        self,
        instrument_id: int,
        *,
        depth: int = 10,
        seed: Table | None = None,
        full_every: int = FULL_EVERY,
    ) -> None:
        if full_every < 1:
            raise ConfigError("full_every", full_every, "at least 1")
        self._feed = BookFeed(instrument_id, depth=depth, seed=seed)
        self._full_every = full_every
        self._events = 0
        self._last: Levels | None = None

    def feed(self, ticks: Table) -> tuple[Table, Table]:
        """Return the event ends and the changed levels of a batch.

        Returns
        -------
        bbo
            A row per event end: event (number from 0), the record's key columns, book_state, bid
            and ask with price (1e-9, null where no level is), size and count, full.
        levels
            A row per changed level among the best: event, side, price, size, count (0: it left).
        """
        first_event, places, changes, best = self._events, [], [], []
        for start in range(0, max(len(ticks), 1), _CHUNK_ROWS):
            books = self._feed.books(ticks[start : start + _CHUNK_ROWS])
            places.append(books.at + start)
            changes.append(self._changes(books.levels))
            best.append(_best(books))
        events = np.arange(first_event, self._events)
        key = ticks.select(KEY_COLUMNS)[np.concatenate(places)]
        bbo = {name: np.concatenate([part[name] for part in best]) for name in best[0]}
        bbo["full"] = events % self._full_every == 0
        levels = {name: np.concatenate(values) for name, values in
                  zip(_LEVEL_COLUMNS, zip(*changes, strict=True), strict=True)}  # fmt: skip
        prices = ("bid_px", "ask_px")
        wide = table({"event": events}).hstack(key).hstack(table(bbo, empty_as_null=prices))
        return wide, table(levels)

    def _changes(self, levels: Levels) -> _Changes:
        """Return what these books changed against the last ones, and remember their last."""
        n_events = len(levels.prices)
        full = np.zeros(n_events + 1, np.bool_)
        full[1:] = np.arange(self._events, self._events + n_events) % self._full_every == 0
        room = 2 * levels.prices.shape[1] * n_events + 1
        out = _Changes(
            np.empty(room, np.int64), np.empty(room, np.uint8), np.empty(room, np.int64),
            np.empty(room, np.uint32), np.empty(room, np.uint32),
        )  # fmt: skip
        n = _diff(*self._with_last(levels), full, self._events, out)
        if n_events:
            self._last = Levels(*(part[-1:].copy() for part in levels))
        self._events += n_events
        return _Changes(*(values[:n].copy() for values in out))

    def _with_last(self, levels: Levels) -> Levels:
        width = levels.prices.shape[1]
        before = self._last or Levels(
            np.full((1, width), EMPTY_PRICE), np.zeros((1, width), np.uint32),
            np.zeros((1, width), np.uint32),
        )  # fmt: skip
        pairs = zip(before, levels, strict=True)
        return Levels(*(np.ascontiguousarray(np.concatenate(pair)) for pair in pairs))


def _best(books: FeedBooks) -> dict[str, IntAny]:
    """Return state, best bid and best ask of each book."""
    depth = books.levels.prices.shape[1] // 2
    best = {"book_state": books.states}
    for side, place in (("bid", 0), ("ask", depth)):
        for what, values in zip(("px", "sz", "ct"), books.levels, strict=True):
            best[f"{side}_{what}"] = values[:, place].copy()  # lets go of the other levels
    return best


_LEVEL_COLUMNS = ("event", "side", "price", "size", "count")


def expand(bbo: Table, levels: Table, *, depth: int = 10) -> Table:
    """Return wide books from their stored form: the rows of `replay(rows="events")`.

    Parameters
    ----------
    bbo
        Consecutive events of one instrument, the first of them with a full book.
    levels
        At least the changes of these events.
    depth
        Levels a side that were stored.

    Raises
    ------
    DataError
        The first event has no full book: begin at one that has.
    """
    events, full = column(bbo, "event"), column(bbo, "full")
    if len(events) and not full[0]:
        raise DataError(f"event {events[0]} has no full book: begin at one whose `full` is true")
    first = int(events[0]) if len(events) else 0
    inside = column(levels, "event")
    mine = levels[np.flatnonzero((inside >= first) & (inside < first + len(events)))]
    changes = _Changes(*(column(mine, name) for name in _LEVEL_COLUMNS))
    shape = (len(events), 2 * depth)
    prices = np.full(shape, EMPTY_PRICE)
    sizes, counts = np.zeros(shape, np.uint32), np.zeros(shape, np.uint32)
    _expand(changes, full, first, prices, sizes, counts)
    key = bbo.select(*KEY_COLUMNS, "book_state")
    return key.hstack(level_table(Levels(prices, sizes, counts)))
