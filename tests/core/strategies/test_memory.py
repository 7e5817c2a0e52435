"""What a strategy keeps: its own numbers, and nothing beside them."""

import os
import re
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from strategy_lab_core._jit import JIT_DISABLED
from strategy_lab_core.engine.sheets import ViewField, blank_sheets
from strategy_lab_core.strategies.loader import load_strategy

MADE = '''
"""Sorts its numbers, in arrays of its own."""

from typing import Annotated, NamedTuple

import numpy as np

from strategy_lab_core.strategies.strategy import Bounds, strategy


class Params(NamedTuple):
    """How much of it."""

    n: Annotated[int, Bounds(0, 8)] = 3


@strategy(Params)
def made(memory, view, p, requests):
    """Keep the largest of the first numbers."""
    seen = np.sort(np.concatenate((memory.ints[: p.n], np.array([view.bid]))))
    memory.ints[7] = seen[-1]
'''
OWN = '''
"""Keeps eight prices in a ring, and one too many."""

from typing import Annotated, NamedTuple

from strategy_lab_core.strategies.strategy import Bounds, strategy


class Params(NamedTuple):
    """Where it writes."""

    place: Annotated[int, Bounds(-9, 9)] = 0


@strategy(Params)
def own(memory, view, p, requests):
    """Write."""
    memory.{numbers}[p.place] = 3
'''
CALL = """
import sys
from strategy_lab_core.engine.sheets import blank_sheets
from strategy_lab_core.strategies.loader import load_strategy
own = load_strategy("own.py")(place=int(sys.argv[1]))
ints, floats, pages = blank_sheets(own.encode()[None], n_ints=8, n_floats=8, max_open_orders=1)
try:
    own.function(ints[0], floats[0], pages[0])
    print("written")
except IndexError as error:
    print(error)
"""


@pytest.mark.parametrize("numbers", ["ints", "floats"])
def test_strategy__can_write_to_nothing_but_its_memory(tmp_path: Path, numbers: str) -> None:
    """Whatever the suite checks: the next numbers are the parameters of another set."""
    (tmp_path / "own.py").write_text(OWN.format(numbers=numbers), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_BOUNDSCHECK"}
    said = [
        subprocess.run(
            [sys.executable, "-c", CALL, str(place)],
            capture_output=True, check=True, text=True, cwd=tmp_path, env=environment,
        ).stdout
        for place in (7, 8, -9)
    ]  # fmt: skip

    assert said[0] == "written\n"
    assert all("out of bounds" in each for each in said[1:])


@pytest.mark.skipif(JIT_DISABLED, reason="Numba counts nothing in plain Python: compiled runs do")
def test_strategy__gives_back_the_arrays_that_it_makes(tmp_path: Path) -> None:
    """Nobody counts references to the engine's arrays; to a strategy's own, Numba does."""
    (tmp_path / "made.py").write_text(MADE, encoding="utf-8")
    made = load_strategy(str(tmp_path / "made.py"))
    ints, floats, pages = blank_sheets(made.encode()[None], n_ints=8, n_floats=8, max_open_orders=1)
    ints[0, [ViewField.BID, len(ViewField), len(ViewField) + 2]] = 5, 4, 9
    runtime: Any = import_module("numba.core.runtime._nrt_python")
    was_on = runtime.memsys_stats_enabled()
    runtime.memsys_enable_stats()
    try:
        begun = runtime.memsys_get_stats_mi_alloc(), runtime.memsys_get_stats_mi_free()
        for _ in range(100):
            made.function(ints[0], floats[0], pages[0])
        ended = runtime.memsys_get_stats_mi_alloc(), runtime.memsys_get_stats_mi_free()
    finally:
        if not was_on:
            runtime.memsys_disable_stats()

    assert ints[0, -1] == 9
    allocated, freed = ended[0] - begun[0], ended[1] - begun[1]
    assert allocated >= 100
    assert freed == allocated


DEEP = '''
"""Asks functions of its own."""

import numba

from strategy_lab_core.strategies.requests import buy_limit
from strategy_lab_core.strategies.strategy import strategy
from typing import NamedTuple


class Params(NamedTuple):
    """None."""


@numba.njit
def asked(price):
    """Return it."""
    return price + 1


@strategy(Params)
def deep(memory, view, p, requests):
    """Ask."""
    for i in range(view.n_orders):
        if view.orders[i, 2] != view.bid:
            memory.ints[i] = view.orders[i, 2]
    buy_limit(requests, asked(view.bid), 1)
'''


@pytest.mark.skipif(JIT_DISABLED, reason="looks at machine code: the compiled run has it")
def test_strategy__is_part_of_its_adapter_and_counts_no_references(tmp_path: Path) -> None:
    """A call costs what its work costs. What it calls is not copied into it by force.

    Functions that call others several times would be copied again and again, for minutes.
    """
    new = f"{DEEP}\n# {time.time_ns()}"  # what comes from a cache has no code to look at
    (tmp_path / "deep.py").write_text(new, encoding="utf-8")
    function: Any = load_strategy(str(tmp_path / "deep.py")).function
    (code,) = function.inspect_llvm().values()
    module = sys.modules[function.py_func.__module__]
    own = vars(module)["_function"]
    asked = own.py_func.__globals__["asked"]

    entry = re.search(r"^define [^\n]*\{\n(.*?)^\}", code, re.DOTALL | re.MULTILINE)
    assert entry is not None
    assert "NRT_" not in entry[1]
    assert not re.search(r"call .*deep", entry[1])
    assert ["alwaysinline" in text for text in own.inspect_llvm().values()] == [True]
    assert ["alwaysinline" in text for text in asked.inspect_llvm().values()] == [False]
