"""Bars and features of two small sessions: what they are made from, when they are out of date."""

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from strategy_lab_core.data.bars import bars as core_bars
from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.simulate import simulate
from strategy_lab_core.features.micro_price import fit_micro_price
from strategy_lab_pipeline.errors import PipelineError, SettingsError
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import bars, books, catalogue, features, plan, raw, validated
from strategy_lab_pipeline.stages.landing import search
from strategy_lab_pipeline.stages.outcome import Outcome
from strategy_lab_pipeline.stages.publish import current_outcome
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace

DAYS = (date(2025, 1, 13), date(2025, 1, 14))
RULES = ("1m", "1h", "50ticks")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home folder with two sessions up to their features."""
    home = tmp_path_factory.mktemp("bars") / "home"
    opened = open_workspace(Settings(home=home, bars=RULES))
    sessions = session_calendar("CME Globex Equity").sessions(*DAYS)
    simulate(sessions, seed=3, events_per_session=1_500).write(opened.settings.landing)
    for path in search([opened.settings.landing]).files:
        catalogue.catalogue_file(opened, path)
    for day in DAYS:
        for stage in (raw, validated, books, bars, features):
            stage.build(opened, "MNQ", day, run_id="test")
    return home


@pytest.fixture(scope="module")
def opened(home: Path) -> Workspace:
    """Return its workspace."""
    return open_workspace(Settings(home=home, bars=RULES))


def outcome(opened: Workspace, asset: str, day: date) -> Outcome:
    """Return what is published."""
    found = current_outcome(opened, asset, "MNQ", str(day))
    assert found is not None
    return found


def test_bars__are_those_of_the_validated_ticks(opened: Workspace) -> None:
    """A table a rule, made batch by batch, as `lab.bars` makes them of the whole."""
    ticks = pl.read_parquet(outcome(opened, "validated_ticks", DAYS[1]).path / "mbo.parquet")
    made = outcome(opened, "bars", DAYS[1])

    minutes, hours, trades = (pl.read_parquet(made.path / f"bars-{rule}.parquet") for rule in RULES)

    assert minutes.equals(core_bars(ticks))
    assert hours.equals(core_bars(ticks, every="1h"))
    assert trades.equals(core_bars(ticks, ticks=50))
    assert made.rows == minutes.height + hours.height + trades.height > 0


def test_bars__have_every_lot(opened: Workspace) -> None:
    """The check counts the trades by itself; a lot too few breaks it."""
    (finding,) = [row for row in opened.store.quality(asset="bars") if row.session == str(DAYS[0])]
    details = dict(outcome(opened, "bars", DAYS[0]).details)

    assert (finding.rule, finding.passed) == ("lots_conserved", True)
    assert details["traded"] == details["volume"]["50ticks"] > 0
    assert not bars._conserved(details | {"traded": details["traded"] + 1}).passed


def test_bars_of__makes_what_the_settings_lack(opened: Workspace) -> None:
    """The bars of the lake joined are the ones that are made now."""
    (hours,) = [bars.bars_of(opened, "MNQ", DAYS[0], "1h")]
    two = bars.bars_of(opened, "MNQ", DAYS[0], "2h")

    assert two["volume"].sum() == hours["volume"].sum()
    assert 0 < two.height < hours.height
    with pytest.raises(PipelineError, match="no validated ticks"):
        bars.bars_of(opened, "MNQ", date(2025, 1, 17), "1h")


def test_features__look_at_the_session_before(opened: Workspace) -> None:
    """The first session has neither micro-price nor VPIN; the second's are fitted on the first."""
    first, second = (
        pl.read_parquet(outcome(opened, "features", day).path / "features-1m.parquet")
        for day in DAYS
    )
    fits = json.loads((outcome(opened, "features", DAYS[1]).path / "micro_price.json").read_text())
    (bbo,) = outcome(opened, "order_books", DAYS[0]).path.glob("bbo-*.parquet")
    hours = session_calendar("CME Globex Equity").session(DAYS[0])
    rows = pl.read_parquet(bbo).filter(
        pl.col("ts_event").is_between(hours.open_ns, hours.close_ns, closed="left"),
        pl.col("book_state") == 0,
    )
    prices = [rows[name].fill_null(0).to_numpy() // 250_000_000 for name in ("bid_px", "ask_px")]
    sizes = [rows[name].to_numpy() for name in ("bid_sz", "ask_sz")]
    fit = fit_micro_price(prices[0], sizes[0], prices[1], sizes[1])

    assert first["micro_price"].null_count() == first["vpin"].null_count() == first.height
    assert second["vpin"].null_count() == 0
    assert second["micro_price"].null_count() < second.height
    assert fits["MNQH5"]["session"] == str(DAYS[0])
    assert fits["MNQH5"]["adjustment"] == fit.adjustment.tolist()


def test_plan__nothing_to_do_and_then_what_the_setting_changed(home: Path) -> None:
    """Another rule makes bars and features anew, and neither books nor what is below them."""
    same = open_workspace(Settings(home=home, bars=RULES))
    more = open_workspace(Settings(home=home, bars=(*RULES, "5m")))

    assert [each.assets for each in plan.stale_partitions(same)] == [("backtest_runs",)] * 2
    assert [each.assets for each in plan.stale_partitions(more)] == [
        ("bars", "features", "backtest_runs")
    ] * 2


def test_features__go_out_of_date_with_the_session_before(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only they do, and only those of the second session."""
    before = plan.partition_plan(opened, "MNQ", DAYS[1])

    def other(workspace: Workspace, asset: str, product: str, session: str) -> Outcome | None:
        """Return no books of the first session."""
        gone = (asset, session) == ("order_books", str(DAYS[0]))
        return None if gone else current_outcome(workspace, asset, product, session)

    monkeypatch.setattr(f"{features.__name__}.current_outcome", other)
    after = plan.partition_plan(opened, "MNQ", DAYS[1])

    assert before is not None
    assert after is not None
    assert (before.assets, after.assets) == (
        ("backtest_runs",), ("features", "backtest_runs"),
    )  # fmt: skip
    assert before.wanted != after.wanted


def test_settings__refuse_a_rule_that_is_none() -> None:
    """By name, with the forms that there are; twice the same is none either."""
    with pytest.raises(SettingsError, match="bars: every must be a time from 1m to 1d"):
        Settings(bars=("1m", "90s"))
    with pytest.raises(SettingsError, match="1m listed more than once"):
        Settings(bars="1m,1m")
