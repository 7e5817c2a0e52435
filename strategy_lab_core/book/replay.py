"""Books after every event or record, as wide tables with the columns of DBN's mbp-10.

Rows keep the order of the ticks; every instrument has its own book. The stored form of the same
books is in `changes`.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from strategy_lab_core.book.l2 import Levels, book_depth, read_levels
from strategy_lab_core.book.l3 import L3Book
from strategy_lab_core.book.trust import StateJudge
from strategy_lab_core.data.columns import Table, column, concat, table
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.types import Bool1D, Int1D, IntAny, RecordFlag

__all__ = ["KEY_COLUMNS", "BookFeed", "FeedBooks", "by_instrument", "level_names", "replay"]

KEY_COLUMNS = (
    "ts_event", "ts_recv", "instrument_id", "symbol", "sequence", "action", "side", "flags",
)  # fmt: skip
CHUNK_ROWS = 1 << 17


def replay(
    ticks: Table,
    *,
    depth: int = 10,
    rows: Literal["events", "records"] = "events",
    seed: Table | None = None,
) -> Table:
    """Rebuild the order books of a tick table.

    Parameters
    ----------
    ticks
        One schema (mbo, mbp-10, mbp-1 or tbbo) in source order; several instruments may be mixed.
    depth
        Levels a side; feeds that have fewer give fewer.
    rows
        A row per event end (F_LAST): the book that counts; or a row after every record.
    seed
        Live orders before the first tick (market-by-order rows, as `seeds.live_orders` returns
        them); without one a book is `UNSEEDED` until a clear or a snapshot.

    Returns
    -------
    ts_event, ts_recv, instrument_id, symbol, sequence, action, side, flags of the record that the
    book follows; book_state (`BookState`); then for each level bid_px_00, ask_px_00, bid_sz_00,
    ask_sz_00, bid_ct_00, ask_ct_00, and so on: prices int64 in 1e-9, null where no level is.
    The state uses `book_state` of `ticks` where there is one, else the state rules without the
    phases of trading.
    """
    if rows not in ("events", "records"):
        raise ConfigError("rows", rows, "'events' or 'records'")
    if depth < 1:
        raise ConfigError("depth", depth, "at least 1")
    parts, positions = [], []
    for instrument_id, where in by_instrument(ticks):
        feed = BookFeed(instrument_id, depth=depth, rows=rows, seed=seed)
        for start in range(0, max(len(where), 1), CHUNK_ROWS):
            chunk = where[start : start + CHUNK_ROWS]
            book, at = feed.feed(ticks[chunk])
            parts.append(book)
            positions.append(chunk[at])
    if not parts:
        return BookFeed(0, depth=depth, rows=rows).feed(ticks)[0]
    order = np.argsort(np.concatenate(positions), kind="stable")
    return concat(parts)[order]


def by_instrument(ticks: Table) -> Iterator[tuple[int, Int1D]]:
    """Yield each instrument id of a table, ascending, with the numbers of its rows."""
    ids = column(ticks, "instrument_id")
    for instrument_id in np.unique(ids):
        yield int(instrument_id), np.flatnonzero(ids == instrument_id)


class FeedBooks(NamedTuple):
    """Books of a batch (shape: books)."""

    at: Int1D  # row of the batch that each follows
    levels: Levels
    states: IntAny  # BookState, uint8


class BookFeed:
    """Replays one instrument batch by batch: `replay` for a stream.

    Parameters are those of `replay`.
    """

    def __init__(
        self,
        instrument_id: int,
        *,
        depth: int = 10,
        rows: Literal["events", "records"] = "events",
        seed: Table | None = None,
    ) -> None:
        self._depth, self._every = depth, rows == "records"
        self._instrument_id = instrument_id
        self._book = seeded_book(instrument_id, seed)
        self._judge: StateJudge | None = None
        self._room = np.empty((0, 6 * depth), np.uint32)

    def feed(self, ticks: Table) -> tuple[Table, Int1D]:
        """Return the books of a batch of this instrument, and the row that each follows."""
        books = self.books(ticks)
        wide = table({"book_state": books.states}).hstack(level_table(books.levels))
        return ticks.select(KEY_COLUMNS)[books.at].hstack(wide), books.at

    def books(self, ticks: Table) -> FeedBooks:
        """Return the books of a batch of this instrument as arrays, valid until the next call."""
        flags = column(ticks, "flags")
        restated = book_depth(ticks)
        if self._judge is None:
            started = self._book.started
            self._judge = StateJudge(self._instrument_id, restates=restated > 0, started=started)
        at = np.arange(len(flags)) if self._every else np.flatnonzero(flags & RecordFlag.LAST)
        broken = np.zeros(len(flags), np.uint16)
        if restated:
            levels = read_levels(ticks[at], self._depth)
        else:
            rows = self._book.rows(ticks)
            if len(self._room) < len(flags):
                self._room = np.empty((len(flags), 6 * self._depth), np.uint32)
            books = self._book.replay(rows, depth=self._depth, every=self._every, room=self._room)
            levels, broken = Levels(books.prices, books.sizes, books.counts), books.broken
        return FeedBooks(at, levels, self._states(ticks, broken)[at])

    def _states(self, ticks: Table, broken: IntAny) -> IntAny:
        if "book_state" in ticks.columns:
            return column(ticks, "book_state")
        assert self._judge is not None
        nowhere: Bool1D = np.zeros(len(broken), np.bool_)
        states, _ = self._judge.judge(
            action=column(ticks, "action"),
            flags=column(ticks, "flags"),
            ts_event=column(ticks, "ts_event"),
            ts_recv=column(ticks, "ts_recv"),
            crossed=nowhere,
            broken=broken,
        )
        return states


def seeded_book(instrument_id: int, seed: Table | None) -> L3Book:
    """Return the book of one instrument that a seed table describes, unseeded without one."""
    book = L3Book()
    if seed is not None:
        mine = np.flatnonzero(column(seed, "instrument_id") == instrument_id)
        book.feed(book.rows(seed[mine]))
        book.start_empty()
    return book


def level_names(depth: int) -> list[str]:
    """Return the level columns in DBN's order."""
    return [
        f"{side}_{what}_{level:02d}"
        for level in range(depth)
        for what in ("px", "sz", "ct")
        for side in ("bid", "ask")
    ]


def level_table(levels: Levels) -> Table:
    """Return level columns in DBN's order, null prices where no level is."""
    depth = levels.prices.shape[1] // 2
    arrays = {"px": levels.prices, "sz": levels.sizes, "ct": levels.counts}
    columns = {}
    for name in level_names(depth):
        side, what, level = name.split("_")
        place = int(level) + (depth if side == "ask" else 0)
        columns[name] = np.ascontiguousarray(arrays[what][:, place])
    return table(columns, empty_as_null=[name for name in columns if "_px_" in name])
