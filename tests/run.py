"""Run the test suite: `python -m tests.run [--all]`.

Everything runs compiled. What has kernels runs as plain Python too (NUMBA_DISABLE_JIT=1), which is
the run that measures their coverage; it comes first, while the kernels are being compiled beside
it. The rest of core is measured where it runs anyway.
"""

import os
import subprocess
import sys

KERNELS = [
    *(f"tests/core/{name}" for name in ("book", "engine", "features", "strategies")),
    "tests/core/data/test_simulate.py",
    "tests/core/test_jit.py",
]
PLAIN = [f"tests/core/{name}" for name in ("data", "report", "probes")]
MEASURED = ["--cov", "--cov-append"]
PYTEST = [sys.executable, "-m", "pytest", "-q", "-n", "2"]


def run(profile: str, arguments: list[str], **environment: str) -> int:
    """Run pytest once and return its exit code."""
    environment["STRATEGY_LAB_TEST_PROFILE"] = profile
    command = [*PYTEST, *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode


def main(everything: bool) -> int:
    """Run the passes; stop after the first that fails."""
    chosen = [] if everything else ["-m", "not slow"]
    profile = "thorough" if everything else "default"
    checked = {"NUMBA_BOUNDSCHECK": "1"}
    subprocess.run([sys.executable, "-m", "coverage", "erase"], check=True)
    warm = [sys.executable, "-m", "tests.warm"]
    with subprocess.Popen(warm, env={**os.environ, **checked}):
        plain = [*KERNELS, *MEASURED, "--cov-report=", "-m", "not slow"]
        failed = run("interpreted", plain, NUMBA_DISABLE_JIT="1")
    if failed:
        return failed
    report = ["--cov-report=term:skip-covered", "--cov-fail-under=90"]
    failed = run(profile, [*PLAIN, *MEASURED, *report, *chosen], **checked)
    if failed:
        return failed
    others = [f"--ignore={path}" for path in PLAIN]
    return run(profile, [*others, *chosen], **checked)


if __name__ == "__main__":
    sys.exit(main("--all" in sys.argv[1:]))
