"""The order-by-order (L3) book of one instrument: the Python face of `l3_kernels`.

Turns tables into kernel columns, keeps the arrays large enough, and answers questions about the
book as it stands. Replaying whole tables is in `replay`, seeds are in `seeds`.
"""

import copy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from strategy_lab_core.book import l3_kernels as kernels
from strategy_lab_core.book.grid import PriceGrid
from strategy_lab_core.book.hashing import capacity_for
from strategy_lab_core.book.l3_kernels import L3State, MboRows
from strategy_lab_core.book.order_table import copy_orders, empty_table
from strategy_lab_core.book.window_kernels import Window, empty_window, replay_rows
from strategy_lab_core.data.columns import Table, column
from strategy_lab_core.types import EMPTY_PRICE, Int1D, Int2D, IntAny

__all__ = ["Books", "Depth", "L3Book", "Orders"]


@dataclass(frozen=True, slots=True)
class Books:
    """Books written by a replay, best level first.

    Attributes
    ----------
    at
        Row in the batch after which each book stood (shape: books).
    cells
        Levels, then lots, then orders, of bids and then asks: uint32 (shape: books, 6 * depth).
    grid_prices
        Price of each level, 1e-9 (shape: levels).
    broken
        `StateRule` bits of every row of the batch, the book's own rules only (shape: rows).
    """

    at: IntAny
    cells: IntAny
    grid_prices: Int1D
    broken: IntAny

    @property
    def prices(self) -> Int2D:
        """Return prices, 1e-9, `EMPTY_PRICE` where no level is (shape: books, 2 * depth)."""
        padded = np.append(self.grid_prices, EMPTY_PRICE)
        return padded[np.minimum(self._part(0), len(self.grid_prices))]

    @property
    def sizes(self) -> IntAny:
        """Return lots, uint32 (shape: books, 2 * depth)."""
        return self._part(1)

    @property
    def counts(self) -> IntAny:
        """Return orders, uint32 (shape: books, 2 * depth)."""
        return self._part(2)

    def _part(self, part: int) -> IntAny:
        width = self.cells.shape[1] // 3
        return self.cells[:, part * width : (part + 1) * width]


class Depth(NamedTuple):
    """Levels of one side, best first (shape: levels)."""

    prices: Int1D  # 1e-9
    sizes: Int1D  # lots
    counts: Int1D  # orders


class Orders(NamedTuple):
    """Live orders in the order of their arrival (shape: orders)."""

    order_id: IntAny  # uint64
    side: IntAny  # uint8, ASCII
    price: Int1D  # 1e-9
    size: Int1D  # lots
    arrival: Int1D


class L3Book:
    """A book of orders that grows with its feed.

    Parameters
    ----------
    orders
        Live orders to make room for at the beginning.

    Attributes
    ----------
    grid
        Prices of the levels; levels move when new prices appear.
    state
        Arrays for kernels; replaced by larger ones when the book grows, so never keep them.
    """

    def __init__(self, *, orders: int = 1024) -> None:
        self.grid = PriceGrid()
        meta = np.zeros(kernels.META_SIZE, np.int64)
        self.state = _empty_state(capacity_for(orders, load=1), 0, meta)
        self._window: Window | None = None  # of the last replay

    def start_empty(self) -> None:
        """Take the book as it stands (nothing, at first) for known: no seed is needed."""
        self.state.meta[kernels.STARTED] = 1

    @property
    def started(self) -> bool:
        """Whether a seed, a clear or a snapshot was seen."""
        return bool(self.state.meta[kernels.STARTED])

    @property
    def live_orders(self) -> int:
        """Orders in the book."""
        return int(self.state.meta[kernels.LIVE])

    @property
    def capacity(self) -> int:
        """Live orders that there is room for."""
        return len(self.state.live.orders)

    def reserve(self, orders: int) -> None:
        """Make room for `orders` live orders."""
        if capacity_for(orders, load=1) > self.capacity:
            self._rebuild(capacity_for(orders, load=1), np.arange(self._levels), 0)

    def copy(self) -> "L3Book":
        """Return a book of its own that stands as this one does."""
        twin = L3Book(orders=1)
        twin.grid, twin.state = copy.deepcopy(self.grid), copy.deepcopy(self.state)
        return twin

    def rows(self, ticks: Table) -> MboRows:
        """Return the kernel columns of a market-by-order table of this instrument."""
        return self.rows_of(
            action=column(ticks, "action"),
            side=column(ticks, "side"),
            price=column(ticks, "price", null=EMPTY_PRICE),
            size=column(ticks, "size"),
            order_id=column(ticks, "order_id"),
            flags=column(ticks, "flags"),
            ts_recv=column(ticks, "ts_recv"),
        )

    def rows_of(
        self,
        *,
        action: IntAny,
        side: IntAny,
        price: Int1D,
        size: IntAny,
        order_id: IntAny,
        flags: IntAny,
        ts_recv: Int1D,
    ) -> MboRows:
        """Return columns (shape: rows) in the kernels' widths, entering new prices in the grid."""
        levels, moved = self.grid.extend(np.ascontiguousarray(price, np.int64))
        known = self._levels
        if moved is not None or len(self.grid) > known:
            self._rebuild(
                self.capacity, np.arange(known) if moved is None else moved, len(self.grid)
            )
        return MboRows(
            action=np.ascontiguousarray(action, np.uint8),
            side=np.ascontiguousarray(side, np.uint8),
            level=levels,
            size=np.ascontiguousarray(size, np.uint32),
            order_id=np.ascontiguousarray(order_id, np.uint64).view(np.int64),
            flags=np.ascontiguousarray(flags, np.uint8),
            ts_recv=np.ascontiguousarray(ts_recv, np.int64),
        )

    def feed(self, rows: MboRows) -> IntAny:
        """Apply rows in order; return each row's `StateRule` bits as uint16 (shape: rows)."""
        broken = np.zeros(len(rows.action), np.uint16)
        row = 0
        while (row := kernels.apply_rows(self.state, rows, row, broken)) < len(broken):
            self._grow()
        return broken

    def replay(
        self, rows: MboRows, *, depth: int, every: bool, room: IntAny | None = None
    ) -> Books:
        """Apply rows in order and write the book at event ends, or after every record.

        Parameters
        ----------
        rows
            From `rows` or `rows_of`.
        depth
            Levels a side.
        every
            After every record instead of at event ends.
        room
            Array that the books' cells are written to (uint32, shape: at least one row for each
            row, 6 * depth), for callers who are done with one batch before they ask for the next:
            fresh memory costs about as much as the books themselves.
        """
        n_rows = len(rows.action)
        n_books = n_rows if every else int(np.count_nonzero(rows.flags & kernels.LAST))
        books = np.empty((n_books, 6 * depth), np.uint32) if room is None else room[:n_books]
        at = np.empty(n_books, np.int64)
        broken = np.zeros(n_rows, np.uint16)
        window = self._window_of(depth)
        self.state.meta[kernels.VACATED] = kernels.ALL_PLACES
        row = written = 0
        while row < n_rows:
            row, written = replay_rows(
                self.state, rows, row, every, written, broken, at, window, books
            )
            if row < n_rows:
                self._grow()
        return Books(at, books, self.grid.prices, broken)

    def depth(self, side: int) -> Depth:
        """Return all levels of one side (0 bid, 1 ask), best first."""
        levels = np.flatnonzero(self.state.counts[side::2])
        levels = levels[::-1] if side == 0 else levels
        places = 2 * levels + side
        sizes, counts = self.state.lots[places], self.state.counts[places]
        return Depth(self.grid.price_of(levels), sizes, counts)

    def orders(self) -> Orders:
        """Return the live orders by arrival: per level that is their priority."""
        orders = self.state.live.orders
        live = orders[orders["place"] >= 0]
        live = live[np.argsort(live["arrival"])]
        return Orders(
            order_id=np.ascontiguousarray(live["order_id"]).view(np.uint64),
            side=np.where(live["place"] & 1, ord("A"), ord("B")).astype(np.uint8),
            price=self.grid.price_of(live["place"] >> 1),
            size=live["lots"].copy(),
            arrival=live["arrival"].copy(),
        )

    @property
    def _levels(self) -> int:
        return len(self.state.counts) // 2

    def _window_of(self, depth: int) -> Window:
        """Return the window of the last replay, a new one after the levels or the depth changed."""
        if self._window is None or self._window.depth != depth:
            self._window = empty_window(depth, 2 * self._levels)
        return self._window

    def _grow(self) -> None:
        self._rebuild(2 * self.capacity, np.arange(self._levels), 0)

    def _rebuild(self, capacity: int, moved: Int1D, levels: int) -> None:
        """Move everything to arrays of `capacity` slots and at least `levels` levels."""
        old, old_levels = self.state, self._levels
        new = _empty_state(capacity, max(levels, old_levels), old.meta)
        copy_orders(old.live, new.live, moved)
        copy_orders(old.before, new.before, moved)
        for side in (0, 1):
            new.lots[2 * moved + side] = old.lots[side::2][: len(moved)]
            new.counts[2 * moved + side] = old.counts[side::2][: len(moved)]
        if old.best[0] >= 0:
            new.best[0] = moved[old.best[0]]
        if old.best[1] < old_levels:
            new.best[1] = moved[old.best[1]]
        self.state, self._window = new, None


def _empty_state(capacity: int, levels: int, meta: Int1D) -> L3State:
    levels = max(levels, 1)  # kernels look at a level before they ask whether it is one
    return L3State(
        live=empty_table(capacity),
        before=empty_table(capacity),
        lots=np.zeros(2 * levels, np.int64),
        counts=np.zeros(2 * levels, np.int64),
        best=np.array([-1, levels], np.int64),
        meta=meta,
    )
