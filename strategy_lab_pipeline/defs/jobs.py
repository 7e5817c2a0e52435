"""Jobs: cataloguing files, the chain of one session, the reports, searches and evidence."""

import dagster as dg

from strategy_lab_pipeline.defs.describe import asset_key
from strategy_lab_pipeline.defs.resources import WorkspaceResource
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import catalogue
from strategy_lab_pipeline.stages.experiments import backtest_assets
from strategy_lab_pipeline.stages.plan import BOOKS, TABLES

__all__ = [
    "catalogue_landing",
    "run_search",
    "session_chain",
    "walk_window",
    "weigh_evidence",
    "write_reports",
]

RETRY = dg.RetryPolicy(max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL)


class FilesConfig(dg.Config):
    """Which files to catalogue.

    Parameters
    ----------
    paths
        Files of the landing folder, relative to it or absolute inside it.
    """

    paths: list[str]


@dg.op(pool="ticks", retry_policy=RETRY)
def catalogue_files(
    context: dg.OpExecutionContext, config: FilesConfig, workspace: WorkspaceResource
) -> None:
    """Read each file once, to its end: hash, schema, rows by product and session."""
    opened = workspace.open()
    for name in config.paths:
        path = opened.settings.inside_landing(name)
        entry = catalogue.catalogue_file(opened, path)
        context.log.info("%s: %s %s", path.name, entry.status, entry.reason)
        context.log_event(
            dg.AssetMaterialization(
                "landing_files",
                metadata={
                    "file": path.name,
                    "sha256": entry.sha256,
                    "status": entry.status,
                    "reason": entry.reason,
                    "dagster/row_count": entry.rows,
                },
            )
        )


@dg.job(
    executor_def=dg.in_process_executor,
    tags={"strategy_lab/kind": "catalogue", "dagster/priority": "10"},
)
def catalogue_landing() -> None:
    """Catalogue new files of the landing folder; the sensor then asks for their sessions."""
    catalogue_files()


session_chain = dg.define_asset_job(
    "session_chain",
    selection=[asset_key(asset) for asset in (*BOOKS, *TABLES, *backtest_assets(Settings()))],
    description="From raw ticks to backtest runs: one session of one product.",
    tags={"strategy_lab/kind": "session", "dagster/priority": "0"},
)

write_reports = dg.define_asset_job(
    "write_reports",
    selection=["rolls", "completeness", "reports"],
    description="The rolls, the completeness of all sessions, and every experiment's report.",
    tags={"strategy_lab/kind": "report", "dagster/priority": "5"},
)

run_search = dg.define_asset_job(
    "run_search",
    selection=["searches"],
    description="One search file's trials, from those that are kept on.",
    tags={"strategy_lab/kind": "search", "dagster/priority": "-10"},
)

walk_window = dg.define_asset_job(
    "walk_window",
    selection=["walk_forwards"],
    description="One window of a walk-forward: choose in-sample, judge out-of-sample.",
    tags={"strategy_lab/kind": "search", "dagster/priority": "-10"},
)

weigh_evidence = dg.define_asset_job(
    "weigh_evidence",
    selection=["evidence"],
    description="What one search or walk-forward proves, and on how many trials it rests.",
    tags={"strategy_lab/kind": "report", "dagster/priority": "-5"},
)
