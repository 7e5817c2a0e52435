"""Faults planted in delivered files: from a vendor's DBN file to one that something befell.

Each function takes and gives the rows of one file as records; which files, and what is to be found
of it, is in `year_plan`. Rows are lost between events only, and a snapshot of the true book follows
them, as a vendor's recovery does.
"""

from pathlib import Path

import numpy as np
import polars as pl

from strategy_lab_core.data.dbn_writer import Records, to_records, write_dbn
from strategy_lab_core.data.files import open_ticks
from strategy_lab_core.types import EMPTY_PRICE, NS_PER_SECOND, Action, RecordFlag, Side

__all__ = ["between_events", "clock_step", "malformed_rows", "read", "without", "write"]

_QUIET_NS = NS_PER_SECOND // 10  # no event lasts so long
_OFF_GRID = 100_000_000  # 0.10 in 1e-9: on no grid of 0.25
_STRAYS = (999_999_998, 999_999_999)  # ids that no order has
_RESTATED = RecordFlag.SNAPSHOT | RecordFlag.BAD_TS_RECV


def read(path: Path) -> tuple[Records, dict[int, str]]:
    """Return the rows of a file, and its symbols by instrument."""
    table = pl.concat(open_ticks(path).batches())
    named = table.select("instrument_id", "symbol").unique(maintain_order=True)
    return to_records(table), dict(named.iter_rows())


def write(path: Path, records: Records, symbols: dict[int, str]) -> None:
    """Write rows as a file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_dbn(path, records, symbols)


def between_events(records: Records, ts_recv: int) -> int:
    """Return the first row at or after a time before which nothing came for a tenth of a second."""
    start = int(np.searchsorted(records["ts_recv"], ts_recv))
    stamps = records["ts_recv"].astype(np.int64)[max(start - 1, 0) :]
    return max(start - 1, 0) + 1 + int(np.argmax(np.diff(stamps) > _QUIET_NS))


def without(records: Records, start: int, stop: int) -> Records:
    """Return the rows but those from `start` to `stop` (exclusive), a snapshot in their place."""
    return np.concatenate([records[:start], snapshot(records[:stop]), records[stop:]])


def clock_step(records: Records, start: int, stop: int, step_ns: int) -> Records:
    """Return the rows, those from `start` to `stop` captured by a clock that is ahead."""
    moved = records.copy()
    moved["ts_recv"][start:stop] += np.uint64(step_ns)
    return moved


def malformed_rows(records: Records, at: int) -> Records:
    """Return the rows with an add of no lots and one off the price grid before the row `at`."""
    strays = np.repeat(records[at - 1 : at], len(_STRAYS))
    strays["action"], strays["side"] = Action.ADD, Side.BID
    strays["order_id"], strays["size"], strays["flags"] = _STRAYS, (0, 1), RecordFlag.LAST
    adds = records[:at][records["action"][:at] == Action.ADD]
    strays["price"] = adds["price"][-1] + np.array([0, _OFF_GRID])
    return np.concatenate([records[:at], strays, records[at:]])


def snapshot(records: Records) -> Records:
    """Return a clear and the orders alive behind the rows, instrument by instrument."""
    books: dict[int, dict[int, Records]] = {}
    for row in records:
        _apply(books.setdefault(int(row["instrument_id"]), {}), row)
    parts = []
    for id_, book in books.items():
        rows = np.array([records[-1], *book.values()], dtype=records.dtype)
        rows["instrument_id"], rows["ts_recv"], rows["ts_in_delta"] = id_, records["ts_recv"][-1], 0
        rows["action"], rows["flags"] = Action.ADD, _RESTATED
        rows["flags"][-1] |= RecordFlag.LAST
        first = rows[:1]
        first["action"], first["side"], first["price"] = Action.CLEAR, Side.NONE, EMPTY_PRICE
        first["order_id"], first["size"], first["ts_event"] = 0, 0, first["ts_recv"]
        parts.append(rows)
    return np.concatenate(parts)


def _apply(book: dict[int, Records], row: Records) -> None:
    """Take one row into a book of orders by id, in order of arrival."""
    action, id_ = int(row["action"]), int(row["order_id"])
    if action == Action.CLEAR:
        book.clear()
    elif action == Action.CANCEL:
        book.pop(id_)  # the simulator cancels whole orders only
    elif action in (Action.ADD, Action.MODIFY):
        before = book.get(id_)
        if before is not None and (
            int(row["price"]) != int(before["price"]) or int(row["size"]) > int(before["size"])
        ):
            book.pop(id_)  # it goes to the end of its queue
        book[id_] = row.copy()
