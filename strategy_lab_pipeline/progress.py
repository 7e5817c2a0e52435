"""Progress of long work on a terminal; silent where nobody looks (a pipe, a daemon, `--json`)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

__all__ = ["Steps", "steps", "tell_part"]

_HEARS: ContextVar[Callable[[str, int, int], None]] = ContextVar("_HEARS")


def tell_part(label: str, done: int, total: int) -> None:
    """Show how far a step's own work is, below the bar that is up in this thread, if any."""
    hears = _HEARS.get(None)
    if hears is not None:
        hears(label, done, total)


class Steps:
    """Work of a known number of steps, some of them done."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task
        self._part = progress.add_task("", total=1, label="", visible=False)

    def advance(self, label: str = "", *, count: int = 1) -> None:
        """Mark `count` more steps done; `label` says what the last one was."""
        self._progress.update(self._task, advance=count, label=label)
        self._progress.update(self._part, visible=False)

    def reach(self, done: int, total: int) -> None:
        """Mark so many of so many steps done, where their number is known only now."""
        self._progress.update(self._task, completed=done, total=total)

    def part(self, label: str, done: int, total: int) -> None:
        """Show how far the step under way is, on a line of its own."""
        self._progress.update(
            self._part, completed=done, total=total, description=label, visible=True
        )


@contextmanager
def steps(
    title: str, *, total: int | None = None, console: Console | None = None
) -> Iterator[Steps]:
    """Show a bar on standard error while the block runs, if that is a terminal.

    Parameters
    ----------
    total
        Number of steps; with 0 there is nothing to show, None is not known yet.
    """
    shown = console or Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[label]}", markup=False),
    )
    silent = total == 0 or not shown.is_terminal
    with Progress(*columns, console=shown, disable=silent) as progress:
        shown_steps = Steps(progress, progress.add_task(title, total=total, label=""))
        token = _HEARS.set(shown_steps.part)
        try:
            yield shown_steps
        finally:
            _HEARS.reset(token)
