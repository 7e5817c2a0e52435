"""How far each search gets beside the same budget of random trials, on the simulated market.

    python -m benchmarks.searches [--seeds 10] [--trials 96]

A maker with three parameters (`quoter`) over five simulated sessions without fees; the objective is
their net profit. Every method has the same trials, in batches of sixteen; a grid has no seed, and
its points in their order. All searches share what is known of a set in a session.
"""

import argparse
from collections.abc import Sequence
from datetime import date
from math import sqrt

import numpy as np

import strategy_lab_core as lab
from benchmarks.quoter import quoter
from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.columns import Table
from strategy_lab_core.data.simulate import simulate
from strategy_lab_core.engine.config import BacktestConfig, FeeConfig
from strategy_lab_core.search.notebook import SearchEngine
from strategy_lab_core.types import Float1D, Float2D

__all__ = ["curves", "main"]

EVENTS = 10_000
BATCH = 16
CONFIG = BacktestConfig(fees=FeeConfig(maker_e6=0, taker_e6=0), sample_seconds=3_600)
GRID = {
    "half_ticks": [0.5, 1.5, 2.5, 3.5, 4.5, 6.0],
    "lean_ticks": [0.02, 0.1, 0.5, 2.5],
    "tilt_ticks": [-4.0, -1.0, 1.0, 4.0],
}
METHODS = ("grid", "random", "tpe", "nsga2", "cmaes")


def market() -> dict[str, Table]:
    """Return the simulated sessions."""
    days = session_calendar("CME Globex Equity").sessions(date(2025, 1, 13), date(2025, 1, 17))
    return {
        str(day.key): simulate([day], seed=seed, events_per_session=EVENTS, faults=False).table()
        for seed, day in enumerate(days)
    }


def curves(
    sessions: dict[str, Table], method: str, engine: SearchEngine, *, seeds: int, trials: int
) -> Float2D:
    """Return the best net profit after each trial (shape: seeds x trials)."""
    found = [
        lab.search(
            sessions, quoter, capital=10_000, engine=engine, method=method,
            space=GRID if method == "grid" else None,
            objective="net_profit", n_trials=trials, batch_size=BATCH, seed=seed,
        ).best_so_far()
        for seed in range(1 if method == "grid" else seeds)
    ]  # fmt: skip
    return np.array(found)


def main() -> None:
    """Search with every method, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=96, help="the grid has 96 points")
    wanted = parser.parse_args()
    shown = [n for n in (8, 16, 32, 64, 96, 128, 192, 256) if n <= wanted.trials]
    sessions, engine = market(), SearchEngine(config=CONFIG, known={})
    _row(["method", *(f"after {n}" for n in shown)])
    _row(["---"] * (len(shown) + 1))
    for method in METHODS:
        found = curves(sessions, method, engine, seeds=wanted.seeds, trials=wanted.trials)
        _row([method, *(_cell(found[:, min(n, found.shape[1]) - 1]) for n in shown)])


def _cell(best: Float1D) -> str:
    """Return the mean over seeds, with its standard error."""
    if len(best) < 2:
        return f"{best.mean():.1f}"
    return f"{best.mean():.1f} ({best.std(ddof=1) / sqrt(len(best)):.1f})"


def _row(cells: Sequence[str]) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
