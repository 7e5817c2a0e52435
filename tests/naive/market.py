"""A dict of orders that replays market-by-order rows one by one and complains about each oddity."""

from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]


class NaiveMarket:
    """Orders by id in the order of their queue places; `problems` lists what can't be."""

    def __init__(self) -> None:
        self.orders: dict[int, tuple[str, int, int]] = {}
        self.problems: list[str] = []

    def apply(self, row: Row) -> None:
        """Apply one row: trades and fills leave the book alone, a clear empties it."""
        order_id, new = row["order_id"], (row["side"], row["price"], row["size"])
        match row["action"]:
            case "R":
                self.orders.clear()
            case "A":
                if order_id in self.orders:
                    self.problems.append(f"duplicate order {order_id}")
                self.orders[order_id] = new
            case "C" | "M" | "F" if order_id not in self.orders:
                self.problems.append(f"{row['action']} of unknown order {order_id}")
            case "C":
                if self.orders.pop(order_id) != new:
                    self.problems.append(f"cancel of {order_id} is not the order's own size")
            case "M":
                self._modify(order_id, new)
            case "F":
                if row["size"] > self.orders[order_id][2]:
                    self.problems.append(f"fill of {order_id} is larger than the order")

    def _modify(self, order_id: int, new: tuple[str, int, int]) -> None:
        side, price, size = self.orders[order_id]
        if new[0] != side:
            self.problems.append(f"modify of {order_id} changes its side")
        if new[1] != price or new[2] > size:
            del self.orders[order_id]  # a new place at the end of the queue
        self.orders[order_id] = new

    def best(self) -> tuple[int | None, int | None]:
        """Return best bid and best ask, None for an empty side."""
        levels = {order[:2] for order in self.orders.values()}
        bids = [price for side, price in levels if side == "B"]
        asks = [price for side, price in levels if side == "A"]
        return max(bids, default=None), min(asks, default=None)

    def crossed(self) -> bool:
        """Return whether a bid is at or above an ask."""
        bid, ask = self.best()
        return bid is not None and ask is not None and bid >= ask

    def queues(self) -> list[tuple[int, str, int, int]]:
        """Return (order id, side, price, size): bids best first, then asks, each in queue order."""
        bids = [(key, *order) for key, order in self.orders.items() if order[0] == "B"]
        asks = [(key, *order) for key, order in self.orders.items() if order[0] == "A"]
        return sorted(bids, key=lambda o: -o[2]) + sorted(asks, key=lambda o: o[2])


def events(rows: list[Row]) -> Iterator[list[Row]]:
    """Split rows behind each one that ends an event."""
    event: list[Row] = []
    for row in rows:
        event.append(row)
        if row["flags"] & 128:
            yield event
            event = []
    assert not event, "the last row ends an event"
