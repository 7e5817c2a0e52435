"""The order of the tests while the kernels are compiled."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.order import ROOT, engine_last

PATHS = {
    "tests/core/data/test_dbn.py": False,
    "tests/core/search/test_space.py": False,
    "tests/core/search/test_null.py": True,
    "tests/core/engine/test_fees.py": True,
    "tests/pipeline/test_lake_kill.py": False,
    "tests/pipeline/test_launch.py": True,
}


@given(st.lists(st.sampled_from(list(PATHS)), max_size=30), st.integers(1, 4))
def test_engine_last__holds_in_each_worker_s_part(paths: list[str], n_workers: int) -> None:
    """Every test once; equal parts, one after the other, begin with what needs no engine."""
    items: list[Any] = [SimpleNamespace(path=ROOT / path) for path in paths]
    ordered: list[Any] = engine_last(items, n_workers)

    assert sorted(map(id, ordered)) == sorted(map(id, items))
    borders = [n * len(items) // n_workers for n in range(n_workers + 1)]
    needs = [PATHS[item.path.relative_to(ROOT).as_posix()] for item in ordered]
    parts = [needs[begin:end] for begin, end in pairwise(borders)]
    assert all(part == sorted(part) for part in parts)
