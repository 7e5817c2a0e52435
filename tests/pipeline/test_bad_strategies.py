"""A strategy that misbehaves fails alone, by name, with what to do; the others are as they were."""

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from multiprocessing import Pipe
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import dagster as dg
import polars as pl
import psutil
import pytest

from strategy_lab_core.data.instruments import products
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.strategies.loader import load_strategy
from strategy_lab_pipeline import launch
from strategy_lab_pipeline.errors import EngineError, OverrunError
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import backtests, plan, worker
from strategy_lab_pipeline.stages.engine import Engine
from strategy_lab_pipeline.stages.experiments import experiments
from strategy_lab_pipeline.stages.jobs import Pass
from strategy_lab_pipeline.stages.memory import memory_limit
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace
from tests.pipeline import shell
from tests.pipeline.bad_strategies import write_experiment, write_strategy

DAY = date(2025, 1, 13)
DEADLINE_SECONDS = 5.0  # a good neighbour on a busy machine is not to be killed


@pytest.fixture
def opened(booked: Path, tmp_path: Path) -> Workspace:
    """Return a workspace with books, no experiments, and a short deadline."""
    shutil.copytree(booked, tmp_path / "home")
    return open_workspace(Settings(home=tmp_path / "home", deadline_seconds=DEADLINE_SECONDS))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """Return an engine apart from the one that the stages share, gone after these tests."""
    made = Engine()
    yield made
    made.stop()


def wanted(opened: Workspace, strategy: Path, **changes: Any) -> Pass:
    """Return a pass of one set over the session."""
    found = opened.store.current("validated_ticks", "MNQ", str(DAY))
    assert found is not None
    folder = opened.lake.version_path("validated_ticks", "MNQ", str(DAY), found.version)
    made = load_strategy(str(strategy))
    values: dict[str, Any] = {
        "strategy": str(strategy), "source": made.source, "product": "MNQ",
        "products": dict(products()), "session": DAY, "contract": None, "choice": "",
        "sets": ((made.parameters, BacktestConfig(allow_partial=True)),),
        "ticks": folder / "mbo.parquet", "seed": None, "status": None, "folder": None,
    }  # fmt: skip
    return Pass(**(values | changes))


def test_backtests__each_bad_strategy_fails_alone(opened: Workspace, tmp_path: Path) -> None:
    """Five experiments: one result, four sentences; only the endless is tried again."""
    for name in ("raises", "nonsense", "floods", "endless", "good"):
        write_experiment(opened.settings.experiments, name, write_strategy(tmp_path, name))

    result = backtests.build(opened, "MNQ", DAY, run_id="test")

    sentences = {text.split()[1].rstrip(":"): text for text in result.failures}
    assert set(sentences) == {"raises", "nonsense", "floods", "endless"}
    assert "raised ValueError('no idea') on the book" in sentences["raises"]
    assert "made no sense (price, size or kind)" in sentences["nonsense"]
    assert "were too many: have it ask less often" in sentences["floods"]
    assert "killed at its deadline" in sentences["endless"]
    assert "raise deadline_seconds" in sentences["endless"]
    labels = {row["experiment"]: row["label"] for row in result.runs}
    assert labels == {"good": "complete", "raises": "failed", "nonsense": "failed",
                      "floods": "failed"}  # fmt: skip
    (ran,) = [finding for finding in result.findings if finding.rule == "every_experiment_ran"]
    assert (ran.passed, ran.rows) == (False, 4)
    stale = plan.partition_plan(opened, "MNQ", DAY)
    assert stale is not None
    assert stale.assets == ("backtest_runs",)
    assert sorted(row[3] for row in plan.without_result(opened)) == sorted(
        text for name, text in sentences.items() if name != "endless"
    )

    (opened.settings.experiments / "endless.yaml").unlink()
    assert plan.partition_plan(opened, "MNQ", DAY) is None


def test_backtests__neighbours_change_no_byte_of_a_run(opened: Workspace, tmp_path: Path) -> None:
    """Alone, beside one that raises, or in another group: made once, the same afterwards."""
    good = write_experiment(opened.settings.experiments, "good", write_strategy(tmp_path, "good"))
    alone = backtests.listed(backtests.build(opened, "MNQ", DAY, run_id="first").outcome)
    raises = write_strategy(tmp_path, "raises")
    write_experiment(opened.settings.experiments, "raises", raises)
    again = backtests.listed(backtests.build(opened, "MNQ", DAY, run_id="second").outcome)
    group = opened.settings.experiments / "mine"
    group.mkdir()
    good.rename(group / good.name)
    asset = "backtest_runs.mine"
    moved = backtests.build(opened, "MNQ", DAY, run_id="third", asset=asset)

    assert alone == [again[0]] == backtests.listed(moved.outcome)
    runs = opened.store.runs("good", history=True)
    assert [run.run_id for run in runs] == ["first"]
    (failed,) = opened.store.runs("raises")
    assert failed.label == "failed"
    assert "no idea" in str(failed.metrics["error"])


def test_plan__another_group_s_experiment_ages_nothing_else(
    opened: Workspace, tmp_path: Path
) -> None:
    """Only the new group's asset has something to do."""
    path = write_strategy(tmp_path, "good")
    write_experiment(opened.settings.experiments, "good", path)
    backtests.build(opened, "MNQ", DAY, run_id="test")
    write_experiment(opened.settings.experiments / "mine", "other", path, "seed: 1\n")

    (stale,) = plan.stale_partitions(opened)

    assert stale.assets == ("backtest_runs.mine",)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("parameters: {size: 9}\n", r"bad\.size must be int in \[1, 5\], got 9"),
        ("parameters: {sise: 1}\n", r"got 'sise'"),
        ("parameters: {size: big}\n", r"bad\.size must be int in \[1, 5\], got 'big'"),
        ("parameters: [1]\n", "parameters must be a mapping of names to values"),
        ("latency: {order: 1}\n", "did you mean 'order_ns'"),
        ("limits: 3\n", "limits must be a mapping"),
        ("limits: []\n", "limits must be a mapping"),
        ("seed: yes\n", "seed must be a whole number"),
        ("capital: 5\n", "the key 'capital' is written twice"),
        ("deadline_seconds: 5\n", "got 'deadline_seconds'"),
    ],
)
def test_experiments__say_what_is_wrong_with_the_file(
    opened: Workspace, tmp_path: Path, extra: str, said: str
) -> None:
    """The file, the key, the rule and the value; a good neighbour stays usable."""
    path = write_strategy(tmp_path, "good")
    write_experiment(opened.settings.experiments, "good", path)
    bad = write_experiment(opened.settings.experiments, "bad", path, extra)

    found = experiments(opened.settings)

    assert [experiment.name for experiment in found.usable] == ["good"]
    (problem,) = found.problems
    assert str(bad) in problem
    assert re.search(said, problem), problem


def test_experiments__a_group_is_a_folder_with_a_plain_name(
    opened: Workspace, tmp_path: Path
) -> None:
    """Another name is refused; a name of an experiment is unique over all groups."""
    path, folder = write_strategy(tmp_path, "good"), opened.settings.experiments
    write_experiment(folder, "one", path)
    write_experiment(folder / "mine", "two", path)
    write_experiment(folder / "zoo", "two", path)
    write_experiment(folder / "not.mine", "three", path)

    found = experiments(opened.settings)

    assert {asset: [each.name for each in group] for asset, group in found.by_asset.items()} == {
        "backtest_runs": ["one"], "backtest_runs.mine": ["two"],
    }  # fmt: skip
    named, twice = found.problems
    assert "not.mine" in named
    assert "'two' is the name of mine/two.yaml already" in twice


def test_command__one_of_two_groups_is_broken(opened: Workspace, tmp_path: Path) -> None:
    """The run fails with the experiment's name, and says so again; the other has its report."""
    write_experiment(opened.settings.experiments, "good", write_strategy(tmp_path, "good"))
    raises = write_strategy(tmp_path, "raises")
    write_experiment(opened.settings.experiments / "mine", "raises", raises)
    words = ["--home", str(opened.settings.home), "backtest", "--json"]
    # Dagster's definitions know the groups that were there when the process began.
    command = [sys.executable, "-m", "strategy_lab_pipeline.cli", *words]
    first = subprocess.run(command, capture_output=True, check=False, text=True)
    again = shell.call(*words)

    assert (first.returncode, again.returncode) == (1, 1)
    session, report = json.loads(first.stdout)["ran"]
    assert (session["success"], report["success"]) == (False, True)
    assert len(session["failures"]) == 1
    assert "experiment raises: strategy 'bad' raised" in session["failures"][0]
    found = json.loads(again.stdout)
    assert found["ran"] == []
    assert [Path(page).stem for page in found["reports"]] == ["good"]
    assert "experiment raises" in found["failed"][0]["reason"]
    with launch.open_instance(opened.settings) as instance:
        for key in (["backtest_runs"], ["backtest_runs", "mine"]):
            assert instance.get_materialized_partitions(dg.AssetKey(key)) == {f"MNQ|{DAY}"}
        log = [entry.user_message for entry in instance.all_logs(session["run_id"])]
    assert any("good:" in line and "rows" in line for line in log)


@pytest.mark.parametrize("broken", ["empty", "missing"])
def test_engine__a_tape_without_events_is_not_run(
    opened: Workspace, tmp_path: Path, engine: Engine, broken: str
) -> None:
    """No rows, or no feed with a book at all: said, and no failure of the strategy."""
    asked = wanted(opened, write_strategy(tmp_path, "good"))
    ticks = tmp_path / "empty.parquet" if broken == "empty" else None
    if ticks is not None and asked.ticks is not None:
        pl.read_parquet(asked.ticks).clear().write_parquet(ticks)
    asked = wanted(opened, Path(asked.strategy), ticks=ticks)

    (run,) = engine.run(asked, deadline_seconds=60, on_progress=lambda *_: None)

    assert run["label"] == "not run"
    assert ("without rows" if broken == "empty" else "no ticks with a book") in run["error"]


def test_engine__tells_how_far_it_is(opened: Workspace, tmp_path: Path, engine: Engine) -> None:
    """To the end; the same process serves the next pass."""
    asked = wanted(opened, write_strategy(tmp_path, "good"))
    seen: list[tuple[int, int]] = []
    engine.run(asked, deadline_seconds=60, on_progress=lambda *rows: seen.append(rows))
    started = psutil.Process().children()
    engine.run(asked, deadline_seconds=60, on_progress=lambda *rows: seen.append(rows))

    done, total = seen[-1]
    assert done == total > 0
    assert psutil.Process().children() == started


def test_engine__a_process_that_dies_is_replaced(
    opened: Workspace, tmp_path: Path, engine: Engine
) -> None:
    """The pass fails with the exit code; the next one runs."""
    asked = wanted(opened, write_strategy(tmp_path, "endless"))

    def kill(*_: int) -> None:
        """End the worker at its first row, as a lack of memory would."""
        for child in psutil.Process().children():
            child.kill()

    with pytest.raises(EngineError, match="died with exit code -9"):
        engine.run(asked, deadline_seconds=60, on_progress=kill)
    good = wanted(opened, write_strategy(tmp_path, "good"))
    (run,) = engine.run(good, deadline_seconds=60, on_progress=lambda *_: None)

    assert run["error"] is None


def test_engine__tells_when_memory_ran_out(opened: Workspace, tmp_path: Path) -> None:
    """What was wanted, what there is, and what to do: a bug of nobody's."""
    asked = wanted(opened, write_strategy(tmp_path, "good"))
    ours, theirs = Pipe()
    starved = Engine()
    starved._link = ours
    with subprocess.Popen(["sleep", "60"]) as starved._process:
        theirs.send(("starved", "Unable to allocate 9.00 TiB for an array"))
        with pytest.raises(OverrunError, match=r"Unable to allocate 9.00 TiB .* limit here is \d"):
            starved.run(asked, deadline_seconds=60, on_progress=lambda *_: None)


def test_worker__calls_a_lack_of_memory_by_its_name(
    opened: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other errors that are none of ours are bugs."""
    asked = wanted(opened, write_strategy(tmp_path, "good"))
    found = []
    for error in (MemoryError(), MemoryError("Unable to allocate"), ZeroDivisionError("x")):
        monkeypatch.setattr(worker, "sweep", Mock(side_effect=error))
        found.append(worker._answer(asked, Mock()))

    assert found == [
        ("starved", "an array could not be made"),
        ("starved", "Unable to allocate"),
        ("broke", "ZeroDivisionError('x')"),
    ]


def test_memory_limit__is_the_smallest_there_is() -> None:
    """A limit of the process's own counts; the machine's is the most."""
    command = "from strategy_lab_pipeline.stages.memory import memory_limit; print(memory_limit())"
    prlimit = ["prlimit", "--as=8000000000", sys.executable, "-c", command]
    alone = subprocess.run(prlimit, capture_output=True, check=True, text=True)

    assert int(alone.stdout) == min(8_000_000_000, memory_limit())
    assert memory_limit() <= psutil.virtual_memory().total


OWNER = """
import pickle, sys
from strategy_lab_pipeline.stages.engine import engine
asked = pickle.loads(bytes.fromhex(sys.argv[1]))
engine().run(asked, deadline_seconds=600, on_progress=lambda *_: print("begun", flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_engine__ends_with_its_owner(opened: Workspace, tmp_path: Path, number: int) -> None:
    """However the owner ends, in the middle of a loop that hears nothing, nobody goes on."""
    asked = wanted(opened, write_strategy(tmp_path, "endless"))
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, pickle.dumps(asked).hex()],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ},
    )  # fmt: skip
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"begun\n"
    (child,) = psutil.Process(owner.pid).children()
    owner.send_signal(number)
    owner.communicate()

    deadline = time.monotonic() + 10
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the engine's process lives on"
        time.sleep(0.05)
