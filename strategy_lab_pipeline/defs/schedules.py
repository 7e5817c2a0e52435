"""The night: after the close, whatever is out of date is run again."""

from collections.abc import Iterator

import dagster as dg

from strategy_lab_pipeline.defs.jobs import session_chain
from strategy_lab_pipeline.defs.partitions import partition_key
from strategy_lab_pipeline.defs.resources import WorkspaceResource
from strategy_lab_pipeline.stages import plan
from strategy_lab_pipeline.stages.scope import TIMEZONE

__all__ = ["nightly"]


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
