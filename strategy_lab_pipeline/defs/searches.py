"""Searches, walk-forwards, evidence: a partition for each search file, one for each window.

Both kinds of partitions are dynamic: the nightly schedule and the command line add the keys of what
there is to run. A search reads every complete session of its product between its first and last.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from strategy_lab_core.search.path_figures import parameters_text
from strategy_lab_pipeline.defs.backtests import Told
from strategy_lab_pipeline.defs.describe import materialised, plots, records_table
from strategy_lab_pipeline.defs.resources import WorkspaceResource
from strategy_lab_pipeline.stages import evidence as evidence_stage
from strategy_lab_pipeline.stages import searches as search_stage
from strategy_lab_pipeline.stages import walk_forwards as window_stage
from strategy_lab_pipeline.stages.research import PARTITIONS
from strategy_lab_pipeline.stages.search_files import find_search
from strategy_lab_pipeline.stages.versions import code_version

__all__ = ["SEARCHES", "WINDOWS", "evidence", "searches", "walk_forwards"]

SEARCHES = dg.DynamicPartitionsDefinition(name=PARTITIONS["searches"])
WINDOWS = dg.DynamicPartitionsDefinition(name=PARTITIONS["walk_forwards"])
SESSIONS = [
    dg.AssetDep(asset, partition_mapping=dg.AllPartitionMapping())
    for asset in ("validated_ticks", "order_books")
]
MOST_CHOICES = 20
RETRY = dg.RetryPolicy(max_retries=1, delay=2)


@dg.asset(
    deps=SESSIONS,
    partitions_def=SEARCHES,
    group_name="research",
    kinds={"numba", "parquet"},
    owners=["team:research"],
    code_version=code_version("searches"),
    pool="engine",
    retry_policy=RETRY,
)
def searches(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource
) -> dg.MaterializeResult[Any]:
    """Every trial of one search over its sessions, failed and pruned ones included."""
    opened = workspace.open()
    search = find_search(opened.settings, context.partition_key)
    found = search_stage.build(
        opened, search, run_id=context.run.run_id, on_progress=Told(context, "done")
    )
    shown = {"best trials": records_table(found.rows), **plots(found.charts)}
    return materialised(found.outcome, shown)


@dg.asset(
    deps=SESSIONS,
    partitions_def=WINDOWS,
    group_name="research",
    kinds={"numba"},
    owners=["team:research"],
    code_version=code_version("walk_forwards"),
    pool="engine",
    retry_policy=RETRY,
)
def walk_forwards(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource
) -> dg.MaterializeResult[Any]:
    """One window: what was chosen on its training sessions, and what that earned on its test."""
    opened, key = workspace.open(), context.partition_key
    search = window_stage.search_of_window(opened, key)
    found = window_stage.build(
        opened, search, key, run_id=context.run.run_id, on_progress=Told(context, "done")
    )
    names = ("n_trials", "objective", "in_sample", "out_of_sample", "parameters", "net_profits")
    figures = [{"figure": name, "value": found.result[name]} for name in names]
    return materialised(found.outcome, {"window": records_table(figures)})


@dg.asset(
    deps=["searches", dg.AssetDep("walk_forwards", partition_mapping=dg.AllPartitionMapping())],
    partitions_def=SEARCHES,
    group_name="research",
    kinds={"html", "json"},
    owners=["team:research"],
    code_version=code_version("evidence"),
    pool="engine",
    retry_policy=RETRY,
)
def evidence(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource
) -> dg.MaterializeResult[Any]:
    """Whether one search or walk-forward shows an edge, and on how many trials that rests."""
    opened = workspace.open()
    search = find_search(opened.settings, context.partition_key)
    found = evidence_stage.build(
        opened, search, run_id=context.run.run_id, on_progress=Told(context, "done")
    )
    verdict = found.evidence["verdict"]
    shown = {
        "verdict": verdict["colour"],
        "summary": verdict["summary"],
        "lights": records_table(verdict["lights"]),
        **_crossed(found.evidence["evidence"]["cross_validation"]),
        "not tested": records_table([{"sentence": each} for each in verdict["not_tested"]]),
        **plots(found.charts),
    }
    return materialised(found.outcome, shown)


def _crossed(figures: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the metadata of a cross-validation; nothing where there is none."""
    if figures is None:
        return {}
    choices = [{**each, "parameters": parameters_text(each["parameters"])}
               for each in figures["choices"][:MOST_CHOICES]]  # fmt: skip
    return {
        "cross-validation": " ".join([f"{figures['says']}.", *figures["caveats"]]),
        "cross-validation choices": records_table(choices),
    }
