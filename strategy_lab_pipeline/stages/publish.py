"""Publish one version of a partition, or find that it is there already.

Files first, whole; then what else the database keeps of the version; its row last. A crash between
them leaves a version without a row, which the next run makes again, byte for byte the same.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from strategy_lab_pipeline.lake import Draft, PublishedVersion
from strategy_lab_pipeline.stages.outcome import Outcome
from strategy_lab_pipeline.stages.versions import code_version, digest, input_key
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["current_outcome", "publish", "record", "write_table"]

Build = Callable[[Draft], Mapping[str, Any]]
Remember = Callable[[str, Path], None]  # version, and the folder of its files


def write_table(draft: Draft, name: str, table: pl.DataFrame) -> None:
    """Write a table that is in memory as `<name>.parquet`."""
    with draft.table(name, table.schema) as writer:
        writer.write(table)


def current_outcome(
    workspace: Workspace, asset: str, product: str, session: str, version: str | None = None
) -> Outcome | None:
    """Return the current version of a partition, if it is there (and is `version`)."""
    row = workspace.store.current(asset, product, session)
    if row is None or (version is not None and row.version != version):
        return None
    found = workspace.lake.find(asset, product, session, row.version)
    if found is None:
        return None
    return Outcome(
        asset=asset,
        product=product,
        session=session,
        version=row.version,
        data_version=row.data_version,
        path=found.path,
        rows=row.rows,
        built=False,
        inputs=row.inputs,
        files=tuple(row.files),
        details=row.details,
    )


def publish(
    workspace: Workspace,
    asset: str,
    product: str,
    session: str,
    *,
    inputs: Mapping[str, str],
    config: Any,
    build: Build,
    run_id: str,
    remember: Remember = lambda *_: None,
) -> Outcome:
    """Return the version made from `inputs` and `config`, building it where it is not there.

    Parameters
    ----------
    build
        Writes the version's files into a draft and returns its details; `rows` among them is the
        row count of the partition.
    remember
        Records what the database keeps of the version beside its row: before the row, so that a
        version which counts is never without it.
    """
    version = input_key(asset, inputs, config)
    found = current_outcome(workspace, asset, product, session, version)
    if found is not None:
        return found
    with workspace.lake.publish(asset, product, session, version) as draft:
        details = dict(build(draft))
    remember(version, draft.published.path)
    return record(
        workspace,
        asset,
        product,
        session,
        version=version,
        inputs=inputs,
        config=config,
        published=draft.published,
        details=details,
        run_id=run_id,
    )


def record(
    workspace: Workspace,
    asset: str,
    product: str,
    session: str,
    *,
    version: str,
    inputs: Mapping[str, str],
    config: Any,
    published: PublishedVersion,
    details: Mapping[str, Any],
    run_id: str,
) -> Outcome:
    """Write the row of a version whose files are in their place; `rows` is taken from details."""
    rest = {name: value for name, value in details.items() if name != "rows"}
    rows = int(details.get("rows", 0))
    files = [dict(file) for file in published.files]
    workspace.store.record_materialization(
        asset=asset,
        product=product,
        session=session,
        version=version,
        code_version=code_version(asset),
        config_hash=digest(config),
        data_version=published.data_version,
        rows=rows,
        inputs=dict(inputs),
        files=files,
        details=rest,
        run_id=run_id,
    )
    return Outcome(
        asset=asset,
        product=product,
        session=session,
        version=version,
        data_version=published.data_version,
        path=published.path,
        rows=rows,
        built=True,
        inputs=dict(inputs),
        files=tuple(files),
        details=rest,
    )
