"""A program that is killed at a planned moment: `python -m tests.pipeline.dying MOMENT WHAT ...`.

MOMENT is `before:CLASS.METHOD:N` or `after:...` of the N-th call, or `within:Engine.run:N`: as soon
as the N-th pass tells how far it is. Then the process kills itself, as the kernel would: SIGKILL.
WHAT is `search HOME NAME` or `windows HOME NAME`, run in this process, or `cli ...`, the command
line. A program whose moment never comes ends with 0.
"""

import functools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from strategy_lab_pipeline.db.store import Store
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import searches, walk_forwards
from strategy_lab_pipeline.stages.engine import Engine
from strategy_lab_pipeline.stages.search_files import find_search
from strategy_lab_pipeline.stages.workspace import open_workspace

CLASSES: dict[str, Any] = {"Store": Store, "Engine": Engine}


class Moment(NamedTuple):
    """When to die: before, within or after the `call`-th call of a method."""

    when: str
    owner: str
    method: str
    call: int


def moment_of(text: str) -> Moment:
    """Return the moment that a text names."""
    when, place, call = text.split(":")
    owner, method = place.split(".")
    return Moment(when, owner, method, int(call))


def plant(moment: Moment) -> None:
    """Make the method end this process at its moment."""
    owner = CLASSES[moment.owner]
    lives = getattr(owner, moment.method)
    calls = 0

    @functools.wraps(lives)
    def dies(*arguments: Any, **options: Any) -> Any:
        """Call the method, and die where it is time."""
        nonlocal calls
        calls += 1
        is_time = calls == moment.call
        if is_time and moment.when == "before":
            die()
        if is_time and moment.when == "within":
            options["on_progress"] = die
        found = lives(*arguments, **options)
        if is_time and moment.when == "after":
            die()
        return found

    setattr(owner, moment.method, dies)


def die(*_: Any) -> None:
    """End this process as the kernel does when memory is gone: nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


def build_search(home: Path, name: str) -> None:
    """Search."""
    workspace = open_workspace(Settings(home=home))
    searches.build(workspace, find_search(workspace.settings, name), run_id=str(os.getpid()))


def build_windows(home: Path, name: str) -> None:
    """Build every window that is not up to date."""
    workspace = open_workspace(Settings(home=home))
    search = find_search(workspace.settings, name)
    for key in walk_forwards.stale_windows(workspace, search):
        walk_forwards.build(workspace, search, key, run_id=str(os.getpid()))


BUILDS: dict[str, Callable[[Path, str], None]] = {
    "search": build_search,
    "windows": build_windows,
}


def main(moment: str, what: str, *arguments: str) -> None:
    """Plant the moment, and do the work."""
    plant(moment_of(moment))
    if what == "cli":
        from strategy_lab_pipeline.cli import main as command_line  # not for those who do without

        sys.argv[1:] = arguments
        command_line()
    else:
        home, name = arguments
        BUILDS[what](Path(home), name)


if __name__ == "__main__":
    main(*sys.argv[1:])
