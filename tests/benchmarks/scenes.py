"""Small tapes on which one engine fills an order and the other does not, a scene a reason."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from benchmarks.depth import depth_session
from benchmarks.differences import Filled, Order, Reason
from strategy_lab_core.engine.config import LatencyConfig
from strategy_lab_core.engine.tape import SessionTape, session_tape
from strategy_lab_core.types import Phase
from tests.core.engine.tapes import START_NS, TICK, session_until, to_table
from tests.naive.book import LAST
from tests.naive.tape import Row

__all__ = ["ORDERS_NS", "SCENES", "Scene", "tape_from", "tape_of"]

MS = 1_000_000
NEVER_NS = 2**62
ORDERS_NS = START_NS + MS  # our first order arrives, a nanosecond later the next one
LATER_NS = START_NS + 2 * MS
BOOK = [Row("A", "B", 100, 2, 1), Row("A", "A", 110, 5, 2)]


class Scene(NamedTuple):
    """Events after the first book and our orders, and what both engines make of them."""

    reason: Reason
    orders: list[tuple[int, int, int]]  # side, tick, lots
    events: list[list[Row]]
    ours: dict[int, list[Filled]]
    peers: dict[int, list[Filled]]
    by_price: bool = False

    @property
    def name(self) -> str:
        """Feed and reason."""
        return f"{'L2' if self.by_price else 'L3'}-{self.reason.name}"

    def tape(self) -> SessionTape:
        """Return the tape: the book, then the events a millisecond apart, and a quiet one."""
        made = tape_of([[row] for row in BOOK], [*self.events, [Row("A", "B", 90, 1, 8)]])
        return depth_session(made) if self.by_price else made

    def sent(self) -> list[Order]:
        """Return our orders in order of arrival."""
        is_refused = self.reason == Reason.REFUSED
        return [
            Order(number, side, tick, lots, ORDERS_NS + number, NEVER_NS, is_refused)
            for number, (side, tick, lots) in enumerate(self.orders)
        ]


def tape_of(before: list[list[Row]], after: list[list[Row]]) -> SessionTape:
    """Return a tape of events: some at its start, the others from `LATER_NS`, a ms apart."""
    times = [START_NS] * len(before) + [LATER_NS + i * MS for i in range(len(after))]
    rows = [
        replace(row, ts_event=now, ts_recv=now, flags=row.flags | (LAST if row is event[-1] else 0))
        for now, event in zip(times, [*before, *after], strict=True)
        for row in event
    ]
    return tape_from(rows)


def tape_from(rows: list[Row]) -> SessionTape:
    """Return a tape of stamped rows, open from its start."""
    phases = (np.array([START_NS]), np.array([Phase.OPEN]))
    session = session_until(max(row.ts_event for row in rows) + 1)
    latency = LatencyConfig(feed_offset_ns=0)
    return session_tape(to_table(rows), session, phases, tick_size=TICK, latency=latency)


def _filled(tick: int, lots: int, now_ns: int = LATER_NS) -> list[Filled]:
    return [Filled(now_ns, tick, lots, is_maker=now_ns >= LATER_NS)]


_SOLD = [Row("T", "A", 100, 1), Row("F", "B", 100, 1, 1), Row("C", "B", 100, 1, 1)]
_BEHIND = [Row("A", "B", 100, 2, 3)]
_BEHIND_SOLD = [Row("T", "A", 100, 1), Row("F", "B", 100, 1, 3), Row("C", "B", 100, 1, 3)]
_NS = LATER_NS + MS

SCENES = [
    Scene(Reason.SAME, [(1, 100, 1)], [_BEHIND, _BEHIND_SOLD],
          {0: _filled(100, 1, _NS)}, {0: _filled(100, 1, _NS)}),
    Scene(Reason.WHOLE, [(1, 105, 3)], [[Row("A", "A", 104, 2, 4)]],
          {0: _filled(105, 2)}, {0: _filled(105, 3)}),
    Scene(Reason.AHEAD_OF_BOOK, [(1, 105, 1)], [_SOLD], {0: _filled(105, 1)}, {}),
    Scene(Reason.USED_ONCE, [(1, 110, 5), (1, 110, 5)], [],
          {0: _filled(110, 5, ORDERS_NS)},
          {0: _filled(110, 5, ORDERS_NS), 1: _filled(110, 5, ORDERS_NS + 1)}),
    Scene(Reason.AGGRESSOR, [(1, 100, 1)],
          [_BEHIND, [Row("T", "B", 110, 2), Row("F", "B", 110, 2, 3), Row("F", "A", 110, 2, 2),
                     Row("C", "B", 100, 2, 3), Row("C", "A", 110, 2, 2)]],
          {}, {0: _filled(100, 1, _NS)}),
    Scene(Reason.LOTS_SPENT, [(1, 100, 1), (1, 100, 1)],
          [_BEHIND, [Row("T", "A", 100, 1), Row("F", "B", 100, 2, 3), Row("C", "B", 100, 2, 3)]],
          {0: _filled(100, 1, _NS)}, {0: _filled(100, 1, _NS), 1: _filled(100, 1, _NS)}),
    Scene(Reason.BEYOND_TRADE, [(1, 101, 1)],
          [[Row("A", "B", 102, 1, 3)],
           [Row("T", "A", 102, 2), Row("F", "B", 102, 1, 3), Row("F", "B", 100, 1, 1),
            Row("C", "B", 102, 1, 3), Row("C", "B", 100, 1, 1)]],
          {}, {0: _filled(101, 1, _NS)}),
    Scene(Reason.NOT_LIVE, [(1, 100, 1)],
          [_BEHIND, [replace(row, trusted=False) for row in _BEHIND_SOLD]],
          {}, {0: _filled(100, 1, _NS)}),
    Scene(Reason.REFUSED, [(1, 110, 1)], [], {}, {0: _filled(110, 1, ORDERS_NS)}),
    Scene(Reason.SAME, [(1, 100, 1)], [[Row("T", "A", 100, 3), Row("C", "B", 100, 2, 1)]],
          {0: _filled(100, 1)}, {0: _filled(100, 1)}, by_price=True),
    Scene(Reason.WHOLE, [(1, 105, 3)], [[Row("T", "A", 100, 2), Row("C", "B", 100, 2, 1)]],
          {0: _filled(105, 2)}, {0: _filled(105, 3)}, by_price=True),
    Scene(Reason.USED_ONCE, [(1, 105, 1), (1, 105, 1)], [[Row("A", "A", 104, 1, 4)]],
          {0: _filled(105, 1)}, {0: _filled(105, 1), 1: _filled(105, 1)}, by_price=True),
    Scene(Reason.LOTS_SPENT, [(1, 100, 1), (1, 100, 1)],
          [[Row("T", "A", 100, 3), Row("C", "B", 100, 2, 1)]],
          {0: _filled(100, 1)}, {0: _filled(100, 1), 1: _filled(100, 1)}, by_price=True),
]  # fmt: skip
