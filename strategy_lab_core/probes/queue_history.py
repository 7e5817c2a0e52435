"""The levels of a market-by-order tape through time: each change of a size, and who it was."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategy_lab_core.data.columns import Table, int64
from strategy_lab_core.types import EMPTY_PRICE, Action, Int2D, RecordFlag, Side

__all__ = ["Change", "QueueHistory"]

_COLUMNS = ("ts_event", "ts_recv", "action", "side", "size", "order_id", "flags")
_OF_SNAPSHOTS = (Action.ADD, Action.TRADE)  # the book takes its adds, and trades change none
_RESTING = {Side.BID: Side.ASK, Side.ASK: Side.BID}  # by the aggressor's side


class Change(NamedTuple):
    """What one row does at one level; a trade's lots leave with a change that follows it."""

    ns: int
    before: int  # lots
    after: int
    traded: int  # lots
    left: int  # lots that have gone from a place in the queue
    since: int  # number of the row with which that place began, from 1


class _Place(NamedTuple):
    level: tuple[int, int]  # side and price
    lots: int
    since: int


class QueueHistory:
    """Every change of every level of one instrument.

    The levels begin anew where the book does: with a clear, and with a snapshot (consecutive rows
    of one `ts_recv`) that no clear has just made room for.

    Parameters
    ----------
    ticks
        Its validated market-by-order rows, in order.
    seed
        The orders that were live before the first row, in priority order, of any instruments.
    """

    def __init__(self, ticks: Table, seed: Table | None = None) -> None:
        self._places: dict[int, _Place] = {}
        self._lots: dict[tuple[int, int], int] = {}
        self._changes: dict[tuple[int, int], list[Change]] = {}
        self._begins: list[int] = []
        self._row_ns: list[int] = []
        self._was_clear = False  # the row before, the seed's last one too: as the book reads them
        self._snapshot_ns: int | None = None  # its `ts_recv`, if of a snapshot
        if seed is not None:
            mine = np.isin(int64(seed, "instrument_id"), int64(ticks, "instrument_id"))
            self._read(seed[np.flatnonzero(mine)])
        self._read(ticks)
        self.begin_ns = np.array(self._begins, np.int64)
        self.row_ns = np.array(self._row_ns, np.int64)
        self._arrays = {at: np.array(found, np.int64) for at, found in self._changes.items()}

    def changes(self, side: int, price: int) -> Int2D:
        """Return the changes of a level (shape: changes, fields of `Change`), by time."""
        none = np.zeros((0, len(Change._fields)), np.int64)
        return self._arrays.get((side, price), none)

    def is_unbroken(self, after_ns: Int2D, until_ns: Int2D) -> NDArray[np.bool_]:
        """Say whether the book has not begun anew later than one time and up to another."""
        first, last = (
            np.searchsorted(self.begin_ns, each, side="right") for each in (after_ns, until_ns)
        )
        unbroken: NDArray[np.bool_] = first == last
        return unbroken

    def _read(self, ticks: Table) -> None:
        columns = [int64(ticks, name).tolist() for name in _COLUMNS]
        prices = int64(ticks, "price", null=EMPTY_PRICE).tolist()
        now = 0
        for event_ns, recv_ns, action, side, size, order_id, flags, price in zip(
            *columns, prices, strict=True
        ):
            is_snapshot = flags & RecordFlag.SNAPSHOT != 0
            now = max(now, recv_ns if is_snapshot else event_ns)
            snapshot_ns = recv_ns if is_snapshot else None
            goes_on = self._was_clear or snapshot_ns == self._snapshot_ns
            if action == Action.CLEAR or (is_snapshot and not goes_on):
                self._begin(now)
            self._was_clear, self._snapshot_ns = action == Action.CLEAR, snapshot_ns
            self._row_ns.append(now)
            if not is_snapshot or action in _OF_SNAPSHOTS:
                self._apply(now, action, (side, price), size, order_id)

    def _begin(self, now: int) -> None:
        self._begins.append(now)
        for level, lots in self._lots.items():
            self._changes[level].append(Change(now, lots, 0, 0, 0, 0))
        self._places.clear()
        self._lots.clear()

    def _apply(
        self, now: int, action: int, level: tuple[int, int], size: int, order_id: int
    ) -> None:
        if action == Action.TRADE and level[0] in _RESTING:
            at = (_RESTING[Side(level[0])], level[1])
            self._write(now, at, 0, traded=size)
        elif action == Action.CANCEL:
            old = self._places.get(order_id)
            if old is not None:
                self._resize(now, order_id, old, max(old.lots - size, 0))
        elif action in (Action.ADD, Action.MODIFY):
            old = self._places.get(order_id)
            keeps = action == Action.MODIFY and old is not None
            if keeps and old is not None and old.level == level and size <= old.lots:
                self._resize(now, order_id, old, size)
            else:
                self._join(now, order_id, old, level, size)

    def _resize(self, now: int, order_id: int, old: _Place, lots: int) -> None:
        self._places[order_id] = old._replace(lots=lots)
        if lots == 0:
            del self._places[order_id]
        self._write(now, old.level, lots - old.lots, left=old.lots - lots, since=old.since)

    def _join(
        self, now: int, order_id: int, old: _Place | None, level: tuple[int, int], lots: int
    ) -> None:
        self._places[order_id] = _Place(level, lots, len(self._row_ns))
        if old is not None and old.level == level:  # one change of the level's size
            self._write(now, level, lots - old.lots, left=old.lots, since=old.since)
            return
        if old is not None:
            self._write(now, old.level, -old.lots, left=old.lots, since=old.since)
        self._write(now, level, lots)

    def _write(
        self, now: int, level: tuple[int, int], grows: int, *, traded: int = 0, left: int = 0,
        since: int = 0,
    ) -> None:  # fmt: skip
        before = self._lots.get(level, 0)
        self._lots[level] = before + grows
        change = Change(now, before, before + grows, traded, left, since)
        self._changes.setdefault(level, []).append(change)
