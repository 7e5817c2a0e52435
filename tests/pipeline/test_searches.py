"""Searches: every trial kept and none twice, a budget that grows, an interrupt."""

import shutil
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from strategy_lab_core.errors import ConfigError
from strategy_lab_pipeline.errors import EngineError, PipelineError
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import runs, searches, trials
from strategy_lab_pipeline.stages.search_files import SearchFile, find_search
from strategy_lab_pipeline.stages.search_files import searches as read_searches
from strategy_lab_pipeline.stages.searches import build
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace
from tests.pipeline.bad_strategies import write_experiment, write_strategy

GRID = "method: grid\nobjective: net_profit\nn_trials: 5\nbatch_size: 2\n"


@pytest.fixture
def opened(booked_week: Path, tmp_path: Path) -> Workspace:
    """Return a workspace with the books of seven sessions and an experiment named good."""
    home = tmp_path / "home"
    shutil.copytree(booked_week, home)
    settings = Settings(home=home)
    settings.experiments.mkdir()
    write_experiment(settings.experiments, "good", write_strategy(tmp_path, "good"))
    return open_workspace(settings)


def search_of(
    opened: Workspace, text: str = GRID, name: str = "sizes", space: str = "{size: }"
) -> SearchFile:
    """Return the search of a file of the home folder with these lines."""
    folder = opened.settings.searches
    folder.mkdir(exist_ok=True)
    body = f"name: {name}\nexperiment: good\nspace: {space}\n{text}"
    (folder / f"{name}.yaml").write_text(body)
    return find_search(opened.settings, name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("methods: grid\n", "did you mean 'method'"),
        ("n_trials: 1.5\n", r"n_trials must be a whole number"),
        ("method: gird\n", "did you mean 'grid'"),
        ("sessions: {form: 2025-01-13}\n", "did you mean 'from'"),
        ("sessions: {from: 2025-01-15, to: 2025-01-13}\n", "not before 2025-01-15"),
        ("sessions: {from: yesterday}\n", "a date, YYYY-MM-DD"),
        ("walk_forward: {train: 2}\n", r"walk_forward\.test"),
        ("walk_forward: {train: 2, tests: 1}\n", "did you mean 'test'"),
        ("walk_forward: {train: -2, test: 1}\n", r"walk_forward\.train must be a whole number"),
        ("walk_forward: {train: 2, test: 2, step: 1}\n", r"walk_forward\.step must be at least"),
        ("walk_forward: {train: 2, test: 1, anchored: maybe}\n", "anchored must be true or false"),
        ("max_seconds: true\n", "max_seconds must be a number of seconds, got True"),
        ("sessions: {from: 2025-02-30}\n", "'2025-02-30' is no value: day is out of range"),
        ("? [a, b]\n: 1\n", r"\['a', 'b'\] can't be a key"),
        ("objective: sharp_ratio\n", "did you mean 'sharpe_ratio'"),
    ],
)
def test_read_search__refuses_what_it_can_t_mean(opened: Workspace, text: str, said: str) -> None:
    """With the file, the key, and what was meant; nothing else can use it either."""
    with pytest.raises(PipelineError, match=rf"sizes\.yaml: [\s\S]*{said}"):
        search_of(opened, text)


@pytest.mark.parametrize("space", ["[size]", "5", "size"])
def test_read_search__refuses_a_space_that_is_no_mapping(opened: Workspace, space: str) -> None:
    """With what one looks like."""
    with pytest.raises(PipelineError, match=r"must be a mapping of parameters to what varies"):
        search_of(opened, space=space)


def test_searches__one_file_that_makes_no_sense_spoils_no_other(opened: Workspace) -> None:
    """An experiment that is a list, a name too long for a folder."""
    search_of(opened)
    for name, text in {
        "listed": "name: listed\nexperiment: [good]\n",
        "long": f"name: {'x' * 300}\nexperiment: good\n",
    }.items():
        (opened.settings.searches / f"{name}.yaml").write_text(text)
    found = read_searches(opened.settings)
    assert list(found.by_name) == ["sizes"]
    assert len(found.problems) == 2


def test_find_search__tells_what_was_meant(opened: Workspace) -> None:
    """A search, or the experiment of one, that is not there."""
    search_of(opened)
    with pytest.raises(ConfigError, match="did you mean 'sizes'"):
        find_search(opened.settings, "size")
    (opened.settings.searches / "other.yaml").write_text("name: other\nexperiment: goood\n")
    with pytest.raises(PipelineError, match="did you mean 'good'"):
        find_search(opened.settings, "other")


def test_build__keeps_every_trial(opened: Workspace) -> None:
    """Rows in the database, tables in the lake, each profit that of a backtest; twice is once."""
    search = search_of(opened)

    first, again = build(opened, search, run_id="a"), build(opened, search, run_id="b")

    (row,) = opened.store.searches()
    kept = opened.store.trials(row.digest)
    assert [trial.parameters["size"] for trial in kept] == [1, 2, 3, 4, 5]
    assert {trial.state for trial in kept} == {"complete"}
    profits = pl.read_parquet(first.outcome.path / "profits.parquet")
    for trial in kept:
        found = opened.store.runs(experiment_id=trial.experiment_id)
        own = profits.filter(pl.col("trial") == trial.number)
        assert {run.session: run.metrics["net_profit_e6"] for run in found} == dict(
            own.select("session", "net_profit").iter_rows()
        )
        total = sum(own["net_profit"].to_list())
        assert trial.objectives == {"net_profit": pytest.approx(total / 1e6)}
    assert profits.height == 35
    assert (first.outcome.built, again.outcome.built) == (True, False)
    assert searches.current(opened, search) is not None


def test_build__a_larger_budget_goes_on(opened: Workspace, monkeypatch: Any) -> None:
    """The first trials are those of before, and none of them is run again."""
    text = "method: random\nobjective: net_profit\nbatch_size: 2\n"
    build(opened, search_of(opened, f"{text}n_trials: 2\n"), run_id="a")
    before = opened.store.trials(opened.store.searches()[0].digest)
    ran = _counted(monkeypatch)

    build(opened, search_of(opened, f"{text}n_trials: 6\n"), run_id="b")

    (row,) = opened.store.searches()
    after = opened.store.trials(row.digest)
    assert after[:2] == before
    known = {trial.experiment_id for trial in before}
    assert {digest for digest, _ in ran} == {trial.experiment_id for trial in after} - known


def test_build__an_interrupt_costs_one_pass(opened: Workspace, monkeypatch: Any) -> None:
    """Ended in mid-search and asked for again: the bytes of an undisturbed one, no run twice."""
    text = "method: tpe\nobjective: net_profit\nn_trials: 6\nbatch_size: 2\n"
    ran = _counted(monkeypatch, stop_after=9)
    with pytest.raises(EngineError):
        build(opened, search_of(opened, text), run_id="a")
    _counted(monkeypatch, into=ran)
    resumed = build(opened, search_of(opened, text), run_id="b")
    assert len(ran) == len(set(ran))

    shutil.rmtree(opened.settings.home / "lake" / "searches.sizes")
    _forget_trials(opened)
    undisturbed = build(opened, search_of(opened, text), run_id="c")
    assert undisturbed.outcome.data_version == resumed.outcome.data_version


def _forget_trials(opened: Workspace) -> None:
    file = opened.settings.home / "strategy_lab.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        for table in ("trials", "searches", "metrics", "runs"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("DELETE FROM materializations WHERE asset LIKE 'searches%'")


def _counted(
    monkeypatch: Any, stop_after: int = 10**9, into: list[tuple[str, str]] | None = None
) -> list[tuple[str, str]]:
    """Return a list of (experiment id, session) that the engine is asked to run from now on."""
    ran = [] if into is None else into

    def run_sets(workspace: Workspace, experiments: list[Any], session: date, **how: Any) -> Any:
        """Note who runs, and run them."""
        if len(ran) >= stop_after:
            raise EngineError("stopped")
        ran.extend((experiment.digest(), str(session)) for experiment in experiments)
        return runs.run_sets(workspace, experiments, session, **how)

    monkeypatch.setattr(trials, "run_sets", run_sets)
    return ran


def test_build__a_set_that_fails_is_a_trial(opened: Workspace, tmp_path: Path) -> None:
    """It is kept with its reason, and counts among what was tried."""
    write_experiment(opened.settings.experiments, "good", write_strategy(tmp_path, "raises"))
    search = search_of(opened, "method: grid\nobjective: net_profit\nn_trials: 5\n")

    found = build(opened, search, run_id="a")

    kept = opened.store.trials(opened.store.searches()[0].digest)
    assert [trial.state for trial in kept] == ["failed"] * 5
    assert "no idea" in kept[0].reason
    assert found.outcome.details["failed"] == 5
    strategy = search.experiment.strategy.name
    assert len(opened.store.tried("MNQ", strategy, "2025-01-13", "2025-01-14")) == 5


def test_build__needs_complete_sessions(opened: Workspace) -> None:
    """Dates without any are named."""
    with pytest.raises(PipelineError, match="from 2025-02-01 to 2025-02-28 has books"):
        build(
            opened,
            search_of(opened, f"{GRID}sessions: {{from: 2025-02-01, to: 2025-02-28}}\n"),
            run_id="a",
        )
