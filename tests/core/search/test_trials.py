"""Searches: every trial kept, none twice, the same after a kill, failures alone."""

import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.search.config import METHODS, Method, SearchConfig
from strategy_lab_core.search.evaluate import Evaluator
from strategy_lab_core.search.space import Space
from strategy_lab_core.search.trials import SearchResult, Trial, run_search
from tests.core.search.toys import (
    CAPITAL,
    DAYS,
    Market,
    fast_below_slow,
    hill,
    sharpe_of,
    toy_space,
)

SESSIONS = DAYS[:12]
SMALL = {"fast": [5, 40], "slow": [10, 60], "model": None, "passive": None, "patience": None}


def _space(method: str) -> Space:
    """Return the declared space, or for a grid one that has 45 points."""
    return toy_space(SMALL if method == "grid" else None, fast_below_slow)


def _config(method: Method, **changes: Any) -> SearchConfig:
    return replace(SearchConfig(method=method, n_trials=60, batch_size=12, seed=7), **changes)


def _search(
    method: Method, market: Market | None = None, known: Any = None, **changes: Any
) -> SearchResult:
    evaluator = Evaluator(Market() if market is None else market, known)
    config = _config(method, **changes)
    return run_search(_space(method), config, evaluator, SESSIONS, CAPITAL)


@pytest.mark.parametrize("method", METHODS)
def test_search__makes_the_trials_that_were_asked_for(method: Method) -> None:
    """Numbers and batches in order, values inside the space, constraints kept, none forgotten."""
    found = _search(method)
    n = len(found.trials)
    assert n == (45 if method == "grid" else 60)
    assert found.ended == ("points" if method == "grid" else "trials")
    assert [trial.number for trial in found.trials] == list(range(n))
    assert [trial.batch for trial in found.trials] == [k // 12 for k in range(n)]
    for trial in found.trials:
        assert trial.parameters["fast"] < trial.parameters["slow"]
        assert trial.parameters["lots"] == 1
        assert ("patience" in trial.chosen) == trial.parameters["passive"]
        assert trial.state == "complete"


@pytest.mark.parametrize("method", METHODS)
def test_search__with_the_same_seed_is_the_same_search(method: Method) -> None:
    """Another seed is another one, but for a grid, which has none."""
    first = _search(method)
    assert _search(method).trials == first.trials
    assert (_search(method, seed=8).trials == first.trials) == (method == "grid")


_SCRIPT = """
from tests.core.search.test_trials import drawn_by_learners
print(drawn_by_learners())
"""


def drawn_by_learners() -> list[tuple[float, ...]]:
    """Return the parameters of all trials of the methods that learn."""
    methods: tuple[Method, ...] = ("tpe", "nsga2", "cmaes")
    found = [_search(method, n_trials=24) for method in methods]
    return [tuple(trial.parameters.values()) for each in found for trial in each.trials]


def test_search__does_not_depend_on_the_order_of_hashes() -> None:
    """Another process, whose texts hash differently, makes the same trials, and says nothing."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        capture_output=True, text=True, check=True, env=os.environ | {"PYTHONHASHSEED": "12"},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout == f"{drawn_by_learners()}\n"


@pytest.mark.parametrize("prune", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_search__goes_on_after_a_kill_where_it_was(method: Method, prune: bool) -> None:
    """Killed in any pass: the same trials as undisturbed, and no outcome asked for twice."""
    whole = Market(fails=range(1, 11))
    undisturbed = _search(method, whole, prune=prune, n_trials=36)
    for dies_after in range(0, whole.n_passes, 13):
        known: dict[Any, Any] = {}
        killed = Market(fails=range(1, 11), dies_after=dies_after)
        with pytest.raises(KeyboardInterrupt):
            _search(method, killed, known, prune=prune, n_trials=36)
        rest = Market(fails=range(1, 11))
        resumed = _search(method, rest, known, prune=prune, n_trials=36)
        assert resumed.trials == undisturbed.trials
        asked = killed.asked + rest.asked
        assert len(asked) == len(set(asked))
        assert sorted(asked) == sorted(whole.asked)


@pytest.mark.parametrize("method", ["random", "tpe", "nsga2", "cmaes"])
def test_search__given_more_trials_goes_on(method: Method) -> None:
    """A smaller budget makes the first trials of a larger one, cut anywhere in a batch."""
    longer = _search(method)
    assert _search(method, n_trials=31).trials == longer.trials[:31]


def test_search__tells_stored_trials_from_those_of_another_search() -> None:
    """What was stored under the same name has to be what is made now."""
    found, market = _search("tpe"), Market()
    same = run_search(
        _space("tpe"), _config("tpe"), Evaluator(market), SESSIONS, CAPITAL,
        stored=found.trials[:20],
    )  # fmt: skip
    assert same.trials == found.trials
    with pytest.raises(DataError, match=r"trial 0 was .* and now would be .* another name"):
        run_search(
            _space("tpe"), _config("tpe", seed=8), Evaluator(market), SESSIONS, CAPITAL,
            stored=found.trials[:20],
        )  # fmt: skip


def test_search__runs_one_pass_per_batch_and_session() -> None:
    """All new sets of a batch share the pass."""
    market = Market()
    found = _search("random", market)
    assert market.n_passes == (found.trials[-1].batch + 1) * len(SESSIONS)


def test_search__records_a_repeated_set_and_does_not_run_it() -> None:
    """Nine points, forty draws: nine sets are run."""
    market = Market()
    space = toy_space({"fast": [1, 2, 3], "model": None})
    found = run_search(space, _config("tpe", n_trials=40), Evaluator(market), SESSIONS, CAPITAL)
    assert len(found.trials) == 40
    assert len(market.asked) == len(found.distinct()) * len(SESSIONS) <= 9 * len(SESSIONS)
    for trial in found.trials:
        if trial.same_as is not None:
            first = found.trials[trial.same_as]
            assert first.same_as is None
            assert (first.parameters, first.values) == (trial.parameters, trial.values)
            assert trial.same_as < trial.number


@pytest.mark.parametrize("method", METHODS)
def test_search__keeps_a_failed_trial_and_goes_on(method: Method) -> None:
    """A set that raises has no value and its reason; the others are as they would have been."""
    failing = Market(fails=range(1, 21))
    found = _search(method, failing)
    failed = [trial for trial in found.trials if trial.state == "failed"]
    assert failed
    assert len(failed) < len(found.trials)
    for trial in failed:
        assert trial.parameters["fast"] <= 20
        assert math.isnan(trial.values[0])
        assert trial.error == "2025-01-01: the strategy raised"
    assert len(found.profits()[0]) == sum(t.state == "complete" for t in found.distinct())


def test_search__finds_nothing_where_everything_fails() -> None:
    """All trials are kept all the same."""
    found = _search("tpe", Market(fails=range(1, 51)))
    assert {trial.state for trial in found.trials} == {"failed"}
    assert found.profits().shape == (len(SESSIONS), 0)


def test_search__judges_by_net_profits_per_session() -> None:
    """The matrix, the values and NumPy agree."""
    found = _search("random", objectives=("sharpe_ratio", "net_profit"))
    profits = found.profits()
    distinct = found.distinct()
    assert profits.shape == (len(SESSIONS), len(distinct))
    assert profits.dtype == np.int64
    ratios = np.array([trial.values[0] for trial in distinct])
    assert ratios == pytest.approx(sharpe_of(profits), rel=1e-12)
    sums = [trial.values[1] for trial in distinct]
    assert sums == [int(column.sum()) / 1e6 for column in profits.T]


@pytest.mark.parametrize("method", ["tpe", "nsga2", "cmaes"])
def test_search__that_learns_beats_random_draws(method: Method) -> None:
    """On a smooth hill without noise, in the mean over seeds, with the same budget."""

    def reached(one: Method, seed: int) -> float:
        config = _config(one, n_trials=100, seed=seed, objectives=("net_profit",), batch_size=10)
        market = Evaluator(Market(noise=0.0))
        found = run_search(toy_space(), config, market, SESSIONS[:1], CAPITAL)
        return max(hill(trial.parameters) for trial in found.trials)

    seeds = range(2)
    learned = np.mean([reached(method, seed) for seed in seeds])
    assert learned > np.mean([reached("random", seed) for seed in seeds])


def test_search__stops_asking_when_its_time_is_over() -> None:
    """The first batch always runs; what was done is a prefix of the whole."""
    ticks = iter(range(0, 1_000, 10))
    config = _config("tpe", max_seconds=25)
    found = run_search(
        _space("tpe"), config, Evaluator(Market()), SESSIONS, CAPITAL, now_s=lambda: next(ticks)
    )
    assert found.ended == "time"
    assert found.trials == _search("tpe").trials[: 12 * 3]


def test_search__hands_over_each_batch_when_it_is_done() -> None:
    """In order, whole."""
    batches: list[Sequence[Trial]] = []
    found = run_search(
        _space("tpe"), _config("tpe"), Evaluator(Market()), SESSIONS, CAPITAL,
        on_batch=batches.append,
    )  # fmt: skip
    assert [len(batch) for batch in batches] == [12] * 5
    assert [trial for batch in batches for trial in batch] == list(found.trials)


def test_pruning__drops_the_worse_half_twice() -> None:
    """A batch of twelve: six see half of the sessions, three all of them."""
    market = Market()
    found = _search("random", market, prune=True, n_trials=12)
    reached = sorted(sum(each is not None for each in trial.outcomes) for trial in found.trials)
    assert reached == [3] * 6 + [6] * 3 + [12] * 3
    states = [trial.state for trial in found.trials]
    assert (states.count("pruned"), states.count("complete")) == (9, 3)
    full = _search("random", n_trials=12)
    by_quarter = sharpe_of(full.profits()[::4])
    best_six = set(np.argsort(by_quarter)[-6:])
    assert {t.number for t in found.trials if t.outcomes[2] is not None} == best_six


def test_pruning__drops_failed_trials_first() -> None:
    """They take no one's place, and stay failed."""
    found = _search("random", Market(fails=range(1, 26)), prune=True, n_trials=12)
    failed = [t for t in found.trials if t.state == "failed"]
    rest = 12 - len(failed)
    second = [t for t in found.trials if t.outcomes[2] is not None]
    assert failed
    assert len(second) == math.ceil(rest / 2)
    assert all(t.state != "failed" for t in second)


def test_best_so_far__never_falls() -> None:
    """The curve of a search, also for an objective that is minimised."""
    found = _search("random", objectives=("max_drawdown",))
    curve = found.best_so_far()
    assert curve[0] == found.trials[0].values[0]
    assert all(after <= before for before, after in pairwise(curve))
    assert curve[-1] == min(trial.values[0] for trial in found.trials)


def test_table__has_a_row_for_each_trial() -> None:
    """Parameters, state, objectives; a figure without a meaning is null."""
    found = _search("random", Market(fails=range(1, 11)))
    rows = found.table().to_dicts()
    assert len(rows) == len(found.trials)
    assert rows[3]["fast"] == found.trials[3].parameters["fast"]
    failed = next(row for row in rows if row["state"] == "failed")
    assert failed["sharpe_ratio"] is None
    assert failed["error"] == "2025-01-01: the strategy raised"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "tpee"}, "method must be one of grid, .* \\(did you mean 'tpe'\\?\\)"),
        ({"objectives": ("sharp_ratio",)}, "objectives must be one of .*'sharpe_ratio'"),
        ({"objectives": ()}, "objectives must be one name or more"),
        ({"objectives": ("net_profit", "net_profit")}, "objectives must be one name or more"),
        ({"method": "cmaes", "objectives": ("net_profit", "max_drawdown")}, "one name for cmaes"),
        ({"n_trials": 0}, "n_trials must be a whole number in \\[1, 100,000\\], got 0"),
        ({"batch_size": 1, "method": "nsga2"}, "batch_size must be a whole number in \\[2,"),
        ({"seed": -1}, "seed must be a whole number in"),
        ({"prune": 1}, "prune must be true or false"),
        ({"max_seconds": 0.0}, "max_seconds must be above 0"),
    ],
)
def test_config__refuses_by_name(changes: dict[str, Any], message: str) -> None:
    """The message says which key, and what it may be."""
    with pytest.raises(ConfigError, match=message):
        SearchConfig(**changes)


@pytest.mark.parametrize(
    ("sessions", "changes", "message"),
    [
        ((), {}, "sessions must be at least one, each once"),
        ((DAYS[0], DAYS[0]), {}, "sessions must be at least one, each once"),
        (DAYS[:7], {"prune": True}, "prune must be left out for fewer than 8 sessions"),
    ],
)
def test_search__refuses_sessions_that_make_no_sense(
    sessions: tuple[str, ...], changes: dict[str, Any], message: str
) -> None:
    """Before any pass."""
    with pytest.raises(ConfigError, match=message):
        run_search(toy_space(), _config("tpe", **changes), Evaluator(Market()), sessions, CAPITAL)


def test_search__gives_up_on_constraints_that_nothing_keeps() -> None:
    """It names the constraint that was broken last."""

    def never(p: Any) -> bool:
        return False

    for method, message in (
        ("random", "space must be such that draws often keep never, got 'none of 1,000 draws'"),
        ("grid", "space must be with points that keep never"),
    ):
        config = _config(method)  # type: ignore[arg-type]
        space = toy_space({"fast": [1, 2]}, never)
        with pytest.raises(ConfigError, match=message):
            run_search(space, config, Evaluator(Market()), SESSIONS, CAPITAL)


def test_search__refuses_cmaes_without_an_ordered_parameter() -> None:
    """It would be random draws under another name."""
    space = toy_space({"model": None, "passive": None, "patience": None})
    with pytest.raises(ConfigError, match="with an ordered, unconditional parameter for cmaes"):
        run_search(space, _config("cmaes"), Evaluator(Market()), SESSIONS, CAPITAL)


def test_search__refuses_a_pass_that_loses_sets() -> None:
    """Outcomes are matched by place: one too few would give all to the wrong set."""
    with pytest.raises(DataError, match="2025-01-01: the pass returned 11 outcomes for 12"):
        run_search(
            toy_space(), _config("random"), Evaluator(lambda _, sets: [1] * (len(sets) - 1)),
            SESSIONS, CAPITAL,
        )  # fmt: skip


@settings(max_examples=settings().max_examples // 4)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.sampled_from(["random", "tpe"]))
def test_search__covers_what_it_says(seed: int, batch_size: int, method: Method) -> None:
    """Any seed, any batch: inside the space, conditions and constraints kept, numbered in order."""
    config = SearchConfig(method=method, n_trials=15, batch_size=batch_size, seed=seed)
    found = run_search(
        toy_space(None, fast_below_slow), config, Evaluator(Market()), DAYS[:2], CAPITAL
    )
    assert [trial.number for trial in found.trials] == list(range(15))
    for trial in found.trials:
        p = trial.parameters
        assert 1 <= p["fast"] <= 50
        assert p["fast"] < p["slow"] <= 200
        assert 0.1 <= p["threshold"] <= 0.9
        assert p["patience"] in ((5, 10, 15, 20) if p["passive"] else (10,))
        assert isinstance(p["fast"], int)
        assert isinstance(p["passive"], bool)
