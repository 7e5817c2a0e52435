"""Rolls from files to runs: two contracts side by side, the second of which takes over."""

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.roll_rules import RollRule, roll_rule
from strategy_lab_core.data.roll_schemas import ROLL_TABLES
from strategy_lab_core.data.schemas import pandera_schema
from strategy_lab_core.data.simulate import Simulation, simulate
from strategy_lab_core.types import NS_PER_SECOND
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.inquiry import roll_rows
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import books, catalogue, plan, raw, rolls, runs, validated
from strategy_lab_pipeline.stages.contracts import NAMES
from strategy_lab_pipeline.stages.experiments import read_experiment
from strategy_lab_pipeline.stages.landing import search
from strategy_lab_pipeline.stages.publish import current_outcome
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace
from tests.pipeline.bad_strategies import write_experiment, write_strategy

DAYS = (date(2025, 3, 11), date(2025, 3, 12), date(2025, 3, 13))
EVENTS = {"MNQH5": (900, 900, 300), "MNQM5": (300, 300, 900)}


def contract(symbol: str, events: int, day: date, seed: int) -> Simulation:
    """Return a session of one contract."""
    sessions = session_calendar("CME Globex Equity").sessions(day, day)
    simulated = simulate(sessions, seed=seed, events_per_session=events, faults=False)
    return replace(simulated, symbol=symbol, instrument_id=sum(map(ord, symbol)))


def up_to_books(opened: Workspace, day: date) -> None:
    """Build a session's partition."""
    for stage in (raw, validated, books):
        stage.build(opened, "MNQ", day, run_id="test")


def deliver(opened: Workspace, name: str, simulated: Simulation) -> None:
    """Put the files of a session into a landing folder of their own, and catalogue them."""
    folder = opened.settings.landing / name
    simulated.write(folder)
    for path in search([folder]).files:
        assert catalogue.catalogue_file(opened, path).status == "whole"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with the books of the sessions in which both contracts trade."""
    path = tmp_path_factory.mktemp("rolls") / "home"
    opened = open_workspace(Settings(home=path))
    for symbol, sizes in EVENTS.items():
        for seed, (day, events) in enumerate(zip(DAYS, sizes, strict=True)):
            deliver(opened, f"{symbol}-{day}", contract(symbol, events, day, seed + len(symbol)))
    for day in DAYS:
        up_to_books(opened, day)
    return path


@pytest.fixture
def opened(home: Path, tmp_path: Path) -> Workspace:
    """Return a workspace of its own."""
    shutil.copytree(home, tmp_path / "home")
    return open_workspace(Settings(home=tmp_path / "home"))


def test_books__say_what_their_contracts_traded(opened: Workspace) -> None:
    """As the validated trades do; both contracts were quoted at once near the close."""
    for day in DAYS:
        found = current_outcome(opened, "order_books", "MNQ", str(day))
        ticks = current_outcome(opened, "validated_ticks", "MNQ", str(day))
        assert found is not None
        assert ticks is not None
        tables = {name: pl.read_parquet(found.path / f"{name}.parquet") for name in NAMES}
        for name, table in tables.items():
            pandera_schema(name, ROLL_TABLES[name]).validate(table)
        trades = pl.read_parquet(ticks.path / "mbo.parquet").filter(pl.col("action") == "T")
        lots = dict(trades.group_by("symbol").agg(pl.col("size").sum()).iter_rows())
        assert dict(tables["contract_sessions"].select("symbol", "volume").iter_rows()) == lots
        (pair,) = tables["quote_pairs"].to_dicts()
        hours = session_calendar("CME Globex Equity").session(day)
        assert (pair["from_symbol"], pair["to_symbol"]) == ("MNQH5", "MNQM5")
        assert 0 < hours.close_ns - pair["ts"] < 3600 * 10**9


def test_choice__comes_from_the_session_before(opened: Workspace) -> None:
    """The third session shows the second contract ahead: the fourth trades it."""
    days = [*DAYS, date(2025, 3, 14)]
    found = [rolls.choice(opened, "MNQ", day, RollRule()) for day in days]
    assert [each.symbol for each in found] == ["MNQH5", "MNQH5", "MNQH5", "MNQM5"]
    assert [each.is_guess for each in found] == [True, False, False, False]
    assert "MNQM5 traded" in found[3].reason
    assert "in 2025-03-13" in found[3].reason
    assert rolls.choice(opened, "MNQ", DAYS[0], "MNQM5").symbol == "MNQM5"
    thursday = rolls.choice(opened, "MNQ", DAYS[2], roll_rule("thursday"))
    assert (thursday.symbol, thursday.is_guess) == ("MNQM5", False)


def test_run__trades_the_contract_and_says_why(opened: Workspace, tmp_path: Path) -> None:
    """By the rule, and another that is named; the first session's choice is flagged as a guess."""
    source = write_strategy(tmp_path, "good")
    by_rule = read_experiment(write_experiment(tmp_path, "by_rule", source))
    named = read_experiment(write_experiment(tmp_path, "named", source, "contract: MNQM5\n"))
    absent = read_experiment(write_experiment(tmp_path, "absent", source, "contract: MNQU5\n"))
    first, second, other, none = (
        runs.build(opened, each, day, run_id="test", on_progress=lambda *_: None)
        for each, day in ((by_rule, DAYS[0]), (by_rule, DAYS[1]), (named, DAYS[1]),
                          (absent, DAYS[1]))
    )  # fmt: skip
    assert [each["symbol"] for each in (first, second, other)] == ["MNQH5", "MNQH5", "MNQM5"]
    assert runs.CONTRACT_GUESSED in first["flags"]
    assert runs.CONTRACT_GUESSED not in second["flags"]
    assert any("MNQH5 since 2025-03-11 by the rule volume" in a for a in second["assumptions"])
    assert (none["label"], "no row of 'MNQU5'" in none["error"]) == ("not run", True)


def test_inputs__change_only_with_the_choice(opened: Workspace, tmp_path: Path) -> None:
    """A session delivered again ages the runs of another only where its contract changes."""
    rules = [RollRule(), roll_rule("monday")]
    later = date(2025, 3, 14)
    for symbol in EVENTS:
        deliver(opened, f"{symbol}-{later}", contract(symbol, 300, later, 9))
    up_to_books(opened, later)
    before = runs.inputs_of(opened, "MNQ", later, rules)
    deliver(opened, "more", replace(contract("MNQH5", 5_000, DAYS[2], 4), instrument_id=7))
    up_to_books(opened, DAYS[2])
    after = runs.inputs_of(opened, "MNQ", later, rules)

    assert before is not None
    assert after is not None
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"rolls:volume"}
    assert runs.inputs_of(opened, "MNQ", later, ["MNQM5"]) == {
        name: version for name, version in after.items() if not name.startswith("rolls")
    }


def test_build__publishes_every_rule_in_use(opened: Workspace, tmp_path: Path) -> None:
    """With the sessions as its inputs; open interest, of which none is there, fails in its runs."""
    source = write_strategy(tmp_path, "good")
    for name, rule in (("a", "expiry-5"), ("b", "open_interest")):
        text = f"contract: {{roll: {rule}}}\n"
        write_experiment(opened.settings.experiments, name, source, text)
    first, again = (rolls.build(opened, "MNQ", run_id="test").outcome for _ in range(2))

    assert (first.built, again.built) == (True, False)
    assert set(first.inputs) == {f"order_books:{day}" for day in DAYS}
    assert {file["name"] for file in first.files} == {
        f"{name}-{rule}.parquet" for name in ("contracts", "rolls")
        for rule in ("expiry-5", "volume")
    }  # fmt: skip
    refused = rolls.choice(opened, "MNQ", DAYS[1], roll_rule("open_interest"))
    assert refused.symbol is None
    assert "no open interest of MNQ is known" in refused.reason
    assert all(each.assets for each in plan.stale_partitions(opened))


def test_rows__are_the_audit(opened: Workspace) -> None:
    """What `strategy-lab rolls` prints; a rule that can't be applied is refused with a remedy."""
    start, roll = roll_rows(opened.settings, "MNQ", "thursday")
    assert (start["to_symbol"], start["session"]) == ("MNQH5", DAYS[0])
    assert (roll["to_symbol"], roll["session"], roll["cause"]) == ("MNQM5", DAYS[2], "rule")
    assert roll["volume_session"] == DAYS[1]
    quoted = datetime.fromtimestamp(roll["gap_ns"] // NS_PER_SECOND, UTC)
    assert f"{quoted:%Y-%m-%d %H}"[:-1] == "2025-03-12 2"
    with pytest.raises(PipelineError, match="ingest files of Databento's schema statistics"):
        roll_rows(opened.settings, "MNQ", "open_interest")


def test_decisions__take_books_without_contract_tables_for_missing(opened: Workspace) -> None:
    """As those that an earlier version of the code made: the session is one that is not there."""
    found = current_outcome(opened, "order_books", "MNQ", str(DAYS[2]))
    assert found is not None
    (found.path / "contract_sessions.parquet").unlink()
    known = rolls.decisions(opened, "MNQ", RollRule()).contracts
    assert known["session"].to_list() == list(DAYS[:2])
    assert rolls.choice(opened, "MNQ", DAYS[2], RollRule()).symbol == "MNQH5"
