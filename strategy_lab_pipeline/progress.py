"""Progress of long work: bars on a terminal; elsewhere a line of standard error now and then."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from io import UnsupportedOperation
from select import PIPE_BUF, select
from threading import Event, Thread
from typing import IO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

__all__ = ["Steps", "steps", "tell_part"]

FIRST_LINE_SECONDS = 2.0  # what is done by then needs none
LINE_SECONDS = 15.0  # between two
JOIN_SECONDS = 1.0  # for a line under way: another process can have filled the pipe meanwhile

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

    def line(self) -> str:
        """Return how far the work is as text, for where no bar can be drawn."""
        whole, part = (self._progress.tasks[number] for number in (self._task, self._part))
        minutes, seconds = divmod(int(whole.elapsed or 0), 60)
        count = f"{whole.description}: {_count(whole)} ({minutes}:{seconds:02})"
        said = [count, whole.fields["label"]]
        if part.visible:
            said.append(f"{part.description} {_count(part)}")
        return ", ".join(filter(None, said))


def _count(task: Task) -> str:
    return f"{task.completed:,.0f}" + (f" of {task.total:,.0f}" if task.total else "")


@contextmanager
def _lines(shown: Steps, file: IO[str]) -> Iterator[None]:
    """Say now and then how far the block is, while somebody listens."""
    over = Event()

    def tell() -> None:
        pause_seconds = FIRST_LINE_SECONDS
        while not over.wait(pause_seconds) and _told(file, f"{shown.line()}\n"):
            pause_seconds = LINE_SECONDS

    teller = Thread(target=tell, daemon=True)
    try:
        teller.start()
        yield
    finally:
        over.set()
        teller.join(timeout=JOIN_SECONDS)


def _told(file: IO[str], line: str) -> bool:
    """Write a line where that can't block, and leave it out where it would; say whether to go on.

    A reader that has gone, or never reads, is no reason for the work to end or to wait.
    """
    try:
        number = file.fileno()
    except UnsupportedOperation:  # in memory
        return file.write(line) > 0
    except (OSError, ValueError):  # closed
        return False
    try:
        if select([], [number], [], 0)[1]:
            os.write(number, line.encode()[-PIPE_BUF:])
    except (OSError, ValueError):
        return False
    return True


@contextmanager
def steps(
    title: str, *, total: int | None = None, console: Console | None = None
) -> Iterator[Steps]:
    """Show on standard error how far the block is: a bar on a terminal, else lines.

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
    has_bar = total != 0 and shown.is_interactive
    has_lines = total != 0 and not shown.is_interactive
    with Progress(*columns, console=shown, disable=not has_bar) as progress:
        shown_steps = Steps(progress, progress.add_task(title, total=total, label=""))
        token = _HEARS.set(shown_steps.part)
        try:
            with _lines(shown_steps, shown.file) if has_lines else nullcontext():
                yield shown_steps
        finally:
            _HEARS.reset(token)
