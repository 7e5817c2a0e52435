"""Compile caches of other sources: away when nobody needs them, never while somebody does."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numba
import pytest

from strategy_lab_core import _jit
from strategy_lab_core._cache import KEPT_DAYS, hold, prune

OLD_SECONDS = (KEPT_DAYS + 1) * 86_400
HOLDER = """
import sys
from pathlib import Path
from strategy_lab_core._cache import hold
hold(Path(sys.argv[1]))
print("holds", flush=True)
sys.stdin.read()
"""


def made(root: Path, name: str, *, is_old: bool = True) -> Path:
    """Make a cache folder with a file, last used more than a month ago, or now."""
    folder = root / name
    (folder / "kernels").mkdir(parents=True)
    (folder / "kernels" / "one.nbi").write_text("machine code")
    if is_old:
        aged(folder)
    return folder


def aged(path: Path) -> None:
    """Put a time back by more than a month."""
    then = time.time() - OLD_SECONDS
    os.utime(path, (then, then))


def test_prune__removes_what_was_not_used_for_a_month(tmp_path: Path) -> None:
    """Folders of a time before the marker count by their own time; others' folders stay."""
    old, new = made(tmp_path, "0" * 16), made(tmp_path, "1" * 16, is_old=False)
    checked, other = made(tmp_path, f"{'0' * 16}-checked"), made(tmp_path, "not_ours")

    assert prune(tmp_path) == [old, checked]
    assert (old.exists(), new.exists(), other.exists()) == (False, True, True)
    assert prune(tmp_path / "none") == []


def test_prune__leaves_a_folder_that_was_used_lately(tmp_path: Path) -> None:
    """Whatever its own time says."""
    folder = made(tmp_path, "0" * 16)
    subprocess.run([sys.executable, "-c", HOLDER, str(folder)], check=True, input=b"")
    aged(folder)

    assert prune(tmp_path) == []
    aged(folder / ".in-use")
    assert prune(tmp_path) == [folder]


def test_prune__leaves_a_folder_that_a_living_process_holds(tmp_path: Path) -> None:
    """However long ago it began; when it is killed, the folder may go."""
    folder = made(tmp_path, "0" * 16)
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"holds\n"
        aged(folder / ".in-use")
        assert prune(tmp_path) == []
        holder.kill()
        holder.wait()
        assert prune(tmp_path) == [folder]


def test_hold__needs_no_place_to_write(tmp_path: Path) -> None:
    """A home that can't be written is no reason to fail."""
    file = tmp_path / "file"
    file.write_text("")

    hold(file / "folder")


def test_folder__of_checked_kernels_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba's own key does not tell them apart: tests would run unchecked, and users checked."""
    monkeypatch.setattr(_jit, "_IS_OURS", True)
    monkeypatch.setattr(numba.config, "BOUNDSCHECK", None)
    plain = _jit._cache_folder()
    monkeypatch.setattr(numba.config, "BOUNDSCHECK", 1)
    checked = _jit._cache_folder()

    assert checked.name == f"{plain.name}-checked"


def test_prune_caches__leaves_a_folder_that_the_user_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies beside it is not ours."""
    monkeypatch.setattr(_jit, "_IS_OURS", False)

    assert _jit.prune_caches() == []
