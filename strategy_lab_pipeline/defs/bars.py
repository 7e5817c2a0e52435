"""Bars and features, one partition a session and product."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from strategy_lab_core.data.result_schemas import RESULT_TABLES
from strategy_lab_pipeline.defs.checks import bar_check_specs
from strategy_lab_pipeline.defs.describe import (
    check_results,
    column_schema,
    materialised,
    plots,
)
from strategy_lab_pipeline.defs.partitions import parts, session_by_product
from strategy_lab_pipeline.defs.resources import WorkspaceResource
from strategy_lab_pipeline.stages import bars as bars_stage
from strategy_lab_pipeline.stages import features as features_stage
from strategy_lab_pipeline.stages.versions import code_version

__all__ = ["bars", "features"]


@dg.asset(
    deps=["validated_ticks"],
    partitions_def=session_by_product(),
    group_name="books",
    kinds={"numba", "parquet"},
    owners=["team:market-data"],
    code_version=code_version("bars"),
    retry_policy=dg.RetryPolicy(max_retries=1, delay=2),
    pool="books",
    check_specs=bar_check_specs(),
    metadata={"dagster/column_schema": column_schema(RESULT_TABLES["bars"])},
)
def bars(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> Iterator[Any]:
    """Bars of every outright contract, a table for each rule of the setting `bars`."""
    product, session = parts(context.partition_key)
    result = bars_stage.build(workspace.open(), product, session, run_id=context.run.run_id)
    yield materialised(result.outcome, plots({"candles and volume": result.chart_svg}))
    yield from check_results("bars", result.findings)


@dg.asset(
    deps=["order_books", "bars"],
    partitions_def=session_by_product(),
    group_name="books",
    kinds={"numba", "parquet"},
    owners=["team:market-data"],
    code_version=code_version("features"),
    retry_policy=dg.RetryPolicy(max_retries=1, delay=2),
    pool="books",
    metadata={"dagster/column_schema": column_schema(RESULT_TABLES["features"])},
)
def features(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource
) -> dg.MaterializeResult[Any]:
    """Features at the end of each cell of time; fitted on the session before, never on its own."""
    product, session = parts(context.partition_key)
    result = features_stage.build(workspace.open(), product, session, run_id=context.run.run_id)
    return materialised(result.outcome, plots({"weighted mid and order flow": result.chart_svg}))
