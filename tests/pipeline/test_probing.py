"""Probes of an experiment on what was ingested, and how the command line answers."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.simulate import simulate
from strategy_lab_core.errors import ConfigError
from strategy_lab_pipeline.cli import app
from strategy_lab_pipeline.errors import OverrunError, PipelineError
from strategy_lab_pipeline.probing import (
    leaks_of,
    queue_models_of,
    readable_errors,
    readable_places,
    sensitivity_of,
)
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import catalogue, raw, validated
from strategy_lab_pipeline.stages.landing import search
from strategy_lab_pipeline.stages.workspace import open_workspace
from tests.pipeline.answers import assert_documented
from tests.pipeline.bad_strategies import write_experiment, write_strategy

DAYS = (date(2025, 1, 14), date(2025, 1, 15))
EXPERIMENT = """
name: probed
product: MNQ
strategy: imbalance
parameters: {threshold: 0.8, exit_threshold: -0.2, hold_ms: 30000, passive: true}
capital: 10000
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a home with two sessions; only the first is validated."""
    home = tmp_path_factory.mktemp("probed")
    sessions = session_calendar("CME Globex Equity").sessions(*DAYS)
    simulate(sessions, seed=3, events_per_session=800).write(home / "files")
    opened = open_workspace(Settings(home=home))
    opened.settings.experiments.mkdir(parents=True)
    (opened.settings.experiments / "probed.yaml").write_text(EXPERIMENT)
    for file in search([home / "files"]).files:
        catalogue.catalogue_file(opened, file)
    for day in DAYS:
        raw.build(opened, "MNQ", day, run_id="test")
    validated.build(opened, "MNQ", DAYS[0], run_id="test")
    return opened.settings


def answer(settings: Settings, *arguments: str) -> tuple[int, Any]:
    """Return the exit code and the JSON answer of a command."""
    home = {"STRATEGY_LAB_HOME": str(settings.home)}  # put back after the call
    done = CliRunner().invoke(app, [*arguments, "--json"], env=home)
    return done.exit_code, json.loads(done.stdout)


def test_leaks__finds_none_in_the_built_in_strategy(settings: Settings) -> None:
    """From raw ticks, of the newest session where none is named."""
    code, found = answer(settings, "leaks", "probed", "--moments", "2")

    assert code == 0
    assert (found["experiment"], found["session"]) == ("probed", "2025-01-15")
    assert found["verdict"] == "no leak found"
    assert_documented("leaks", found)
    assert [row["test"] for row in found["rows"]] == ["rows removed", "rows replaced"] * 2


def test_warmup__has_a_row_for_each_start(settings: Settings) -> None:
    """From validated ticks, of the newest session that has them."""
    code, found = answer(settings, "warmup", "probed", "--starts", "2")

    assert code == 0
    assert found["session"] == "2025-01-14"
    assert len(found["rows"]) == 2
    assert_documented("warmup", found)


def test_sensitivity__answers_and_draws(settings: Settings, tmp_path: Path) -> None:
    """A row for each point, and the chart where a file is named."""
    chart = tmp_path / "curves.svg"
    file = settings.experiments / "probed.yaml"
    code, found = answer(settings, "sensitivity", str(file), "--chart", str(chart))

    assert code == 0
    assert found["passes"] == 4
    assert_documented("sensitivity", found)
    assert {"curve", "point", "net_profit_e6", "n_fills"} <= set(found["rows"][0])
    assert chart.read_text(encoding="utf-8").startswith("<svg")


def test_queue_models__answers_and_draws(settings: Settings, tmp_path: Path) -> None:
    """A row for each model of a simulated session, and the chart where a file is named."""
    chart, places = tmp_path / "errors.svg", tmp_path / "places.svg"
    options = ("--seed", "3", "--every-ms", "120000", "--hold-ms", "60000")
    code, found = answer(
        settings, "queue-models", *options, "--events", "800", "--chart", str(chart),
        "--places-chart", str(places),
    )  # fmt: skip

    assert code == 0
    assert found["is_simulated"]
    assert_documented("queue-models", found)
    assert found["orders"] > 0
    assert len(found["rows"]) == 10
    assert all(file.read_text(encoding="utf-8").startswith("<svg") for file in (chart, places))
    assert "filled" in readable_errors(found["rows"])[0]
    assert len(found["places"]) == 40
    ages = [f"after {age} s" for age in (15, 30, 45, 60)]
    assert list(readable_places(found["places"])[0]) == [
        "model", *ages, "bias at last", "against risk_averse",
    ]  # fmt: skip


def test_queue_models__asks_which_session(settings: Settings) -> None:
    """Files of several sessions: one has to be named, and is compared with its book from before."""
    files = sorted(str(path) for path in (settings.home / "files").iterdir())
    options = ["--every-ms", "120000", "--hold-ms", "60000"]
    home = {"STRATEGY_LAB_HOME": str(settings.home)}
    vague = CliRunner().invoke(app, ["queue-models", *files, *options], env=home)
    _, found = answer(settings, "queue-models", *files, *options, "--session", "2025-01-15")

    assert "--session must be one of those in the files: 2025-01-14, 2025-01-15" in str(
        vague.exception
    )
    assert (found["session"], found["is_simulated"]) == ("2025-01-15", False)
    assert found["orders"] > 0
    with pytest.raises(ConfigError, match="--session must be one of 2025-01-14, 2025-01-15"):
        queue_models_of(
            [Path(file) for file in files], "2025-01-16", None, every_ms=120_000, hold_ms=60_000,
            seed=0, events=800, chart=None,
        )  # fmt: skip


def test_probe__names_what_is_not_there(settings: Settings) -> None:
    """A misspelt experiment, a session without ticks."""
    options: dict[str, Any] = {"moments": 1, "repair_is_known": False}
    with pytest.raises(ConfigError, match="did you mean 'probed'"):
        leaks_of(settings, "prbed", None, None, **options)
    with pytest.raises(PipelineError, match="MNQ 2025-01-15: no validated_ticks"):
        sensitivity_of(settings, "probed", "2025-01-15", None, None)
    with pytest.raises(PipelineError, match="MNQ 2024-01-15: no raw_ticks"):
        leaks_of(settings, "probed", "2024-01-15", None, **options)


@pytest.mark.parametrize("probe", ["leaks", "warmup", "sensitivity"])
def test_probe__a_strategy_that_never_ends_is_killed(
    settings: Settings, tmp_path: Path, probe: str
) -> None:
    """At the deadline, by name; the command does not hang."""
    file = write_experiment(tmp_path, "hangs", write_strategy(tmp_path, "endless"))
    home = {"STRATEGY_LAB_HOME": str(settings.home), "STRATEGY_LAB_DEADLINE_SECONDS": "1"}
    done = CliRunner().invoke(app, [probe, str(file), "--session", "2025-01-14"], env=home)

    assert isinstance(done.exception, OverrunError)
    said = str(done.exception)
    assert "experiment hangs on MNQ 2025-01-14: killed at its deadline" in said


def test_probe__a_strategy_that_raises_is_told(settings: Settings, tmp_path: Path) -> None:
    """As in a backtest, with the experiment's name."""
    file = write_experiment(tmp_path, "bad", write_strategy(tmp_path, "raises"))
    with pytest.raises(PipelineError, match=r"experiment bad on .*: strategy 'bad' raised Value"):
        leaks_of(settings, str(file), None, None, moments=1, repair_is_known=False)
