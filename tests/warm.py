"""Compile what most tests need once, before each worker would do it: `python -m tests.warm`."""

from datetime import date

from strategy_lab_core.book.replay import replay
from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.simulate import simulate
from strategy_lab_core.engine.backtest import backtest
from strategy_lab_core.strategies.imbalance import imbalance
from strategy_lab_core.types import NS_PER_SECOND

OPEN_NS = 1_736_866_800 * NS_PER_SECOND


def main() -> None:
    """Run a session of one minute through books and engine."""
    day, minute_ns = date(2025, 1, 14), 60 * NS_PER_SECOND
    times = (OPEN_NS - 2 * minute_ns, OPEN_NS - minute_ns, OPEN_NS, OPEN_NS + minute_ns)
    session = Session(day, day, *times, ())
    ticks = simulate([session], seed=1, events_per_session=200, faults=False).table()
    replay(ticks)
    backtest(ticks, imbalance(), session=session)


if __name__ == "__main__":
    main()
