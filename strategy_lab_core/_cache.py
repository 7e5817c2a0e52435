"""Folders of compiled kernels, one for each state of the source: which are in use, which may go.

A process holds a shared lock in the folder that it uses for as long as it lives, however it ends;
the time of that lock's file is the last use.
"""

import fcntl
import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["KEPT_DAYS", "hold", "prune"]

KEPT_DAYS = 30.0
_IN_USE = ".in-use"
_NAME = re.compile(r"[0-9a-f]{16}(-checked)?")
_DAY_SECONDS = 86_400


def hold(folder: Path) -> None:
    """Mark a folder as used now, and by this process until it ends."""
    with suppress(OSError):  # where nothing can be written, nothing is cached or removed either
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            lock = os.open(folder / _IN_USE, os.O_RDWR | os.O_CREAT, 0o666)
            fcntl.flock(lock, fcntl.LOCK_SH)
            if os.fstat(lock).st_nlink:
                break
            os.close(lock)  # the folder was removed while we waited
            folder.mkdir(parents=True, exist_ok=True)
        os.utime(lock)


def prune(root: Path, *, days: float = KEPT_DAYS) -> list[Path]:
    """Remove the cache folders in `root` that no process uses and none has used for `days`."""
    before = time.time() - days * _DAY_SECONDS
    folders = sorted(root.iterdir()) if root.is_dir() else []
    return [
        folder
        for folder in folders
        if _NAME.fullmatch(folder.name) and _last_use(folder) < before and _removed(folder)
    ]


def _last_use(folder: Path) -> float:
    marker = folder / _IN_USE
    return (marker if marker.exists() else folder).stat().st_mtime


def _removed(folder: Path) -> bool:
    lock = os.open(folder / _IN_USE, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()
    finally:
        os.close(lock)
