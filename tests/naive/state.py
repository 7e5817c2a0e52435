"""What the naive engine knows between two steps: of the market, of our orders, under way."""

from typing import Any

import numpy as np

from strategy_lab_core.engine.config import BacktestConfig
from tests.naive.book import NaiveBook
from tests.naive.latency import NaiveLatency
from tests.naive.orders import Fill, Own
from tests.naive.tape import Row, events_of

__all__ = ["NEVER", "SECOND", "State"]

SECOND = 1_000_000_000
NEVER = 2**62


class State:
    """A run's orders, fills, position and cash, and what is yet to come.

    Parameters
    ----------
    rows
        The tape, prices in ticks.
    strategy
        As for the engine.
    config
        As for the engine.
    hours
        (open, flatten, end) in ns.
    phases
        (start, phase) pairs; phase 2 is open.
    tick_value, maker_fee, taker_fee
        Money per lot.
    """

    def __init__(
        self,
        rows: list[Row],
        strategy: Any,
        config: BacktestConfig,
        *,
        hours: tuple[int, int, int],
        phases: list[tuple[int, int]],
        tick_value: int,
        maker_fee: int,
        taker_fee: int,
    ) -> None:
        self.strategy, self.config, self.repair = strategy, config, 0
        self.max_position = config.limits.max_position
        if config.limits.max_margin_e6 is not None:  # in the tests the margin is always given
            assert config.margin.initial_e6
            most = config.limits.max_margin_e6 // config.margin.initial_e6
            self.max_position = min(self.max_position, most)
        self.money = (tick_value, maker_fee, taker_fee)
        self.orders: list[Own] = []
        self.fills: list[Fill] = []
        self.used: dict[int, int] = {}
        self.refused: dict[str, int] = {}
        self.resting: list[Own] = []
        self.stops: list[Own] = []
        self.traded: list[int] = []
        self.latency = NaiveLatency(config)
        self.answers = 0
        self.to_exchange: list[tuple[int, str, Own, int, int, int | None]] = []
        self.sent_at: list[int] = []
        self.to_us: list[tuple[int, str, Own, int, int]] = []
        self.last_arrival = self.last_response = 0
        self.position = self.cash = self.known_position = self.known_cash = self.killed = 0
        self.flight: list[tuple[int, tuple[int, ...]]] = []
        self.pool = self.trade_side = self.bought = self.sold = self.last_tick = 0
        self._take_up(rows, hours, phases)
        self.ints = np.zeros(strategy.n_ints, np.int64)
        self.floats = np.zeros(strategy.n_floats)

    def _take_up(
        self, rows: list[Row], hours: tuple[int, int, int], phases: list[tuple[int, int]]
    ) -> None:
        """Begin a session: its events are to come, its book is empty, nothing is seen."""
        self.events, repair = events_of(rows, self.config)
        self.repair = max(self.repair, repair)
        self.open, self.flatten_at, self.end = hours
        self.phases, self.book = phases, self._empty_book()
        self.seen: tuple[int, ...] = (0,) * 11
        self.pushed: tuple[int, ...] | None = None
        self.trusted = self.may_close = False
        self.feed_sent, self.next_trim, self.next_timer = 0, NEVER, self._first_timer()
        self.next_flatten = self.open if self.killed else self.flatten_at
        self.waiting = list(self.events)

    def _empty_book(self) -> Any:
        return NaiveBook()

    def _first_timer(self, begin: int = 0) -> int:
        timer = self.strategy.timer_ns
        if not timer:
            return NEVER
        when = self.open
        while when < max(self.events[0].local, begin):
            when += timer
        return int(when)

    def is_open(self, now: int) -> bool:
        """Say whether orders match at this time."""
        return [phase for start, phase in self.phases if start <= now][-1:] == [2]

    def live(self) -> list[Own]:
        """Return the orders that we do not know to be over."""
        return [order for order in self.orders if not order.known_over]
