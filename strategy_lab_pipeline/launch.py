"""Start, inspect and repair Dagster runs from the command line.

Opening the instance, finding dead runs and executing partitions live here; what a partition does
lives in `stages`, what Dagster sees of it in `defs`.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import psutil

from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.processes import lives, process_token
from strategy_lab_pipeline.settings import Settings

__all__ = [
    "Repair",
    "RunReport",
    "is_up",
    "open_instance",
    "prepare_home",
    "repair",
    "run_dynamic",
    "run_reports",
    "run_session",
    "up",
]  # fmt: skip

ROOT = Path(__file__).parent.parent
LIVE = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
START_TIMEOUT_SECONDS = 180.0  # as in dagster.yaml
STOP_SECONDS = 15.0
UP_LOCK = ".up.lock"
OWNER_TAG = "strategy_lab/process"  # of a run that the command line executes itself
_OWN = re.compile(  # an error of our own, before its message
    r"(strategy_lab_\w+(\.\w+)*|dagster\._core\.definitions\.events\.Failure): "
)


@dataclass(frozen=True, slots=True)
class RunReport:
    """How one Dagster run ended."""

    run_id: str
    product: str
    session: str
    success: bool
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Repair:
    """What was left by processes that died."""

    failed_runs: tuple[str, ...]
    freed_pools: tuple[str, ...]


def prepare_home(settings: Settings) -> Path:
    """Write the home folder's dagster.yaml and point this process's environment at it."""
    folder = settings.home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "dagster.yaml"
    template = settings.dagster_yaml or ROOT / "dagster.yaml"
    if not template.is_file():
        raise PipelineError(
            f"{template}: not there; run from a checkout, or set STRATEGY_LAB_DAGSTER_YAML"
        )
    if not target.is_file() or target.read_bytes() != template.read_bytes():
        draft = target.with_suffix(f".{os.getpid()}.tmp")
        shutil.copyfile(template, draft)
        draft.replace(target)
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ["STRATEGY_LAB_DAGSTER_HOME"] = str(folder)
    os.environ["STRATEGY_LAB_HOME"] = str(settings.home)
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    return folder


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Open Dagster's instance of the home folder, one process at a time while it is created."""
    folder = prepare_home(settings)
    with (folder / ".open.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once race on a fresh SQLite home
        instance = dg.DagsterInstance.get()
        instance.get_runs_count()
        fcntl.flock(lock, fcntl.LOCK_UN)
    with instance:
        yield instance


def is_up(settings: Settings) -> bool:
    """Return whether `strategy-lab up` serves this home now."""
    path = settings.home / "dagster" / UP_LOCK
    if not path.is_file():
        return False
    with path.open("r") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def repair(instance: dg.DagsterInstance, *, daemon_lives: bool) -> Repair:
    """Fail the runs whose process is gone, and free their pool slots.

    Run monitoring does not find them with the default launcher: the next run would wait for their
    slots for ever.

    Parameters
    ----------
    daemon_lives
        Whether a daemon may be starting runs right now: then one that has no process yet is left
        to run monitoring's start timeout.
    """
    failed, freed = [], []
    for record in instance.get_run_records(dg.RunsFilter(statuses=LIVE)):
        # A run may have waited in the queue for hours: its start counts, the last change there is.
        run, changed = record.dagster_run, record.update_timestamp.timestamp()
        patience = START_TIMEOUT_SECONDS if daemon_lives else 0.0
        if _process_lives(instance, run, changed + patience):
            continue
        instance.report_run_failed(run, "the process of this run is gone; found by strategy-lab")
        failed.append(run.run_id)
    storage = instance.event_log_storage
    for pool in sorted(storage.get_concurrency_keys()):
        for run_id in sorted(storage.get_concurrency_info(pool).active_run_ids):
            run_or_none = instance.get_run_by_id(run_id)
            if run_or_none is None or run_or_none.is_finished:
                storage.free_concurrency_slots_for_run(run_id)
                freed.append(f"{pool}:{run_id}")
    return Repair(tuple(failed), tuple(freed))


def _process_lives(instance: dg.DagsterInstance, run: dg.DagsterRun, deadline: float) -> bool:
    owner = run.tags.get(OWNER_TAG)
    if owner is not None:
        return lives(owner) is not False
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        found = event.engine_event_data.metadata.get("pid") if event else None
        if found is not None:
            return _alive(int(str(found.value)), not_after=entry.timestamp)
    return time.time() < deadline  # no process is recorded yet


def _alive(pid: int, *, not_after: float) -> bool:
    """Whether `pid` is still the process of that time, and not a later one of its number."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= not_after + 1.0
    except psutil.Error:
        return False


def run_session(
    instance: dg.DagsterInstance, product: str, session: date, assets: Sequence[str]
) -> RunReport:
    """Execute the chain of one session of one product in this process, as a run of its own."""
    from strategy_lab_pipeline.defs.partitions import partition_key

    result = _execute(instance, "session_chain", assets, partition_key(product, session))
    return _report(result, product, str(session))


def run_reports(instance: dg.DagsterInstance, assets: Sequence[str]) -> RunReport:
    """Make what is over all sessions, such as reports, in this process, as a run of its own."""
    return _report(_execute(instance, "write_reports", assets, None), "-", "-")


def run_dynamic(instance: dg.DagsterInstance, job: str, asset: str, key: str) -> RunReport:
    """Execute one asset's partition that the instance may not know yet, as a run of its own."""
    from strategy_lab_pipeline.stages.research import PARTITIONS

    instance.add_dynamic_partitions(PARTITIONS[asset], [key])
    return _report(_execute(instance, job, [asset], key), asset, key)


def _execute(
    instance: dg.DagsterInstance,
    job: str,
    assets: Sequence[str],
    partition: dg.MultiPartitionKey | str | None,
) -> dg.ExecuteInProcessResult:
    from strategy_lab_pipeline.defs.describe import asset_key

    with _sigterm_kept():
        result = _job(job).execute_in_process(
            instance=instance,
            partition_key=partition,
            asset_selection=[asset_key(asset) for asset in assets],
            tags={OWNER_TAG: process_token()},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
    if result.filter_events(_is_interrupt):
        raise KeyboardInterrupt  # to Dagster a run like others: the next would begin
    return result


@cache  # half a second each, and what they name is settled when `defs` is imported
def _job(name: str) -> dg.JobDefinition:
    from strategy_lab_pipeline.definitions import defs

    return defs().resolve_job_def(name)


def _is_interrupt(event: dg.DagsterEvent) -> bool:
    """Whether a signal ended a step, and not its work; it may have been tried again since."""
    error: Any = None
    if event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY:
        error = event.step_retry_data.error
    elif event.is_step_failure:
        error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error is not None and error.cls_name == "DagsterExecutionInterruptedError"


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Keep what SIGTERM does: Dagster leaves what SIGINT does, for a background job nothing."""
    does = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, does)


def _report(result: dg.ExecuteInProcessResult, product: str, session: str) -> RunReport:
    failures = [
        _reason(event.step_failure_data.error)
        for event in result.filter_events(lambda event: event.is_step_failure)
    ]
    return RunReport(result.run_id, product, session, result.success, tuple(failures))


def _reason(error: Any) -> str:
    """Return the message of a step's failure on one line: our own as it is, else the innermost."""
    while error is not None and error.cause is not None and not _OWN.match(error.message):
        error = error.cause
    if error is None:
        return "no reason recorded"
    return " ".join(_OWN.sub("", error.message).split())


def up(settings: Settings, *, host: str, port: int) -> int:
    """Run Dagster's UI and daemon until they are told to stop; return the exit code.

    Raises
    ------
    PipelineError
        Another `up` serves this home: two daemons on one instance would launch everything twice.
    """
    folder = prepare_home(settings)
    with (folder / UP_LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"{settings.home}: `strategy-lab up` runs here already; stop that one first"
            raise PipelineError(message) from error
        with open_instance(settings) as instance:
            repair(instance, daemon_lives=False)
        return _serve(host, port, lock.fileno())


def _serve(host: str, port: int, lock: int) -> int:
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(ROOT / "workspace.yaml")]
    command += ["-h", host, "-p", str(port)]
    is_told = threading.Event()
    started: list[subprocess.Popen[bytes]] = []

    def stop(_signal: int, _frame: Any) -> None:
        """Pass the signal on to all that was started."""
        is_told.set()
        for each in started:
            _signal_group(each.pid, signal.SIGTERM)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    # A group of its own: whoever stops us stops code servers and runs with us. It holds the lock
    # too: where only we are killed, its daemon still starts runs.
    process = subprocess.Popen(command, start_new_session=True, pass_fds=(lock,))
    started.append(process)
    if is_told.is_set():  # before there was anything to pass it on to
        _signal_group(process.pid, signal.SIGTERM)
    code = process.wait()
    deadline = time.monotonic() + STOP_SECONDS
    while _signal_group(process.pid, 0) and time.monotonic() < deadline:
        time.sleep(0.2)
    _signal_group(process.pid, signal.SIGKILL)
    # Told to end while it starts, Dagster calls it a failure.
    return 0 if is_told.is_set() or code in (-signal.SIGTERM, -signal.SIGINT) else code


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True
