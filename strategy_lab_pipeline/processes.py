"""Which process wrote something, whether it still lives, and one process at a time.

What a process leaves behind carries its token in the name: number, start time, boot and machine,
so that a later process of the same number is not taken for it.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

__all__ = ["exclusive", "lives", "process_token"]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE = Path("/proc/self/ns/pid")


def process_token() -> str:
    """Return the name of this process: unique over processes, reboots and machines.

    Letters, digits and "-" only. A forked child has a token of its own.
    """
    pid = os.getpid()
    return f"{pid}-{_started(pid)}-{_boot()}-{_machine()}"


def lives(token: str) -> bool | None:
    """Return whether the process of `token` still lives; None where another machine must know."""
    parts = token.split("-")
    if len(parts) != 4 or not parts[0].isdigit():
        return False
    pid, started, boot, machine = parts
    if machine != _machine():
        return None
    return boot == _boot() and started == _started(int(pid))


def _started(pid: int) -> str:
    """Return the process's start time (clock ticks since boot on Linux); "" where it is gone."""
    try:
        # The name in parentheses may hold spaces: count from the last one.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "" if Path("/proc/self/stat").exists() else _started_elsewhere(pid)
    return "" if fields[0] in "ZX" else fields[19]


def _started_elsewhere(pid: int) -> str:
    try:
        return str(int(psutil.Process(pid).create_time()))
    except psutil.Error:
        return ""


def _boot() -> str:
    """Return what changes when the machine, or the container, starts anew."""
    if not _BOOT_ID.exists():
        return _short(str(int(psutil.boot_time())))
    return _short(_BOOT_ID.read_text() + str(_PID_NAMESPACE.readlink()))


def _machine() -> str:
    return _short(os.uname().nodename)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; wait while another thread or process does.

    The kernel releases it when the holder dies, however it dies.
    """
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
