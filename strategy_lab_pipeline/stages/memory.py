"""How much memory a process here can have."""

import resource
from pathlib import Path

import psutil

__all__ = ["memory_limit"]

_CONTAINER = Path("/sys/fs/cgroup/memory.max")


def memory_limit() -> int:
    """Return the smallest of the machine's, the container's and the process's own limit, bytes."""
    limits = [psutil.virtual_memory().total]
    own, _ = resource.getrlimit(resource.RLIMIT_AS)
    if own != resource.RLIM_INFINITY:
        limits.append(own)
    container = _CONTAINER.read_text().strip() if _CONTAINER.is_file() else "max"
    if container.isdigit():
        limits.append(int(container))
    return min(limits)
