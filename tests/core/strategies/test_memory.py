"""What a strategy keeps: its own numbers, and nothing beside them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
