"""`reports`: one HTML page and one JSON file an experiment, over all its sessions.

Everything in them comes from published versions, so that the provenance table can name each of
them, down to the hashes of the source files.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from strategy_lab_core.report.content import AccountReport, ReportData, SessionReport
from strategy_lab_core.report.tables import equity_curve
from strategy_lab_pipeline.lake import Draft
from strategy_lab_pipeline.stages.backtests import listed
from strategy_lab_pipeline.stages.books import quotes
from strategy_lab_pipeline.stages.completeness import completeness_of
from strategy_lab_pipeline.stages.experiments import backtest_assets, experiments
from strategy_lab_pipeline.stages.jobs import TABLES
from strategy_lab_pipeline.stages.outcome import Outcome
from strategy_lab_pipeline.stages.publish import current_outcome, publish
from strategy_lab_pipeline.stages.runs import require_tables
from strategy_lab_pipeline.stages.scope import why_no_partition
from strategy_lab_pipeline.stages.sources import sources_of
from strategy_lab_pipeline.stages.together import EQUITY
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["Reports", "build", "config_of", "inputs_of", "report_paths"]

NOWHERE = "-"  # product and session of an asset without partitions
CHAIN = ("raw_ticks", "validated_ticks", "order_books")
Runs = list[tuple[Mapping[str, Any], Outcome]]  # with the partition that lists each


@dataclass(frozen=True, slots=True)
class Reports:
    """The published reports, a row for each experiment, pictures by title."""

    outcome: Outcome
    summary: tuple[Mapping[str, Any], ...]
    charts: Mapping[str, str]


def inputs_of(workspace: Workspace) -> dict[str, str]:
    """Return what the reports are made from: current backtests, their products' completeness."""
    runs = list(_backtests(workspace))
    found = {f"{run.asset}:{run.product}:{run.session}": run.data_version for run in runs}
    for product in sorted({run.product for run in runs}):
        known = current_outcome(workspace, "completeness", product, NOWHERE)
        if known is not None:
            found[f"completeness:{product}"] = known.data_version
    return found


def _backtests(workspace: Workspace) -> Iterator[Outcome]:
    """Yield the current backtest partitions, older sessions first; none that are out of scope."""
    for product, session in sorted(workspace.store.all_partitions(), key=lambda key: key[::-1]):
        if why_no_partition(workspace.settings, product, date.fromisoformat(session)):
            continue
        for asset in backtest_assets(workspace.settings):
            outcome = current_outcome(workspace, asset, product, session)
            if outcome is not None:
                yield outcome


def config_of(workspace: Workspace) -> dict[str, Any]:
    """Return what decides which runs of a name are shown: the experiments as their files are."""
    found = workspace.once("experiments", lambda: experiments(workspace.settings))
    return {experiment.name: experiment.digest() for experiment in found.usable}


def report_paths(workspace: Workspace) -> list[Path]:
    """Return the current pages, by experiment."""
    found = current_outcome(workspace, "reports", NOWHERE, NOWHERE)
    return sorted(found.path.glob("*.html")) if found else []


def build(workspace: Workspace, *, run_id: str) -> Reports:
    """Write every experiment's report."""
    from strategy_lab_core.report.charts import drawdown_chart, equity_chart, to_svg

    config = config_of(workspace)
    found = _collect(workspace, config)
    data = {name: _data(workspace, *each) for name, each in found.items()}
    outcome = publish(
        workspace,
        "reports",
        NOWHERE,
        NOWHERE,
        inputs=inputs_of(workspace),
        config=config,
        build=lambda draft: _write(draft, data),
        run_id=run_id,
    )
    charts = {}
    for name, one in data.items():
        curve = equity_curve(one.account)
        charts[f"equity of {name}"] = to_svg(equity_chart(curve))
        charts[f"drawdown of {name}"] = to_svg(drawdown_chart(curve))
    rows = tuple(_row(name, one, found[name][1]) for name, one in data.items())
    return Reports(outcome, rows, charts)


def _write(draft: Draft, data: Mapping[str, ReportData]) -> dict[str, Any]:
    from strategy_lab_core.report.html import render_html, render_json

    for name, one in data.items():
        draft.text(f"{name}.html", render_html(one))
        draft.text(f"{name}.json", render_json(one))
    return {"rows": len(data), "experiments": sorted(data)}


def _row(name: str, data: ReportData, left_out: Sequence[str]) -> dict[str, Any]:
    net = sum(int(session.metrics["net_profit_e6"]) for session in data.sessions)
    return {
        "experiment": name,
        "sessions": len(data.account),
        "partial": sum(session.label == "partial" for session in data.account),
        "left out": len(left_out),
        "net profit": f"{net / data.money_scale:,.2f} {data.currency}",
    }


def _collect(workspace: Workspace, digests: Mapping[str, str]) -> dict[str, tuple[Runs, list[str]]]:
    """Return each experiment's runs, in order, and the sessions that have only other ones."""
    found: dict[str, Runs] = {}
    for outcome in _backtests(workspace):
        for run in listed(outcome):
            if run["error"] is None:
                found.setdefault(run["experiment"], []).append((run, outcome))
    return {name: _of_one(found[name], digests.get(name)) for name in sorted(found)}


def _of_one(runs: Runs, wanted: str | None) -> tuple[Runs, list[str]]:
    """Return one run a session of one experiment, and the sessions left out.

    Under a name there may be runs of what its file was before, where sessions were not made anew.
    What the file is now counts, without runs of that what it was in the last session. An account
    may be listed under two products, where one came into scope later: the last one is its home.
    """
    known = [run["experiment_id"] for run, _ in runs]
    digest = wanted if wanted in known else known[-1]
    kept = {each[1].session: each for each in runs if each[0]["experiment_id"] == digest}
    return [*kept.values()], sorted({outcome.session for _, outcome in runs} - kept.keys())


def _data(workspace: Workspace, runs: Runs, left_out: Sequence[str]) -> ReportData:
    first = runs[0][0]
    assumptions = [text for run, _ in runs for text in run["assumptions"]]
    if left_out:
        span = f"{len(left_out)} sessions, {left_out[0]} to {left_out[-1]}"
        rest = "run with other settings, not since; `strategy-lab status` says what is to be done"
        assumptions.append(f"Left out are {span}: {rest}.")
    alone = [(part, outcome) for run, outcome in runs for part in run.get("parts", [run])]
    return ReportData(
        experiment=first["config"],
        sessions=[_session(workspace, run, outcome) for run, outcome in alone],
        accounts=[_account(workspace, run, outcome) for run, outcome in runs if "parts" in run],
        assumptions=list(dict.fromkeys(assumptions)),
        provenance=[
            *(row for run, outcome in runs for row in _provenance(workspace, run, outcome)),
            *_judgements(workspace, {run["product"] for run, _ in alone}),
        ],
        currency=first["currency"],
        money_scale=first["money_scale"],
        **_coverage(workspace, alone),
    )


def _coverage(workspace: Workspace, runs: Runs) -> dict[str, list[dict[str, Any]]]:
    """Return completeness and gaps from the first to the last session of the runs."""
    days = [date.fromisoformat(run["sessions"][0]["session"]) for run, _ in runs]
    ends = [date.fromisoformat(outcome.session) for _, outcome in runs]
    found: dict[str, list[dict[str, Any]]] = {"completeness": [], "gaps": []}
    for product in sorted({run["product"] for run, _ in runs}):
        known = completeness_of(workspace, product)
        for name, table in (
            (("completeness", known.sessions), ("gaps", known.gaps)) if known else ()
        ):
            inside = table.filter(pl.col("session").is_between(min(days), max(ends)))
            rows = inside.with_columns(pl.col("session").dt.to_string()).to_dicts()
            found[name] += [{"product": product, **row} for row in rows]
    return found


def _account(workspace: Workspace, run: Mapping[str, Any], outcome: Outcome) -> AccountReport:
    folder = require_tables(workspace, date.fromisoformat(outcome.session), run)
    return AccountReport(
        key=outcome.session,
        label=run["label"],
        equity=pl.read_parquet(folder / f"{EQUITY}.parquet"),
        metrics=run["metrics"],
        carried=_carried(run),
    )


def _carried(run: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return run["sessions"] if len(run["sessions"]) > 1 else ()


def _session(workspace: Workspace, run: Mapping[str, Any], outcome: Outcome) -> SessionReport:
    product, session = run["product"], outcome.session
    folder = require_tables(workspace, date.fromisoformat(session), run)
    tables = {name: pl.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    books = current_outcome(workspace, "order_books", product, session)
    prices = quotes(workspace, books) if books else pl.DataFrame(schema={"ts": pl.Int64})
    return SessionReport(
        key=session,
        product=product,
        symbol=run["symbol"],
        instrument=run.get("instrument", ""),
        label=run["label"],
        multiplier=run["multiplier"],
        quality=_quality(workspace, product, session),
        prices=prices,
        metrics=run["metrics"],
        carried=_carried(run),
        rolls=run["rolls"],
        **tables,
    )


def _quality(workspace: Workspace, product: str, session: str) -> dict[str, Any]:
    validated = current_outcome(workspace, "validated_ticks", product, session)
    quarantined = current_outcome(workspace, "quarantined_ticks", product, session)
    rules = workspace.store.quality(product=product, session=session, asset="validated_ticks")
    bad = quarantined.rows if quarantined else 0
    return {
        "rows": bad + (validated.rows if validated else 0),
        "quarantined": bad,
        "unreliable_share": validated.details.get("untrusted_share", 0.0) if validated else 0.0,
        "rules": [
            {
                "rule": row.rule,
                "severity": row.severity,
                "applicable": row.applicable,
                "passed": row.passed,
                "rows": row.rows,
                "reason": row.reason,
            }
            for row in rules
        ],
    }


def _provenance(
    workspace: Workspace, run: Mapping[str, Any], runs: Outcome
) -> Iterator[dict[str, Any]]:
    """Yield a row for each published input of a run, the source files first."""
    parts = run.get("parts", ())
    sessions = [*(each["session"] for each in run["sessions"][:-1]), runs.session]
    for product in dict.fromkeys(each["product"] for each in parts or [run]):
        for session in sessions:
            yield from _ticks(workspace, product, session)
    for each in (*parts, run):
        yield from _published(workspace, each["asset"], each["product"], runs.session)
    yield from _published(workspace, runs.asset, runs.product, runs.session)


def _judgements(workspace: Workspace, products: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield a row for the completeness of each product."""
    for product in sorted(products):
        yield from _published(workspace, "completeness", product, NOWHERE)


def _ticks(workspace: Workspace, product: str, session: str) -> Iterator[dict[str, Any]]:
    """Yield a row for a session's files, and for each asset made from them up to the books."""
    yield {
        "asset": "landing_files",
        "product": product,
        "session": session,
        "version": NOWHERE,
        "inputs": {},
        "files": [
            {"name": Path(file.path).name, "sha256": file.sha256, "rows": file.rows}
            for file in sources_of(workspace, product, date.fromisoformat(session))
        ],
    }
    for asset in CHAIN:
        yield from _published(workspace, asset, product, session)


def _published(
    workspace: Workspace, asset: str, product: str, session: str
) -> Iterator[dict[str, Any]]:
    outcome = current_outcome(workspace, asset, product, session)
    if outcome is not None:
        yield {
            "asset": asset,
            "product": product,
            "session": session,
            "version": outcome.version,
            "inputs": dict(outcome.inputs),
            "files": [
                {"name": file["name"], "sha256": file["sha256"], "rows": file["rows"]}
                for file in outcome.files
            ],
        }
