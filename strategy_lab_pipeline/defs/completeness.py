"""Completeness: every product's sessions with their gaps and scores, over all partitions."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import dagster as dg

from strategy_lab_core.data.gap_kinds import COMPLETENESS_TABLES
from strategy_lab_core.report.charts import to_svg
from strategy_lab_core.report.completeness_chart import completeness_chart
from strategy_lab_pipeline.defs.describe import check_results, column_schema, plot, records_table
from strategy_lab_pipeline.defs.resources import WorkspaceResource
from strategy_lab_pipeline.stages import completeness as stage
from strategy_lab_pipeline.stages.outcome import Finding
from strategy_lab_pipeline.stages.versions import code_version, digest

__all__ = ["completeness"]

Tables = Mapping[str, stage.CompletenessTables]


@dg.asset(
    deps=[
        dg.AssetDep(asset, partition_mapping=dg.AllPartitionMapping())
        for asset in ("raw_ticks", "quarantined_ticks")
    ],
    group_name="ticks",
    kinds={"polars", "parquet"},
    owners=["team:market-data"],
    code_version=code_version("completeness"),
    check_specs=[
        dg.AssetCheckSpec(rule, asset="completeness", description=reason)
        for rule, reason in stage.RULES.items()
    ],
    metadata={"dagster/column_schema": column_schema(COMPLETENESS_TABLES["completeness"])},
)
def completeness(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> Iterator[Any]:
    """Judge which sessions and rows are missing, and what became of the gaps found before."""
    opened = workspace.open()
    tables = {
        product: stage.build(opened, product, run_id=context.run.run_id)
        for product in stage.products_with_ticks(opened)
    }
    metadata: dict[str, Any] = {}
    for product, found in tables.items():
        sessions = found.sessions.to_dicts()
        heat_map = to_svg(completeness_chart(sessions, title=product))
        metadata[f"heat map of {product}"] = plot(heat_map, f"completeness of {product}")
        metadata[f"sessions of {product}"] = records_table(sessions)
        metadata[f"gaps of {product}"] = records_table(found.gaps.to_dicts())
        metadata[f"files of {product}"] = records_table(found.outcome.files)
    versions = {product: found.outcome.data_version for product, found in tables.items()}
    yield dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(digest(versions)))
    yield from check_results("completeness", _together(tables))


def _together(tables: Tables) -> list[Finding]:
    """Return one finding a rule over all products, their first rows named."""
    findings = []
    for rule, reason in stage.RULES.items():
        mine = [(p, f) for p, found in tables.items() for f in found.findings if f.rule == rule]
        rows = [{"product": p, **row} for p, finding in mine for row in finding.first_rows]
        count = sum(finding.rows for _, finding in mine)
        together = Finding(
            rule=rule, severity="warning", reason=reason, passed=not count, rows=count
        )
        findings.append(replace(together, first_rows=tuple(rows)))
    return findings
