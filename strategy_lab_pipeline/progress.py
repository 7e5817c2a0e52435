"""Progress of long work on a terminal; silent where nobody looks (a pipe, a daemon, `--json`)."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

__all__ = ["Steps", "steps"]


class Steps:
    """Work of a known number of steps, some of them done."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, label: str = "", *, count: int = 1) -> None:
        """Mark `count` more steps done; `label` says what the last one was."""
        self._progress.update(self._task, advance=count, label=label)


@contextmanager
def steps(title: str, *, total: int, console: Console | None = None) -> Iterator[Steps]:
    """Show a bar on standard error while the block runs, if that is a terminal.

    Parameters
    ----------
    total
        Number of steps; with 0 there is nothing to show.
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
        yield Steps(progress, progress.add_task(title, total=total, label=""))
