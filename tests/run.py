"""Run the test suite: `python -m tests.run [--all]`.

First everything compiled, spread over the cores; then core's tests again as plain Python
(NUMBA_DISABLE_JIT=1), which is the run that measures the coverage of the kernels.
"""

import os
import subprocess
import sys

COMPILED = ["-n", "2"]
INTERPRETED = ["tests/core", "-n", "2", "--cov", "--cov-report=term:skip-covered"]


def run(arguments: list[str], **environment: str) -> int:
    """Run pytest once and return its exit code."""
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode


def main(everything: bool) -> int:
    """Run both passes; stop after the first that fails."""
    chosen = [] if everything else ["-m", "not slow"]
    profile = "thorough" if everything else "default"
    compiled = run([*COMPILED, *chosen], STRATEGY_LAB_TEST_PROFILE=profile, NUMBA_BOUNDSCHECK="1")
    if compiled != 0:
        return compiled
    return run(
        [*INTERPRETED, "--cov-fail-under=90", "-m", "not slow"],
        STRATEGY_LAB_TEST_PROFILE="interpreted",
        NUMBA_DISABLE_JIT="1",
    )


if __name__ == "__main__":
    sys.exit(main("--all" in sys.argv[1:]))
