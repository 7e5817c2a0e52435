"""Settings and fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.compile_once import compile_once
from tests.order import COMPILING, engine_last, wait_for_engine

ROOT = Path(__file__).parent.parent

# The first example of a kernel test pays for its compilation: no deadline.
settings.register_profile(
    "default", deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "thorough", deadline=None, max_examples=3000, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(  # kernels as plain Python: the same properties, fewer cases
    "interpreted", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("STRATEGY_LAB_TEST_PROFILE", "default"))


def pytest_configure() -> None:
    """Let one worker of several compile what all need."""
    if "PYTEST_XDIST_WORKER" in os.environ and os.environ.get("NUMBA_DISABLE_JIT") != "1":
        compile_once()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real captures, or skip saying what would run the test."""
    folder = Path(os.environ.get("STRATEGY_LAB_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real captures in {folder}: set STRATEGY_LAB_REAL_DATA to their folder")
    return folder


@pytest.hookimpl(trylast=True)  # when other tests are deselected already
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what needs the engine last while it is compiled; leave real captures to compiled runs."""
    if COMPILING in os.environ:
        items[:] = engine_last(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    if os.environ.get("NUMBA_DISABLE_JIT") != "1":
        return
    reason = "real captures take minutes as plain Python: the compiled run reads them"
    for item in items:
        if "real_data" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(tryfirst=True)  # before fixtures
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Wait for the engine where a test needs it."""
    wait_for_engine(item)
