"""Progress: bars on a terminal, lines elsewhere."""

import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from io import StringIO
from pathlib import Path
from select import select
from threading import Timer

import pytest
from rich.console import Console

from strategy_lab_pipeline import progress as progress_module
from strategy_lab_pipeline.progress import steps, tell_part


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `force_terminal` be one that can draw."""
    monkeypatch.setenv("TERM", "xterm-256color")


def test_steps__shows_title_count_and_label_on_a_terminal() -> None:
    """A label is text: brackets in a file name are no markup."""
    screen = StringIO()
    with steps("reading", total=2, console=Console(file=screen, force_terminal=True)) as progress:
        progress.advance("a[b].dbn")
        progress.advance("c.dbn")
        progress.advance("a[b].dbn", count=0)
    assert "reading" in screen.getvalue()
    assert "2/2" in screen.getvalue()
    assert "a[b].dbn" in screen.getvalue()


def test_steps__shows_how_far_the_step_under_way_is() -> None:
    """Told by whoever does the work, without knowing of the bar; without one it is nothing."""
    screen = StringIO()
    with steps("running", total=2, console=Console(file=screen, force_terminal=True)):
        tell_part("imbalance", 3, 8)
    tell_part("nobody", 1, 2)

    assert "imbalance" in screen.getvalue()
    assert "3/8" in screen.getvalue()
    assert "nobody" not in screen.getvalue()


@pytest.mark.parametrize(("terminal", "total"), [(False, 2), (True, 0), (False, 0)])
def test_steps__is_silent_where_there_is_nothing_to_see(terminal: bool, total: int) -> None:
    """Over before anybody would wait, or no work."""
    screen = StringIO()
    console = Console(file=screen, force_terminal=terminal)
    with steps("reading", total=total, console=console) as progress:
        progress.advance("a.dbn")
    assert screen.getvalue() == ""


def test_steps__says_in_lines_how_far_it_is_where_no_bar_can_be_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Through a pipe nobody would know for minutes whether anything happens."""
    monkeypatch.setattr(progress_module, "FIRST_LINE_SECONDS", 0.01)
    monkeypatch.setattr(progress_module, "LINE_SECONDS", 0.01)
    screen = StringIO()
    with steps("running", total=2000, console=Console(file=screen)) as progress:
        _wait_for(screen, r"running: 0 of 2,000 \(\d:\d\d\)\n")
        progress.advance("a[b].dbn", count=1000)
        _wait_for(screen, r"running: 1,000 of 2,000 \(\d:\d\d\), a\[b\]\.dbn\n")
        tell_part("imbalance", 3, 8)
        _wait_for(screen, r"\), a\[b\]\.dbn, imbalance 3 of 8\n")
    ended = screen.getvalue()
    time.sleep(0.05)

    assert screen.getvalue() == ended


@pytest.mark.parametrize("reads", [False, True])
def test_steps__go_on_when_nobody_reads(monkeypatch: pytest.MonkeyPatch, reads: bool) -> None:
    """A reader that has gone, or one that never reads: the work ends, and says nothing more."""
    monkeypatch.setattr(progress_module, "FIRST_LINE_SECONDS", 0.0)
    monkeypatch.setattr(progress_module, "LINE_SECONDS", 0.0)
    ours, theirs = os.pipe()
    if not reads:
        os.close(ours)
    with os.fdopen(theirs, "w") as pipe:
        with steps("running", total=2, console=Console(file=pipe)):
            if reads:
                assert select([ours], [], [], 30)[0]
            time.sleep(0.2)  # time enough to fill the pipe
        if reads:
            assert os.read(ours, 20) == b"running: 0 of 2 (0:0"
            os.close(ours)


def test_steps__end_while_a_line_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process has filled the pipe since we looked: the line is not waited for."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with suppress(BlockingIOError):
        while True:
            os.write(theirs, bytes(1 << 16))
    os.set_blocking(theirs, True)
    monkeypatch.setattr(progress_module, "FIRST_LINE_SECONDS", 0.0)
    monkeypatch.setattr(progress_module, "JOIN_SECONDS", 0.1)
    monkeypatch.setattr(progress_module, "select", lambda *_: ([], [theirs], []))
    relief = Timer(20, os.close, [ours])  # whoever waits is let go, and has waited for long
    begun = time.monotonic()
    with os.fdopen(theirs, "w") as pipe:
        relief.start()
        with steps("running", total=2, console=Console(file=pipe)):
            time.sleep(0.2)
        waited_seconds = time.monotonic() - begun
        relief.cancel()
        os.close(ours)
    assert waited_seconds < 10


def test_steps__leave_the_answer_alone_when_nobody_reads(tmp_path: Path) -> None:
    """Rich would send standard output, and with it what `--json` says, to nowhere."""
    code = (
        "import time\n"
        "from strategy_lab_pipeline import progress\n"
        "progress.FIRST_LINE_SECONDS = 0.05\n"
        "with progress.steps('running', total=2): time.sleep(0.5)\n"
        "print('answer')\n"
    )
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, check=False,
        cwd=tmp_path, text=True, timeout=120,
    )  # fmt: skip
    os.close(theirs)

    assert (done.returncode, done.stdout) == (0, "answer\n")


def test_steps__says_lines_on_a_terminal_that_can_draw_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As an editor's shell."""
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(progress_module, "FIRST_LINE_SECONDS", 0.01)
    screen = StringIO()
    with steps("running", total=2, console=Console(file=screen, force_terminal=True)):
        _wait_for(screen, r"running: 0 of 2 \(\d:\d\d\)\n")


def _wait_for(screen: StringIO, line: str) -> None:
    deadline = time.monotonic() + 30
    while not re.search(line, screen.getvalue()):
        assert time.monotonic() < deadline, screen.getvalue()
        time.sleep(0.005)
