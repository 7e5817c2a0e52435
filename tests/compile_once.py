"""What two of pytest's workers both need is compiled by one; the other waits, and reads its file.

Each worker imports every test, and with them the strategies, which are compiled as they are made.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher

from strategy_lab_core._jit import CACHE_FOLDER

__all__ = ["compile_once"]


def compile_once() -> None:
    """Have this process compile, and read what is compiled, only while no other worker does."""
    compiled: Any = Dispatcher.compile
    CACHE_FOLDER.mkdir(parents=True, exist_ok=True)
    lock = (CACHE_FOLDER / ".one-worker").open("w")
    depth = 0

    @contextmanager
    def alone() -> Iterator[None]:
        nonlocal depth
        with global_compiler_lock:  # of this process's threads; what is called is compiled inside
            if depth == 0:
                fcntl.flock(lock, fcntl.LOCK_EX)
            depth += 1
            try:
                yield
            finally:
                depth -= 1
                if depth == 0:
                    fcntl.flock(lock, fcntl.LOCK_UN)

    def compile(self: Any, signature: Any) -> Any:
        with alone():
            return compiled(self, signature)

    Dispatcher.compile = compile  # type: ignore[method-assign, assignment]
