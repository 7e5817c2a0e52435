"""Statistics from files to runs: raw rows beside the ticks, and rolls by open interest."""

import shutil
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.files import open_ticks
from strategy_lab_core.data.roll_rules import RollRule, roll_rule
from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.types import NS_PER_SECOND, TickSchema
from strategy_lab_pipeline.db.store import FileRow
from strategy_lab_pipeline.inquiry import roll_rows
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import bars, catalogue, rolls, runs
from strategy_lab_pipeline.stages.contracts import read_contracts
from strategy_lab_pipeline.stages.experiments import read_experiment
from strategy_lab_pipeline.stages.outcome import Outcome
from strategy_lab_pipeline.stages.publish import current_outcome
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace
from tests.naive import dbn_records
from tests.pipeline.bad_strategies import write_experiment, write_strategy
from tests.pipeline.test_rolls import DAYS, contract, deliver, up_to_books

BY_OPEN_INTEREST = roll_rule("open_interest")
OPENS = [session_calendar("CME Globex Equity").session(day).open_ns for day in DAYS]
HOUR = 3600 * 10**9
DAY_NS = 24 * HOUR
NEW, DELETE = 1, 2
Figure = tuple[int, str, int | None, int]  # received, symbol, lots, update action
# March leads on the first day, June from the second: the third session trades it.
FIGURES: list[Figure] = [
    (OPENS[0] + HOUR, "MNQH5", 100, NEW),
    (OPENS[0] + HOUR, "MNQM5", 50, NEW),
    (OPENS[1] + HOUR, "MNQH5", 60, NEW),
    (OPENS[1] + HOUR, "MNQM5", 90, NEW),
    (OPENS[1] + HOUR, "MNQU5", 999, NEW),  # no ticks: it can't be traded
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with the books of three sessions in which two contracts trade alike."""
    path = tmp_path_factory.mktemp("statistics") / "home"
    opened = open_workspace(Settings(home=path))
    for day in DAYS:
        for symbol, events in (("MNQH5", 400), ("MNQM5", 300)):
            deliver(opened, f"{symbol}-{day}", contract(symbol, events, day, len(symbol)))
    rebuilt(opened)
    return path


@pytest.fixture
def opened(home: Path, tmp_path: Path) -> Workspace:
    """Return a workspace of its own."""
    shutil.copytree(home, tmp_path / "home")
    return open_workspace(Settings(home=tmp_path / "home"))


def table(figures: Sequence[Figure]) -> pl.DataFrame:
    """Return figures as a table of statistics, each a message of its own, for its UTC day."""
    rows = []
    for number, (ts_recv, symbol, lots, action) in enumerate(figures, 1):
        row: dict[str, Any] = dict.fromkeys(polars_schema(TickSchema.STATISTICS), 0)
        row |= {"ts_recv": ts_recv, "ts_event": ts_recv - 1000, "quantity": lots, "stat_type": 9,
                "ts_ref": ts_recv // DAY_NS * DAY_NS, "instrument_id": sum(map(ord, symbol)),
                "sequence": number, "publisher_id": 1, "channel_id": 310, "symbol": symbol,
                "update_action": action, "row": number - 1, "file_hash": ""}  # fmt: skip
        rows.append(row)
    return pl.DataFrame(rows, schema=polars_schema(TickSchema.STATISTICS), orient="row")


def publish(
    opened: Workspace, figures: Sequence[Figure], name: str = "a.dbn", version: int = 3
) -> FileRow:
    """Put figures into a file of the landing folder, and catalogue it."""
    rows, path = table(figures), opened.settings.landing / name
    days = (DAYS[0] - timedelta(days=9), DAYS[-1] + timedelta(days=9))
    named = rows.select("instrument_id", "symbol").unique(maintain_order=True).rows()
    header = dbn_records.header(
        "statistics", [(key, *days, symbol) for key, symbol in named], version=version
    )
    path.write_bytes(header + dbn_records.encode(rows, TickSchema.STATISTICS, version=version))
    return catalogue.catalogue_file(opened, path)


def rebuilt(opened: Workspace) -> None:
    """Bring all sessions up to date."""
    for day in DAYS:
        up_to_books(opened, day)


def traded(opened: Workspace) -> list[str | None]:
    """Return the contract of each session by open interest."""
    return [rolls.choice(opened, "MNQ", day, BY_OPEN_INTEREST).symbol for day in DAYS]


def current(opened: Workspace, asset: str, day: date) -> Outcome:
    """Return the current version of a partition."""
    found = current_outcome(opened, asset, "MNQ", str(day))
    assert found is not None
    return found


@pytest.mark.parametrize("version", [1, 3])
def test_statistics__stand_beside_the_ticks(opened: Workspace, version: int) -> None:
    """Each in its session; malformed ones are quarantined, and no row is lost."""
    broken = (OPENS[1] + 2 * HOUR, "MNQH5", 5, 7)
    late = (OPENS[2] + HOUR, "MNQH5", 7, NEW)
    assert publish(opened, [*FIGURES, broken, late], version=version).status == "whole"
    rebuilt(opened)
    name = "statistics.parquet"
    rows, valid = ([pl.read_parquet(current(opened, asset, day).path / name) for day in DAYS]
                   for asset in ("raw_ticks", "validated_ticks"))  # fmt: skip
    bad = pl.read_parquet(current(opened, "quarantined_ticks", DAYS[1]).path / name)

    assert [part.height for part in rows] == [2, 4, 1]
    assert [part.height for part in valid] == [2, 3, 1]
    assert (
        pl.concat(rows).drop("file_hash").equals(table([*FIGURES, broken, late]).drop("file_hash"))
    )
    assert bad["rule"].to_list() == ["impossible_statistic"]
    for day in DAYS:
        counts = [current(opened, asset, day).rows
                  for asset in ("raw_ticks", "validated_ticks", "quarantined_ticks")]  # fmt: skip
        assert counts[0] == counts[1] + counts[2]


def test_statistics__change_nothing_else_of_a_session(opened: Workspace) -> None:
    """Books, bars and runs by other rules are up to date as before; no contract is added."""
    made = bars.build(opened, "MNQ", DAYS[1], run_id="test").outcome
    version = current(opened, "order_books", DAYS[1]).version
    rules = [RollRule(), roll_rule("monday")]
    inputs = runs.inputs_of(opened, "MNQ", DAYS[1], rules)
    contracts = read_contracts((current(opened, "order_books", DAYS[1]).path,))[0]
    hours = opened.store.session("MNQ", str(DAYS[1]))
    publish(opened, FIGURES)
    rebuilt(opened)

    assert current(opened, "order_books", DAYS[1]).version == version
    assert bars.build(opened, "MNQ", DAYS[1], run_id="test").outcome.version == made.version
    assert runs.inputs_of(opened, "MNQ", DAYS[1], rules) == inputs
    again = read_contracts((current(opened, "order_books", DAYS[1]).path,))[0]
    assert again.equals(contracts)
    found = opened.store.session("MNQ", str(DAYS[1]))
    assert hours is not None
    assert found is not None
    assert (found.label, found.instruments) == (hours.label, hours.instruments)


def test_rolls__by_open_interest(opened: Workspace, tmp_path: Path) -> None:
    """Experiment, audit and asset: June from the session after the one in which it led."""
    publish(opened, FIGURES)
    rebuilt(opened)
    source = write_strategy(tmp_path, "good")
    path = write_experiment(
        opened.settings.experiments, "a", source, "contract: {roll: open_interest}\n"
    )
    built = rolls.build(opened, "MNQ", run_id="test").outcome
    run = runs.build(
        opened, read_experiment(path), DAYS[2], run_id="test", on_progress=lambda *_: None
    )
    start, roll = roll_rows(opened.settings, "MNQ", "open_interest")

    assert traded(opened) == ["MNQH5", "MNQH5", "MNQM5"]
    assert rolls.choice(opened, "MNQ", DAYS[0], BY_OPEN_INTEREST).is_guess
    assert {f"statistics:{day}" for day in DAYS[:2]} <= set(built.inputs)
    assert "rolls-open_interest.parquet" in {file["name"] for file in built.files}
    assert run["symbol"] == "MNQM5"
    assert any("had an open interest of 90 against 60 of MNQH5" in a for a in run["assumptions"])
    assert start["to_symbol"] == "MNQH5"
    assert (roll["session"], roll["cause"], roll["missing"]) == (DAYS[2], "rule", 0)
    assert (roll["from_open_interest"], roll["to_open_interest"]) == (60, 90)
    received = datetime.fromtimestamp(roll["open_interest_ns"] // NS_PER_SECOND, UTC)
    assert f"{received:%Y-%m-%d %H:%M:%S}" == "2025-03-11 23:00:00"


@pytest.mark.parametrize(("before_open_ns", "symbol"), [(1, "MNQM5"), (0, "MNQH5")])
def test_rolls__count_open_interest_from_its_receipt(
    opened: Workspace, before_open_ns: int, symbol: str
) -> None:
    """Received at the open, figures of the day before change nothing of that session."""
    received = OPENS[2] - before_open_ns
    publish(opened, [*FIGURES[:2], (received, "MNQH5", 1, NEW), (received, "MNQM5", 2, NEW)])
    rebuilt(opened)
    assert traded(opened) == ["MNQH5", "MNQH5", symbol]


def test_rolls__delivered_again_age_what_depends_on_them(opened: Workspace) -> None:
    """The figures that led to the roll are withdrawn: its session's runs by this rule alone."""
    publish(opened, FIGURES)
    rebuilt(opened)
    rules = [RollRule(), BY_OPEN_INTEREST]
    rolls.build(opened, "MNQ", run_id="test")
    before = [runs.inputs_of(opened, "MNQ", day, rules) for day in DAYS]
    withdrawn = [(ts + 1, symbol, None, DELETE) for ts, symbol, _, _ in FIGURES[2:4]]
    assert publish(opened, [*FIGURES, *withdrawn]).status == "whole"
    rebuilt(opened)
    after = [runs.inputs_of(opened, "MNQ", day, rules) for day in DAYS]

    assert traded(opened) == ["MNQH5"] * 3
    assert before[:2] == after[:2]
    assert before[2] is not None
    assert after[2] is not None
    changed = {name for name in before[2] if before[2][name] != after[2][name]}
    assert changed == {"rolls:open_interest"}
    assert rolls.build(opened, "MNQ", run_id="test").outcome.built


def test_statistics__count_once(opened: Workspace, tmp_path: Path) -> None:
    """The same messages as Parquet are covered by those that are there."""
    file = publish(opened, FIGURES)
    copy = opened.settings.landing / "copy.parquet"
    pl.concat(open_ticks(Path(file.path)).batches()).write_parquet(copy)
    found = catalogue.catalogue_file(opened, copy)
    assert (found.schema, found.status) == ("statistics", "covered")
    longer = [*FIGURES, (OPENS[1] + 2 * HOUR, "MNQU5", 3, NEW)]
    assert publish(opened, longer, "longer.dbn").status == "whole"
    up_to_books(opened, DAYS[1])
    assert current(opened, "raw_ticks", DAYS[1]).details["by_schema"]["statistics"] == 4
