"""Order books as they are stored: best bid and offer at each event end, and the changed levels.

`BookWriter` turns ticks into the two tables, `expand` turns them back into the wide rows that
`replay` gives. A full book at fixed intervals lets a reader begin in the middle.
"""

from typing import NamedTuple

import numpy as np

from strategy_lab_core._jit import kernel
from strategy_lab_core.book.l2 import Levels
from strategy_lab_core.book.replay import KEY_COLUMNS, BookFeed, level_table
from strategy_lab_core.data.columns import Table, column, table
from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.types import EMPTY_PRICE, Bool1D, Int1D, Int2D, IntAny, Side

__all__ = ["FULL_EVERY", "BookWriter", "expand"]

FULL_EVERY = 10_000  # events from one full book to the next
_BID, _ASK = int(Side.BID), int(Side.ASK)


class _Changes(NamedTuple):
    """Changed levels (shape: changes): a level that left has size and count 0."""

    event: Int1D
    side: IntAny
    price: Int1D
    size: IntAny
    orders: IntAny


@kernel
def _find(prices: Int2D, row: int, first: int, depth: int, price: int) -> int:
    for place in range(first, first + depth):
        if prices[row, place] == price:
            return place
    return -1


@kernel
def _diff(
    prices: Int2D, sizes: IntAny, counts: IntAny, full: Bool1D, first_event: int, out: _Changes
) -> int:
    """Write what each row changed against the one before; row 0 is the book before the first.

    Returns the number of changes.
    """
    depth = prices.shape[1] // 2
    n = 0
    for row in range(1, len(prices)):
        for place in range(2 * depth):
            first = 0 if place < depth else depth
            side = _BID if place < depth else _ASK
            price = prices[row, place]
            if price != EMPTY_PRICE:
                old = _find(prices, row - 1, first, depth, price)
                same = old >= 0 and sizes[row - 1, old] == sizes[row, place]
                same = same and counts[row - 1, old] == counts[row, place]
                if full[row] or not same:
                    out.event[n] = first_event + row - 1
                    out.side[n] = side
                    out.price[n] = price
                    out.size[n] = sizes[row, place]
                    out.orders[n] = counts[row, place]
                    n += 1
            gone = prices[row - 1, place]
            if full[row] or gone == EMPTY_PRICE:
                continue
            if _find(prices, row, first, depth, gone) < 0:
                out.event[n] = first_event + row - 1
                out.side[n] = side
                out.price[n] = gone
                out.size[n] = 0
                out.orders[n] = 0
                n += 1
    return n


@kernel
def _put(prices: Int2D, sizes: IntAny, counts: IntAny, row: int, first: int, change: Int1D) -> None:
    """Insert or replace one level of a side that begins at `first`; bids descend, asks ascend."""
    depth = prices.shape[1] // 2
    price, sign = change[0], 1 if first == 0 else -1
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
    prices[row, place], sizes[row, place], counts[row, place] = price, change[1], change[2]


@kernel
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


@kernel
def _expand(
    changes: _Changes, full: Bool1D, first_event: int, prices: Int2D, sizes: IntAny, counts: IntAny
) -> None:
    """Write the book of each event; removals of an event go before its insertions."""
    depth = prices.shape[1] // 2
    change = np.zeros(3, np.int64)
    n = 0
    for row in range(len(prices)):
        if row > 0 and not full[row]:
            prices[row], sizes[row], counts[row] = prices[row - 1], sizes[row - 1], counts[row - 1]
        begin = n
        while n < len(changes.event) and changes.event[n] == first_event + row:
            if changes.size[n] == 0:
                first = 0 if changes.side[n] == _BID else depth
                _remove(prices, sizes, counts, row, first, changes.price[n])
            n += 1
        for i in range(begin, n):
            if changes.size[i] > 0:
                first = 0 if changes.side[i] == _BID else depth
                change[0], change[1], change[2] = (
                    changes.price[i],
                    changes.size[i],
                    changes.orders[i],
                )
                _put(prices, sizes, counts, row, first, change)


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
        wide, _ = self._feed.feed(ticks)
        levels = _levels_of(wide)
        events = np.arange(self._events, self._events + len(wide))
        full = np.zeros(len(wide) + 1, np.bool_)
        full[1:] = events % self._full_every == 0
        stacked = self._with_last(levels)
        room = 2 * levels.prices.shape[1] * len(wide) + 1
        out = _Changes(
            np.empty(room, np.int64), np.empty(room, np.uint8), np.empty(room, np.int64),
            np.empty(room, np.uint32), np.empty(room, np.uint32),
        )  # fmt: skip
        n = _diff(*stacked, full, self._events, out)
        if len(wide):
            self._last = Levels(*(part[-1:] for part in levels))
        self._events += len(wide)
        pairs = zip(_LEVEL_COLUMNS, out, strict=True)
        changed = table({name: values[:n] for name, values in pairs})
        return _bbo(wide, events, full[1:]), changed

    def _with_last(self, levels: Levels) -> Levels:
        width = levels.prices.shape[1]
        before = self._last or Levels(
            np.full((1, width), EMPTY_PRICE), np.zeros((1, width), np.uint32),
            np.zeros((1, width), np.uint32),
        )  # fmt: skip
        pairs = zip(before, levels, strict=True)
        return Levels(*(np.ascontiguousarray(np.concatenate(pair)) for pair in pairs))


def _levels_of(wide: Table) -> Levels:
    depth = sum(name.startswith("bid_px_") for name in wide.columns)
    names = [f"{side}_{{}}_{level:02d}" for side in ("bid", "ask") for level in range(depth)]

    def stack(what: str) -> IntAny:
        found = [column(wide, name.format(what), null=EMPTY_PRICE) for name in names]
        return np.ascontiguousarray(np.stack(found, axis=1))

    return Levels(stack("px"), stack("sz").astype(np.uint32), stack("ct").astype(np.uint32))


def _bbo(wide: Table, events: Int1D, full: Bool1D) -> Table:
    best = wide.select(*KEY_COLUMNS, "book_state", *(f"{name}_00" for name in _BEST))
    named = best.rename({f"{name}_00": name for name in _BEST})
    return table({"event": events}).hstack(named).hstack(table({"full": full}))


_LEVEL_COLUMNS = ("event", "side", "price", "size", "count")
_BEST = ("bid_px", "bid_sz", "bid_ct", "ask_px", "ask_sz", "ask_ct")


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
