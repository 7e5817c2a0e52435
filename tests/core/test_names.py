"""The public names of `strategy_lab_core`: all there, and loaded only when they are asked for."""

import subprocess
import sys

import pytest

import strategy_lab_core as lab

AFTER_THEIR_FOLDERS = """
import sys
import strategy_lab_core.report.html, strategy_lab_core.search.notebook
import strategy_lab_core as lab
assert lab.search is sys.modules["strategy_lab_core.search.notebook"].search
assert lab.report is sys.modules["strategy_lab_core.report.html"].render_html
"""
LIGHT = """
import sys
import strategy_lab_core
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize("name", lab.__all__)
def test_lab__has_each_public_name(name: str) -> None:
    """A name that is only announced fails when it is asked for."""
    assert name in dir(lab)
    assert callable(getattr(lab, name)) or name == "stats"


def test_lab__refuses_another_name() -> None:
    """As a module that loads everything at once would."""
    with pytest.raises(AttributeError, match="no attribute 'backtests'"):
        getattr(lab, "backtests")  # noqa: B009


def test_lab__search_and_report_are_functions_whatever_was_loaded_before() -> None:
    """Folders of the same names never take their place."""
    call = [sys.executable, "-c", AFTER_THEIR_FOLDERS]
    done = subprocess.run(call, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr


def test_lab__is_loaded_without_what_it_stands_on() -> None:
    """Whoever needs one name, or an error's class, does not wait for all the libraries."""
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, check=True, text=True)
    assert not {"numba", "numpy", "polars", "altair", "scipy"} & set(done.stdout.split())
