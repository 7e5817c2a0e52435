"""Tests without the engine first, on every worker, while its kernels are compiled beside them.

One run of pytest, not two: each of its processes imports for ten seconds.
"""

import fcntl
import os
from functools import cache
from pathlib import Path

import pytest

__all__ = ["COMPILING", "engine_last", "wait_for_engine"]

COMPILING = "STRATEGY_LAB_TEST_COMPILING"  # a file that is locked for as long
ROOT = Path(__file__).parent.parent
WITHOUT_ENGINE = (
    "tests/core/data/",
    "tests/core/report/",
    "tests/core/search/",
    "tests/core/stats/",
    "tests/pipeline/db/",
    "tests/pipeline/test_lake",
    "tests/pipeline/test_settings",
    "tests/pipeline/test_tables",
)
WITH_ENGINE = ("tests/core/search/test_n",)  # of notebooks and of their null searches


def _needs_engine(item: pytest.Item) -> bool:
    path = item.path.relative_to(ROOT).as_posix()
    return path.startswith(WITH_ENGINE) or not path.startswith(WITHOUT_ENGINE)


def engine_last(items: list[pytest.Item], n_workers: int) -> list[pytest.Item]:
    """Return the tests so that each worker's part of them ends with those that need the engine.

    pytest-xdist's worksteal gives each worker an equal number, one after the other.
    """
    early = [item for item in items if not _needs_engine(item)]
    late = [item for item in items if _needs_engine(item)]
    ordered: list[pytest.Item] = []
    for n in range(n_workers):
        first, last = (place * len(items) // n_workers for place in (n, n + 1))
        begin, end = (place * len(early) // n_workers for place in (n, n + 1))
        ordered += early[begin:end] + late[first - begin : last - end]
    return ordered


def wait_for_engine(item: pytest.Item) -> None:
    """Wait until nobody compiles the kernels, where the test needs them."""
    if COMPILING in os.environ and _needs_engine(item):
        _wait()


@cache
def _wait() -> None:
    with Path(os.environ[COMPILING]).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
