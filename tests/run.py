"""Run the test suite: `python -m tests.run [--all]`.

Core's tests run as plain Python (NUMBA_DISABLE_JIT=1), which is the run that measures the coverage
of the kernels, while the kernels are compiled beside it; then everything runs compiled.
"""

import os
import subprocess
import sys

SPREAD = ["-n", "2", "--dist", "worksteal"]
PLAIN = ["tests/core", "--cov", "--cov-report=term:skip-covered", "--cov-fail-under=90"]


def run(profile: str, arguments: list[str], **environment: str) -> int:
    """Run pytest once and return its exit code."""
    environment["STRATEGY_LAB_TEST_PROFILE"] = profile
    command = [sys.executable, "-m", "pytest", "-q", *SPREAD, *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode


def main(everything: bool) -> int:
    """Run both passes; stop after the first that fails."""
    checked = {"NUMBA_BOUNDSCHECK": "1"}
    warm = [sys.executable, "-m", "tests.warm"]
    with subprocess.Popen(warm, env={**os.environ, **checked}):
        failed = run("interpreted", [*PLAIN, "-m", "not slow"], NUMBA_DISABLE_JIT="1")
    if failed:
        return failed
    if everything:
        return run("thorough", [], **checked)
    return run("default", ["-m", "not slow"], **checked)


if __name__ == "__main__":
    sys.exit(main("--all" in sys.argv[1:]))
