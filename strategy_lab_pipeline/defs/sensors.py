"""The landing sensor: new and changed files become catalogue runs, then session runs, then reports.

What is to be done is decided by comparing the catalogue with what is there (`stages.plan`), never
by what the sensor remembers; run keys only keep a tick from asking twice. The cursor holds sizes
and times of the last tick: a file that still grows is left alone.
"""

import json
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import dagster as dg

from strategy_lab_pipeline.defs.backtests import LOADED
from strategy_lab_pipeline.defs.describe import asset_key
from strategy_lab_pipeline.defs.jobs import catalogue_landing, session_chain, write_reports
from strategy_lab_pipeline.defs.partitions import partition_key
from strategy_lab_pipeline.defs.resources import WorkspaceResource
from strategy_lab_pipeline.stages import catalogue, plan
from strategy_lab_pipeline.stages.completeness import stale_versions
from strategy_lab_pipeline.stages.experiments import backtest_assets, experiments
from strategy_lab_pipeline.stages.landing import landing_files, search_landing
from strategy_lab_pipeline.stages.versions import digest
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["landing_sensor"]

RUN_KEY_TAG = "dagster/run_key"  # as Dagster marks the runs of a sensor
MAX_REQUESTS = 25  # a tick; the next one asks for the rest
IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@dg.sensor(
    jobs=[catalogue_landing, session_chain, write_reports],
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def landing_sensor(
    context: dg.SensorEvaluationContext, workspace: WorkspaceResource
) -> dg.SensorResult | dg.SkipReason:
    """Ask for what new files in the landing folder, or changed code, have left to do."""
    opened = workspace.open()
    unreadable = (f"{path}: {problem}" for path, problem in search_landing(opened).unreadable)
    problems = (*unreadable, *experiments(opened.settings).problems)
    for problem in (*problems, *plan.left_out(opened), *_unknown_groups(opened)):
        context.log.warning(problem)
    seen: dict[str, list[int]] = json.loads(context.cursor or "{}")
    now = {str(file.path): [file.size, file.mtime_ns] for file in landing_files(opened)}
    stable = [Path(name) for name, stamp in now.items() if seen.get(name) == stamp]
    wanted = chain(_catalogue_requests(opened, stable), _session_requests(opened))
    requests = list(islice((ask for ask in wanted if not _asked(context, ask)), MAX_REQUESTS))
    if not requests and not _is_busy(context):
        requests = [ask for ask in _report_requests(opened) if not _asked(context, ask)]
    return dg.SensorResult(
        run_requests=requests,
        cursor=json.dumps(now, sort_keys=True),
        skip_reason=None if requests else "nothing new in the landing folder, nothing out of date",
    )


def _unknown_groups(workspace: Workspace) -> Iterator[str]:
    for asset in backtest_assets(workspace.settings):
        if asset not in LOADED:
            yield f"{asset}: a new group of experiments: press `Reload definitions`, or restart"


def _asked(context: dg.SensorEvaluationContext, request: dg.RunRequest) -> bool:
    """Whether this was asked for before: Dagster would drop it, however the run ended."""
    asked = dg.RunsFilter(tags={RUN_KEY_TAG: str(request.run_key)})
    return bool(context.instance.get_run_records(asked, limit=1))


def _is_busy(context: dg.SensorEvaluationContext) -> bool:
    """Whether session runs are under way, or will be started again after a crash."""
    running = dg.RunsFilter(job_name="session_chain", statuses=IN_PROGRESS)
    to_retry = dg.RunsFilter(
        job_name="session_chain",
        statuses=[dg.DagsterRunStatus.FAILURE],
        tags={"dagster/will_retry": "true"},
    )
    if context.instance.get_run_records(running, limit=1):
        return True
    for record in context.instance.get_run_records(to_retry, limit=MAX_REQUESTS):
        parent = record.dagster_run.run_id
        if not context.instance.get_run_records(
            dg.RunsFilter(tags={"dagster/parent_run_id": parent})
        ):
            return True
    return False


def _catalogue_requests(workspace: Workspace, stable: list[Path]) -> Iterator[dg.RunRequest]:
    """Ask for one run that reads all new files: a run costs seconds before its first byte."""
    landing = workspace.settings.landing.resolve()
    files = [
        file
        for file in catalogue.uncatalogued(workspace, stable)
        if file.path.is_relative_to(landing)
    ]
    if files:
        stamps = [
            (
                str(file.path),
                file.size,
                file.mtime_ns,
                workspace.store.last_delivery(str(file.path)),
            )
            for file in files
        ]
        paths = [str(file.path) for file in files]
        yield dg.RunRequest(
            job_name="catalogue_landing",
            run_key=f"catalogue:{digest(stamps)}",
            run_config={"ops": {"catalogue_files": {"config": {"paths": paths}}}},
        )


def _session_requests(workspace: Workspace) -> Iterator[dg.RunRequest]:
    for partition in plan.stale_partitions(workspace):
        yield dg.RunRequest(
            job_name="session_chain",
            run_key=f"{partition.product}|{partition.session}:{partition.wanted}",
            partition_key=partition_key(partition.product, partition.session),
            tags={"strategy_lab/kind": "session"},
        )


def _report_requests(workspace: Workspace) -> Iterator[dg.RunRequest]:
    stale = plan.stale_overall(workspace)
    if stale:
        wanted = [plan.stale_reports(workspace), stale_versions(workspace)]
        yield dg.RunRequest(
            job_name="write_reports",
            run_key=f"reports:{digest(wanted)}",
            asset_selection=[asset_key(asset) for asset in stale],
        )
