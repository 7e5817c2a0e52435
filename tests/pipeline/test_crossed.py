"""Cross-validation beside the evidence: from kept trials, and never a doubtful number."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from strategy_lab_core.search.splits import Grouping
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.stages import crossed, evidence, searches
from strategy_lab_pipeline.stages.crossed import cross_validated, search_result
from strategy_lab_pipeline.stages.workspace import Workspace
from tests.naive import search as naive
from tests.pipeline.test_searches import GRID, opened, search_of
from tests.pipeline.test_walk_forwards import WINDOWS

__all__ = ["opened"]  # a fixture

PARTS = "cross_validation: {groups: 3, test_groups: 1, embargo: 0}\n"
PLACES = [[0, 1, 2], [3, 4], [5, 6]]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the seven sessions be enough."""
    monkeypatch.setattr(crossed, "LEAST_SESSIONS", 6)


@pytest.mark.usefixtures("few")
def test_build__cross_validates_a_grid_without_a_pass(opened: Workspace) -> None:
    """By plain loops over what the backtests earned; figures in the JSON, the page, the picture."""
    search = search_of(opened, f"{GRID}{PARTS}")
    searches.build(opened, search, run_id="a")
    runs = opened.store.runs(history=True)
    sessions = sorted({run.session for run in runs})
    profits = [
        [int(run.metrics["net_profit_e6"])
         for run in sorted(runs, key=lambda run: run.config["parameters"]["size"])
         if run.session == session]
        for session in sessions
    ]  # fmt: skip
    chosen, paths = naive.cross_validation(profits, sum, PLACES, 1, 0, 0)

    found = evidence.build(opened, search, run_id="a")

    figures = found.evidence["evidence"]["cross_validation"]
    assert figures["net_profit"]["values"] == [sum(path) / 1e6 for path in paths]
    counted = {choice["parameters"]["size"] - 1: choice["splits"] for choice in figures["choices"]}
    assert counted == {column: chosen.count(column) for column in chosen}
    assert (figures["splits"], figures["paths"], figures["trials"]) == (3, 1, 5)
    assert not any("proposed" in sentence for sentence in figures["caveats"])
    is_one = any("Every split chose the same set" in sentence for sentence in figures["caveats"])
    assert is_one == (len(set(chosen)) == 1)
    assert len(opened.store.runs(history=True)) == len(runs)
    assert found.evidence["verdict"]["n_trials"] == 5
    page = (found.outcome.path / "evidence.html").read_text()
    assert figures["says"] in page
    assert "3 groups of 7 sessions, 1 of them judge: 3 splits, 1 paths" in page
    assert any("cross-validation" in title for title in found.charts)


@pytest.mark.usefixtures("few")
def test_build__says_that_a_search_which_learns_saw_all_sessions(opened: Workspace) -> None:
    """Only the choice is cross-validated: on the page, beside the figures."""
    text = f"method: tpe\nobjective: net_profit\nn_trials: 6\nbatch_size: 3\n{PARTS}"
    search = search_of(opened, text)
    searches.build(opened, search, run_id="a")

    found = evidence.build(opened, search, run_id="a")

    said = found.evidence["evidence"]["cross_validation"]["caveats"][-1]
    assert said == (
        "tpe had seen all sessions when it proposed its trials: the choice among them is "
        "cross-validated, the proposals are not, and that flatters."
    )
    assert said in (found.outcome.path / "evidence.html").read_text()


def test_build__tells_why_there_is_no_cross_validation(opened: Workspace) -> None:
    """Too few sessions: a reason, no number; other groups make the evidence out of date."""
    search = search_of(opened)
    assert search.cross_validation == Grouping()
    searches.build(opened, search, run_id="a")

    found = evidence.build(opened, search, run_id="a").evidence

    said = "6 groups need 30 sessions, there are 7"
    assert found["evidence"]["cross_validation"] is None
    assert found["evidence"]["missing"]["cross-validation"] == said
    assert f"Cross-validation: {said}." in found["verdict"]["not_tested"]
    assert evidence.current(opened, search) is not None
    assert evidence.current(opened, search_of(opened, f"{GRID}{PARTS}")) is None


@pytest.mark.parametrize(
    ("grouping", "said"),
    [
        (Grouping(groups=4), "4 groups need 8 sessions, there are 7"),
        (Grouping(groups=3, embargo=9), "enough to train beside groups (0, 1)"),
        (Grouping(groups=2, test_groups=1), "no trial of 5 has a sharpe_ratio"),
    ],
)
@pytest.mark.usefixtures("few")
def test_cross_validated__never_tells_a_doubtful_number(
    opened: Workspace, grouping: Grouping, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups of less than two sessions, no training left, profits that are all the same."""
    search = replace(
        search_of(opened, GRID.replace("net_profit", "sharpe_ratio")), cross_validation=grouping
    )
    searches.build(opened, search, run_id="a")
    made = crossed.search_result

    def constant(*given: Any) -> Any:
        """Return the search as if every set had earned the same in every session."""
        found = made(*given)
        trials = tuple(replace(trial, outcomes=(5,) * 7) for trial in found.trials)
        return replace(found, trials=trials).on(found.sessions)

    monkeypatch.setattr(crossed, "search_result", constant)

    found = cross_validated(opened, search)

    assert found.figures is None
    assert found.missing is not None
    assert said in found.missing


@pytest.mark.usefixtures("few")
def test_cross_validated__refuses_pruned_trials(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they would have earned is not known."""
    search = search_of(opened, f"{GRID}{PARTS}")
    outcome = searches.build(opened, search, run_id="a").outcome
    pruned = replace(outcome, details={**outcome.details, "pruned": 2})
    monkeypatch.setattr(crossed, "published", lambda *_: pruned)
    found = cross_validated(opened, search)
    assert found.figures is None
    assert "trials were pruned, choosing needs complete series" in str(found.missing)


def test_search_result__is_the_search_that_was_written(opened: Workspace) -> None:
    """Its complete trials with their sets, objectives and profits."""
    search = search_of(opened, "method: random\nobjective: sharpe_ratio\nn_trials: 9\n")
    outcome = searches.build(opened, search, run_id="a").outcome
    trials = pl.read_parquet(outcome.path / "trials.parquet").filter(pl.col("same_as").is_null())

    found = search_result(search, outcome)

    assert found.table()["sharpe_ratio"].to_list() == trials["sharpe_ratio"].to_list()
    assert found.table()["size"].to_list() == trials["size"].to_list()
    assert [trial.chosen for trial in found.trials] == [{"size": n} for n in trials["size"]]
    assert found.profits().shape == (7, trials.height)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cross_validation: {group: 6}\n", "did you mean 'groups'"),
        ("cross_validation: {groups: 1}\n", r"cross_validation\.groups must be a whole number"),
        ("cross_validation: {groups: 2}\n", r"test_groups must be fewer than groups, 2, got 2"),
        ("cross_validation: {embargo: -1}\n", r"cross_validation\.embargo must be a whole number"),
        ("cross_validation: {groups: 6.0}\n", r"cross_validation\.groups must be a whole number"),
        ("cross_validation: {groups: 1000000, test_groups: 9}\n", "so few that there are 10,000"),
        ("cross_validation: 6\n", "a mapping with groups, test_groups, purge, embargo"),
        (f"{WINDOWS}cross_validation: {{groups: 4}}\n", "left out for a walk-forward"),
    ],
)
def test_read_search__refuses_groups_that_make_no_sense(
    opened: Workspace, text: str, said: str
) -> None:
    """With the key and the rule."""
    with pytest.raises(PipelineError, match=said):
        search_of(opened, text)
