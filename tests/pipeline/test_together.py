"""Several instruments in one account: from their files to one result, exact and told whole."""

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.result_schemas import RESULT_TABLES
from strategy_lab_core.data.schemas import pandera_schema
from strategy_lab_core.data.simulate_contracts import write_contracts
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.strategies.together import parts_of
from strategy_lab_pipeline.cli import app
from strategy_lab_pipeline.definitions import defs
from strategy_lab_pipeline.defs.partitions import partition_key
from strategy_lab_pipeline.inquiry import status_of
from strategy_lab_pipeline.probing import warmup_of
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import (
    backtests,
    books,
    catalogue,
    plan,
    raw,
    reports,
    runs,
    validated,
)
from strategy_lab_pipeline.stages.experiments import read_any, read_experiment
from strategy_lab_pipeline.stages.landing import search
from strategy_lab_pipeline.stages.search_files import read_search
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace
from tests.pipeline.bad_strategies import write_strategy

DAYS = (date(2025, 1, 13), date(2025, 1, 14))
PRODUCTS = ("MES", "MNQ")
PAIR = """
name: pair
strategy: imbalance
parameters: {threshold: 0.6, hold_ms: 5000}
capital: 20000
instruments:
  - product: MNQ
    limits: {max_position: 2}
  - product: MES
    parameters: {size: 2}
"""
ALONE = PAIR.partition("instruments:")[0] + "product: MNQ\n"
SUMS = ("net_profit_e6", "fees_e6", "turnover_e6", "volume", "n_orders", "n_fills")


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with the files of two products and sessions, not yet looked at."""
    home = tmp_path_factory.mktemp("landed") / "home"
    sessions = session_calendar("CME Globex Equity").sessions(*DAYS)
    for seed, root in enumerate(PRODUCTS):
        folder = home / "landing" / root
        write_contracts(folder, sessions, seed=seed, events_per_session=[500, 500], root=root)
    return home


@pytest.fixture(scope="module")
def booked(landed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return such a home with the books of both products in both sessions."""
    home = tmp_path_factory.mktemp("booked") / "home"
    shutil.copytree(landed, home)
    opened = open_workspace(Settings(home=home))
    for product in PRODUCTS:
        make_books(opened, product, *DAYS)
    return home


@pytest.fixture
def empty(landed: Path, tmp_path: Path) -> Workspace:
    """Return a workspace of its own with files alone, and the account of both products."""
    return with_pair(landed, tmp_path)


@pytest.fixture
def opened(booked: Path, tmp_path: Path) -> Workspace:
    """Return a workspace of its own with all books, and the account of both products."""
    return with_pair(booked, tmp_path)


def with_pair(home: Path, tmp_path: Path, text: str = PAIR) -> Workspace:
    """Return a copy of a home with an experiment over both products."""
    shutil.copytree(home, tmp_path / "home")
    opened = open_workspace(Settings(home=tmp_path / "home"))
    opened.settings.experiments.mkdir(parents=True)
    (opened.settings.experiments / "pair.yaml").write_text(text)
    return opened


def make_books(opened: Workspace, product: str, *days: date) -> None:
    """Catalogue a product's files, and build sessions up to their books."""
    for path in search([opened.settings.landing / product]).files:
        assert catalogue.catalogue_file(opened, path).status == "whole"
    for day in days:
        for stage in (raw, validated, books):
            stage.build(opened, product, day, run_id="test")


def listed(opened: Workspace, product: str, day: date = DAYS[0]) -> list[dict[str, Any]]:
    """Build a session's backtests, and return the list of runs."""
    found = backtests.build(opened, product, day, run_id="test")
    return backtests.listed(found.outcome)


def are_runs_stale(opened: Workspace, product: str) -> bool:
    """Say whether the first session's backtest runs are out of date."""
    found = plan.partition_plan(opened, product, DAYS[0])
    return found is not None and "backtest_runs" in found.assets


def alone(opened: Workspace, tmp_path: Path, product: str, own: str) -> dict[str, Any]:
    """Run one of the instruments as an experiment of its own."""
    path = tmp_path / f"{product}.yaml"
    parts = f"name: alone\nproduct: {product}\nstrategy: imbalance\ncapital: 20000\n"
    path.write_text(parts + own)
    return runs.build(
        opened, read_experiment(path), DAYS[0], run_id="test", on_progress=lambda *_: None
    )


def test_together__comes_to_the_sum_of_each_alone(opened: Workspace, tmp_path: Path) -> None:
    """Net profit, fees, lots, orders and fills, to the last unit; margin and time are one."""
    (account,) = listed(opened, "MNQ")
    single = {
        "MNQ": alone(opened, tmp_path, "MNQ", "limits: {max_position: 2}\n"
                     "parameters: {threshold: 0.6, hold_ms: 5000}\n"),
        "MES": alone(opened, tmp_path, "MES",
                     "parameters: {threshold: 0.6, hold_ms: 5000, size: 2}\n"),
    }  # fmt: skip

    assert [part["instrument"] for part in account["parts"]] == ["MES", "MNQ"]
    assert [part["version"] for part in account["parts"]] == [
        single[name]["version"] for name in PRODUCTS
    ]
    metrics = account["metrics"]
    for name in SUMS:
        assert metrics[name] == sum(each["metrics"][name] for each in single.values())
    assert all(each["metrics"]["n_fills"] > 0 for each in single.values())

    folder = runs.require_tables(opened, DAYS[0], account)
    fills, equity = (
        pl.read_parquet(folder / f"{name}.parquet") for name in ("fills", "account_equity")
    )
    symbols = [part["symbol"] for part in account["parts"]]
    assert account["symbol"] == ", ".join(symbols)
    assert fills["ts_exchange"].is_sorted()
    for symbol, part in zip(symbols, account["parts"], strict=True):
        mine = runs.require_tables(opened, DAYS[0], part) / "fills.parquet"
        assert fills.filter(symbol=symbol).equals(pl.read_parquet(mine))
    assert metrics["fees_e6"] == fills["fee"].sum()
    assert equity["liquidation_value"][-1] == metrics["net_profit_e6"]
    margins = equity["margin"].to_list()
    assert metrics["max_margin_e6"] == max(margins) > 0
    assert metrics["max_margin_share"] == metrics["max_margin_e6"] / 20_000_000_000


@pytest.mark.parametrize("name", ["orders", "fills", "account_equity"])
def test_together__tables_are_what_the_vocabulary_says(opened: Workspace, name: str) -> None:
    """Every column in its order, with its type and range."""
    (account,) = listed(opened, "MNQ")
    folder = runs.require_tables(opened, DAYS[0], account)
    table = pl.read_parquet(folder / f"{name}.parquet")

    pandera_schema(name, RESULT_TABLES[name]).validate(table)


def test_together__is_listed_once_and_up_to_date(opened: Workspace) -> None:
    """With its last product's runs, and with no other's; nothing is made twice."""
    assert listed(opened, "MES") == []
    found = backtests.build(opened, "MNQ", DAYS[0], run_id="test")
    again = backtests.build(opened, "MNQ", DAYS[0], run_id="test")

    assert {"MES:validated_ticks", "MES:order_books", "MES:rolls:volume"} <= {*found.outcome.inputs}
    assert (found.outcome.built, again.outcome.built) == (True, False)
    assert not any(are_runs_stale(opened, product) for product in PRODUCTS)
    assert [row["experiment"] for row in found.runs] == ["pair", "pair, MES", "pair, MNQ"]
    assert {(row.product, row.experiment) for row in opened.store.runs()} == {
        ("-", "pair"), ("MES", "pair"), ("MNQ", "pair"),
    }  # fmt: skip


@pytest.mark.parametrize(("there", "lacking"), [("MNQ", "MES"), ("MES", "MNQ")])
def test_together__says_which_product_is_missing(
    empty: Workspace, there: str, lacking: str
) -> None:
    """Not run with one alone, wherever that is; run as soon as the other is there."""
    make_books(empty, there, DAYS[0])
    (run,) = listed(empty, there)
    assert run["label"] == "not run"
    assert (
        f"{lacking} 2025-01-13: no order books; the account needs all of MES, MNQ: ingest"
        in run["error"]
    )
    assert not are_runs_stale(empty, there)
    assert any(
        f"{lacking} 2025-01-13" in line for line in status_of(empty.settings)["without_result"]
    )

    make_books(empty, lacking, DAYS[0])

    assert are_runs_stale(empty, there)
    (account,) = listed(empty, "MNQ")
    assert account["label"] == "complete"
    assert listed(empty, "MES") == []
    assert status_of(empty.settings)["without_result"] == []


def test_together__fails_with_the_instrument_that_failed(opened: Workspace, tmp_path: Path) -> None:
    """One strategy raises: the account has no result and says whose fault it is."""
    raises = write_strategy(tmp_path, "raises")
    text = PAIR.replace("    parameters: {size: 2}", f"    strategy: {raises}")
    text = text.replace("parameters: {threshold: 0.6, hold_ms: 5000}\n", "")
    (opened.settings.experiments / "pair.yaml").write_text(text)

    found = backtests.build(opened, "MNQ", DAYS[0], run_id="test")

    (account,) = backtests.listed(found.outcome)
    assert account["label"] == "failed"
    assert account["error"].startswith("experiment pair: MES: strategy 'bad' raised ValueError")
    assert [part["label"] for part in account["parts"]] == ["failed", "complete"]
    assert found.failures == (account["error"],)


def test_together__report_shows_the_account_and_each_instrument(opened: Workspace) -> None:
    """The account's curve, both instruments' parts, trades, data and provenance of both."""
    for day in DAYS:
        listed(opened, "MNQ", day)
    made = reports.build(opened, run_id="test")

    (page,) = reports.report_paths(opened)
    figures = json.loads(page.with_suffix(".json").read_text())
    assert [row["session"] for row in figures["accounts"]] == [str(day) for day in DAYS]
    assert [row["instrument"] for row in figures["instruments"]] == ["MES", "MNQ"]
    assert [row["product"] for row in figures["sessions"]] == ["MES", "MNQ"] * 2
    net = figures["summary"]["net_profit"]
    assert net == sum(row["net_profit"] for row in figures["instruments"])
    assert net == sum(row["net_profit"] for row in figures["accounts"])
    assert figures["summary"]["sessions"] == 2
    margins = [row["metrics"]["max_margin_e6"] for row in figures["accounts"]]
    assert figures["summary"]["max_margin"] == max(margins)
    assert not figures["summary"]["disagreeing_sessions"]
    assets = {row["asset"].partition(".")[0] for row in figures["provenance"]}
    assert {"landing_files", "order_books", "run", "account", "backtest_runs"} <= assets
    ticks = [row for row in figures["provenance"] if row["asset"] == "validated_ticks"]
    assert len(ticks) == 4
    assert "MNQ: The contract is MNQH5" in page.read_text()
    assert made.summary[0]["sessions"] == 2


def reported(opened: Workspace) -> tuple[list[str], list[str], Any]:
    """Build the reports: sessions of the one there is, those of its accounts, sessions left out."""
    made = reports.build(opened, run_id="test")
    (page,) = reports.report_paths(opened)
    figures = json.loads(page.with_suffix(".json").read_text())
    of_accounts = [row["session"] for row in figures["accounts"]]
    sessions = list(dict.fromkeys(row["session"] for row in figures["sessions"]))
    left_out = made.summary[0]["left out"]
    told = [text for text in figures["assumptions"] if text.startswith("Left out are")]
    assert len(told) == (1 if left_out else 0)
    return sessions, of_accounts, left_out


@pytest.mark.parametrize(("before", "after"), [(ALONE, PAIR), (PAIR, ALONE)])
@pytest.mark.parametrize("anew", DAYS)
def test_together__report_is_of_the_file_as_it_is(
    opened: Workspace, before: str, after: str, anew: date
) -> None:
    """A name goes from one instrument to several or back, in one session yet: that one is shown."""
    file = opened.settings.experiments / "pair.yaml"
    file.write_text(before)
    for day in DAYS:
        listed(opened, "MNQ", day)
    accounts = [str(day) for day in DAYS] if before == PAIR else []
    assert reported(opened) == ([str(day) for day in DAYS], accounts, 0)

    file.write_text(after)
    listed(opened, "MNQ", anew)
    assert plan.stale_reports(opened) is not None

    accounts = [str(anew)] if after == PAIR else []
    assert reported(opened) == ([str(anew)], accounts, 1)
    assert plan.stale_reports(opened) is None
    file.unlink()
    is_account = (after if anew == DAYS[1] else before) == PAIR
    last = [str(DAYS[1])]
    assert reported(opened) == (last, last if is_account else [], 1)


def test_together__report_counts_an_account_once(opened: Workspace) -> None:
    """Its home moves, as the setting `products` no longer has its last product, or has it again."""
    for day in DAYS:
        listed(opened, "MNQ", day)
    narrow = open_workspace(Settings(home=opened.settings.home, products=("MES",)))
    assert [run["experiment"] for run in listed(narrow, "MES")] == ["pair"]

    first, both = [str(DAYS[0])], [str(day) for day in DAYS]
    assert reported(narrow) == (first, first, 0)
    assert reported(opened) == (both, both, 0)


def test_together__is_carried(booked: Path, tmp_path: Path) -> None:
    """Over both sessions in both products: the sessions' profits add up to the account's."""
    held = write_strategy(tmp_path, "good")
    text = PAIR.replace("strategy: imbalance", f"strategy: {held}").replace(
        "parameters: {threshold: 0.6, hold_ms: 5000}",
        "carry: true\nsample_seconds: 60\nsessions: {from: 2025-01-13, to: 2025-01-14}",
    )
    opened = with_pair(booked, tmp_path, text)

    assert listed(opened, "MNQ") == []
    (account,) = listed(opened, "MNQ", DAYS[1])

    assert account["flags"] == ["carried"]
    assert [row["session"] for row in account["sessions"]] == [str(day) for day in DAYS]
    profits = [row["net_profit"] for row in account["sessions"]]
    assert sum(profits) == account["metrics"]["net_profit_e6"]
    parts = [[row["net_profit"] for row in part["sessions"]] for part in account["parts"]]
    assert profits == [sum(each) for each in zip(*parts, strict=True)]
    assert all(part["sessions"][0]["position"] > 0 for part in account["parts"])
    reports.build(opened, run_id="test")
    (page,) = reports.report_paths(opened)
    figures = json.loads(page.with_suffix(".json").read_text())
    assert figures["accounts"][0]["carried"] == account["sessions"]


def test_together__two_contracts_of_one_product(opened: Workspace) -> None:
    """By name beside the rule: where that chooses the same one, the account can't be added up."""
    text = PAIR.replace("product: MES\n", "product: MNQ\n    contract: MNQH5\n")
    (opened.settings.experiments / "pair.yaml").write_text(text)

    (account,) = listed(opened, "MNQ")

    assert [part["instrument"] for part in account["parts"]] == ["MNQ", "MNQH5"]
    assert account["label"] == "not run"
    assert "MNQH5, MNQH5" in account["error"]


def test_together__in_dagster(opened: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The asset of the last product: both instruments and the account among its runs."""
    monkeypatch.setenv("STRATEGY_LAB_HOME", str(opened.settings.home))
    with dg.DagsterInstance.ephemeral() as instance:
        done = (
            defs()
            .resolve_job_def("session_chain")
            .execute_in_process(
                instance=instance,
                partition_key=partition_key("MNQ", DAYS[0]),
                asset_selection=[dg.AssetKey("backtest_runs")],
            )
        )
    assert done.success
    (event,) = done.asset_materializations_for_node("run_engine")
    table = event.metadata["runs"].value
    assert isinstance(table, dg.TableMetadataValue | list)
    assert "equity of pair" in event.metadata
    assert "MES:order_books" in str(event.metadata["inputs"].value)
    assert list(event.metadata)[:2] == ["runs", "equity of pair"]  # hashes are below


def test_backtest__runs_an_account_whose_other_product_comes_late(empty: Workspace) -> None:
    """Told that one is missing; with its files one call makes its books and then the account."""
    home = {
        "STRATEGY_LAB_HOME": str(empty.settings.home), "STRATEGY_LAB_FIRST_SESSION": str(DAYS[1])
    }  # fmt: skip
    late = empty.settings.home / "late"
    (empty.settings.landing / "MES").rename(late)

    def call(*arguments: str) -> dict[str, Any]:
        done = CliRunner().invoke(app, [*arguments, "--json"], env=home)
        return dict(json.loads(done.stdout))

    first = call("backtest")
    assert "MES 2025-01-14: no order books" in first["notes"][-1]
    assert first["reports"] == []

    late.rename(empty.settings.landing / "MES")
    second = call("backtest")
    assert [(run["product"], run["session"]) for run in second["ran"]] == [
        ("MES", "2025-01-14"), ("MNQ", "2025-01-14"), ("-", "-"),
    ]  # fmt: skip
    assert [Path(path).name for path in second["reports"]] == ["pair.html"]
    shown = call("status")
    assert (shown["experiments"], shown["without_result"]) == (["pair"], [])
    assert shown["next"][0].startswith("nothing: everything is up to date")


def test_commands__of_one_instrument_refuse_several(opened: Workspace, tmp_path: Path) -> None:
    """By name and by file, with what to do."""
    file = opened.settings.experiments / "pair.yaml"
    asked = tmp_path / "wide.yaml"
    asked.write_text("name: wide\nexperiment: pair\n")

    with pytest.raises(
        ConfigError, match=r"pair.yaml: instruments must be left out: this takes one"
    ):
        read_experiment(file)
    with pytest.raises(ConfigError, match="experiment must be of one instrument"):
        warmup_of(opened.settings, "pair", None, None, starts=1)
    with pytest.raises(ConfigError, match="experiment must be of one instrument"):
        read_search(opened.settings, asked)


def test_read_any__finds_strategies_and_paths_of_each(tmp_path: Path) -> None:
    """Beside the file, for all or for one; a mistake is named with its instrument and key."""
    write_strategy(tmp_path, "good")
    path = tmp_path / "pair.yaml"
    path.write_text(
        PAIR.replace("parameters: {size: 2}", "strategy: good.py").replace(
            "parameters: {threshold: 0.6, hold_ms: 5000}\n", ""
        )
    )
    assert [part.reference for part in parts_of(read_any(path))] == [
        str(tmp_path / "good.py"), "imbalance",
    ]  # fmt: skip
    path.write_text(PAIR.replace("size: 2", "sise: 2"))
    with pytest.raises(ConfigError, match=r"pair.yaml: instruments\[2\].parameters .*'size'"):
        read_any(path)
