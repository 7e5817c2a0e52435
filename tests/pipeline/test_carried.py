"""A carried experiment in the chain: kept under its last session, made from all of its sessions."""

import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.simulate import simulate
from strategy_lab_core.data.simulate_contracts import write_contracts
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.types import PRICE_SCALE
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import (
    backtests,
    books,
    catalogue,
    plan,
    raw,
    reports,
    validated,
)
from strategy_lab_pipeline.stages.experiments import read_experiment
from strategy_lab_pipeline.stages.landing import search
from strategy_lab_pipeline.stages.sweeps import sweep
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace
from tests.pipeline.bad_strategies import write_experiment, write_strategy

DAYS = (date(2025, 1, 13), date(2025, 1, 14))
RANGE = "carry: true\nsample_seconds: 60\nsessions: {from: 2025-01-13, to: 2025-01-14}\n"


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home folder with the catalogued files of two sessions, nothing made of them."""
    home = tmp_path_factory.mktemp("landed") / "home"
    opened = open_workspace(Settings(home=home))
    sessions = session_calendar("CME Globex Equity").sessions(*DAYS)
    simulate(sessions, seed=3, events_per_session=500, faults=False).write(opened.settings.landing)
    for path in search([opened.settings.landing]).files:
        catalogue.catalogue_file(opened, path)
    return home


@pytest.fixture
def opened(landed: Path, tmp_path: Path) -> Workspace:
    """Return a workspace of its own with one carried experiment, which holds what it buys."""
    shutil.copytree(landed, tmp_path / "home")
    workspace = open_workspace(Settings(home=tmp_path / "home"))
    held = write_strategy(tmp_path, "good")
    write_experiment(workspace.settings.experiments, "held", held, RANGE)
    return workspace


def make_books(opened: Workspace, day: date) -> None:
    """Build a session up to its books."""
    for stage in (raw, validated, books):
        stage.build(opened, "MNQ", day, run_id="test")


def are_runs_stale(opened: Workspace, day: date) -> bool:
    """Say whether a session's backtest runs are out of date."""
    found = plan.partition_plan(opened, "MNQ", day)
    return found is not None and "backtest_runs" in found.assets


def test_carried__is_one_run_under_its_last_session(opened: Workspace) -> None:
    """The first session has no run; the last one's is made from both, and the report names both."""
    for day in DAYS:
        make_books(opened, day)
    first, last = (backtests.build(opened, "MNQ", day, run_id="test") for day in DAYS)

    assert first.runs == ()
    (run,) = backtests.listed(last.outcome)
    assert (run["label"], run["flags"]) == ("complete", ["carried"])
    assert [row["session"] for row in run["sessions"]] == [str(day) for day in DAYS]
    assert [row["position"] for row in run["sessions"]] == [1, 0]
    assert sum(row["net_profit"] for row in run["sessions"]) == run["metrics"]["net_profit_e6"]
    assert f"validated_ticks:{DAYS[0]}" in last.outcome.inputs
    assert not any(are_runs_stale(opened, day) for day in DAYS)

    reports.build(opened, run_id="test")
    (page,) = reports.report_paths(opened)
    figures = json.loads(page.with_suffix(".json").read_text())
    assert figures["sessions"][0]["carried"] == run["sessions"]
    rows = figures["provenance"]
    assert {row["session"] for row in rows if row["asset"] == "order_books"} == set(map(str, DAYS))


def test_carried__says_which_session_is_missing_and_is_run_when_it_is_there(
    opened: Workspace,
) -> None:
    """Not run without the first session's ticks; out of date as soon as they are made."""
    make_books(opened, DAYS[1])
    found = backtests.build(opened, "MNQ", DAYS[1], run_id="test")
    (run,) = backtests.listed(found.outcome)
    assert run["label"] == "not run"
    assert "MNQ 2025-01-13 without ticks" in run["error"]
    assert not are_runs_stale(opened, DAYS[1])

    make_books(opened, DAYS[0])

    assert are_runs_stale(opened, DAYS[1])
    again = backtests.build(opened, "MNQ", DAYS[1], run_id="test")
    assert backtests.listed(again.outcome)[0]["label"] == "complete"


def test_carried__needs_a_contract_of_each_session(opened: Workspace) -> None:
    """Without its books nobody knows what the first one trades: not what the last one does."""
    for stage in (raw, validated):
        stage.build(opened, "MNQ", DAYS[0], run_id="test")
    make_books(opened, DAYS[1])

    found = backtests.build(opened, "MNQ", DAYS[1], run_id="test")

    (run,) = backtests.listed(found.outcome)
    assert run["label"] == "not run"
    assert "2025-01-13: no books say which contract it trades" in run["error"]


def test_carried__begins_and_ends_with_a_session(tmp_path: Path) -> None:
    """A Saturday is none: the nearest ones are named, with the file and the key."""
    weekend = RANGE.replace("2025-01-14", "2025-01-18")
    path = write_experiment(tmp_path, "held", "imbalance", weekend)

    with pytest.raises(ConfigError, match=r"held.yaml: sessions.to must be .*2025-01-17"):
        read_experiment(path)


def test_carried__is_not_swept(opened: Workspace) -> None:
    """Session by session it would be another experiment."""
    path = opened.settings.experiments / "held.yaml"

    with pytest.raises(ConfigError, match=r"carry must be false.*lab\.sweep"):
        sweep(opened, [read_experiment(path)])


def test_carried__rolls_where_the_rule_changes_the_contract(tmp_path: Path) -> None:
    """Over three sessions around a roll: both contracts, one roll, and it is in the report."""
    opened = open_workspace(Settings(home=tmp_path / "home"))
    days = session_calendar("CME Globex Equity").sessions(date(2025, 3, 10), date(2025, 3, 12))
    write_contracts(opened.settings.landing, days, seed=3, events_per_session=[1_500] * 3)
    for path in search([opened.settings.landing]).files:
        catalogue.catalogue_file(opened, path)
    for day in days:
        make_books(opened, day.key)
    rule = "contract: {roll: expiry-8}\ncarry: true\nsample_seconds: 60\n"
    span = "sessions: {from: 2025-03-10, to: 2025-03-12}\n"
    held = write_strategy(tmp_path, "good")
    write_experiment(opened.settings.experiments, "held", held, rule + span)

    found = backtests.build(opened, "MNQ", days[-1].key, run_id="test")

    (run,) = backtests.listed(found.outcome)
    assert run["error"] is None
    (roll,) = run["rolls"]
    assert (roll["from_symbol"], roll["to_symbol"], roll["position"]) == ("MNQH5", "MNQM5", 1)
    assert roll["session"] == "2025-03-11"
    assert roll["to_price"] - roll["from_price"] > 150 * PRICE_SCALE
    assert run["symbol"] == "MNQM5"
    reports.build(opened, run_id="test")
    (page,) = reports.report_paths(opened)
    assert json.loads(page.with_suffix(".json").read_text())["sessions"][0]["rolls"] == [roll]
