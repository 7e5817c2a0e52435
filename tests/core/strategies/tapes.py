"""Templates on hand-written and on simulated sessions: what they sent, in ticks and lots."""

from datetime import date
from typing import NamedTuple

import polars as pl

from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.simulate import simulate
from strategy_lab_core.engine.backtest import BacktestResult, backtest
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.strategies.strategy import Strategy
from tests.core.engine.scenes import MS, QUICK, Scene
from tests.core.engine.tapes import MNQ, SECOND, START_NS, TICK, session_until, to_table

__all__ = ["Sent", "quiet_book", "run", "sent", "simulated_minutes"]


class Sent(NamedTuple):
    """One order: its last price in ticks, its lots, and why it ended."""

    side: str
    tick: int | None
    size: int
    filled: int
    end: str


def quiet_book(bid: int = 1_000, ask: int = 1_004) -> Scene:
    """Return a session whose book has 10 lots a side: orders 1 (bid) and 2 (ask)."""
    return Scene().event(1, "A", "B", bid, 10, 1).event(1, "A", "A", ask, 10, 2)


def run(
    scene: Scene, strategy: Strategy, config: BacktestConfig = QUICK, *, close_s: int | None = None
) -> BacktestResult:
    """Run a strategy on a scene; with zero latency and wide limits unless told otherwise.

    Up to two seconds after its last row, in the midst of a session; or until `close_s`, with the
    engine ending flat 60 s before.
    """
    last_ms = (scene.rows[-1].ts_event - START_NS) // MS
    end_ms = last_ms + 2_000 if close_s is None else 1_000 * close_s - 1
    last = Scene().event(end_ms, "A", "B", 900, 1, 999).rows[1:]
    session = session_until(START_NS + (close_s or 3_600) * SECOND)
    return backtest(to_table(scene.rows + last), strategy, config, session=session, instrument=MNQ)


def sent(result: BacktestResult) -> list[Sent]:
    """Return the orders of a run in the order of sending."""
    columns = ("side", "price", "size", "filled", "end_reason")
    return [
        Sent(str(side), None if price is None else price // TICK, size, filled, end)
        for side, price, size, filled, end in result.orders.select(columns).iter_rows()
    ]


def simulated_minutes(seed: int) -> tuple[Session, pl.DataFrame]:
    """Return a session of ten minutes and its simulated rows."""
    day = date(2025, 1, 14)
    opens = 1_736_866_800 * SECOND
    times = (opens - 3_600 * SECOND, opens - 600 * SECOND, opens, opens + 600 * SECOND)
    session = Session(day, day, *times, ())
    market = simulate([session], seed=seed, events_per_session=2_000, faults=False)
    return session, market.table()
