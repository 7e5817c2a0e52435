"""Seeds: the live orders at a session's beginning, when it begins inside a file.

A seed is a table of market-by-order rows in priority order, marked as a snapshot taken at the cut:
derived from the rows before, never counted among the session's own.
"""

import numpy as np

from strategy_lab_core.book.l3 import L3Book
from strategy_lab_core.book.replay import by_instrument
from strategy_lab_core.book.rules import UNRELIABLE_RULES
from strategy_lab_core.data.columns import Table, column, concat, table
from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.types import Action, IntAny, RecordFlag, TickSchema

__all__ = ["SeedBuilder", "live_orders"]

SEED_FILE = "seed"  # stands where a row of a file has the file's hash
_SNAPSHOT = int(RecordFlag.SNAPSHOT) | int(RecordFlag.BAD_TS_RECV)
_UNRELIABLE = sum(UNRELIABLE_RULES)


def live_orders(book: L3Book, *, instrument_id: int, symbol: str, ts_ns: int) -> Table:
    """Return the live orders of a book as snapshot rows, by arrival.

    Parameters
    ----------
    book
        The book at the cut.
    instrument_id, symbol
        Of its instrument.
    ts_ns
        The cut, ns UTC: `ts_recv` and `ts_event` of every row.
    """
    orders = book.orders()
    count = len(orders.order_id)

    def constant(value: int, dtype: type[np.generic]) -> IntAny:
        """Return a column of one value."""
        return np.full(count, value, dtype)

    flags = constant(_SNAPSHOT, np.uint8)
    flags[-1:] |= np.uint8(RecordFlag.LAST)
    return table(
        {
            "ts_recv": constant(ts_ns, np.int64),
            "ts_event": constant(ts_ns, np.int64),
            "instrument_id": constant(instrument_id, np.uint32),
            "publisher_id": constant(0, np.uint16),
            "action": constant(Action.ADD, np.uint8),
            "side": orders.side,
            "price": orders.price,
            "size": orders.size.astype(np.uint32),
            "order_id": orders.order_id,
            "flags": flags,
            "channel_id": constant(0, np.uint8),
            "ts_in_delta": constant(0, np.int32),
            "sequence": constant(0, np.uint32),
            "symbol": [symbol] * count,
            "file_hash": [SEED_FILE] * count,
            "row": np.arange(count),
        }
    )


class SeedBuilder:
    """Builds the seed of a session from the rows before it, batch by batch.

    Parameters
    ----------
    cut_ns
        Begin of the session, ns UTC.
    """

    def __init__(self, cut_ns: int) -> None:
        self._cut_ns = cut_ns
        self._books: dict[int, L3Book] = {}
        self._symbols: dict[int, str] = {}
        self._unreliable: dict[int, bool] = {}

    def feed(self, ticks: Table) -> None:
        """Apply market-by-order rows before the cut, of any number of instruments."""
        for instrument_id, where in by_instrument(ticks):
            mine = ticks[where]
            book = self._books.setdefault(instrument_id, L3Book())
            broken = book.feed(book.rows(mine)) & _UNRELIABLE
            restarts = np.flatnonzero(
                (column(mine, "action") == Action.CLEAR)
                | (column(mine, "flags") & RecordFlag.SNAPSHOT > 0)
            )
            since = int(restarts[-1]) if len(restarts) else 0
            before = self._unreliable.get(instrument_id, False) and not len(restarts)
            self._unreliable[instrument_id] = before or bool(broken[since:].any())
            self._symbols[instrument_id] = str(mine["symbol"][-1])

    def table(self) -> Table:
        """Return the seed of all books that are known and reliable at the cut; else no rows."""
        parts = [
            live_orders(
                book,
                instrument_id=instrument_id,
                symbol=self._symbols[instrument_id],
                ts_ns=self._cut_ns,
            )
            for instrument_id, book in sorted(self._books.items())
            if book.started and book.live_orders and not self._unreliable[instrument_id]
        ]
        empty = polars_schema(TickSchema.MBO).to_frame()
        return concat([empty, *parts]) if parts else empty
