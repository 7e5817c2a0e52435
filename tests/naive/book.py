"""The order-by-order book, slow and obvious: a dict of orders, everything else recomputed.

Written from the semantics, not from the kernels: no levels are kept, no table is hashed by hand.
"""

from dataclasses import dataclass, field

SNAPSHOT, LAST = 0x20, 0x80


@dataclass
class Order:
    """One live order."""

    side: str
    price: int
    size: int
    arrival: int


@dataclass
class Record:
    """One market-by-order record."""

    action: str
    side: str = "N"
    price: int | None = None
    size: int = 0
    order_id: int = 0
    flags: int = 0
    ts_recv: int = 0
    ts_event: int = 0  # 0: that of ts_recv


@dataclass
class NaiveBook:
    """Orders by id; `broken` lists the names of the life-cycle rules the last record broke."""

    orders: dict[int, Order] = field(default_factory=dict)
    before: dict[int, Order] = field(default_factory=dict)
    arrivals: int = 0
    last: Record | None = None
    started: bool = False

    def apply(self, record: Record) -> list[str]:
        """Apply a record and return the rules that it breaks."""
        if record.action == "R":
            self._clear()
        elif record.flags & SNAPSHOT:
            self._snapshot(record)
        self.last = record
        if record.flags & SNAPSHOT or record.action not in "ACM":
            return []
        if record.action == "C":
            return self._cancel(record)
        if record.side not in "BA" or record.price is None or record.size == 0:
            return []
        return self._add(record) if record.action == "A" else self._modify(record)

    def _clear(self) -> None:
        self.before, self.orders = self.orders, {}
        self.started = True

    def _snapshot(self, record: Record) -> None:
        last = self.last
        continues = last is not None and (
            last.action == "R" or (last.flags & SNAPSHOT and last.ts_recv == record.ts_recv)
        )
        if not continues:
            self._clear()
        if record.action != "A" or record.side not in "BA" or record.price is None:
            return
        if record.size == 0:
            return
        same = (record.side, record.price, record.size)
        for known in (self.orders, self.before):
            order = known.get(record.order_id)
            if order and (order.side, order.price, order.size) == same:
                self.orders[record.order_id] = order
                return
            if order and known is self.orders:
                break
        self._place(record)

    def _place(self, record: Record) -> None:
        assert record.price is not None
        self.orders[record.order_id] = Order(record.side, record.price, record.size, self.arrivals)
        self.arrivals += 1

    def _add(self, record: Record) -> list[str]:
        broken = ["duplicate_order"] if record.order_id in self.orders else []
        self._place(record)
        return broken

    def _cancel(self, record: Record) -> list[str]:
        order = self.orders.get(record.order_id)
        if order is None:
            return ["unknown_order"]
        if record.size < order.size:
            self.orders[record.order_id] = Order(
                order.side, order.price, order.size - record.size, order.arrival
            )
            return []
        del self.orders[record.order_id]
        return ["over_cancel"] if record.size > order.size else []

    def _modify(self, record: Record) -> list[str]:
        order = self.orders.get(record.order_id)
        if order is None:
            self._place(record)
            return ["modify_of_unknown"]
        same_place = (order.side, order.price) == (record.side, record.price)
        if same_place and record.size <= order.size:
            self.orders[record.order_id] = Order(
                order.side, order.price, record.size, order.arrival
            )
        else:
            self._place(record)
        return []

    def levels(self, side: str) -> list[tuple[int, int, int]]:
        """Return (price, size, orders) of all levels of a side, best first."""
        prices = {order.price for order in self.orders.values() if order.side == side}
        found = []
        for price in sorted(prices, reverse=side == "B"):
            sizes = [o.size for o in self.orders.values() if (o.side, o.price) == (side, price)]
            found.append((price, sum(sizes), len(sizes)))
        return found

    def queue(self, side: str, price: int) -> list[int]:
        """Return the order ids at a price, front of the queue first."""
        here = [
            (o.arrival, i) for i, o in self.orders.items() if (o.side, o.price) == (side, price)
        ]
        return [order_id for _, order_id in sorted(here)]
