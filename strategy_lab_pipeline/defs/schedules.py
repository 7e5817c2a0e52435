"""The night: after the close, whatever is out of date is run again; then searches, if wanted."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from strategy_lab_pipeline.defs.jobs import run_search, session_chain, walk_window, weigh_evidence
from strategy_lab_pipeline.defs.partitions import partition_key
from strategy_lab_pipeline.defs.resources import WorkspaceResource
from strategy_lab_pipeline.stages import plan
from strategy_lab_pipeline.stages.research import PARTITIONS, stale_research
from strategy_lab_pipeline.stages.scope import TIMEZONE

__all__ = ["nightly", "nightly_evidence", "nightly_searches", "nightly_walk_forwards"]


@dg.schedule(
    job=session_chain,
    cron_schedule="30 17 * * 1-5",
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def nightly(
    context: dg.ScheduleEvaluationContext, workspace: WorkspaceResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Run every partition whose inputs, code or configuration changed, older ones first."""
    stale = plan.stale_partitions(workspace.open())
    if not stale:
        yield dg.SkipReason("every partition is up to date")
    night = context.scheduled_execution_time.date()
    for partition in stale:
        yield dg.RunRequest(
            run_key=f"{night}:{partition.product}|{partition.session}:{partition.wanted}",
            partition_key=partition_key(partition.product, partition.session),
            tags={"strategy_lab/kind": "session", "dagster/priority": "-5"},
        )


def _research(asset: str, job: Any, cron: str) -> dg.ScheduleDefinition:
    """Return the schedule that runs what is out of date of one asset; off until switched on."""

    @dg.schedule(name=f"nightly_{asset}", job=job, cron_schedule=cron, execution_timezone=TIMEZONE)
    def research(
        context: dg.ScheduleEvaluationContext, workspace: WorkspaceResource
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """Run the partitions whose sessions, trials, code or file changed."""
        night = context.scheduled_execution_time.date()
        found = stale_research(workspace.open())
        for problem in found.problems:
            context.log.warning(problem)
        keys = [key for stale, key in found.stale if stale == asset]
        context.instance.add_dynamic_partitions(PARTITIONS[asset], keys)
        for key in keys:
            yield dg.RunRequest(run_key=f"{night}:{asset}:{key}", partition_key=key)
        if not keys:
            yield dg.SkipReason(f"{asset}: all of them are up to date")

    return research


# Evidence needs the searches of the night before it.
nightly_searches = _research("searches", run_search, "30 19 * * 1-5")
nightly_walk_forwards = _research("walk_forwards", walk_window, "30 19 * * 1-5")
nightly_evidence = _research("evidence", weigh_evidence, "30 5 * * 2-6")
