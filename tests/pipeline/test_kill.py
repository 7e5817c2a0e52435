"""SIGKILL to the whole process tree at random moments: nothing half, nothing hung, same bytes.

The full count (50 and more) is `make test-all`; STRATEGY_LAB_KILLS sets another.
"""

import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import dagster as dg
import psutil
import pytest

from strategy_lab_pipeline import launch
from strategy_lab_pipeline.settings import Settings
from tests.pipeline.daemon import running

KILLS = int(os.environ.get("STRATEGY_LAB_KILLS", "40"))
DAEMON_KILLS = max(1, KILLS // 4)
EVENTS = 3_000
BACKFILL = """mutation($params: LaunchBackfillParams!){
  launchPartitionBackfill(backfillParams: $params){
    __typename ... on LaunchBackfillSuccess{backfillId} ... on PythonError{message}}}"""
UNFINISHED = """{runsOrError(filter: {statuses: [QUEUED, NOT_STARTED, STARTING, STARTED]}){
  ... on Runs{results{runId status}}}}"""


def _demo(home: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "strategy_lab_pipeline.cli", "--home", str(home), "demo"]
    return subprocess.Popen(
        [*command, "--events", str(EVENTS)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_tree(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL a process and all that it started."""
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGKILL)
    with suppress(ProcessLookupError):
        process.kill()
    process.wait()


def tree(folder: Path) -> dict[str, str]:
    """Return every published file with its hash; drafts and locks are not published."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.parts[-6:-1])
        and not path.name.startswith(".")
    }  # fmt: skip


def _current(home: Path) -> dict[str, str]:
    """Return the published files of the versions that count; superseded ones may lie beside them.

    A daemon that is killed again and again writes reports on the sessions that it has.
    """
    with sqlite3.connect(home / "strategy_lab.db") as connection:
        rows = connection.execute(
            "SELECT asset, product, session, version FROM materializations WHERE current"
        ).fetchall()
    folders = {"/".join(row) for row in rows}
    files = tree(home / "lake")
    return {name: digest for name, digest in files.items() if name.rpartition("/")[0] in folders}


def rows_have_their_files(home: Path) -> None:
    """Every materialisation row's files are there, whole, with the hash that the row records."""
    database = home / "strategy_lab.db"
    if not database.exists():
        return
    with sqlite3.connect(database) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        if "materializations" not in tables:
            return
        rows = connection.execute(
            "SELECT asset, product, session, version, files FROM materializations WHERE current"
        ).fetchall()
    for asset, product, session, version, files in rows:
        for file in json.loads(files):
            path = home / "lake" / asset / product / session / version / file["name"]
            assert hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"], path


def nothing_hangs(home: Path) -> None:
    """After the repair that every command begins with, no run and no pool slot is held."""
    with launch.open_instance(Settings(home=home)) as instance:
        launch.repair(instance, daemon_lives=False)
        assert not instance.get_runs(dg.RunsFilter(statuses=launch.LIVE))
        storage = instance.event_log_storage
        for pool in storage.get_concurrency_keys():
            assert not storage.get_concurrency_info(pool).active_run_ids


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Return a home folder after an undisturbed demo, and the seconds that it took."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    _demo(home).wait()
    again = home.with_name("timed")
    start = time.monotonic()
    assert _demo(again).wait() == 0
    return home, time.monotonic() - start


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_demo__survives_kills(undisturbed: tuple[Path, float], tmp_path: Path) -> None:
    """Killed at random moments and run again, the demo gives the bytes of an undisturbed run."""
    clean, seconds = undisturbed
    rng = random.Random(1)  # moments, not secrets
    home = tmp_path / "home"
    for number in range(KILLS):
        if number % 8 == 0:
            home = tmp_path / f"home-{number}"
        process = _demo(home)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=rng.uniform(0.2, seconds))
        kill_tree(process)
        rows_have_their_files(home)
        if number % 8 == 7 or number == KILLS - 1:
            assert _demo(home).wait() == 0
            rows_have_their_files(home)
            nothing_hangs(home)
            assert tree(home / "lake") == tree(clean / "lake")
            assert tree(home / "landing") == tree(clean / "landing")


@pytest.mark.slow
@pytest.mark.daemon
@pytest.mark.timeout(3600)
def test_backfill__survives_kills(undisturbed: tuple[Path, float], tmp_path: Path) -> None:
    """The daemon's tree killed in a backfill, and started again: it ends, and nothing hangs."""
    clean, _ = undisturbed
    rng = random.Random(2)
    home = tmp_path / "home"
    (home / "landing").mkdir(parents=True)
    for file in (clean / "landing").iterdir():
        (home / "landing" / file.name).write_bytes(file.read_bytes())
    (home / "experiments").mkdir()
    for file in (clean / "experiments").iterdir():
        (home / "experiments" / file.name).write_bytes(file.read_bytes())
    for _ in range(DAEMON_KILLS):
        with running(home) as daemon:
            params = {
                "assetSelection": [{"path": [name]} for name in ("raw_ticks", "order_books")],
                "partitionNames": [f"MNQ|2025-01-{day}" for day in (13, 14, 15)],
            }
            with suppress(AssertionError):
                daemon.ask(BACKFILL, params=params)
            time.sleep(rng.uniform(1, 45))
            daemon.kill()
        rows_have_their_files(home)
        nothing_hangs(home)
    with running(home) as daemon:
        daemon.wait(
            "every run to end",
            lambda: not daemon.ask(UNFINISHED)["runsOrError"]["results"],
            seconds=400,
        )
    assert _demo(home).wait() == 0
    nothing_hangs(home)
    assert _current(home) == _current(clean)
