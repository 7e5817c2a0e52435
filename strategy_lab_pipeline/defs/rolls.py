"""Rolls: which contract each session of a product trades, with the audit of every rule in use."""

from typing import Any

import dagster as dg

from strategy_lab_core.data.roll_schemas import ROLL_TABLES
from strategy_lab_pipeline.defs.describe import column_schema, plot, records_table
from strategy_lab_pipeline.defs.resources import WorkspaceResource
from strategy_lab_pipeline.stages import rolls as stage
from strategy_lab_pipeline.stages.versions import code_version, digest

__all__ = ["rolls"]


@dg.asset(
    deps=[
        dg.AssetDep("order_books", partition_mapping=dg.AllPartitionMapping()),
        dg.AssetDep("validated_ticks", partition_mapping=dg.AllPartitionMapping()),  # statistics
    ],
    group_name="books",
    kinds={"polars", "parquet"},
    owners=["team:market-data"],
    code_version=code_version("rolls"),
    metadata={"dagster/column_schema": column_schema(ROLL_TABLES["rolls"])},
)
def rolls(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource
) -> dg.MaterializeResult[Any]:
    """Decide the contract of each session before its open: reasons, volumes, gaps, bounds."""
    opened = workspace.open()
    tables = {
        product: stage.build(opened, product, run_id=context.run.run_id)
        for product in stage.products_with_books(opened)
    }
    metadata: dict[str, Any] = {}
    for product, found in tables.items():
        metadata[product] = records_table(found.rows)
        metadata[f"files of {product}"] = records_table(found.outcome.files)
        if found.chart_svg:
            metadata[f"gaps of {product}"] = plot(found.chart_svg, f"gaps of {product}")
    versions = {product: found.outcome.data_version for product, found in tables.items()}
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(digest(versions)))
