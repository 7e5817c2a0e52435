"""From a stage's outcome to Dagster's metadata and check results: numbers, tables, plots."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from strategy_lab_core.data.schemas import ColumnSpec
from strategy_lab_pipeline.stages.outcome import Finding, Outcome

__all__ = [
    "asset_key",
    "check_results",
    "column_schema",
    "materialised",
    "plot",
    "plots",
    "records_table",
]


def asset_key(asset: str) -> dg.AssetKey:
    """Return Dagster's key of an asset of the lake: `backtest_runs.mine` is one below the other."""
    return dg.AssetKey(asset.split("."))


def plot(svg: str, title: str) -> dg.MarkdownMetadataValue:
    """Return a picture that the Dagster UI shows inside the metadata."""
    encoded = base64.b64encode(svg.encode()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/svg+xml;base64,{encoded})")


def records_table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Return rows as a table; numbers too large for a double are shown as text."""
    names = list(rows[0]) if rows else ["rows"]
    schema = dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in names])
    records = [dg.TableRecord({name: str(row.get(name, "")) for name in names}) for row in rows]
    return dg.MetadataValue.table(records=records, schema=schema)


def column_schema(columns: Sequence[ColumnSpec]) -> dg.TableSchema:
    """Return a table's declared columns for the UI."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name, str(column.dtype).split("(")[0], f"{column.meaning} [{column.unit}]"
            )
            for column in columns
        ]
    )


def plots(charts: Mapping[str, str]) -> dict[str, dg.MarkdownMetadataValue]:
    """Return pictures by their titles, those that there are."""
    return {title: plot(svg, title) for title, svg in charts.items() if svg}


def materialised(
    outcome: Outcome, shown: Mapping[str, Any] | None = None, *, asset: str | None = None
) -> dg.MaterializeResult[Any]:
    """Return what Dagster keeps of an outcome: what it shows first, then what it was made of."""
    metadata = {
        **(shown or {}),
        **outcome.details,
        "dagster/row_count": outcome.rows,
        "dagster/uri": outcome.path.as_uri(),
        "made now": outcome.built,  # or found up to date
        "version": outcome.version,
        "inputs": dg.MetadataValue.json(outcome.inputs),
        "files": records_table(outcome.files),
    }
    return dg.MaterializeResult(
        asset_key=asset_key(asset) if asset else None,
        metadata=metadata,
        data_version=dg.DataVersion(outcome.data_version),
    )


def check_results(asset: str, findings: Sequence[Finding]) -> list[dg.AssetCheckResult]:
    """Return one check result a rule: passed, counts, and the first rows that broke it."""
    return [_check_result(asset, finding) for finding in findings]


def _check_result(asset: str, finding: Finding) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {
        "rows": finding.rows,
        "share": finding.share,
        "applicable": finding.applicable,
        "rule": finding.reason,
    }
    if finding.first_rows:
        metadata["first rows"] = records_table(finding.first_rows)
    severity = (
        dg.AssetCheckSeverity.ERROR if finding.severity == "error" else dg.AssetCheckSeverity.WARN
    )
    return dg.AssetCheckResult(
        asset_key=asset_key(asset),
        check_name=finding.rule,
        passed=finding.passed,
        severity=severity,
        description=_verdict(finding),
        metadata=metadata,
    )


def _verdict(finding: Finding) -> str:
    if not finding.applicable:
        return "not applicable to this partition's schemas"
    if finding.passed:
        return "kept"
    return f"broken in {finding.rows:,} rows ({finding.share:.4%})" if finding.rows else "broken"
