"""Backtest runs: the engine is an op of its own, seen, pooled and retried by itself."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from strategy_lab_pipeline.defs.checks import backtest_check_specs
from strategy_lab_pipeline.defs.describe import check_results, outcome_metadata, plot, records_table
from strategy_lab_pipeline.defs.partitions import parts, session_by_product
from strategy_lab_pipeline.defs.resources import WorkspaceResource
from strategy_lab_pipeline.stages import backtests
from strategy_lab_pipeline.stages.versions import code_version

__all__ = ["run_engine"]


@dg.multi_asset(
    name="run_engine",
    specs=[
        dg.AssetSpec(
            "backtest_runs",
            deps=["order_books", "validated_ticks"],
            description="Every experiment of the product on the session: orders, fills, equity.",
            group_name="research",
            kinds={"numba", "parquet"},
            owners=["team:research"],
            code_version=code_version("backtest_runs"),
        )
    ],
    check_specs=backtest_check_specs(),
    partitions_def=session_by_product(),
    pool="engine",
    retry_policy=dg.RetryPolicy(max_retries=1, delay=2),
)
def run_engine(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> Iterator[Any]:
    """Replay the session against each experiment of the product, flat to flat."""
    product, session = parts(context.partition_key)
    result = backtests.build(workspace.open(), product, session, run_id=context.run.run_id)
    metadata = outcome_metadata(result.outcome)
    metadata["runs"] = records_table(result.runs)
    for name, svg in result.charts.items():
        metadata[name] = plot(svg, name)
    yield dg.MaterializeResult(
        asset_key="backtest_runs",
        metadata=metadata,
        data_version=dg.DataVersion(result.outcome.data_version),
    )
    yield from check_results("backtest_runs", result.findings)
