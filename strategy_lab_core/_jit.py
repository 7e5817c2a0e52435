"""The one Numba decorator, and a compile cache that cannot go stale.

Numba's disk cache looks only at the file a function is written in, so editing a kernel leaves its
callers in other files running the old code. Keying the cache folder by the package's source fixes
this; strategies are left out, they bring a key of their own (`strategies.strategy`), so that an
edited strategy does not recompile the engine. Set NUMBA_CACHE_DIR to choose a folder yourself (it
is never pruned then), NUMBA_DISABLE_JIT=1 to debug in Python.
"""

import hashlib
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba
from numba.core.registry import CPUDispatcher
from numba.np import linalg

from strategy_lab_core._cache import hold, prune
from strategy_lab_core._parts import KernelCompiler, PartCompiler

__all__ = [
    "CACHE_FOLDER",
    "HOT_KERNEL",
    "IN_KEY",
    "JIT_DISABLED",
    "LEFT_OUT_OF_KEY",
    "POSITIVE",
    "SHARED_BY_STRATEGIES",
    "hot_kernel",
    "inlined",
    "is_compiled",
    "kernel",
    "part",
    "prune_caches",
    "source_digest",
]

P = ParamSpec("P")
R = TypeVar("R")

_njit: Any = numba.njit  # its published types leave out the options for hot loops
_unliteral: Any = numba.types.unliteral  # it has none

SHARED_BY_STRATEGIES = ("strategies/quoting.py", "strategies/requests.py")
# No kernel of the books or the engine uses anything of these layers. Their own kernels are cached
# by their own file alone, so that whatever they take from other files is in the key.
_LAYERS_LEFT_OUT = ("strategies", "report", "data", "probes", "search", "stats")
LEFT_OUT_OF_KEY = (*_LAYERS_LEFT_OUT, "__init__.py", "errors.py")
IN_KEY = (
    *SHARED_BY_STRATEGIES,
    "strategies/strategy.py",  # `View`: numba knows its fields' types, not their names
    "data/simulate_market.py",
    "data/simulate_matching.py",
)
_SOURCES = (".py", ".yaml", ".j2")
# An index masked with it has no code for negative ones, which count from the end: an and, a shift
# and an addition at every access to every array.
POSITIVE = 0x7FFFFFFF
JIT_DISABLED = bool(numba.config.DISABLE_JIT)  # type: ignore[attr-defined]

_COMMON: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
_KERNEL = {**_COMMON, "cache": True, "pipeline_class": KernelCompiler}
HOT_KERNEL = {**_KERNEL, "_nrt": False}
_PART = {
    **_COMMON, "_nrt": False, "pipeline_class": PartCompiler,
    "no_cpython_wrapper": True, "no_cfunc_wrapper": True,
}  # fmt: skip


def source_digest(
    package: Path, *, without: tuple[str, ...] = (), but: tuple[str, ...] = ()
) -> str:
    """Return 16 hex digits that change whenever code, a table or a template in `package` does.

    Folders and files directly under `package` that are named in `without` are left out, but for
    the paths in `but`.
    """
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        relative = path.relative_to(package)
        name = relative.as_posix()
        if path.suffix in _SOURCES and (relative.parts[0] not in without or name in but):
            digest.update(name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


_IS_OURS = "NUMBA_CACHE_DIR" not in os.environ


def _cache_folder() -> Path:
    if not _IS_OURS:
        return Path(os.environ["NUMBA_CACHE_DIR"])
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = source_digest(Path(__file__).parent, without=LEFT_OUT_OF_KEY, but=IN_KEY)
    return home / "strategy_lab" / (f"{key}-checked" if _bounds_are_checked() else key)


def _bounds_are_checked() -> bool:
    """Return whether NUMBA_BOUNDSCHECK is on: Numba would serve such kernels without it, too."""
    return bool(numba.config.BOUNDSCHECK)  # type: ignore[attr-defined]


CACHE_FOLDER = _cache_folder()
numba.config.CACHE_DIR = str(CACHE_FOLDER)  # type: ignore[attr-defined]
if _IS_OURS:
    hold(CACHE_FOLDER)


def prune_caches() -> list[Path]:
    """Remove the caches of other sources that nobody has used for a month; return their folders."""
    return prune(CACHE_FOLDER.parent) if _IS_OURS else []


def is_compiled() -> bool:
    """Return whether kernels of this source lie in the cache: else the first call takes a while."""
    return JIT_DISABLED or any(CACHE_FOLDER.rglob("simulator.advance-*.nbi"))


def _load_array_functions() -> None:
    """Load Numba's functions of arrays without their search for a BLAS.

    Only to learn that there is one, every process would import all of SciPy's linear algebra. We
    depend on SciPy, and kernels that call BLAS look for it themselves.
    """
    search, linalg.ensure_blas = linalg.ensure_blas, lambda: None
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        linalg.ensure_blas = search


if not JIT_DISABLED:
    _load_array_functions()


def kernel(func: Callable[P, R]) -> Callable[P, R]:
    """Compile `func` in nopython mode, without the GIL and cached on disk."""
    compiled: Any = _njit(**_KERNEL)(func)
    return compiled  # type: ignore[no-any-return]


def hot_kernel(func: Callable[P, R]) -> Callable[P, R]:
    """Compile `func` like `kernel`, without counting references.

    For the loop over a NamedTuple of arrays: counting a reference on each array at every access
    costs many times the work itself, and most of the compile time. Such a function must not make
    arrays (views of its arguments are fine) nor return them.
    """
    compiled: Any = _njit(**HOT_KERNEL)(func)
    return compiled  # type: ignore[no-any-return]


def part(func: Callable[P, R]) -> Callable[P, R]:
    """Compile `func` like `hot_kernel`, to be called from other kernels only, by a real call.

    It has no machine code but its kernel's (`_parts`). Of the some fifty numbers that a NamedTuple
    of arrays is, the call hands over those that are looked at.
    """
    return _part(func, forceinline=False)  # said aloud: else it takes after its caller


def inlined(func: Callable[P, R]) -> Callable[P, R]:
    """Compile `func` like `part`, always as part of its caller's machine code.

    For the steps of a hot loop, and what is called from one place: each place is a copy.
    """
    return _part(func, forceinline=True)


def _part(func: Callable[P, R], *, forceinline: bool) -> Callable[P, R]:
    compiled: Any = _njit(**_PART, forceinline=forceinline)(func)
    if not JIT_DISABLED:
        compiled.__class__ = _Part
    return compiled  # type: ignore[no-any-return]


def _number(kind: Any) -> Any:
    """Return the type of a constant's or an enum member's value, any other type as it is."""
    kind = _unliteral(kind)
    return kind.dtype if isinstance(kind, numba.types.IntEnumMember) else kind


class _Part(CPUDispatcher):
    """Compiled once for all numbers of a type: where it is inlined, a constant is seen anyway.

    Refuses to be called from Python, where the missing entry point would end the process.
    """

    def get_call_template(self, args: Any, kws: Any) -> Any:
        named = {name: _number(kind) for name, kind in kws.items()}
        return super().get_call_template(tuple(map(_number, args)), named)

    def __call__(self, *_: object, **__: object) -> object:
        raise TypeError(
            f"{self.py_func.__name__} is part of other kernels: call it from one of them"
        )
