"""A sweep from the command line: every combination, the figures of a backtest, nothing twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.strategies.experiment import Experiment
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import runs
from strategy_lab_pipeline.stages.experiments import read_experiment
from strategy_lab_pipeline.stages.sweeps import grid, sweep
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace
from tests.pipeline import shell
from tests.pipeline.bad_strategies import write_experiment, write_strategy

DAY, NEXT_DAY = date(2025, 1, 13), date(2025, 1, 14)


@pytest.fixture
def opened(booked: Path, tmp_path: Path) -> Workspace:
    """Return a workspace with the books of one session."""
    shutil.copytree(booked, tmp_path / "home")
    return open_workspace(Settings(home=tmp_path / "home"))


@pytest.fixture
def two_days(booked_twice: Path, tmp_path: Path) -> Workspace:
    """Return a workspace with the books of a session, and of the first hour of another."""
    shutil.copytree(booked_twice, tmp_path / "home")
    return open_workspace(Settings(home=tmp_path / "home"))


def good(folder: Path) -> Experiment:
    """Return an experiment that trades whenever it is flat."""
    return read_experiment(write_experiment(folder, "good", write_strategy(folder, "good")))


def test_grid__is_every_combination_once(tmp_path: Path) -> None:
    """The last axis varies fastest; a value that says the same again is no other set."""
    path = write_experiment(tmp_path, "imbalance", "imbalance")
    sets = grid(read_experiment(path), ["passive=true,false", "threshold=0.5,0.7,0.50"])
    chosen = [each.strategy.parameters for each in sets]

    assert [(p["passive"], p["threshold"]) for p in chosen] == [
        (True, 0.5), (True, 0.7), (False, 0.5), (False, 0.7),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (["size"], "name=value,value"),
        (["size=1", "size=2"], "each name once"),
        (["sise=1,2"], "did you mean 'size'"),
        (["size=1,9"], r"bad\.size must be int in \[1, 5\], got 9"),
        (["size=[1,2"], "with plain values"),
        (["size=1,"], r"bad\.size must be int in \[1, 5\], got None"),
    ],
)
def test_grid__refuses_what_it_can_t_mean(tmp_path: Path, axes: list[str], said: str) -> None:
    """By name, before anything runs."""
    with pytest.raises(ConfigError, match=said):
        grid(good(tmp_path), axes)


def test_sweep__has_the_figures_of_backtests(opened: Workspace, tmp_path: Path) -> None:
    """Set for set; the second time nothing is run, and a backtest finds no other figures."""
    sets = grid(good(tmp_path), ["size=1,2,3"])

    first, again = sweep(opened, sets), sweep(opened, sets, [DAY])

    assert (first.ran, first.kept, again.ran, again.kept) == (3, 0, 0, 3)
    assert first.rows == again.rows
    assert first.success
    for row, one in zip(first.rows, sets, strict=True):
        alone = runs.build(opened, one, DAY, run_id="test", on_progress=lambda *_: None)
        (trial,) = opened.store.runs(experiment_id=one.digest(), history=True)
        assert row["size"] == one.strategy.parameters["size"]
        assert row["net_profit_e6"] == alone["metrics"]["net_profit_e6"] != 0
        assert dict(trial.metrics) == alone["metrics"]


def test_sweep__needs_books(opened: Workspace, tmp_path: Path) -> None:
    """A session without them is named."""
    with pytest.raises(PipelineError, match="MNQ 2025-01-14: no order books"):
        sweep(opened, [good(tmp_path)], [date(2025, 1, 14)])


def test_sweep__tells_which_set_failed(opened: Workspace, tmp_path: Path) -> None:
    """A set that raises is a trial with its error; it is not run again."""
    path = write_strategy(tmp_path, "raises")
    sets = grid(read_experiment(write_experiment(tmp_path, "raises", path)), ["size=1,2"])

    found, again = sweep(opened, sets), sweep(opened, sets)

    assert [row["failed"] for row in found.rows] == [1, 1]
    assert "no idea" in found.rows[0]["error"]
    assert not found.success
    assert again.ran == 0


def test_sweep__an_endless_set_fails_alone(booked: Path, tmp_path: Path) -> None:
    """It is named; the others have the figures that they have without it; it is tried again."""
    shutil.copytree(booked, tmp_path / "home")
    opened = open_workspace(Settings(home=tmp_path / "home", deadline_seconds=4.0))
    path = write_strategy(tmp_path, "endless_at_3")
    sets = grid(read_experiment(write_experiment(tmp_path, "some", path)), ["size=1,2,3,4,5"])

    found = sweep(opened, sets)

    assert [(row["set"], row["sessions"], row["failed"]) for row in found.rows] == [
        (0, 1, 0), (1, 1, 0), (2, 0, 1), (3, 1, 0), (4, 1, 0),
    ]  # fmt: skip
    assert "killed at its deadline" in found.rows[2]["error"]
    assert not found.success
    assert not opened.store.runs(experiment_id=sets[2].digest())


def test_sweep__leaves_out_partial_sessions(two_days: Workspace, tmp_path: Path) -> None:
    """They are said, and no failure; an experiment that allows them runs on them."""
    experiment = good(tmp_path)
    whole = replace(experiment, config=replace(experiment.config, allow_partial=False))

    found, allowed = sweep(two_days, grid(whole, ["size=1,2"])), sweep(two_days, [experiment])
    alone = sweep(two_days, [whole], [NEXT_DAY])

    assert found.success
    assert found.sessions == (str(DAY),)
    (said,) = found.skipped
    assert said.startswith("MNQ 2025-01-14: the session 2025-01-14 is partial")
    assert [(row["sessions"], row["failed"], row["error"]) for row in found.rows] == [
        (1, 0, None)
    ] * 2
    assert (allowed.sessions, allowed.skipped) == ((str(DAY), str(NEXT_DAY)), ())
    assert not alone.success


SLOW = """
import signal
import sys
from pathlib import Path
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import sweeps
from strategy_lab_pipeline.stages.experiments import read_experiment
from strategy_lab_pipeline.stages.workspace import open_workspace

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
sweeps.SETS_A_PASS = 1
opened = open_workspace(Settings(home=Path(sys.argv[1])))
sweeps.sweep(opened, sweeps.grid(read_experiment(Path(sys.argv[2])), ["size=1,2,3,4,5"]))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_sweep__goes_on_after_an_interrupt(opened: Workspace, tmp_path: Path, number: int) -> None:
    """What was done is kept; the rest is run; the table is that of an undisturbed sweep."""
    experiment = good(tmp_path)
    home, file = opened.settings.home, tmp_path / "good.yaml"
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(home), str(file)],
        stderr=subprocess.DEVNULL, env={**os.environ},
    )  # fmt: skip
    while not opened.store.runs("good"):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait() != 0
    kept = len(opened.store.runs("good"))
    assert 0 < kept < 5

    found = sweep(opened, grid(experiment, ["size=1,2,3,4,5"]))

    assert (found.ran, found.kept) == (5 - kept, kept)
    assert [row["size"] for row in found.rows] == [1, 2, 3, 4, 5]
    assert found.success


def test_command__answers_with_a_row_for_each_set(opened: Workspace, tmp_path: Path) -> None:
    """One JSON document; a table for people; exit code 1 for a name that is no parameter."""
    good(tmp_path)

    words = ("--home", str(opened.settings.home), "sweep", str(tmp_path / "good.yaml"), "--set")

    done = shell.call(*words, "size=1,2", "--session", "2025-01-13", "--json")
    shown = shell.call(*words, "size=1,2")
    wrong = shell.call(*words, "sise=1")

    answer = json.loads(done.stdout)
    assert [row["size"] for row in answer["rows"]] == [1, 2]
    assert answer["sessions"] == ["2025-01-13"]
    assert "0 trials run, 2 were there" in shown.stderr
    assert (done.returncode, shown.returncode, wrong.returncode) == (0, 0, 1)
    assert "did you mean 'size'" in wrong.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_command__keeps_the_sessions_that_were_done(
    two_days: Workspace, tmp_path: Path, number: int
) -> None:
    """Interrupted in the second session's pass: the first one's trials are not run again."""
    path = write_experiment(tmp_path, "late", write_strategy(tmp_path, "endless_later"))
    words = ["--home", str(two_days.settings.home), "sweep", str(path), "--set", "size=1,2,3"]
    process = subprocess.Popen(
        [sys.executable, "-m", "strategy_lab_pipeline.cli", *words],
        stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    while len(two_days.store.runs("late")) < 3:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate()
    first_day = shell.call(*words, "--session", str(DAY), "--json")

    found = json.loads(first_day.stdout)
    assert (found["ran"], found["kept"], found["success"]) == (0, 3, True)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "the same call goes on there" in said


@pytest.mark.parametrize("columns", [80, 120])
def test_command__fits_the_terminal(two_days: Workspace, tmp_path: Path, columns: int) -> None:
    """Number, what varies, sessions, fills, profit, share won: no cell is cut or folded."""
    write_experiment(tmp_path, "imbalance", "imbalance")
    axes = ("threshold=0.6,0.7", "hold_ms=1000,30000", "passive=true,false")
    options = [word for axis in axes for word in ("--set", axis)]
    words = ["--home", str(two_days.settings.home), "sweep", str(tmp_path / "imbalance.yaml")]
    done = shell.call(*words, *options, COLUMNS=str(columns))

    lines = done.stderr.splitlines()
    assert "imbalance: 16 trials run, 0 were there" in lines[0]
    assert lines[2].strip("\u2503 ").split("\u2503")[0].strip() == "set"
    rows = [line for line in lines if line.startswith("\u2502")]
    assert len(rows) == 8
    assert max(map(len, lines)) <= columns
    assert rows[-1].split("\u2502")[1:5] == [" 7   ", " 0.7       ", " 30000   ", " False   "]
