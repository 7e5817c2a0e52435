"""Order books, one partition a session and product."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from strategy_lab_pipeline.defs.checks import book_check_specs
from strategy_lab_pipeline.defs.describe import check_results, materialised, plots
from strategy_lab_pipeline.defs.partitions import parts, session_by_product
from strategy_lab_pipeline.defs.resources import WorkspaceResource
from strategy_lab_pipeline.stages import books
from strategy_lab_pipeline.stages.versions import code_version

__all__ = ["order_books"]


@dg.asset(
    deps=[dg.AssetKey("validated_ticks")],
    partitions_def=session_by_product(),
    group_name="books",
    kinds={"numba", "parquet"},
    owners=["team:market-data"],
    code_version=code_version("order_books"),
    retry_policy=dg.RetryPolicy(max_retries=1, delay=2),
    pool="books",
    check_specs=book_check_specs(),
)
def order_books(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> Iterator[Any]:
    """Best bid and offer at every event end, and every change among the ten best levels."""
    product, session = parts(context.partition_key)
    result = books.build(workspace.open(), product, session, run_id=context.run.run_id)
    yield materialised(result.outcome, plots({"best bid and offer": result.chart_svg}))
    yield from check_results("order_books", result.findings)
