"""Searches and walk-forwards killed at planned and at random moments: as if nothing had happened.

The killed ones are real processes, and the signal is SIGKILL. The ordinary suite kills a search at
two planned moments; `make test-all` at all of them, and the command line and a Dagster backfill at
random ones too (STRATEGY_LAB_KILLS as for `test_kill`).
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from strategy_lab_pipeline import launch
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import backtests
from strategy_lab_pipeline.stages.research import PARTITIONS
from strategy_lab_pipeline.stages.walk_forwards import stale_windows, windows_of
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace
from tests.pipeline.daemon import running
from tests.pipeline.dying import BUILDS
from tests.pipeline.test_kill import (
    BACKFILL,
    kill_tree,
    nothing_hangs,
    rows_have_their_files,
    tree,
)
from tests.pipeline.test_searches import opened, search_of

__all__ = ["opened"]  # a fixture

KILLS = max(2, int(os.environ.get("STRATEGY_LAB_KILLS", "40")) // 5)
TPE = "method: tpe\nobjective: net_profit\nn_trials: 6\nbatch_size: 2\n"
WALK = "method: tpe\nobjective: net_profit\nn_trials: 4\nbatch_size: 2\n"
WALK += "walk_forward: {train: 3, test: 1, step: 2}\n"
SEARCH_MOMENTS = (
    "within:Engine.run:3",  # a batch is running: two of its seven sessions are kept
    "after:Store.record_runs:5",  # its last session is kept, its trials are not
    "before:Store.record_trials:2",  # the same of the second batch, the first replayed
    "after:Store.record_trials:3",  # all trials are kept, nothing is published
    "before:Store.record_materialization:1",  # the files are there, their row is not
)
WINDOW_MOMENTS = (
    "within:Engine.run:2",  # the training of the first window is running
    "after:Store.record_trials:2",  # it has ended, nothing is chosen yet
    "before:Store.record_materialization:1",  # chosen and judged, the files without their row
    "before:Store.record_window:2",  # the second window's row, but not what it chose
)


def killed(moment: str, *what: str) -> None:
    """Run a program up to its moment."""
    command = [sys.executable, "-m", "tests.pipeline.dying", moment, *what]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == -signal.SIGKILL, (moment, done.stderr)


def twin(opened: Workspace) -> Workspace:
    """Return a copy of the workspace, for what nobody kills."""
    home = opened.settings.home.with_name("undisturbed")
    shutil.copytree(opened.settings.home, home)
    return open_workspace(Settings(home=home))


def runs_of(opened: Workspace) -> dict[tuple[str, str], Any]:
    """Return every run by experiment and session; fail where one is there twice."""
    rows = opened.store.runs(history=True)
    found = {(row.experiment_id, row.session): row for row in rows}
    assert len(found) == len(rows)
    return found


def outcome(opened: Workspace) -> dict[str, Any]:
    """Return all that a search or walk-forward leaves, but for when and by whom it was made."""
    store = opened.store
    return {
        "trials": {row.digest: store.trials(row.digest) for row in store.searches()},
        "runs": {key: (row.version, row.metrics) for key, row in runs_of(opened).items()},
        "windows": store.windows(),
        "files": {name: digest for name, digest in tree(opened.settings.lake).items()
                  if name.startswith(("searches.", "walk_forwards."))},
    }  # fmt: skip


def resumed_equals_undisturbed(opened: Workspace, what: str, moments: Sequence[str]) -> None:
    """Kill one process after the other, finish here, and compare with what nobody killed.

    What one process has kept, the next ones leave as it is.
    """
    quiet, kept = twin(opened), runs_of(opened)
    for moment in moments:
        killed(moment, what, str(opened.settings.home), "sizes")
        now = runs_of(opened)
        assert {key: now[key] for key in kept} == kept, moment
        kept = now
    for each in (opened, quiet):
        BUILDS[what](each.settings.home, "sizes")
    now = runs_of(opened)
    assert {key: now[key] for key in kept} == kept
    assert outcome(opened) == outcome(quiet)


@pytest.mark.parametrize(
    "moments", [SEARCH_MOMENTS[:2], pytest.param(SEARCH_MOMENTS[2:], marks=pytest.mark.slow)]
)
def test_search__killed_at_each_step_is_the_undisturbed_one(
    opened: Workspace, moments: Sequence[str]
) -> None:
    """The same trials, runs and bytes; none lost, none doubled, and no kept run made again."""
    search_of(opened, TPE)
    resumed_equals_undisturbed(opened, "search", moments)
    (trials,) = outcome(opened)["trials"].values()
    assert [trial.number for trial in trials] == list(range(6))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_walk_forward__killed_at_each_step_is_the_undisturbed_one(opened: Workspace) -> None:
    """While a window trains, chooses and is judged: the same windows, trials, runs and bytes."""
    search = search_of(opened, WALK)
    resumed_equals_undisturbed(opened, "windows", WINDOW_MOMENTS)
    assert len(opened.store.windows()) == len(windows_of(opened, search)) == 2


def command(home: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start the command line."""
    program = [sys.executable, "-m", "strategy_lab_pipeline.cli", "--home", str(home)]
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([*program, *arguments], **quiet, start_new_session=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("verb", ["search", "walk-forward"])
def test_commands__survive_kills(opened: Workspace, verb: str) -> None:
    """Killed with all they started at random moments: nothing half, nothing hung, same outcome."""
    search_of(opened, TPE if verb == "search" else WALK)
    quiet = twin(opened)
    begun = time.monotonic()
    assert command(quiet.settings.home, verb, "sizes").wait() == 0
    seconds = time.monotonic() - begun
    chance = random.Random(3)  # moments, not secrets
    home = opened.settings.home
    for _ in range(KILLS):
        process = command(home, verb, "sizes")
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=chance.uniform(seconds / 4, seconds))
        kill_tree(process)
        rows_have_their_files(home)
    assert command(home, verb, "sizes").wait() == 0
    nothing_hangs(home)
    assert outcome(opened) == outcome(quiet)


@pytest.mark.slow
@pytest.mark.daemon
@pytest.mark.timeout(3600)
def test_backfill__of_windows_survives_kills(opened: Workspace) -> None:
    """The daemon's tree killed in a backfill, and started again: it ends as an undisturbed one."""
    search = search_of(opened, WALK)
    for _, session in opened.store.all_partitions():  # or the landing folder's sensor would
        backtests.build(opened, "MNQ", date.fromisoformat(session), run_id="test")
    quiet, home = twin(opened), opened.settings.home
    BUILDS["windows"](quiet.settings.home, "sizes")
    keys = list(windows_of(opened, search))
    with launch.open_instance(opened.settings) as instance:
        instance.add_dynamic_partitions(PARTITIONS["walk_forwards"], keys)
    selected = {"assetSelection": [{"path": ["walk_forwards"]}], "partitionNames": keys}
    chance = random.Random(4)
    with running(home) as daemon:
        daemon.ask(BACKFILL, params=selected)
        time.sleep(chance.uniform(5, 30))
        daemon.kill()
    for _ in range(max(1, KILLS // 4)):
        rows_have_their_files(home)
        with running(home) as daemon:
            time.sleep(chance.uniform(5, 30))
            daemon.kill()
    nothing_hangs(home)
    with running(home) as daemon:
        if stale_windows(opened, search):
            daemon.ask(BACKFILL, params=selected)
        daemon.wait("every window", lambda: not stale_windows(opened, search), seconds=900)
    nothing_hangs(home)
    assert outcome(opened) == outcome(quiet)
