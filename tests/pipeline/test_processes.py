"""Tokens of processes, and the lock between them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strategy_lab_pipeline import processes
from strategy_lab_pipeline.processes import exclusive, lives, process_token

TOKEN_THEN_WAIT = """
import sys
from strategy_lab_pipeline.processes import process_token
print(process_token(), flush=True)
sys.stdin.read()
"""
HOLD = """
import sys, time
from pathlib import Path
from strategy_lab_pipeline.processes import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_lives__is_true_for_this_process() -> None:
    """Its own token is that of a living one."""
    assert lives(process_token()) is True


def test_lives__ends_with_the_process() -> None:
    """A killed process is dead at once, also before its parent has asked for its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-c", TOKEN_THEN_WAIT],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        token = process.stdout.readline().strip()
        assert lives(token) is True
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and a zombie
        assert lives(token) is False
    assert lives(token) is False


def test_lives__is_false_for_an_earlier_process_of_the_same_number() -> None:
    """Numbers are used again; start times and boots are not."""
    pid, started, boot, machine = process_token().split("-")
    assert lives(f"{pid}-{int(started) - 1}-{boot}-{machine}") is False
    assert lives(f"{pid}-{started}-00000000-{machine}") is False


def test_lives__leaves_other_machines_open() -> None:
    """Only they know their processes."""
    pid, started, boot, _ = process_token().split("-")
    assert lives(f"{pid}-{started}-{boot}-00000000") is None


@pytest.mark.parametrize("token", ["", "x", "1-2-3", "a-b-c-d"])
def test_lives__is_false_for_what_is_no_token(token: str) -> None:
    """A name that no process gave itself belongs to none."""
    assert lives(token) is False


def test_lives__works_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no /proc the start time is asked of psutil."""
    monkeypatch.setattr(processes, "_started", processes._started_elsewhere)
    monkeypatch.setattr(processes, "_BOOT_ID", Path("/nowhere"))
    token = process_token()
    assert lives(token) is True
    assert processes._started_elsewhere(2**22 + 1) == ""


def test_exclusive__is_released_by_death(tmp_path: Path) -> None:
    """A killed holder blocks nobody."""
    lock = tmp_path / "lock"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        start = time.monotonic()
        with exclusive(lock):
            assert time.monotonic() - start < 30
