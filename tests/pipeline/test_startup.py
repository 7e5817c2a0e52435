"""What a command loads before it does anything: nobody waits for libraries that it does not use."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "alembic", "altair", "arch", "dagster", "optuna", "pandas", "pandera", "plotly",
    "scipy.linalg", "scipy.special", "scipy.stats",
}  # fmt: skip
HEAVIER = HEAVY | {"jinja2", "numba", "numpy", "polars", "pydantic_settings", "sqlalchemy"}
CALL = """
import sys
from strategy_lab_pipeline.cli import app
app(standalone_mode=False)
print(*sys.modules, file=sys.stderr)
"""


def _loaded(*arguments: str) -> set[str]:
    """Return the modules that a command of the command line loads."""
    call = [sys.executable, "-c", CALL, *arguments]
    done = subprocess.run(call, capture_output=True, check=True, text=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["backtest", "--help"], ["--version"]])
def test_cli__that_only_tells_loads_nothing_of_the_work(arguments: list[str]) -> None:
    """Help is there in well under a second."""
    assert HEAVIER & _loaded(*arguments) == set()


@pytest.mark.parametrize("command", [["status"], ["quality"]])
def test_cli__that_only_looks_loads_neither_dagster_nor_statistics(
    command: list[str], booked: Path
) -> None:
    """The tables of the home are up to date: nothing is migrated, run, drawn or judged."""
    assert HEAVY & _loaded("--home", str(booked), *command, "--json") == set()
