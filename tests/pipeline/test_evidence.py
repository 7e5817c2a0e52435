"""Evidence: everything ever tried counts, what is missing is said, one more trial makes it old."""

import json
from typing import Any

import numpy as np
import pytest

from strategy_lab_pipeline.db.store import Store
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.stages import comparison, evidence, searches, walk_forwards
from strategy_lab_pipeline.stages.comparison import compare_searches
from strategy_lab_pipeline.stages.research import stale_research
from strategy_lab_pipeline.stages.workspace import Workspace
from tests.pipeline.test_searches import GRID, opened, search_of
from tests.pipeline.test_walk_forwards import WINDOWS

__all__ = ["opened"]  # a fixture


def test_build__counts_what_other_searches_tried(opened: Workspace) -> None:
    """On too few sessions it can't tell, after so many trials; one more makes it out of date."""
    text = "method: grid\nobjective: net_profit\nn_trials: 2\n"
    small = search_of(opened, text, name="small", space="{size: [1, 2]}")
    searches.build(opened, small, run_id="a")

    found = evidence.build(opened, small, run_id="a").evidence

    assert found["verdict"]["colour"] == "can't tell"
    assert found["verdict"]["n_trials"] == 2
    assert "fewer than 30 sessions" in found["verdict"]["summary"]
    assert found["sessions"] == ["2025-01-13", "2025-01-21", 7]
    assert evidence.current(opened, small) is not None

    searches.build(opened, search_of(opened), run_id="a")
    assert evidence.current(opened, small) is None
    again = evidence.build(opened, small, run_id="b")
    assert again.evidence["verdict"]["n_trials"] == 5
    (row,) = opened.store.verdicts()
    assert (row.subject, row.light, row.n_trials) == ("small", "can't tell", 5)
    page = (again.outcome.path / "evidence.html").read_text()
    assert "5 trials" in page
    assert "<script" not in page
    for sentence in again.evidence["verdict"]["not_tested"]:
        assert sentence.split("'")[0] in page


def test_build__judges_a_walk_forward_out_of_sample(opened: Workspace) -> None:
    """Its windows have to be there; what is judged are their tests, one after the other."""
    search = search_of(opened, WINDOWS)
    with pytest.raises(PipelineError, match="4 windows have not run"):
        evidence.build(opened, search, run_id="a")
    for key in walk_forwards.windows_of(opened, search):
        walk_forwards.build(opened, search, key, run_id="a")

    found = evidence.build(opened, search, run_id="a")

    assert found.evidence["kind"] == "walk-forward"
    assert found.evidence["sessions"][2] == 4
    assert found.evidence["verdict"]["n_trials"] == 5
    luck = found.evidence["evidence"]["luck"]
    assert (luck["n_series"], luck["n_counted"]) == (1, 5)
    assert luck["effective"] < 3  # five sizes of one trade are nearly one trial
    series = evidence.series_of(opened, search)
    earned = walk_forwards.published(opened, search)["net_profits"].explode().to_list()
    assert (series.returns[:, 0] * 10_000e6).round().astype(int).tolist() == earned
    assert not any("same sessions" in each for each in found.evidence["verdict"]["not_tested"])
    json.dumps(found.evidence, allow_nan=False)


def test_evidence__needs_trials(opened: Workspace) -> None:
    """A search that has not run has none, and what to call is said."""
    search = search_of(opened)
    with pytest.raises(PipelineError, match="strategy-lab search sizes"):
        evidence.build(opened, search, run_id="a")
    with pytest.raises(PipelineError, match="strategy-lab evidence sizes"):
        evidence.published(opened, search)


def test_build__repeats_the_search_on_simulated_sessions(opened: Workspace) -> None:
    """Where the file asks for it; shown in figures and page, and no trial of it is counted."""
    search = search_of(opened, f"{GRID}null_searches: 2\n")
    searches.build(opened, search, run_id="a")
    runs = len(opened.store.runs(history=True))

    found = evidence.build(opened, search, run_id="a")

    null = found.evidence["evidence"]["null_search"]
    assert (len(null["bests"]), null["trials"], null["objective"]) == (2, 10, "net_profit")
    assert len(set(null["bests"])) == 2
    assert null["seen"] not in null["bests"]
    as_good = sum(best >= null["seen"] for best in null["bests"])
    assert null["share_as_good"] == (1 + as_good) / 3
    assert found.evidence["verdict"]["n_trials"] == 5
    assert len(opened.store.runs(history=True)) == runs
    assert len(opened.store.trials(opened.store.searches()[0].digest)) == 5
    page = (found.outcome.path / "evidence.html").read_text()
    assert "The same search on simulated sessions" in page
    assert null["says"] in page
    without = search_of(opened)
    assert evidence.current(opened, without) is None
    assert evidence.current(opened, search) is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{GRID}null_searches: -1\n", "a whole number, from 0 to 1,000"),
        (f"{WINDOWS}null_searches: 5\n", "0 for a walk-forward"),
    ],
)
def test_read_search__refuses_null_searches_that_make_no_sense(
    opened: Workspace, text: str, said: str
) -> None:
    """A negative number, and those of a walk-forward."""
    with pytest.raises(PipelineError, match=said):
        search_of(opened, text)


def test_build__evidence_counts_only_with_its_verdict(opened: Workspace, monkeypatch: Any) -> None:
    """Ended before the database knows the verdict, evidence is out of date, and made again."""
    search = search_of(opened)
    searches.build(opened, search, run_id="a")

    def gone(*_: Any, **__: Any) -> None:
        """Be killed."""
        raise OSError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "record_verdict", gone)
        with pytest.raises(OSError, match="gone"):
            evidence.build(opened, search, run_id="a")
    assert evidence.current(opened, search) is None
    evidence.build(opened, search, run_id="b")
    assert [row.subject for row in opened.store.verdicts()] == ["sizes"]


def test_compare__needs_enough_in_common(opened: Workspace) -> None:
    """Two at least, and ten sessions that both have."""
    search = search_of(opened)
    with pytest.raises(PipelineError, match="at least two"):
        compare_searches(opened, [search])
    other = search_of(opened, name="others")
    for each in (search, other):
        searches.build(opened, each, run_id="a")
    with pytest.raises(PipelineError, match="7 sessions in common"):
        compare_searches(opened, [search, other])


def test_compare__ranks_five_on_the_sessions_that_all_have(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What each would trade, on the days in common, with a count of all that each tried."""
    days = [f"2025-{month:02}-{day:02}" for month in (1, 2) for day in range(1, 21)]
    drawn = np.random.default_rng(3).standard_normal((5, len(days), 4)) * 0.01
    names = ("one", "two", "three", "four", "five")
    found = {
        name: evidence.Series(
            returns=drawn[n, n:], chosen=n % 4, sessions=tuple(days[n:]), n_pruned=0, inputs={},
            tried=frozenset(f"{name}-{trial}" for trial in range(10 * (n + 1))), kind="search",
        )
        for n, name in enumerate(names)
    }  # fmt: skip
    monkeypatch.setattr(comparison, "series_of", lambda _, search: found[search.name])
    searches_ = [search_of(opened, name=name) for name in names]

    compared = compare_searches(opened, searches_)

    assert compared.sessions == tuple(days[4:])
    assert {row["name"]: row["n_trials"] for row in compared.rows} == {
        name: 10 * (n + 1) for n, name in enumerate(names)
    }
    for row in compared.rows:
        n = names.index(row["name"])
        assert row["mean"] == pytest.approx(drawn[n, 4:, n % 4].mean())
        assert row["p_value"] <= row["p_searched"] <= row["p_holm"] <= 1
    ranks = [(row["p_holm"], -row["sharpe"]) for row in compared.rows]
    assert ranks == sorted(ranks)
    json.dumps(compared.as_dict(), allow_nan=False)


def test_stale_research__is_in_the_order_of_the_work(opened: Workspace) -> None:
    """The search first, then its evidence, then nothing; a file that can't be used is named."""
    search = search_of(opened)
    (opened.settings.searches / "broken.yaml").write_text("name: [")
    wanted = []
    for build in (searches.build, evidence.build, None):
        found = stale_research(opened)
        wanted.append(found.stale)
        assert "broken.yaml" in found.problems[0]
        if build is not None:
            build(opened, search, run_id="a")
    assert wanted == [(("searches", "sizes"),), (("evidence", "sizes"),), ()]
    search_of(opened, WINDOWS)
    assert {asset for asset, _ in stale_research(opened).stale} == {"walk_forwards"}
