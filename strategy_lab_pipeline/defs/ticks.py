"""Raw, validated and quarantined ticks, one partition a session and product."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from strategy_lab_core.data.schemas import columns_of
from strategy_lab_core.types import TickSchema
from strategy_lab_pipeline.defs.checks import validated_check_specs
from strategy_lab_pipeline.defs.describe import check_results, column_schema, materialised
from strategy_lab_pipeline.defs.jobs import RETRY
from strategy_lab_pipeline.defs.partitions import parts, session_by_product
from strategy_lab_pipeline.defs.resources import WorkspaceResource
from strategy_lab_pipeline.stages import raw, validated
from strategy_lab_pipeline.stages.versions import code_version

__all__ = ["landing_files", "raw_ticks", "validated_ticks"]

OWNERS = ["team:market-data"]

landing_files = dg.AssetSpec(
    "landing_files",
    description="Files of exchange ticks as they arrived, catalogued with hash, rows and sessions.",
    group_name="ticks",
    kinds={"file"},
    owners=OWNERS,
)


@dg.asset(
    deps=[landing_files],
    partitions_def=session_by_product(),
    group_name="ticks",
    kinds={"polars", "parquet"},
    owners=OWNERS,
    code_version=code_version("raw_ticks"),
    retry_policy=RETRY,
    pool="ticks",
    metadata={"dagster/column_schema": column_schema(columns_of(TickSchema.MBO))},
)
def raw_ticks(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource
) -> dg.MaterializeResult[Any]:
    """Every row of every file that overlaps the session: exact and in source order."""
    product, session = parts(context.partition_key)
    outcome = raw.build(workspace.open(), product, session, run_id=context.run.run_id)
    return materialised(outcome)


@dg.multi_asset(
    name="validate_ticks",
    specs=[
        dg.AssetSpec(
            "validated_ticks",
            deps=[raw_ticks],
            description="The well-formed rows, with flags where the book can't be trusted.",
            skippable=True,
            group_name="ticks",
            kinds={"pandera", "parquet"},
            owners=OWNERS,
            code_version=code_version("validated_ticks"),
        ),
        dg.AssetSpec(
            "quarantined_ticks",
            deps=[raw_ticks],
            description="Every malformed row, with the rule that it broke.",
            skippable=True,
            group_name="ticks",
            kinds={"pandera", "parquet"},
            owners=OWNERS,
            code_version=code_version("validated_ticks"),
        ),
    ],
    check_specs=validated_check_specs(),
    partitions_def=session_by_product(),
    retry_policy=RETRY,
    pool="ticks",
)
def validated_ticks(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource
) -> Iterator[Any]:
    """Judge every row by the row rules and every event by the state rules."""
    product, session = parts(context.partition_key)
    result = validated.build(workspace.open(), product, session, run_id=context.run.run_id)
    yield materialised(result.quarantined, asset="quarantined_ticks")
    if result.validated is not None:
        yield materialised(result.validated, asset="validated_ticks")
    yield from check_results("validated_ticks", result.findings)
    if result.blocked:
        # Dagster counts a partition with a failed blocking check as materialised: so it is not.
        raise dg.Failure(
            description=f"{product} {session}: {'; '.join(result.blocked)}", allow_retries=False
        )
