"""Backtest runs, an asset for each group of experiments: the engine is an op, pooled and seen.

Groups are the folders of experiments that there are when Dagster loads these definitions; a new
group is there after "Reload definitions".
"""

import time
from collections.abc import Iterator
from typing import Any

import dagster as dg

from strategy_lab_pipeline.defs.checks import backtest_check_specs
from strategy_lab_pipeline.defs.describe import (
    asset_key,
    check_results,
    materialised,
    plots,
    records_table,
)
from strategy_lab_pipeline.defs.partitions import parts, session_by_product
from strategy_lab_pipeline.defs.resources import WorkspaceResource
from strategy_lab_pipeline.progress import tell_part
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import backtests
from strategy_lab_pipeline.stages.experiments import backtest_assets
from strategy_lab_pipeline.stages.versions import code_version

__all__ = ["LOADED", "Told", "engines"]

LOG_SECONDS = 5.0  # between two lines about progress in a run's log


class Told:
    """Tells how far the work is: the bar at once, the run's log now and then."""

    def __init__(self, context: dg.AssetExecutionContext, unit: str = "rows") -> None:
        self._context, self._unit = context, unit
        self._last = -LOG_SECONDS

    def __call__(self, what: str, done: int, total: int) -> None:
        """Tell that so much of it is done."""
        tell_part(what, done, total)
        if done == total or time.monotonic() - self._last >= LOG_SECONDS:
            self._last = time.monotonic()
            self._context.log.info("%s: %s of %s %s", what, f"{done:,}", f"{total:,}", self._unit)


def _engine(asset: str) -> dg.AssetsDefinition:
    """Return the op that makes the backtest runs of one group of experiments."""
    group = asset.partition(".")[2]

    @dg.multi_asset(
        name=f"run_engine_{group}" if group else "run_engine",
        specs=[
            dg.AssetSpec(
                asset_key(asset),
                deps=["order_books", "validated_ticks"],
                description="Every experiment of the group and product on the session.",
                group_name="research",
                kinds={"numba", "parquet"},
                owners=["team:research"],
                code_version=code_version(asset),
            )
        ],
        check_specs=backtest_check_specs(asset),
        partitions_def=session_by_product(),
        pool="engine",
        retry_policy=dg.RetryPolicy(max_retries=1, delay=2),
    )
    def run_engine(
        context: dg.AssetExecutionContext, workspace: WorkspaceResource
    ) -> Iterator[Any]:
        """Replay the session against each experiment, flat to flat."""
        product, session = parts(context.partition_key)
        result = backtests.build(
            workspace.open(),
            product,
            session,
            run_id=context.run.run_id,
            asset=asset,
            on_progress=Told(context),
        )
        shown = {"runs": records_table(result.runs), **plots(result.charts)}
        yield materialised(result.outcome, shown, asset=asset)
        yield from check_results(asset, result.findings)
        if result.failures:  # the others are published: the run says that not all is well
            raise dg.Failure(description="; ".join(result.failures), allow_retries=False)

    return run_engine


LOADED = tuple(backtest_assets(Settings()))
engines = [_engine(asset) for asset in LOADED]
