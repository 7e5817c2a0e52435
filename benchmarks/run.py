"""Time every stage beside the calibration loop, measure its peak memory, write build/bench.json.

``make bench``, or ``python -m benchmarks.run --rows 7000000 --repeat 5``. Stage and calibration
alternate in one process and their ratio is one of processor times (of all threads), so that the
load of the machine meets both; peak memory is that of a process of its own for each stage.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.stages import STAGES, Prepared, calibrate, prepare
from benchmarks.tape import ROWS

BUILD = Path(__file__).parent.parent / "build"
GOALS_CAL = {"l3_book_tob": 4.5, "l3_book_mbp10": 9.0, "l3_backtest": 5.5, "l3_sweep100": 54.0}
GOALS_S = {"read_dbn": 1.0, "row_checks": 0.10}
WARM_ROWS = 20_000
MAKE = "make"  # the stage that only makes the tape


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return the wall time of one call, and the processor time of all its threads."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def measure(stage: str, prepared: Prepared, repeat: int) -> dict[str, float]:
    """Return wall seconds, rows per second, and processor time in calibration loops."""
    work = STAGES[stage][1](prepared)
    wall: list[float] = []
    processor: list[float] = []
    yardstick: list[float] = []
    for _ in range(repeat):
        yardstick += [seconds(lambda: calibrate(prepared))[1] for _ in range(3)]
        for times, taken in zip((wall, processor), seconds(work), strict=True):
            times.append(taken)
    return {
        "min_s": min(wall),
        "median_s": statistics.median(wall),
        "rows_per_s": prepared.rows / min(wall),
        "cal": min(processor) / min(yardstick),
        "cal_median": statistics.median(processor) / statistics.median(yardstick),
        "calibration_min_s": min(yardstick),
    }


def peak_mb(stage: str, rows: int) -> float:
    """Return the peak memory of a process that does the stage once, in MB.

    To be called while this process is small: a child begins with its parent's peak.
    """
    command = [sys.executable, "-m", "benchmarks.run", "--peak", stage, "--rows", str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def print_peak(stage: str, rows: int) -> None:
    """Do a stage once and print this process's peak memory in MB."""
    if stage != MAKE:
        STAGES[stage][1](prepare(BUILD / "bench", rows))()
    prepare(BUILD / "bench", rows)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def goal_of(stage: str) -> str:
    """Return the goal of a stage in words."""
    if stage in GOALS_CAL:
        return f"{GOALS_CAL[stage]} Cal"
    return f"{GOALS_S[stage]} s" if stage in GOALS_S else "-"


def report(figures: dict[str, dict[str, float]], rows: int) -> None:
    """Print the table and write build/bench.json."""
    print(f"{rows:,} rows; times are minimum / median; Cal is the calibration loop\n")
    print(f"{'stage':14} {'seconds':>15} {'M rows/s':>9} {'Cal':>13} {'peak MB':>8}  goal")
    for stage, found in figures.items():
        print(
            f"{stage:14} {found['min_s']:7.3f} /{found['median_s']:6.3f} "
            f"{found['rows_per_s'] / 1e6:9.1f} {found['cal']:6.2f} /{found['cal_median']:5.2f} "
            f"{found['peak_mb']:8.0f}  {goal_of(stage)}"
        )
    flat = {f"{stage}_{name}": value for stage, found in figures.items()
            for name, value in found.items()}  # fmt: skip
    BUILD.mkdir(exist_ok=True)
    text = json.dumps({"rows": rows} | flat, indent=2, sort_keys=True)
    (BUILD / "bench.json").write_text(text + "\n")


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--stages", nargs="*", default=list(STAGES), choices=list(STAGES))
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print_peak(options.peak, options.rows)
        return
    peak_mb(MAKE, options.rows)
    peaks = {stage: peak_mb(stage, options.rows) for stage in options.stages}
    warm = prepare(BUILD / "bench", WARM_ROWS)
    prepared = prepare(BUILD / "bench", options.rows)
    figures = {}
    for stage in options.stages:
        STAGES[stage][1](warm)()  # compiles
        figures[stage] = measure(stage, prepared, options.repeat) | {"peak_mb": peaks[stage]}
    report(figures, options.rows)


if __name__ == "__main__":
    main()
