"""Permissions that bind this thread too, also where the tests run as root."""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

__all__ = ["permissions_bind"]

VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3, linux/capability.h
OVERRIDE = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
EFFECTIVE = 0  # of effective, permitted, inheritable; twice, for 64 capabilities


@contextmanager
def permissions_bind() -> Iterator[None]:
    """Do without root's right to read everything, which other threads and programs keep."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "capset"):
        pytest.skip("root may read everything: run as a user")
    header, rights = (ctypes.c_uint32 * 2)(VERSION, 0), (ctypes.c_uint32 * 6)()
    _call(libc.capget, header, rights)
    had = rights[EFFECTIVE]
    rights[EFFECTIVE] = had & ~OVERRIDE
    _call(libc.capset, header, rights)
    try:
        yield
    finally:
        rights[EFFECTIVE] = had
        _call(libc.capset, header, rights)


def _call(function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments):
        raise OSError(ctypes.get_errno(), "capabilities")
