"""Run the test suite: `python -m tests.run [--all]`.

What needs no engine runs first, while the kernels are compiled beside it; all runs compiled, with
array bounds checked. `--all` adds the slow tests, thousands of cases a property, and a first
pass of core as plain Python (NUMBA_DISABLE_JIT=1), which measures the coverage of the kernels.
"""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.order import COMPILING

SPREAD = ["-n", "2", "--dist", "worksteal"]
PLAIN = ["tests/core", "--cov", "--cov-report=term:skip-covered", "--cov-fail-under=90"]
CHECKED = {"NUMBA_BOUNDSCHECK": "1"}


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
    with compiling() as lock:
        return run(profile, chosen, **CHECKED, **{COMPILING: str(lock)})


@contextmanager
def compiling() -> Iterator[Path]:
    """Compile the kernels in a process that holds a lock on the file; its path is what is given."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "compiling")
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            warm = subprocess.Popen(
                [sys.executable, "-m", "tests.warm"],
                env={**os.environ, **CHECKED}, pass_fds=(lock.fileno(),),
            )  # fmt: skip
        with warm:
            yield path


if __name__ == "__main__":
    sys.exit(main("--all" in sys.argv[1:]))
