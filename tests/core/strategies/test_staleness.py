"""Compiled strategies never outlive the source that they were compiled from."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import strategy_lab_core
from strategy_lab_core._jit import JIT_DISABLED, SHARED_BY_STRATEGIES

CORE = Path(strategy_lab_core.__file__).parent
OWN = '''
"""Bids by the imbalance, through a kernel of its own."""

from typing import Annotated, NamedTuple

from strategy_lab_core._jit import kernel
from strategy_lab_core.features.book import bid_share
from strategy_lab_core.strategies.requests import buy_limit
from strategy_lab_core.strategies.strategy import Bounds, strategy


class Params(NamedTuple):
    """How much."""

    size: Annotated[int, Bounds(1, 9)] = 1


@kernel
def ask(requests, tick, share):
    """Bid ten times the share of the bids."""
    buy_limit(requests, tick, int(10 * share))


@strategy(Params)
def own(memory, view, p, requests):
    """Bid."""
    ask(requests, view.bid, bid_share(view.bid_size, view.ask_size))
'''
CALL = """
import numpy as np
from strategy_lab_core.strategies.loader import load_strategy
from strategy_lab_core.engine.sheets import ViewField, blank_sheets
own = load_strategy("own.py")
ints, floats, pages = blank_sheets(own.encode()[None], n_ints=8, n_floats=8, max_open_orders=1)
ints[0, :14] = np.arange(14)
ints[0, ViewField.BID_SIZE] = ints[0, ViewField.ASK_SIZE] = 4
own.function(ints[0], floats[0], pages[0])
print(pages[0, 1, 2], pages[0, 1, 3])
"""


def _bid(folder: Path) -> list[int]:
    """Return tick and lots of the bid, in a process of its own and a cache of its own."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", CALL],
        capture_output=True, check=False, text=True, cwd=folder, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.skipif(JIT_DISABLED, reason="nothing is cached")
def test_strategy__sees_an_edit_of_what_it_calls(tmp_path: Path) -> None:
    """Of a request and of a feature, though its own file and its own kernels stay the same."""
    package = tmp_path / "strategy_lab_core"
    shutil.copytree(CORE, package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    assert _bid(tmp_path) == [2, 5]

    _edit(
        package / "strategies" / "requests.py",
        "_ask_for(requests, RequestKind.LIMIT, 1, tick, lots, tag)",
        "_ask_for(requests, RequestKind.LIMIT, 1, tick - 1, lots, tag)",
    )
    assert _bid(tmp_path) == [1, 5]

    _edit(package / "features" / "book.py", "return 0.5 + 0.5 *", "return 0.25 + 0.5 *")
    assert _bid(tmp_path) == [1, 2]


def _imported(path: Path) -> set[str]:
    """Return the files of `strategies` that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            folder, _, name = node.module.removeprefix("strategy_lab_core.").partition(".")
            if folder == "strategies":
                found.add(f"strategies/{name}.py")
    return found


def test_shared_kernels__are_part_of_the_key() -> None:
    """A file of `strategies` with kernels that another one imports is named in `_jit`."""
    shared = {name for path in CORE.glob("strategies/*.py") for name in _imported(path)}
    with_kernels = {name for name in shared if "@kernel" in (CORE / name).read_text()}

    assert with_kernels == set(SHARED_BY_STRATEGIES)
