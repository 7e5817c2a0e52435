"""How sound the data of a home folder are: what `strategy-lab quality` answers and shows."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages.completeness import completeness_of, products_with_ticks
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace

__all__ = ["quality_of", "show_quality"]

GOOD, FAIR = 0.999, 0.9  # scores from which a session is shown green, or yellow


def quality_of(
    settings: Settings, product: str | None = None, session: str | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Return the sessions with their scores, the gaps with their repair, and the rules' findings.

    Parameters
    ----------
    product, session
        Only these; all of them by default.
    """
    workspace = open_workspace(settings)
    return {
        "sessions": _sessions(workspace, product, session),
        "gaps": _gaps(workspace, product, session),
        "rules": _rules(workspace, product, session),
    }


def _sessions(
    workspace: Workspace, product: str | None, session: str | None
) -> list[dict[str, Any]]:
    rows = []
    for root in products_with_ticks(workspace):
        known = completeness_of(workspace, root) if product in (None, root) else None
        for row in known.sessions.to_dicts() if known else ():
            if session in (None, str(row["session"])):
                rows.append({"product": root, **row, "session": str(row["session"])})
    return rows


def _gaps(workspace: Workspace, product: str | None, session: str | None) -> list[dict[str, Any]]:
    return [
        {
            "product": gap.product,
            "session": gap.session,
            "kind": gap.kind,
            "severity": gap.severity,
            "where": gap.place,
            "start_ns": gap.start_ns,
            "end_ns": gap.end_ns,
            "size": gap.size,
            "unit": gap.unit,
            "detail": gap.detail,
            "state": gap.state,
            "found_at_ns": gap.found_at_ns,
            "closed_at_ns": gap.closed_at_ns,
            "repair": gap.repair,
        }
        for gap in workspace.store.gaps(product, session)
    ]


def _rules(workspace: Workspace, product: str | None, session: str | None) -> list[dict[str, Any]]:
    """Return what each rule found in each partition, worst first inside a partition."""
    findings = workspace.store.quality(product=product, session=session)
    rows = [
        {
            "product": row.product,
            "session": row.session,
            "rule": row.rule,
            "severity": row.severity,
            "result": _result(row.applicable, row.passed),
            "rows": row.rows,
            "share": round(row.share, 6),
            "reason": row.reason,
        }
        for row in findings
    ]
    return rows + [
        {
            "product": "-",
            "session": "-",
            "rule": "whole_file",
            "severity": "error",
            "result": "failed",
            "rows": None,
            "share": None,
            "reason": file.reason,
        }
        for file in workspace.store.broken_files()
    ]


def _result(applicable: bool, passed: bool) -> str:
    if not applicable:
        return "not applicable"
    return "passed" if passed else "failed"


def show_quality(found: dict[str, list[dict[str, Any]]], console: Console) -> None:
    """Print `quality_of` for people: of the rules what was broken, the rest by number."""
    console.print(_completeness_table(found["sessions"]))
    if found["gaps"]:
        gaps = [{**gap, "what": _told(gap)} for gap in found["gaps"]]
        console.print(_table("gaps", ("product", "session", "kind", "state", "what"), gaps))
    broken = [row for row in found["rules"] if row["result"] == "failed"]
    columns = ("product", "session", "rule", "rows", "reason")
    console.print(_table("broken rules", columns, broken))
    kept = len(found["rules"]) - len(broken)
    console.print(f"{kept} findings more: kept or not applicable; --json has all of them")


def _told(gap: dict[str, Any]) -> str:
    where = f"{gap['where']}: " if gap["where"] else ""
    return f"{where}{gap['detail']}" + (f"; {gap['state']}: {gap['repair']}" * bool(gap["repair"]))


def _completeness_table(sessions: list[dict[str, Any]]) -> Table:
    columns = ("product", "session", "label", "score", "activity", "messages", "rows", "gaps")
    shown = _table("completeness", columns, [])
    for row in sessions:
        shares = [_share(row[name]) for name in ("score", "activity", "messages", "rows")]
        shown.add_row(*(str(row[name]) for name in columns[:3]), *shares, str(row["gaps"]))
    return shown


def _share(value: float) -> Text:
    """Return a share as a cell of the heat map, cut and not rounded: 1.000 is nothing missing."""
    colour = "green" if value >= GOOD else "yellow" if value >= FAIR else "red"
    return Text(f"{int(value * 1000) / 1000:.3f}", style=colour)


def _table(title: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> Table:
    shown = Table(title=title, title_justify="left", header_style="bold")
    for name in columns:
        shown.add_column(name, no_wrap=name != columns[-1])
    for row in rows:
        shown.add_row(*("" if row[name] is None else str(row[name]) for name in columns))
    return shown
