"""The chain from files to reports on small simulated sessions: exact, repeatable, honest."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.result_schemas import RESULT_TABLES
from strategy_lab_core.data.schemas import pandera_schema
from strategy_lab_core.data.simulate import simulate
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.inquiry import status_of
from strategy_lab_pipeline.settings import SETTINGS_FILE, Settings
from strategy_lab_pipeline.stages import (
    backtests,
    bars,
    books,
    catalogue,
    features,
    plan,
    raw,
    reports,
    validated,
)
from strategy_lab_pipeline.stages.experiments import experiments
from strategy_lab_pipeline.stages.landing import search
from strategy_lab_pipeline.stages.plan import BOOKS, TABLES
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace
from strategy_lab_pipeline.work import work_through

DAYS = (date(2025, 1, 13), date(2025, 1, 14))
EXPERIMENT = """
name: imbalance_mnq
product: MNQ
strategy: imbalance
parameters: {threshold: 0.8, hold_ms: 5000, passive: true}
capital: 10000
allow_partial: true
"""


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of two sessions, faults planted."""
    folder = tmp_path_factory.mktemp("landing")
    sessions = session_calendar("CME Globex Equity").sessions(*DAYS)
    simulate(sessions, seed=3, events_per_session=3_000, faults=True).write(folder)
    return folder


def workspace_of(home: Path, landing: Path, **settings: Any) -> Workspace:
    """Return a workspace with the landing files catalogued and one experiment."""
    opened = open_workspace(Settings(home=home, **settings))
    opened.settings.experiments.mkdir(parents=True)
    (opened.settings.experiments / "imbalance_mnq.yaml").write_text(EXPERIMENT)
    for path in search([landing]).files:
        assert catalogue.catalogue_file(opened, path).status == "whole"
    return opened


def run_chain(opened: Workspace, product: str, session: date) -> list[bool]:
    """Build every stage of a partition; return which were built and not found."""
    stages = (
        raw.build(opened, product, session, run_id="test"),
        validated.build(opened, product, session, run_id="test").quarantined,
        books.build(opened, product, session, run_id="test").outcome,
        bars.build(opened, product, session, run_id="test").outcome,
        features.build(opened, product, session, run_id="test").outcome,
        backtests.build(opened, product, session, run_id="test").outcome,
    )
    return [outcome.built for outcome in stages]


@pytest.fixture(scope="module")
def done(landing: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a workspace after the whole chain and its reports."""
    opened = workspace_of(tmp_path_factory.mktemp("done") / "home", landing)
    for product, session in opened.store.all_partitions():
        run_chain(opened, product, date.fromisoformat(session))
    reports.build(opened, run_id="test")
    return opened


def tree(folder: Path) -> dict[str, bytes]:
    """Return every published file with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.parts[len(folder.parts)] != ".drafts" and path.name != ".lock"
    }


def test_catalogue__finds_the_sessions_of_the_files(done: Workspace) -> None:
    """Files cut at UTC midnight overlap the two sessions that were simulated, and no other."""
    assert done.store.all_partitions() == [("MNQ", str(day)) for day in DAYS]


def _version(opened: Workspace, asset: str, day: date) -> str:
    found = opened.store.current(asset, "MNQ", str(day))
    assert found is not None
    return found.version


@pytest.mark.parametrize("day", DAYS)
def test_validated__every_raw_row_is_on_one_side(done: Workspace, day: date) -> None:
    """Raw = validated + quarantined, by file hash and row number."""
    key = ["file_hash", "row"]
    tables = {
        asset: pl.read_parquet(
            done.lake.version_path(asset, "MNQ", str(day), _version(done, asset, day))
            / "mbo.parquet"
        ).select(key)
        for asset in ("raw_ticks", "validated_ticks", "quarantined_ticks")
    }
    split = pl.concat([tables["validated_ticks"], tables["quarantined_ticks"]])

    assert split.sort(key).equals(tables["raw_ticks"].sort(key))


def test_validated__planted_faults_are_found_by_their_rules(done: Workspace) -> None:
    """Each deliberate fault of the simulator is a finding of the rule of its name."""
    found = {row.rule for row in done.store.quality(asset="validated_ticks") if not row.passed}

    assert found >= {"size_not_positive", "off_grid_price", "unknown_action", "time_order"}


def test_chain__a_second_time_builds_nothing(done: Workspace) -> None:
    """Inputs, code and configuration are the same: every version is there already."""
    assert plan.stale_partitions(done) == []
    assert plan.stale_reports(done) is None
    assert run_chain(done, "MNQ", DAYS[0]) == [False] * 6


def test_chain__gives_the_same_bytes_in_another_home(
    done: Workspace, landing: Path, tmp_path: Path
) -> None:
    """Nothing in a data or report file depends on where or when it was made."""
    other = workspace_of(tmp_path / "home", landing)
    for product, session in other.store.all_partitions():
        run_chain(other, product, date.fromisoformat(session))
    reports.build(other, run_id="another")

    assert tree(other.settings.lake) == tree(done.settings.lake)


def test_validated__too_many_bad_rows_block_what_follows(landing: Path, tmp_path: Path) -> None:
    """The quarantine is published, the validated ticks are not, and nothing is left to plan."""
    opened = workspace_of(tmp_path / "home", landing, max_quarantined_share=0.0)
    raw.build(opened, "MNQ", DAYS[0], run_id="test")

    result = validated.build(opened, "MNQ", DAYS[0], run_id="test")

    assert result.validated is None
    assert result.quarantined.rows > 0
    assert any("quarantined_share" in reason for reason in result.blocked)
    assert plan.partition_plan(opened, "MNQ", DAYS[0]) is None
    with pytest.raises(PipelineError, match="no validated ticks"):
        books.build(opened, "MNQ", DAYS[0], run_id="test")


def test_work__a_blocked_session_is_said_every_time(landing: Path, tmp_path: Path) -> None:
    """The second call runs nothing for it, and is no more content than the first."""
    home = tmp_path / "home"
    home.mkdir()
    (home / SETTINGS_FILE).write_text("max_quarantined_share: 0.0\n")
    settings = Settings(home=home)
    first, again = (
        work_through(settings, data=[landing], assets=(*BOOKS, *TABLES)) for _ in range(2)
    )

    failed = [run["session"] for run in first.ran if not run["success"]]
    assert failed
    assert not first.success
    assert not again.success
    assert again.ran == []
    assert [place["session"] for place in again.blocked] == failed
    assert all("quarantined_share" in place["reason"] for place in again.blocked)
    assert again.up_to_date == len(DAYS) - len(failed)


def test_experiments__one_that_is_mistyped_stops_no_other(done: Workspace) -> None:
    """It is named with its key; the plan, the other experiments and their runs stay as they are."""
    bad = done.settings.experiments / "bad.yaml"
    twin = done.settings.experiments / "twin.yaml"
    bad.write_text(EXPERIMENT.replace("capital:", "captial:"))
    twin.write_text(EXPERIMENT)
    try:
        found = experiments(done.settings)
        assert [experiment.name for experiment in found.usable] == ["imbalance_mnq"]
        assert plan.stale_partitions(done) == []
        summary = work_through(done.settings, assets=())
        status = status_of(done.settings)
    finally:
        bad.unlink()
        twin.unlink()
    mistyped, named = found.problems
    assert "bad.yaml" in mistyped
    assert "did you mean 'capital'" in mistyped
    assert "twin.yaml: name: 'imbalance_mnq' is the name of imbalance_mnq.yaml already" in named
    assert not summary.success
    assert summary.bad_experiments == list(found.problems)
    assert status["left_out"] == list(found.problems)


def test_reports__name_the_source_files(done: Workspace, landing: Path) -> None:
    """The JSON report's provenance goes down to the hashes of the landing files."""
    (page,) = reports.report_paths(done)
    figures = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    named = {
        file["name"]
        for row in figures["provenance"]
        if row["asset"] == "landing_files"
        for file in row["files"]
    }

    assert named == {path.name for path in landing.glob("*.dbn.zst")}


@pytest.mark.parametrize("name", sorted({*RESULT_TABLES} - {"account_equity"}))
def test_tables__hold_what_the_vocabulary_says(done: Workspace, name: str) -> None:
    """Every published table has exactly the documented columns, within their ranges."""
    found = [
        path
        for path in done.settings.lake.rglob("*.parquet")
        if name in path.stem.split("-") and path.parts[-5] != "raw_ticks"
    ]
    schema = pandera_schema(name, RESULT_TABLES[name])

    assert found
    assert sum(schema.validate(pl.read_parquet(path)).height for path in found) > 0
