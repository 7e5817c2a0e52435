"""Random market-by-order sessions for the engine's tests, small, with everything that can go wrong.

A toy market with its own first in, first out matching gives trades, fills and cancels that belong
together; now and then a row is made up (unknown ids, odd sides, snapshots, untrusted stretches).
"""

import random
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.columns import Table, table
from strategy_lab_core.data.instruments import Instrument, product_of
from strategy_lab_core.types import EMPTY_PRICE, BookState
from tests.naive.book import LAST, SNAPSHOT
from tests.naive.tape import Row

START_NS = 1_700_000_000_000_000_000
TICK = 250_000_000
TICK_VALUE = 500_000  # MNQ: 0.25 points x 2 USD, in 1e-6
SECOND = 1_000_000_000
MNQ = Instrument(
    instrument_id=7,
    symbol="MNQH4",
    product=product_of("MNQH4"),
    kind="outright",
    tick_size=TICK,
    multiplier=2_000_000_000,
)


def session_until(
    close_ns: int, *, open_ns: int = START_NS, halts_ms: tuple[tuple[int, int], ...] = ()
) -> Session:
    """Return a session that opens with the tape; halts in ms after the start."""
    day = date(2023, 11, 14)
    halts = tuple((START_NS + a * 10**6, START_NS + b * 10**6) for a, b in halts_ms)
    window = (open_ns - 60 * SECOND, open_ns - 10 * SECOND, open_ns, close_ns)
    return Session(day, day, *window, halts)


def to_table(rows: list[Row]) -> Table:
    """Return the validated `mbo` table of rows whose prices are in ticks."""
    prices = [EMPTY_PRICE if row.price is None else row.price * TICK for row in rows]
    states = [BookState.TRUSTED if row.trusted else BookState.UNRELIABLE for row in rows]
    return table(
        {
            "ts_event": np.array([row.ts_event for row in rows], np.int64),
            "ts_recv": np.array([row.ts_recv for row in rows], np.int64),
            "instrument_id": np.full(len(rows), 7, np.uint32),
            "action": np.array([ord(row.action) for row in rows], np.uint8),
            "side": np.array([ord(row.side) for row in rows], np.uint8),
            "price": np.array(prices, np.int64),
            "size": np.array([row.size for row in rows], np.uint32),
            "order_id": np.array([row.order_id for row in rows], np.uint64),
            "flags": np.array([row.flags for row in rows], np.uint8),
            "symbol": ["MNQH4"] * len(rows),
            "book_state": np.array(states, np.uint8),
        }
    )


@dataclass
class ToyMarket:
    """Live orders in order of arrival, and the rows written so far."""

    random: random.Random
    wild: bool
    now: int = START_NS
    live: dict[int, tuple[str, int, int]] = field(default_factory=dict)  # id: side, tick, size
    next_id: int = 1
    rows: list[Row] = field(default_factory=list)

    def write(self, event: list[Row], *, snapshot: bool = False) -> None:
        """Stamp the rows of one event and append them."""
        roll = self.random
        self.now += roll.choice([0, 1_000, 400_000, 1_000_000, 5_000_000, 60_000_000, 300_000_000])
        latency = roll.choice([100_000, 200_000, 3_000_000, -50_000 if self.wild else 100_000])
        trusted = not (self.wild and roll.random() < 0.1)
        for row in event:
            row.ts_event, row.ts_recv, row.trusted = self.now, self.now + latency, trusted
            if snapshot:
                row.flags = SNAPSHOT | 8
                row.ts_event -= roll.randrange(10**12)
            elif self.wild and roll.random() < 0.05:
                row.flags |= 8
        if not snapshot:
            event[-1].flags |= LAST
        self.rows += event

    def add(self) -> None:
        """Add an order, which trades with what it crosses."""
        roll = self.random
        side = roll.choice("BA")
        tick = 1_000 + roll.randint(-2, 2) + (-1 if side == "B" else 1)
        size = roll.randint(1, 6)
        event, left, gone = [], size, []
        other = "A" if side == "B" else "B"
        sign = 1 if side == "B" else -1
        for price in sorted(
            {t for s, t, _ in self.live.values() if s == other and sign * (t - tick) <= 0},
            key=lambda price: sign * price,
        ):
            fills = []
            for order_id, (s, t, theirs) in self.live.items():
                if s == other and t == price and left > 0:
                    lots = min(left, theirs)
                    fills.append((order_id, lots))
                    left -= lots
            total = sum(lots for _, lots in fills)
            if total:
                event.append(Row("T", side, price, total))
                event += [Row("F", other, price, lots, order_id) for order_id, lots in fills]
                gone += [(order_id, price, lots) for order_id, lots in fills]
        rest = [Row("A", side, tick, left, self.next_id)] if left else []
        changes = [Row("C", other, price, lots, order_id) for order_id, price, lots in gone]
        event += rest + changes if roll.random() < 0.5 else changes + rest
        for order_id, _, lots in gone:
            self.reduce(order_id, lots)
        if left:
            self.live[self.next_id] = (side, tick, left)
        self.next_id += 1
        self.write(event)

    def reduce(self, order_id: int, lots: int) -> None:
        """Take lots off a live order."""
        side, tick, size = self.live.pop(order_id)
        if size > lots:  # an order that is partly filled keeps its place
            kept = {**self.live, order_id: (side, tick, size - lots)}
            self.live = dict(sorted(kept.items()))

    def change(self) -> None:
        """Cancel or modify a live order."""
        roll = self.random
        if not self.live:
            self.add()
            return
        order_id = roll.choice(list(self.live))
        side, tick, size = self.live[order_id]
        if roll.random() < 0.6:
            lots = roll.randint(1, size)
            self.reduce(order_id, lots)
            self.write([Row("C", side, tick, lots, order_id)])
            return
        sign = 1 if side == "B" else -1
        tick, size = tick - sign * roll.randint(0, 1), roll.randint(1, 6)
        self.live[order_id] = (side, tick, size)
        self.write([Row("M", side, tick, size, order_id)])

    def surprise(self) -> None:
        """Write what a coherent market never would."""
        roll = self.random
        kind = roll.random()
        if kind < 0.3:
            rows = [
                Row("A", side, tick, size, order_id)
                for order_id, (side, tick, size) in self.live.items()
                if roll.random() < 0.9
            ]
            if rows:
                self.write([Row("R"), *rows] if roll.random() < 0.5 else rows, snapshot=True)
            return
        if kind < 0.4:
            self.write([Row("R")])
            return
        self.write(
            [
                Row(
                    roll.choice("ACMTFFN"),
                    roll.choice("BAN"),
                    1_000 + roll.randint(-6, 6),
                    roll.randint(1, 6),
                    roll.randint(1, self.next_id + 2),
                )
                for _ in range(roll.randint(1, 4))
            ]
        )


def random_rows(seed: int, n_events: int, *, wild: bool, start_ns: int = START_NS) -> list[Row]:
    """Return a tape of about `n_events` events; the same arguments give the same rows."""
    market = ToyMarket(random.Random(seed), wild, now=start_ns)
    market.write([Row("R")], snapshot=True)
    for _ in range(6):
        market.add()
    for _ in range(n_events):
        what = market.random.random()
        if wild and what < 0.08:
            market.surprise()
        elif what < 0.5:
            market.change()
        else:
            market.add()
    return market.rows
