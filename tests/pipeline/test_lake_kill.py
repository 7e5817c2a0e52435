"""A writer killed at random moments: no half of a version is ever seen, the next one succeeds."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strategy_lab_pipeline.lake import DRAFTS, Lake

ROUNDS = 6
MANY_ROUNDS = 120
WRITER = """
import sys
from pathlib import Path
import polars as pl
from strategy_lab_pipeline.lake import Lake

lake = Lake(Path(sys.argv[1]))
schema = pl.Schema({"ts": pl.Int64, "symbol": pl.String})
print("ready", flush=True)
for day in range(1, 29):
    with lake.publish("raw_ticks", "MNQ", f"2025-01-{day:02d}", f"{day:016x}") as draft:
        with draft.table("mbo", schema) as table:
            for start in range(0, 40_000, 10_000):
                numbers = pl.int_range(start, start + 10_000, dtype=pl.Int64, eager=True)
                table.write(pl.DataFrame({"ts": numbers * day, "symbol": numbers.cast(pl.String)}))
        draft.json("notes.json", {"day": day})
print("done", flush=True)
"""


def _start(root: Path) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(root)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def _finish(process: "subprocess.Popen[bytes]") -> None:
    process.communicate(timeout=300)
    assert process.returncode == 0


def _visible(root: Path) -> dict[str, bytes]:
    """Return every file below the lake that is not hidden."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.glob("[!.]*/**/*"))
        if path.is_file()
    }


def _only_whole_versions(lake: Lake) -> None:
    for folder in lake.root.glob("[!.]*/*/*/*"):
        asset, product, session, version = folder.relative_to(lake.root).parts
        assert lake.find(asset, product, session, version) is not None, folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    """Return what a writer that nobody kills leaves, and the seconds that it writes."""
    root = tmp_path_factory.mktemp("undisturbed")
    process = _start(root)
    begun = time.monotonic()
    _finish(process)
    return _visible(root), time.monotonic() - begun


def _survive(undisturbed: tuple[dict[str, bytes], float], root: Path, rounds: int) -> None:
    wanted, seconds = undisturbed
    chance = random.Random(rounds)
    lake = Lake(root)
    for _ in range(rounds):
        with _start(root) as process:
            time.sleep(chance.uniform(0, seconds))
            os.kill(process.pid, signal.SIGKILL)
        _only_whole_versions(lake)
        if chance.random() < 0.5:
            lake.sweep(list)  # the database knows no version
            assert list((root / DRAFTS).iterdir()) == []
            assert _visible(root) == {}
    with _start(root) as process:
        _finish(process)
    assert _visible(root) == wanted
    lake.sweep(lambda: [_key(name) for name in wanted])
    assert list((root / DRAFTS).iterdir()) == []
    assert _visible(root) == wanted


def _key(name: str) -> tuple[str, str, str, str]:
    asset, product, session, version, _ = name.split("/")
    return asset, product, session, version


def test_publish__survives_kills(
    undisturbed: tuple[dict[str, bytes], float], tmp_path: Path
) -> None:
    """Only whole versions, no draft after a sweep, the same bytes at the end."""
    _survive(undisturbed, tmp_path, ROUNDS)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_publish__survives_many_kills(
    undisturbed: tuple[dict[str, bytes], float], tmp_path: Path
) -> None:
    """The same, often enough to hit the rare moments."""
    _survive(undisturbed, tmp_path, MANY_ROUNDS)
