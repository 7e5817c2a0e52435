"""What a walk-forward costs beside the same passes run one set at a time, and its peak memory.

    python -m benchmarks.walk_forward [--events 100000] [--sets 100]

Sixty simulated sessions make twelve windows (twelve sessions to choose, four to judge). What a set
earns in a session is found once, however many windows the session is in; a pass serves all sets
that miss. Beside it: five of the sets over the sessions of one window, a pass for each set and
session, and their time multiplied. One thread, processor time. Each walk-forward runs in a process
of its own, whose peak memory is told.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl

import strategy_lab_core as lab
from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.simulate import simulate
from strategy_lab_core.search.notebook import SearchEngine
from strategy_lab_core.strategies.loader import load_strategy

__all__ = ["main"]

BUILD = Path(__file__).parent.parent / "build"
SESSIONS, TRAIN, TEST = 60, 12, 4
SAMPLE_SETS = 5
CORES = 1
CAPITAL = 10_000
SPACE = {
    "threshold_ticks": {"low": 0.5, "high": 6.0},
    "half_life_ms": {"low": 100, "high": 30_000, "log": True},
    "hold_ms": {"low": 500, "high": 60_000, "log": True},
}
Sessions = dict[str, Callable[[], pl.DataFrame]]
Figures = dict[str, float]


def sessions_of(events: int, count: int) -> Sessions:
    """Return readers of the first simulated sessions; their files are made once and kept."""
    folder = BUILD / f"sessions-{events}"
    folder.mkdir(parents=True, exist_ok=True)
    days = session_calendar("CME Globex Equity").sessions(date(2025, 1, 13), date(2025, 5, 30))
    found: Sessions = {}
    for number, day in enumerate(days[:count]):
        path = folder / f"{day.key}.parquet"
        if not path.exists():
            market = simulate([day], seed=number, events_per_session=events, faults=False)
            market.table().write_parquet(path)
        found[str(day.key)] = partial(pl.read_parquet, path)
    return found


def walk(events: int, count: int, sets: int) -> Figures:
    """Walk forward in this process; return its figures."""
    sessions = sessions_of(events, count)
    strategy, engine = load_strategy("flow_momentum"), SearchEngine(cores=CORES, known={})
    warm_up(sessions)
    begun, processor = time.perf_counter(), time.process_time()
    found = lab.walk_forward(
        sessions, strategy, capital=CAPITAL, train=TRAIN, test=TEST, space=SPACE, engine=engine,
        method="random", objective="net_profit", n_trials=sets, batch_size=sets, seed=1,
    )  # fmt: skip
    return {
        "windows": len(found.windows),
        "passes_of_a_set": len(engine.known or ()),
        "seconds": time.perf_counter() - begun,
        "processor_seconds": time.process_time() - processor,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def one_at_a_time(events: int, sets: int) -> float:
    """Return the processor seconds of a pass that serves one set, its session read for it."""
    sessions = sessions_of(events, TRAIN + TEST)
    strategy = load_strategy("flow_momentum")
    warm_up(sessions)
    first = {day: sessions[day] for day in list(sessions)[:1]}
    drawn = lab.search(
        first, strategy, capital=CAPITAL, space=SPACE, method="random", n_trials=sets, seed=1,
        objective="net_profit", batch_size=sets,
    )  # fmt: skip
    sample = [trial.parameters for trial in drawn.trials[:: max(sets // SAMPLE_SETS, 1)]]
    begun = time.process_time()
    for parameters in sample:
        for read in sessions.values():
            lab.sweep(read(), strategy, [parameters], cores=CORES, keep_orders=False)
    return (time.process_time() - begun) / (len(sample) * len(sessions))


def warm_up(sessions: Sessions) -> None:
    """Load or compile the engine: what is timed begins with it ready."""
    lab.sweep(next(iter(sessions.values()))(), load_strategy("flow_momentum"), [{}], cores=CORES)


def apart(what: str, events: int, count: int, sets: int) -> Figures:
    """Return the figures of a measurement in a process of its own."""
    numbers = ["--events", str(events), "--sessions", str(count), "--sets", str(sets)]
    command = [sys.executable, "-m", "benchmarks.walk_forward", "--measure", what, *numbers]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: Figures = json.loads(done.stdout)
    return found


def show(events: int, sets: int) -> None:
    """Measure everything, and print it as Markdown."""
    sessions_of(events, SESSIONS)
    whole = apart("walk", events, SESSIONS, sets)
    alone = apart("alone", events, TRAIN + TEST, sets)["seconds"]
    scaled = alone * whole["passes_of_a_set"]
    print(
        f"{whole['windows']:.0f} windows over {SESSIONS} sessions of {events:,} events, {sets} "
        f"sets: {whole['passes_of_a_set']:,.0f} results\n\n"
        "| work | processor seconds |\n| --- | --- |\n"
        f"| the walk-forward ({whole['seconds']:.0f} s of the clock) "
        f"| {whole['processor_seconds']:.0f} |\n"
        f"| a pass for each result, {alone:.3f} s in a sample of {SAMPLE_SETS} sets over "
        f"{TRAIN + TEST} sessions, multiplied | {scaled:.0f} |\n"
        f"| times | {scaled / whole['processor_seconds']:.1f} |\n"
    )
    print("| sessions | sets | peak MB |\n| --- | --- | --- |")
    print(f"| {SESSIONS} | {sets} | {whole['peak_mb']:.0f} |")
    for count, some in ((36, sets), (16, sets), (16, sets // 2), (16, sets // 10)):
        peak = apart("walk", events, count, some)["peak_mb"]
        print(f"| {count} | {some} | {peak:.0f} |", flush=True)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="of each session")
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--sets", type=int, default=100)
    parser.add_argument("--measure", choices=["walk", "alone"], help="one thing, as JSON")
    wanted = parser.parse_args()
    if wanted.measure == "walk":
        print(json.dumps(walk(wanted.events, wanted.sessions, wanted.sets)))
    elif wanted.measure == "alone":
        print(json.dumps({"seconds": one_at_a_time(wanted.events, wanted.sets)}))
    else:
        show(wanted.events, wanted.sets)


if __name__ == "__main__":
    main()
