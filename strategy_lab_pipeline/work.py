"""The work of `demo`, `ingest`, `backtest` and `report`: catalogue, then run what is out of date.

One path for all of them; they differ in the files that they begin with and in how far they go.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from strategy_lab_core._jit import is_compiled, prune_caches
from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.exact_yaml import read_yaml
from strategy_lab_core.data.instruments import MONEY_SCALE
from strategy_lab_core.errors import FileError
from strategy_lab_pipeline import launch
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.progress import steps
from strategy_lab_pipeline.say import say
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import catalogue, plan
from strategy_lab_pipeline.stages.experiments import (
    experiment_files,
    experiments,
    moved_text,
    read_any,
)
from strategy_lab_pipeline.stages.landing import search
from strategy_lab_pipeline.stages.plan import CHAIN
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace

__all__ = ["Summary", "add_experiment", "work_through"]

ROOT = Path(__file__).parent.parent
DEMO_SESSIONS = (date(2025, 1, 13), date(2025, 1, 15))  # Monday to Wednesday
DEMO_SEED = 7


@dataclass(slots=True)
class Summary:
    """What a call did: counts, what failed with its reason, where the reports are."""

    catalogued: list[dict[str, str]] = field(default_factory=list)
    ran: list[dict[str, Any]] = field(default_factory=list)
    blocked: list[dict[str, str]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    up_to_date: int = 0
    results: list[dict[str, Any]] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bad_experiments: list[str] = field(default_factory=list)

    @property
    def success(self) -> bool:
        """Whether every file and experiment could be used and every session went to its end."""
        whole = all(file["status"] != "broken" for file in self.catalogued)
        ran = all(run["success"] for run in self.ran)
        return whole and ran and not (self.blocked or self.failed or self.bad_experiments)

    def as_dict(self) -> dict[str, Any]:
        """Return the summary for `--json`."""
        return {"success": self.success, **asdict(self)}

    def show(self, console: Console) -> None:
        """Print the summary for people."""
        for note in self.notes:
            say(console, note, mark="note", style="yellow")
        for problem in self.bad_experiments:
            say(console, problem, mark="left out", style="red")
        for file in self.catalogued:
            if file["status"] == "whole" and file["reason"]:
                say(console, file["reason"], mark="note", style="yellow")
            elif file["status"] != "whole":
                colour = "red" if file["status"] == "broken" else "yellow"
                say(console, file["reason"], mark=file["status"], style=colour)
        failures = [{**run, "reason": failure} for run in self.ran for failure in run["failures"]]
        for word, places in (("failed", [*failures, *self.failed]), ("blocked", self.blocked)):
            for place in places:
                reason = f"{place['product']} {place['session']}: {place['reason']}"
                say(console, reason, mark=word, style="red")
        usable = sum(file["status"] != "broken" for file in self.catalogued)
        done = sum(run["success"] for run in self.ran)
        blocked = f", {len(self.blocked)} are blocked" if self.blocked else ""
        console.print(
            f"{usable} files catalogued, {done} of {len(self.ran)} runs done, "
            f"{self.up_to_date} sessions were up to date{blocked}"
        )
        for found in self.results:
            net = f"{found['net_profit_e6'] / MONEY_SCALE:,.2f} {found['currency']}"
            figures = f"{found['sessions']} sessions, {found['fills']:,} fills, net profit {net}"
            say(console, f"{found['experiment']}: {figures}")
        for path in self.reports:
            say(console, f"report: {path}")


def work_through(
    settings: Settings,
    *,
    data: Sequence[Path] | None = None,
    simulate: int = 0,
    assets: Sequence[str] = CHAIN,
) -> Summary:
    """Catalogue `data` (else the landing folder), run what is out of date, write the reports.

    Parameters
    ----------
    data
        Files or folders; read where they lie.
    simulate
        Events of each simulated session to write into the landing folder first, where they are
        missing; 0 for none.
    assets
        How far each partition goes; reports are written only after backtests.
    """
    workspace = open_workspace(settings)
    prune_caches()
    summary = Summary()
    with launch.open_instance(settings) as instance:
        repaired = launch.repair(instance, daemon_lives=launch.is_up(settings))
        workspace.lake.sweep(workspace.store.known_versions)
        if repaired.failed_runs:
            summary.notes.append(f"{len(repaired.failed_runs)} runs left by a crash marked failed")
        if simulate:
            _simulate(workspace, simulate, summary)
        _catalogue(workspace, data or [settings.landing], summary)
        if "backtest_runs" in assets:
            _ensure_experiments(workspace, summary)
        if "backtest_runs" in assets or not assets:
            summary.bad_experiments.extend(experiments(settings).problems)
            summary.notes.extend(_without_sessions(workspace))
        summary.notes.extend(plan.left_out(workspace))
        _run_sessions(workspace, instance, assets, summary)
        _run_overall(workspace, instance, assets, summary)
    return summary


def add_experiment(settings: Settings, path: Path) -> Path:
    """Copy an experiment file into the home folder after checking it; its paths become absolute.

    Raises
    ------
    PipelineError
        A file of this name is there, of another experiment.
    """
    name = read_any(path).name
    target = settings.experiments / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.resolve() != target.resolve():
        _refuse_other(target, name)
        draft = target.with_suffix(".tmp")
        draft.write_text(moved_text(path), encoding="utf-8")
        draft.replace(target)
    return target


def _refuse_other(target: Path, name: str) -> None:
    """Refuse to put the experiment `name` in the place of another, be that one broken or not."""
    try:
        there = read_yaml(target) if target.is_file() else None
    except FileError:
        return  # no YAML: mended by this
    if isinstance(there, dict) and there.get("name", name) != name:
        raise PipelineError(
            f"{target}: is the experiment {there['name']!r}; give the file of {name!r} another "
            "name, or remove that one"
        )


def _simulate(workspace: Workspace, events: int, summary: Summary) -> None:
    from strategy_lab_core.data.simulate import write_sessions

    first, last = DEMO_SESSIONS
    sessions = session_calendar("CME Globex Equity").sessions(first, last)
    marker = workspace.settings.landing / "simulated.yaml"
    wanted = {
        "seed": DEMO_SEED,
        "events": events,
        "sessions": [str(session.key) for session in sessions],
    }
    if marker.is_file() and yaml.safe_load(marker.read_text()) == wanted:
        return
    with steps("simulating MNQ sessions", total=1) as progress:
        write_sessions(
            workspace.settings.landing, sessions, seed=DEMO_SEED, events_per_session=events
        )
        progress.advance()
    draft = marker.with_suffix(".tmp")
    draft.write_text(yaml.safe_dump(wanted))
    draft.replace(marker)
    summary.notes.append(f"simulated {len(sessions)} MNQ sessions with a few deliberate faults")


def _ensure_experiments(workspace: Workspace, summary: Summary) -> None:
    """Give a home folder without experiments the example, once for each product that it has."""
    settings = workspace.settings
    if experiment_files(settings):
        return
    example = yaml.safe_load((ROOT / "examples" / "imbalance.yaml").read_text(encoding="utf-8"))
    settings.experiments.mkdir(parents=True, exist_ok=True)
    for product in sorted({product for product, _ in workspace.store.all_partitions()}):
        name = f"imbalance_{product.lower()}"
        changed = example | {"name": name, "product": product, "allow_partial": True}
        target = settings.experiments / f"{name}.yaml"
        draft = target.with_suffix(".tmp")
        draft.write_text(yaml.safe_dump(changed, sort_keys=False), encoding="utf-8")
        draft.replace(target)
        summary.notes.append(f"no experiments yet: the example became {target}")


def _without_sessions(workspace: Workspace) -> list[str]:
    """Return what has nothing to run on: the home folder, or the experiments of a product."""
    there = {product for product, _ in workspace.store.all_partitions()}
    if not there:
        home = workspace.settings.home
        return [
            f"no sessions in {home}: `strategy-lab ingest FILES` or `strategy-lab demo` first, or "
            "say with --home (before the command) or STRATEGY_LAB_HOME where they are"
        ]
    others = ", ".join(sorted(there))
    return [
        f"experiment {each.name}: no session of {each.product}; there are {others}"
        for each in experiments(workspace.settings).parts
        if each.product not in there
    ]


def _catalogue(workspace: Workspace, paths: Sequence[Path], summary: Summary) -> None:
    found = search(paths)
    if not found.files and not found.unreadable and paths != [workspace.settings.landing]:
        summary.notes.append(f"no tick files in {', '.join(map(str, paths))}")
    for path, problem in found.unreadable:
        reason = f"{path}: {problem}"
        summary.catalogued.append({"file": path, "status": "broken", "reason": reason})
    todo = catalogue.uncatalogued(workspace, found.files, retry_broken=True)
    with steps("reading new files to their end", total=len(todo)) as progress:
        for file in todo:
            entry = catalogue.catalogue_file(workspace, file.path)
            summary.catalogued.append(
                {"file": entry.path, "status": entry.status, "reason": entry.reason}
            )
            progress.advance(file.path.name)


def _run_sessions(
    workspace: Workspace, instance: Any, assets: Sequence[str], summary: Summary
) -> None:
    work = _to_run(workspace, assets)
    blocked = plan.blocked_partitions(workspace)
    summary.blocked = [
        {"product": each.product, "session": str(each.session), "reason": "; ".join(each.reasons)}
        for each in blocked
    ]
    summary.up_to_date = plan.count_partitions(workspace) - len(work) - len(blocked)
    title = "running sessions" if is_compiled() else "running sessions, compiling once (a minute)"
    done = set()
    while work:
        with steps(title, total=len(work)) as progress:
            for partition, chosen in work:
                run = launch.run_session(instance, partition.product, partition.session, chosen)
                summary.ran.append(asdict(run))
                progress.advance(f"{partition.product} {partition.session}")
        # What rests on other partitions is out of date only now: features on the session before,
        # runs on earlier sessions and on other products. Once each: what fails again would go on.
        done |= {(each.product, each.session) for each, _ in work}
        work = [
            (each, chosen)
            for each, chosen in _to_run(workspace, assets)
            if (each.product, each.session) not in done
        ]
    told = {(run["product"], run["session"]) for run in summary.ran if run["failures"]}
    for product, session, label, reason in plan.without_result(workspace):
        if label == "not run":
            summary.notes.append(f"{product} {session}: {reason}")
        elif (product, session) not in told:
            summary.failed.append({"product": product, "session": session, "reason": reason})


def _to_run(
    workspace: Workspace, assets: Sequence[str]
) -> list[tuple[plan.StalePartition, list[str]]]:
    """Return the partitions with something to do among these kinds of assets, and what it is."""
    found = [
        (partition, [asset for asset in partition.assets if asset.partition(".")[0] in assets])
        for partition in plan.stale_partitions(workspace)
    ]
    return [(partition, chosen) for partition, chosen in found if chosen]


def _run_overall(
    workspace: Workspace, instance: Any, assets: Sequence[str], summary: Summary
) -> None:
    """Judge the completeness of all sessions, and write the reports where backtests were made."""
    from strategy_lab_pipeline.stages import reports

    with_reports = "backtest_runs" in assets or not assets
    stale = plan.stale_overall(workspace, with_reports=with_reports)
    if stale:
        title = "writing reports" if "reports" in stale else "judging completeness"
        with steps(title, total=1) as progress:
            summary.ran.append(asdict(launch.run_reports(instance, stale)))
            progress.advance()
    if with_reports:
        pages = reports.report_paths(workspace)
        summary.reports = [str(path) for path in pages]
        summary.results = [_result(page.with_suffix(".json")) for page in pages]


def _result(path: Path) -> dict[str, Any]:
    """Return an experiment's figures over all its sessions."""
    report = json.loads(path.read_text(encoding="utf-8"))
    total = report["summary"]
    return {
        "experiment": path.stem,
        **{name: total[name] for name in ("sessions", "fills")},
        "net_profit_e6": total["net_profit"],
        "currency": report["currency"],
    }
