"""Run the test suite: `python -m tests.run [--all]`.

What needs no engine runs while the kernels are compiled beside it, then the rest runs compiled,
with array bounds checked. `--all` adds the slow tests, thousands of cases a property, and a first
pass of core as plain Python (NUMBA_DISABLE_JIT=1), which measures the coverage of the kernels.
"""

import os
import subprocess
import sys
from pathlib import Path

SPREAD = ["-n", "2", "--dist", "worksteal"]
PLAIN = ["tests/core", "--cov", "--cov-report=term:skip-covered", "--cov-fail-under=90"]
CHECKED = {"NUMBA_BOUNDSCHECK": "1"}
WITHOUT_ENGINE = [
    "tests/core/data",
    "tests/core/report",
    *(str(path) for path in Path("tests/core/search").glob("test_[!n]*.py")),  # not of notebooks
    "tests/core/stats",
    "tests/pipeline/db",
    "tests/pipeline/test_lake.py",
    "tests/pipeline/test_lake_kill.py",
    "tests/pipeline/test_settings.py",
    "tests/pipeline/test_tables.py",
]


def run(profile: str, arguments: list[str], **environment: str) -> int:
    """Run pytest once and return its exit code."""
    environment["STRATEGY_LAB_TEST_PROFILE"] = profile
    command = [sys.executable, "-m", "pytest", "-q", *SPREAD, *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode


def main(everything: bool) -> int:
    """Run the passes; stop after the first that fails."""
    profile = "thorough" if everything else "default"
    chosen = [] if everything else ["-m", "not slow"]
    if everything and (failed := run("interpreted", [*PLAIN, *chosen], NUMBA_DISABLE_JIT="1")):
        return failed
    warm = [sys.executable, "-m", "tests.warm"]
    with subprocess.Popen(warm, env={**os.environ, **CHECKED}):
        failed = run(profile, [*WITHOUT_ENGINE, *chosen], **CHECKED)
    if failed:
        return failed
    rest = [f"--ignore={path}" for path in WITHOUT_ENGINE]
    return run(profile, [*rest, *chosen], **CHECKED)


if __name__ == "__main__":
    sys.exit(main("--all" in sys.argv[1:]))
