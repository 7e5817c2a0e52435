"""Runs and pool slots that a crash left behind are found; those of the living are left alone."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import dagster as dg
import pytest
from dagster_shared.error import SerializableErrorInfo

from strategy_lab_pipeline import launch
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.processes import process_token
from strategy_lab_pipeline.settings import Settings
from tests.pipeline.bad_strategies import write_experiment, write_strategy

POOL = "engine"
HOLD = """
import fcntl, sys, time
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""
WAITING = """
import signal, sys, time
from pathlib import Path
from strategy_lab_pipeline.cli import main
from strategy_lab_pipeline.stages.engine import Engine
from strategy_lab_pipeline.stages.jobs import Import

def wait(engine, wanted, *rest):
    if isinstance(wanted, Import):  # before the run, where this strategy is new to the machine
        return asks(engine, wanted, *rest)
    with (home / "waiting").open("a") as file:
        file.write("x")
    time.sleep(600)

home = Path(sys.argv[1])
asks, Engine._ask = Engine._ask, wait
sys.argv = ["strategy-lab", "--home", str(home), "backtest"]
main()
"""
TOKEN = "from strategy_lab_pipeline.processes import process_token as t; print(t())"


def _restore_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what preparing a home sets put back after the test."""
    for name in ("DAGSTER_HOME", "STRATEGY_LAB_DAGSTER_HOME", "STRATEGY_LAB_HOME"):
        monkeypatch.setenv(name, "")


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Return the instance of a fresh home folder."""
    _restore_environment(monkeypatch)
    with launch.open_instance(Settings(home=tmp_path / "home")) as opened:
        opened.event_log_storage.set_concurrency_slots(POOL, 1)
        yield opened


def _started(instance: dg.DagsterInstance, owner: str) -> str:
    """Return the id of a run that its process has started and that holds the pool's only slot."""
    run = instance.create_run_for_job(
        dg.GraphDefinition(name="nothing").to_job(), tags={launch.OWNER_TAG: owner}
    )
    instance.report_engine_event("started", run)
    instance.handle_new_event(_start_event(run))
    claim = instance.event_log_storage.claim_concurrency_slot(POOL, run.run_id, "step")
    assert claim.is_claimed
    return run.run_id


def _start_event(run: dg.DagsterRun) -> dg.EventLogEntry:
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
    return dg.EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None, level=20, user_message="", run_id=run.run_id, timestamp=1.0,
        job_name=run.job_name, dagster_event=event,
    )  # fmt: skip


def _dead() -> str:
    done = subprocess.run([sys.executable, "-c", TOKEN], capture_output=True, check=True, text=True)
    return done.stdout.strip()


def test_repair__fails_the_runs_of_the_dead(instance: dg.DagsterInstance) -> None:
    """The run is failed and its slot is free for the next."""
    run_id = _started(instance, _dead())

    assert launch.repair(instance, daemon_lives=False) == launch.Repair(
        (run_id,), (f"{POOL}:{run_id}",)
    )

    found = instance.get_run_by_id(run_id)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.FAILURE
    assert instance.event_log_storage.get_concurrency_info(POOL).active_run_ids == set()
    assert launch.repair(instance, daemon_lives=False) == launch.Repair((), ())


def test_repair__leaves_the_living_alone(instance: dg.DagsterInstance) -> None:
    """A run of a process that lives keeps its slot."""
    run_id = _started(instance, process_token())

    assert launch.repair(instance, daemon_lives=False) == launch.Repair((), ())

    assert instance.event_log_storage.get_concurrency_info(POOL).active_run_ids == {run_id}


def test_repair__knows_whether_a_daemon_may_still_start_a_run(instance: dg.DagsterInstance) -> None:
    """Without a process a run is dead as soon as nobody is there to start it."""
    run = instance.create_run_for_job(dg.GraphDefinition(name="nothing").to_job())

    assert launch.repair(instance, daemon_lives=True) == launch.Repair((), ())
    assert launch.repair(instance, daemon_lives=False) == launch.Repair((run.run_id,), ())


def test_repair__a_long_wait_in_the_queue_is_no_age(instance: dg.DagsterInstance) -> None:
    """What counts is when the run began to start, not when it was asked for."""
    run = instance.create_run_for_job(dg.GraphDefinition(name="nothing").to_job())
    hour = launch.START_TIMEOUT_SECONDS * 20
    (record,) = instance.get_run_records()
    waited = record._replace(create_timestamp=record.create_timestamp - timedelta(seconds=hour))

    with mock.patch.object(type(instance), "get_run_records", return_value=[waited]):
        assert launch.repair(instance, daemon_lives=True) == launch.Repair((), ())
    assert instance.get_run_by_id(run.run_id)


def test_up__its_dagster_holds_the_lock_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only `up` is killed, the daemon that it started still counts as one that lives."""
    _restore_environment(monkeypatch)
    settings = Settings(home=tmp_path)
    lock = launch.prepare_home(settings) / launch.UP_LOCK
    started = []

    def keep(_: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        """Start something that lives on, as `up` starts Dagster."""
        started.append(subprocess.Popen(["sleep", "60"], **options))
        raise KeyboardInterrupt

    stub = mock.patch("strategy_lab_pipeline.launch.subprocess", mock.Mock(Popen=keep))
    with stub, pytest.raises(KeyboardInterrupt):
        launch.up(settings, host="127.0.0.1", port=1)
    assert lock.is_file()
    assert launch.is_up(settings)
    os.killpg(started[0].pid, 9)
    started[0].wait()
    assert not launch.is_up(settings)


@pytest.mark.parametrize(("is_told", "code"), [(True, 0), (False, 1)])
def test_up__ends_well_when_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_told: bool, code: int
) -> None:
    """Dagster calls it a failure when it is still starting; one of its own stays one."""
    _restore_environment(monkeypatch)
    ready = tmp_path / "ready"
    seconds = 60 if is_told else 0
    script = f"trap 'exit 1' TERM; touch {ready}; sleep {seconds} & wait; exit 1"

    def start(_: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        """Start something that fails when it is told to end, and otherwise at once."""
        return subprocess.Popen(["sh", "-c", script], **options)

    def tell() -> None:
        """Send the signal as a service manager would."""
        _wait_for(ready)
        os.kill(os.getpid(), signal.SIGTERM)

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    teller = threading.Thread(target=tell)
    try:
        with mock.patch("strategy_lab_pipeline.launch.subprocess", mock.Mock(Popen=start)):
            if is_told:
                teller.start()
            assert launch.up(Settings(home=tmp_path), host="127.0.0.1", port=1) == code
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.is_file():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


def test_is_up__is_told_by_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No home, a home that nobody serves, one that is served, one whose server was killed."""
    _restore_environment(monkeypatch)
    settings = Settings(home=tmp_path)
    assert not launch.is_up(settings)
    lock = launch.prepare_home(settings) / launch.UP_LOCK
    lock.touch()
    assert not launch.is_up(settings)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "held\n"
        assert launch.is_up(settings)
        server.kill()
    assert not launch.is_up(settings)


def test_prepare_home__writes_the_configuration_once(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """The home folder's dagster.yaml is the repository's; nothing is phoned home."""
    target = tmp_path / "home" / "dagster" / "dagster.yaml"
    template = launch.ROOT / "dagster.yaml"

    assert target.read_bytes() == template.read_bytes()
    assert os.environ["DAGSTER_DISABLE_TELEMETRY"] == "1"
    assert not instance.telemetry_enabled


def test_prepare_home__names_a_missing_template(tmp_path: Path) -> None:
    """The message says which file, and what to set."""
    settings = Settings(home=tmp_path, dagster_yaml=tmp_path / "none.yaml")
    with pytest.raises(PipelineError, match=r"none\.yaml: not there.*STRATEGY_LAB_DAGSTER_YAML"):
        launch.prepare_home(settings)


def test_backtest__ends_with_sigterm(
    booked_twice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that waits for its engine ends, and no other begins; in the background too."""
    home = tmp_path / "home"
    shutil.copytree(booked_twice, home)
    write_experiment(home / "experiments", "good", write_strategy(tmp_path, "good"))
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, str(home)], stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    waiting = home / "waiting"
    while not waiting.is_file():
        assert process.poll() is None
        time.sleep(0.05)

    process.terminate()

    assert process.wait(timeout=120) == 130
    assert waiting.read_text() == "x"
    _restore_environment(monkeypatch)
    with launch.open_instance(Settings(home=home)) as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]


def test_reason__is_the_message_of_our_own_error() -> None:
    """Without the name of its class, and not what lies below it; of others the innermost, whole."""
    inner = info("ValueError: day is out of range\n")
    ours = info("strategy_lab_core.errors.ConfigError: walks.yaml: day\n  is wrong\n", inner)
    assert launch._reason(info("dagster.Failed: op failed\n", ours)) == "walks.yaml: day is wrong"
    assert launch._reason(info("dagster.Failed: op failed\n", inner)) == (
        "ValueError: day is out of range"
    )
    assert launch._reason(None) == "no reason recorded"
    ended = info("dagster._core.definitions.events.Failure: experiment a: it raised\n")
    assert launch._reason(ended) == "experiment a: it raised"


def info(message: str, cause: SerializableErrorInfo | None = None) -> SerializableErrorInfo:
    """Return an error as Dagster keeps it."""
    return SerializableErrorInfo(message, [], "Any", cause)
