"""Reports: one HTML and one JSON file an experiment, over all its sessions."""

from typing import Any

import dagster as dg

from strategy_lab_pipeline.defs.describe import asset_key, materialised, plots, records_table
from strategy_lab_pipeline.defs.resources import WorkspaceResource
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import reports as stage
from strategy_lab_pipeline.stages.experiments import backtest_assets
from strategy_lab_pipeline.stages.versions import code_version

__all__ = ["reports"]


@dg.asset(
    deps=[
        "completeness",
        *(
            dg.AssetDep(asset_key(asset), partition_mapping=dg.AllPartitionMapping())
            for asset in backtest_assets(Settings())
        ),
    ],
    group_name="research",
    kinds={"html", "json"},
    owners=["team:research"],
    code_version=code_version("reports"),
)
def reports(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource
) -> dg.MaterializeResult[Any]:
    """One self-contained page an experiment: equity, fills, costs, data quality, provenance."""
    result = stage.build(workspace.open(), run_id=context.run.run_id)
    shown = {"experiments": records_table(result.summary), **plots(result.charts)}
    return materialised(result.outcome, shown)
