"""The decorators of kernels, and the digest that keys their cache."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from strategy_lab_core._jit import (
    HOT_KERNEL,
    IN_KEY,
    JIT_DISABLED,
    LEFT_OUT_OF_KEY,
    inlined,
    kernel,
    part,
    source_digest,
)
from strategy_lab_core.types import Float2D

CORE = Path(__file__).parents[2] / "strategy_lab_core"
DECORATORS = {"kernel", "hot_kernel", "part", "inlined"}
WITHOUT_BLAS = """
import numba
import sys
import strategy_lab_core._jit
assert numba.njit(lambda x: x + 1)(3) == 4
assert "scipy.linalg" not in sys.modules
"""


@part
def _twice(x: int) -> int:
    return 2 * x


@inlined
def _next(x: int) -> int:
    return x + 1


@inlined
def _next_twice(x: int) -> int:
    return _twice(x + 1)


@kernel
def _both(x: int) -> int:
    return _twice(_next(x))


def test_kernel__calls_its_parts() -> None:
    """Parts without an entry point of their own work inside a kernel."""
    assert _both(3) == 8


@pytest.mark.skipif(JIT_DISABLED, reason="without compilation every part is a Python function")
@pytest.mark.parametrize("function", [_twice, _next])
def test_part__refuses_a_call_from_python(function: object) -> None:
    """The missing entry point would end the process."""
    assert callable(function)
    with pytest.raises(TypeError, match="is part of other kernels"):
        function(3)


@pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")
def test_part__stays_a_call_where_its_caller_is_inlined() -> None:
    """Numba would have it take after its caller: the whole engine was one function once."""

    def quadruple(x: int) -> int:
        return _next_twice(_next_twice(x))

    compiled = numba.njit(**{**HOT_KERNEL, "cache": False})(quadruple)
    assert compiled(3) == 18
    (code,) = compiled.inspect_llvm().values()
    called = re.findall(r"call .*?@(.*?)\(", code)
    assert any("_twice" in name and "_next_twice" not in name for name in called)
    assert not any("_next_twice" in name for name in called)


@pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")
def test_kernel__loads_no_linear_algebra_before_it_is_called_for() -> None:
    """Every process would wait for it; a kernel that needs it has it."""
    call = [sys.executable, "-c", WITHOUT_BLAS]
    done = subprocess.run(call, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr

    def product(x: Float2D) -> Float2D:
        found: Float2D = np.dot(x, x)
        return found

    compiled: Any = numba.njit()(product)
    assert compiled(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist() == [[7.0, 10.0], [15.0, 22.0]]


def test_source_digest__follows_names_and_contents(tmp_path: Path) -> None:
    """Any edit, any new file; not what is left out, and nothing but Python."""
    (tmp_path / "a.py").write_text("x = 1")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.py").write_text("y = 1")
    first = source_digest(tmp_path)
    assert source_digest(tmp_path) == first

    (tmp_path / "note.txt").write_text("no code")
    assert source_digest(tmp_path) == first
    without = source_digest(tmp_path, without=("sub",))
    but = source_digest(tmp_path, without=("sub",), but=("sub/b.py",))
    assert but == first
    (tmp_path / "sub" / "b.py").write_text("y = 2")
    assert source_digest(tmp_path) != first
    assert source_digest(tmp_path, without=("sub",)) == without
    assert source_digest(tmp_path, without=("sub",), but=("sub/b.py",)) != but
    (tmp_path / "a.py").rename(tmp_path / "c.py")
    assert source_digest(tmp_path, without=("sub",)) != without


def _origins(path: Path) -> dict[str, set[str]]:
    """Return the files of the package that each name of a module comes from."""
    found: dict[str, set[str]] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("strategy_lab_core"):
            module = CORE.joinpath(*(node.module or "").split(".")[1:])
            for each in node.names:
                file = module / f"{each.name}.py" if module.is_dir() else module.with_suffix(".py")
                assert file.is_file(), (path, each.name)
                found[each.asname or each.name] = {file.relative_to(CORE).as_posix()}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            made_of = set().union(*(found.get(name, set()) for name in _names(node.value)))
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= dict.fromkeys(_names(*targets), made_of)
    return found


def _names(*nodes: ast.AST | None) -> set[str]:
    walked = (each for node in nodes if node is not None for each in ast.walk(node))
    return {each.id for each in walked if isinstance(each, ast.Name)}


def _used_by_kernels(path: Path) -> set[str]:
    """Return the files of the package that a file's kernels take something from: types, too."""
    used = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and DECORATORS & _names(*node.decorator_list):
            used |= _names(node.args, node.returns, *node.body)
    origins = _origins(path)
    return set().union(*(origins.get(name, set()) for name in used))


def test_key__has_all_that_kernels_take_from_other_files() -> None:
    """An edit of what is left out would be missed, also by kernels that are left out themselves."""
    used = {file for path in CORE.rglob("*.py") for file in _used_by_kernels(path)}

    assert {"data/simulate_matching.py", "types.py", "strategies/strategy.py"} <= used
    assert {file for file in used if file.split("/")[0] in LEFT_OUT_OF_KEY} <= set(IN_KEY)
