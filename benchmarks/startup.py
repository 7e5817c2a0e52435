"""How long a process takes from its start to the end of its first small backtest.

Each in a process of its own with a cache folder of its own: nothing compiled yet, all compiled,
and after an edit of the strategy. What a user waits for who runs a backtest from the command line.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

__all__ = ["start_times"]

ROOT = Path(__file__).parent.parent
RUN = """
import sys
from pathlib import Path
from benchmarks.stages import CONFIG, prepare, session_of
from strategy_lab_core.engine.run import Costs, run_pass
from strategy_lab_core.strategies.loader import load_strategy
session = session_of(prepare(Path("build/bench"), 20_000))
strategy = load_strategy(sys.argv[1])
run_pass(session, [strategy], [CONFIG], [Costs(500_000, 0, 0)])
"""


def _start(strategy: Path, cache: Path) -> float:
    """Return the seconds of one process."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT)}
    for name in ("NUMBA_CACHE_DIR", "PYTHONDONTWRITEBYTECODE"):
        environment.pop(name, None)
    begun = time.perf_counter()
    command = [sys.executable, "-c", RUN, str(strategy)]
    subprocess.run(command, check=True, cwd=ROOT, env=environment)
    return time.perf_counter() - begun


def start_times(repeat: int) -> dict[str, float]:
    """Return the cold start, and minimum and median of `repeat` cached and edited ones, seconds."""
    with tempfile.TemporaryDirectory() as folder:
        cache, strategy = Path(folder) / "cache", Path(folder) / "own_maker.py"
        shutil.copy(ROOT / "benchmarks" / "maker.py", strategy)
        cold = _start(strategy, cache)
        cached = [_start(strategy, cache) for _ in range(repeat)]
        edited = []
        for number in range(repeat):
            text = strategy.read_text()
            strategy.write_text(text.replace("shift = ", f"shift = {number} - {number} + "))
            edited.append(_start(strategy, cache))
    return {
        "start_cold_s": cold,
        "start_cached_min_s": min(cached),
        "start_cached_median_s": statistics.median(cached),
        "start_edited_min_s": min(edited),
        "start_edited_median_s": statistics.median(edited),
    }
