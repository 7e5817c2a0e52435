"""Hand-written sessions: rows by name, and a strategy that does what it is told, when told."""

from typing import Annotated, NamedTuple

from strategy_lab_core._jit import kernel
from strategy_lab_core.engine.backtest import BacktestResult, backtest
from strategy_lab_core.engine.config import BacktestConfig, LatencyConfig, LimitsConfig
from strategy_lab_core.strategies.requests import (
    buy_fok,
    buy_ioc,
    buy_limit,
    buy_market,
    buy_post_only,
    buy_stop,
    buy_stop_limit,
    cancel,
    modify,
    sell_limit,
    sell_market,
    sell_stop,
)
from strategy_lab_core.strategies.strategy import Bounds, Memory, View, strategy
from strategy_lab_core.types import Int2D
from tests.core.engine.tapes import MNQ, SECOND, START_NS, session_until, to_table
from tests.naive.book import LAST, SNAPSHOT
from tests.naive.tape import Row

__all__ = ["MS", "QUICK", "Scene", "two_steps"]

MS = 1_000_000
NOTHING, BUY_LIMIT, SELL_LIMIT, BUY_MARKET, SELL_MARKET, CANCEL_FIRST = range(6)
BUY_IOC, BUY_FOK, BUY_POST_ONLY, BUY_STOP, BUY_STOP_LIMIT, SELL_STOP, MODIFY_FIRST = range(6, 13)
QUICK = BacktestConfig(
    latency=LatencyConfig(order_ns=0, response_ns=0, feed_offset_ns=0),
    limits=LimitsConfig(max_position=1_000, max_order_size=1_000),
    allow_partial=True,
)


class StepParams(NamedTuple):
    """Two actions, each at a time in ms after the start: what, price, lots."""

    at_1: Annotated[int, Bounds(0, 10**6)] = 10
    what_1: Annotated[int, Bounds(0, 12)] = NOTHING
    tick_1: Annotated[int, Bounds(-(10**6), 10**6)] = 0
    lots_1: Annotated[int, Bounds(0, 10**6)] = 1
    at_2: Annotated[int, Bounds(0, 10**6)] = 10**6
    what_2: Annotated[int, Bounds(0, 12)] = NOTHING
    tick_2: Annotated[int, Bounds(-(10**6), 10**6)] = 0
    lots_2: Annotated[int, Bounds(0, 10**6)] = 1


@kernel
def _act(view: View, what: int, tick: int, lots: int, requests: Int2D) -> None:
    if what == 1:
        buy_limit(requests, tick, lots)
    elif what == 2:
        sell_limit(requests, tick, lots)
    elif what == 3:
        buy_market(requests, lots)
    elif what == 4:
        sell_market(requests, lots)
    elif what == 5 and view.n_orders > 0:
        cancel(requests, view.orders[0, 0])
    else:
        _act_specially(view, what, tick, lots, requests)


@kernel
def _act_specially(view: View, what: int, tick: int, lots: int, requests: Int2D) -> None:
    if what == 6:
        buy_ioc(requests, tick, lots)
    elif what == 7:
        buy_fok(requests, tick, lots)
    elif what == 8:
        buy_post_only(requests, tick, lots)
    elif what == 9:
        buy_stop(requests, tick, lots)
    elif what == 10:
        buy_stop_limit(requests, tick, tick, lots)
    elif what == 11:
        sell_stop(requests, tick, lots)
    elif what == 12 and view.n_orders > 0:
        modify(requests, view.orders[0, 0], tick, lots)


@strategy(StepParams, on_book=False, timer_ns=MS, ints=1)
def two_steps(memory: Memory, view: View, p: StepParams, requests: Int2D) -> None:
    """Act at the first timer at or after each time."""
    if view.wake != 3:
        return
    elapsed = view.now_ns - 1_700_000_000_000_000_000
    if memory.ints[0] == 0 and elapsed >= p.at_1 * 1_000_000:
        memory.ints[0] = 1
        _act(view, p.what_1, p.tick_1, p.lots_1, requests)
    if memory.ints[0] == 1 and elapsed >= p.at_2 * 1_000_000:
        memory.ints[0] = 2
        _act(view, p.what_2, p.tick_2, p.lots_2, requests)


class Scene:
    """A session written event by event; times in ms after the start, prices in ticks."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.event(0, "R", "N", None, 0, flags=SNAPSHOT | 8)

    def event(
        self,
        at_ms: int,
        action: str,
        side: str,
        tick: int | None,
        size: int,
        order_id: int = 0,
        *,
        flags: int = LAST,
        trusted: bool = True,
    ) -> "Scene":
        """Add a row; without `LAST` in `flags` the next row belongs to the same event."""
        when = START_NS + at_ms * MS
        self.rows.append(Row(action, side, tick, size, order_id, flags, when, when, trusted))
        return self

    def trade(self, at_ms: int, side: str, tick: int, fills: list[tuple[int, int]]) -> "Scene":
        """Add a trade of an aggressor on `side` with (order id, lots), and the cancels after it."""
        resting = "A" if side == "B" else "B"
        self.event(at_ms, "T", side, tick, sum(lots for _, lots in fills), flags=0)
        for order_id, lots in fills:
            self.event(at_ms, "F", resting, tick, lots, order_id, flags=0)
        for order_id, lots in fills:
            self.event(at_ms, "C", resting, tick, lots, order_id, flags=0)
        self.rows[-1].flags = LAST
        return self

    def run(
        self,
        config: BacktestConfig = QUICK,
        *,
        close_s: int = 600,
        halts: tuple[tuple[int, int], ...] = (),
        **steps: int,
    ) -> BacktestResult:
        """Run `two_steps` with these steps on the session."""
        session = session_until(START_NS + close_s * SECOND, halts_ms=halts)
        actor = two_steps(**steps)
        return backtest(to_table(self.rows), actor, config, session=session, instrument=MNQ)
