"""Time every stage beside the calibration loop and hftbacktest, write build/bench.json.

``make bench``, or ``python -m benchmarks.run --rows 7000000 --repeat 5``. A stage, the calibration
loop and, where there is one, the same work in hftbacktest take turns in one process, and what is
compared are processor times (of all threads), so that the load of the machine meets all of them.
Peak memory is that of a process of its own for each stage. Without hftbacktest (`make bench` has
an environment with it) its stages are left out.
"""

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.stages import STAGES, Prepared, calibrate, prepare
from benchmarks.startup import start_times
from benchmarks.tape import ROWS

BUILD = Path(__file__).parent.parent / "build"
GOALS_CAL = {"l3_book_tob": 4.5, "l3_book_mbp10": 9.0, "l3_backtest": 5.5, "l3_sweep100": 54.0,
             "l2_backtest": 4.0, "l2_sweep100": 54.0}  # fmt: skip
GOALS_S = {"read_dbn": 1.0, "row_checks": 0.10}
GOALS_RATIO = {"l2_vs_hftbacktest": 4, "l3_vs_hftbacktest": 12, "sweep100_vs_hftbacktest": 30}
WARM_ROWS = 20_000
Figures = dict[str, float]
Stage = Callable[[Prepared], Callable[[], None]]
PEERS: dict[str, Any] = {}  # `peer_stages.PeerStage` by name
if importlib.util.find_spec("hftbacktest"):
    from benchmarks.peer_stages import PEERS
MAKE = "make"  # the stage that only makes the tape


def tell(what: str) -> None:
    """Say on standard error what comes now: the whole takes a quarter of an hour."""
    print(what, file=sys.stderr, flush=True)


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return the wall time of one call, and the processor time of all its threads."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def work_of(stage: str) -> Stage:
    """Return how a stage is made ready."""
    made: Stage = PEERS[stage].make if stage in PEERS else STAGES[stage][1]
    return made


def measure(stages: list[str], prepared: Prepared, repeat: int) -> dict[str, Figures]:
    """Time stages and the calibration loop in turns; return the figures of each stage.

    Wall seconds, rows per second, and processor time in seconds and in calibration loops.
    """
    works = {stage: work_of(stage)(prepared) for stage in stages}
    return in_turns(works, lambda: calibrate(prepared), prepared.rows, repeat)


def in_turns(
    works: Mapping[str, Callable[[], object]],
    calibration: Callable[[], object],
    rows: int,
    repeat: int,
) -> dict[str, Figures]:
    """Time works over the same rows and the loop over them in turns; return figures by name."""
    wall: dict[str, list[float]] = {stage: [] for stage in works}
    processor: dict[str, list[float]] = {stage: [] for stage in works}
    yardstick: list[float] = []
    for _ in range(repeat):
        yardstick += [seconds(calibration)[1] for _ in range(3)]
        for stage, work in works.items():
            for times, taken in zip((wall[stage], processor[stage]), seconds(work), strict=True):
                times.append(taken)
    return {
        stage: {
            "min_s": min(wall[stage]),
            "median_s": statistics.median(wall[stage]),
            "processor_min_s": min(processor[stage]),
            "processor_median_s": statistics.median(processor[stage]),
            "rows_per_s": rows / min(wall[stage]),
            "cal": min(processor[stage]) / min(yardstick),
            "cal_median": statistics.median(processor[stage]) / statistics.median(yardstick),
            "calibration_min_s": min(yardstick),
            "calibration_median_s": statistics.median(yardstick),
        }
        for stage in works
    }


def ratios(figures: dict[str, Figures]) -> Figures:
    """Return how many times the processor time of ours hftbacktest takes for the same work."""
    found: Figures = {}
    for name, peer in PEERS.items():
        if name in figures and peer.beside in figures:
            found |= times_faster(peer.ratio, figures[peer.beside], figures[name], peer.share)
    return found


def times_faster(name: str, ours: Figures, peers: Figures, share: float) -> Figures:
    """Return the ratio of minima and of medians, where the peer did a share of the work."""
    return {
        f"{name}{key}": peers[took] / share / ours[took]
        for took, key in (("processor_min_s", ""), ("processor_median_s", "_median"))
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
        work_of(stage)(prepare(BUILD / "bench", rows))()
    prepare(BUILD / "bench", rows)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def goal_of(stage: str) -> str:
    """Return the goal of a stage in words."""
    if stage in GOALS_CAL:
        return f"{GOALS_CAL[stage]} Cal"
    return f"{GOALS_S[stage]} s" if stage in GOALS_S else "-"


def report(figures: dict[str, Figures], starts: Figures, rows: int) -> None:
    """Print the tables and write build/bench.json."""
    print(f"{rows:,} rows; times are minimum / median; Cal is the calibration loop\n")
    print(f"{'stage':19} {'seconds':>15} {'M rows/s':>9} {'Cal':>15} {'peak MB':>8}  goal")
    for stage, found in figures.items():
        print(
            f"{stage:19} {found['min_s']:7.3f} /{found['median_s']:6.3f} "
            f"{found['rows_per_s'] / 1e6:9.1f} {found['cal']:7.2f} /{found['cal_median']:6.2f} "
            f"{found['peak_mb']:8.0f}  {goal_of(stage)}"
        )
    compared = ratios(figures)
    for name, times in compared.items():
        goal = GOALS_RATIO.get(name)
        print(f"{name:31} {times:7.1f}" + (f"  goal {goal}" if goal else ""))
    for name, taken in starts.items():
        print(f"{name:31} {taken:7.2f}")
    flat = {f"{stage}_{name}": value for stage, found in figures.items()
            for name, value in found.items()}  # fmt: skip
    BUILD.mkdir(exist_ok=True)
    text = json.dumps({"rows": rows} | compared | starts | flat, indent=2, sort_keys=True)
    (BUILD / "bench.json").write_text(text + "\n")


def main() -> None:
    """Measure everything."""
    known = [*STAGES, *PEERS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--stages", nargs="*", default=known, choices=known)
    parser.add_argument("--no-start", action="store_true", help="leave the start-up times out")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print_peak(options.peak, options.rows)
        return
    tell(f"making the tape of {options.rows:,} rows")
    peak_mb(MAKE, options.rows)
    peaks = {}
    for stage in options.stages:
        tell(f"peak memory of {stage}")
        peaks[stage] = peak_mb(stage, options.rows)
    warm = prepare(BUILD / "bench", WARM_ROWS)
    starts = {}
    if not options.no_start:
        tell("starting cold, cached and with an edited strategy")
        starts = start_times(options.repeat)
    prepared = prepare(BUILD / "bench", options.rows)
    figures: dict[str, Figures] = {}
    for stage in (each for each in options.stages if each not in PEERS):
        beside = [peer for peer in options.stages if peer in PEERS and PEERS[peer].beside == stage]
        tell(f"compiling and timing {', '.join((stage, *beside))}")
        for each in (stage, *beside):
            work_of(each)(warm)()
        figures |= measure([stage, *beside], prepared, options.repeat)
    for stage, found in figures.items():
        found["peak_mb"] = peaks[stage]
    report(figures, starts, options.rows)


if __name__ == "__main__":
    main()
