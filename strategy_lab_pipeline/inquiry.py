"""Questions about a home folder, answered without running anything: status, rolls, doctor."""

import os
import shutil
import sys
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from strategy_lab_core._jit import prune_caches
from strategy_lab_core.data.exact_yaml import refuse_unknown
from strategy_lab_core.data.roll_rules import roll_rule
from strategy_lab_core.types import NS_PER_SECOND, PRICE_SCALE
from strategy_lab_pipeline.say import say
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import plan, reports
from strategy_lab_pipeline.stages.bars import bars_of
from strategy_lab_pipeline.stages.experiments import (
    backtest_assets,
    experiment_files,
    experiments,
    read_any,
)
from strategy_lab_pipeline.stages.rolls import decisions
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace

__all__ = [
    "bar_rows",
    "examine",
    "readable_bars",
    "roll_rows",
    "show_status",
    "status_of",
]

MIN_FREE_BYTES = 5_000_000_000


def roll_rows(settings: Settings, product: str, rule: str) -> list[dict[str, Any]]:
    """Return the audit of a product's rolls by a rule, older ones first."""
    workspace = open_workspace(settings)
    refuse_unknown("product", [product], tuple(workspace.products))
    return decisions(workspace, product, roll_rule(rule)).rolls.to_dicts()


def bar_rows(settings: Settings, product: str, session: date, every: str) -> list[dict[str, Any]]:
    """Return the bars of a session's outright contracts, as docs/vocabulary.md has them."""
    return bars_of(open_workspace(settings), product, session, every).to_dicts()


def readable_bars(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return of bars what fits a screen: UTC time of day, prices in points, lots."""
    prices = ("open", "high", "low", "close")
    return [
        {
            "symbol": row["symbol"],
            "start": f"{datetime.fromtimestamp(row['start_ns'] // NS_PER_SECOND, UTC):%H:%M:%S}",
            **{name: f"{row[name] / PRICE_SCALE:.2f}" for name in prices},
            "volume": row["volume"],
        }
        for row in rows
    ]


def status_of(settings: Settings) -> dict[str, Any]:
    """Return what is there, what is missing and what to do next."""
    workspace = open_workspace(settings).at_one_moment()
    stale = plan.stale_partitions(workspace)
    known, found_experiments = workspace.store.all_partitions(), experiments(settings)
    found: dict[str, Any] = {
        "home": str(settings.home),
        "files": workspace.store.count_files(),
        "partitions": [_partition(workspace, *key, stale) for key in sorted(known)],
        "broken_files": [file.reason for file in workspace.store.broken_files()],
        "blocked": [
            f"{found.product} {found.session}: {'; '.join(found.reasons)}"
            for found in plan.blocked_partitions(workspace)
        ],
        "without_result": [
            f"{label}: {product} {session}: {reason}"
            for product, session, label, reason in plan.without_result(workspace)
        ],
        "left_out": [
            *plan.left_out(workspace),
            *workspace.store.remarks(),
            *found_experiments.problems,
        ],
        "experiments": [found.name for found in found_experiments.usable],
        "reports": [str(path) for path in reports.report_paths(workspace)],
    }
    stale_overall = bool(plan.stale_overall(workspace))
    found["next"] = _next_steps(found, bool(found_experiments.problems), bool(stale), stale_overall)
    return found


def _partition(
    workspace: Workspace, product: str, session: str, stale: list[plan.StalePartition]
) -> dict[str, Any]:
    missing = {(item.product, str(item.session)): item.assets for item in stale}.get(
        (product, session), ()
    )
    row: dict[str, Any] = {"product": product, "session": session}
    for asset in _assets(workspace.settings):
        current = workspace.store.current(asset, product, session)
        state = "missing" if current is None else "there"
        row[asset] = "out of date" if asset in missing and current is not None else state
    row["label"] = workspace.store.session_label(product, session)
    return row


def _assets(settings: Settings) -> list[str]:
    return [*plan.BOOKS, *plan.TABLES, *backtest_assets(settings)]


def _next_steps(
    found: dict[str, Any], mistyped: bool, stale: bool, stale_overall: bool
) -> list[str]:
    if not found["partitions"]:
        return ["strategy-lab demo", "strategy-lab ingest FILES"]
    steps = []
    if found["broken_files"]:
        steps.append("look at the broken files above: fetch them again, or move them away")
    if found["blocked"]:
        steps.append("strategy-lab quality   (shows what is wrong with the blocked sessions)")
    if any(reason.startswith("failed: ") for reason in found["without_result"]):
        steps.append("correct what failed above, then strategy-lab backtest")
    if mistyped:
        steps.append("correct the experiments left out above, then strategy-lab backtest")
    if stale:
        steps.append("strategy-lab backtest   (brings every session up to date)")
    if stale_overall:
        steps.append("strategy-lab report   (judges completeness, writes the reports)")
    return steps or ["nothing: everything is up to date; `strategy-lab up` opens the Dagster UI"]


def show_status(found: dict[str, Any], console: Console) -> None:
    """Print `status_of` for people."""
    from rich.table import Table

    say(console, f"home {found['home']}: {found['files']} files")
    table = Table(header_style="bold")
    head = ["product", "session", "label"]
    for name in (*head, "missing", "out of date"):
        table.add_column(name, overflow="fold")
    for row in found["partitions"]:
        lacks = [
            ", ".join(name for name in row if name not in head and row[name] == state) or "-"
            for state in ("missing", "out of date")
        ]
        table.add_row(*(str(row[name]) for name in head), *lacks)
    console.print(table)
    for reason in found["broken_files"]:
        say(console, reason, mark="broken", style="red")
    for reason in found["blocked"]:
        say(console, reason, mark="blocked", style="red")
    for reason in found["without_result"]:
        say(console, reason, mark="no result", style="yellow")
    for reason in found["left_out"]:
        say(console, reason, mark="left out", style="yellow")
    for path in found["reports"]:
        say(console, f"report: {path}")
    for step in found["next"]:
        say(console, f"next: {step}")


def examine(settings: Settings) -> list[dict[str, Any]]:
    """Check machine and home folder, one row a check; repair what dead processes left behind."""
    from strategy_lab_pipeline import launch  # with Dagster, which only looking does not need

    rows = [
        _row("python", (3, 11) <= sys.version_info[:2] <= (3, 13), sys.version.split()[0]),
        _row("dagster", condition=True, found=version("dagster")),
        _row("home", os.access(_existing(settings.home), os.W_OK), str(settings.home)),
    ]
    free = shutil.disk_usage(_existing(settings.home)).free
    rows.append(_row("disk", free > MIN_FREE_BYTES, f"{free / 1e9:.1f} GB free, 5 are wanted"))
    workspace = open_workspace(settings)
    rows.append(_row("database", condition=True, found=workspace.store.revision()))
    with launch.open_instance(settings) as instance:
        repaired = launch.repair(instance, daemon_lives=launch.is_up(settings))
    swept = workspace.lake.sweep(workspace.store.known_versions)
    rows.append(_row("dead runs", condition=True, found=f"{len(repaired.failed_runs)} repaired"))
    rows.append(_row("pool slots", condition=True, found=f"{len(repaired.freed_pools)} freed"))
    rows.append(_row("stale files", condition=True, found=f"{len(swept)} folders removed"))
    pruned = prune_caches()
    rows.append(_row("compile caches", condition=True, found=f"{len(pruned)} old ones removed"))
    rows.extend(_experiments(settings))
    return rows


def _experiments(settings: Settings) -> list[dict[str, Any]]:
    rows = []
    for path in experiment_files(settings):
        try:
            read_any(path)
        except ValueError as error:
            rows.append(_row(f"experiment {path.name}", condition=False, found=str(error)))
        else:
            rows.append(_row(f"experiment {path.name}", condition=True, found="well-formed"))
    return rows


def _row(check: str, condition: bool, found: str) -> dict[str, Any]:
    return {"check": check, "ok": condition, "found": found}


def _existing(path: Path) -> Path:
    """Return the nearest folder above `path` that exists."""
    return path if path.exists() else _existing(path.parent)
