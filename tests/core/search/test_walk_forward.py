"""Walk-forwards and cross-validation: against plain loops, out-of-sample only, failures told."""

import itertools
import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.search.config import Method, SearchConfig
from strategy_lab_core.search.cross_validation import cross_validate_splits
from strategy_lab_core.search.evaluate import Evaluator, SetKey
from strategy_lab_core.search.space import Parameters, Space
from strategy_lab_core.search.splits import combinatorial_splits, walk_forward_windows
from strategy_lab_core.search.walk_forward import WalkForwardResult, WindowResult, walk_windows
from tests.core.search.toys import CAPITAL, DAYS, Market, sharpe_of, toy, toy_space
from tests.naive import search as naive

GIVEN = {"fast": [5, 20, 35, 50], "slow": [20, 60, 180], "model": None}
GRID = SearchConfig(method="grid")


def _space() -> Space:
    return toy_space(GIVEN)


def _walk(
    market: Market,
    config: SearchConfig = GRID,
    known: Any = None,
    days: Sequence[str] = DAYS,
    **lengths: Any,
) -> WalkForwardResult:
    windows = walk_forward_windows(days, **({"train": 8, "test": 4} | lengths))
    return walk_windows(_space(), config, Evaluator(market, known), windows, CAPITAL)


@settings(max_examples=settings().max_examples // 4)
@given(st.integers(2, 12), st.integers(1, 5), st.booleans(), st.integers(0, 2))
def test_walk_forward__equals_plain_loops(
    train: int, test: int, anchored: bool, purge: int
) -> None:
    """Chosen sets and out-of-sample profits, window by window."""
    market, days = Market(), DAYS[:20]
    found = _walk(market, days=days, train=train, test=test, anchored=anchored, purge=purge)
    sets = [
        {**toy().parameters, "fast": fast, "slow": slow, "model": model}
        for fast, slow, model in itertools.product(GIVEN["fast"], GIVEN["slow"], (0, 1, 2))  # type: ignore[arg-type]
    ]

    @cache
    def paid(session: int, key: SetKey) -> int:
        outcome = market.outcome(DAYS[session], dict(key))
        assert isinstance(outcome, int)
        return outcome

    def profit(session: int, parameters: Parameters) -> int:
        return paid(session, tuple(parameters.items()))

    places = naive.windows(len(days), train, test, test, purge, anchored=anchored)
    expected = naive.walk_forward(profit, sets, places)
    assert [each.trial.parameters for each in found.windows if each.trial] == [
        chosen for chosen, _ in expected
    ]
    assert found.profits().tolist() == [each for _, profits in expected for each in profits]
    assert found.sessions() == tuple(DAYS[k] for _, test_places in places for k in test_places)


@pytest.mark.parametrize("method", ["grid", "random"])
def test_walk_forward__runs_each_set_once_in_a_session(method: Method) -> None:
    """Windows share what they have in common."""
    market = Market()
    _walk(market, SearchConfig(method=method, n_trials=40))
    assert len(market.asked) == len(set(market.asked))
    n_sets = len({parameters for _, parameters in market.asked})
    assert len(market.asked) <= n_sets * len(DAYS)


def test_walk_forward__never_shows_the_choice_its_test() -> None:
    """Other outcomes in the last test change no choice, and nothing before it."""
    first = _walk(Market())
    last = first.windows[-1].window.test

    class Other(Market):
        def outcome(self, session: str, parameters: Parameters) -> int | str:
            return -1_000_000 if session in last else super().outcome(session, parameters)

    changed = _walk(Other())
    assert [each.trial for each in first.windows] == [each.trial for each in changed.windows]
    assert changed.profits()[-4:].tolist() == [-1_000_000] * 4
    assert changed.profits()[:-4].tolist() == first.profits()[:-4].tolist()


@pytest.mark.parametrize("method", ["grid", "tpe"])
def test_walk_forward__goes_on_after_a_kill(method: Method) -> None:
    """From the outcomes that were kept: equal, and none asked for twice."""
    config = SearchConfig(method=method, n_trials=36, batch_size=12)
    whole = Market()
    undisturbed = _walk(whole, config)
    for dies_after in (3, whole.n_passes // 2):
        known: dict[Any, Any] = {}
        killed, rest = Market(dies_after=dies_after), Market()
        with pytest.raises(KeyboardInterrupt):
            _walk(killed, config, known)
        resumed = _walk(rest, config, known)
        assert [each.trial for each in resumed.windows] == [e.trial for e in undisturbed.windows]
        assert resumed.profits().tolist() == undisturbed.profits().tolist()
        assert sorted(killed.asked + rest.asked) == sorted(whole.asked)


def test_walk_forward__keeps_a_window_that_failed_and_refuses_the_series() -> None:
    """A series without its failures would flatter; the other windows are told all the same."""

    class FailsLater(Market):
        def outcome(self, session: str, parameters: Parameters) -> int | str:
            return "too late" if session == DAYS[13] else super().outcome(session, parameters)

    found = _walk(FailsLater())
    assert [each.error for each in found.failed][:1] == ["2025-01-14: too late"]
    assert found.windows[0].profits is not None
    assert math.isnan(found.failed[0].out_of_sample)
    message = (
        "windows have no out-of-sample result; the first, 2025-01-13 to 2025-01-16: 2025-01-14"
    )
    with pytest.raises(DataError, match=message):
        found.profits()
    rows = found.table().to_dicts()
    assert rows[0]["error"] is None
    assert rows[1]["error"] == "2025-01-14: too late"


def test_walk_forward__tells_a_window_without_a_choice() -> None:
    """All sets failed in its training: the reason is in the window."""
    found = _walk(Market(fails=range(51)))
    assert len(found.failed) == len(found.windows)
    assert "no trial of 36 has a sharpe_ratio: 36 failed" in str(found.windows[0].error)


def test_walk_forward__says_how_the_choice_fared() -> None:
    """In-sample and out-of-sample means by hand; noise alone gets worse."""
    found = _walk(Market(noise=500.0))
    inside = [each.in_sample for each in found.windows]
    outside = [each.out_of_sample for each in found.windows]
    told = found.degradation()
    assert told["windows"] == len(found.windows)
    assert told["in_sample"] == pytest.approx(np.mean(inside))
    assert told["out_of_sample"] == pytest.approx(np.mean(outside))
    assert told["change"] == pytest.approx(np.mean(outside) - np.mean(inside))
    assert told["share_worse"] == np.mean([o < i for i, o in zip(inside, outside, strict=True)])
    assert isinstance(told["change"], float)
    assert told["change"] < 0
    for each in found.windows:
        assert each.profits is not None
        assert each.out_of_sample == pytest.approx(sharpe_of(each.profits[:, None])[0])


def test_walk_forward__compares_sides_of_other_lengths_by_the_session() -> None:
    """Ten sessions earn more than two: a total would tell a steady strategy that it got worse."""
    by_profit = SearchConfig(method="grid", objectives=("net_profit",))
    steady = _walk(Market(noise=0.0), by_profit, train=10, test=2).degradation()
    assert steady["objective"] == "mean_profit"
    assert steady["in_sample"] == pytest.approx(steady["out_of_sample"])
    assert steady["share_worse"] == 0


def test_walk_forward__tells_how_stable_the_parameters_are() -> None:
    """Without noise each window chooses the hill's top; with it they move."""
    by_profit = SearchConfig(method="grid", objectives=("net_profit",))
    calm = _walk(Market(noise=0.1), by_profit).stability().to_dicts()
    assert [row["parameter"] for row in calm] == ["fast", "slow", "model"]
    assert [row["most_common"] for row in calm] == [20.0, 60.0, 1.0]
    assert [row["share"] for row in calm] == [1.0, 1.0, 1.0]
    assert [row["mean_change"] for row in calm] == [0.0, 0.0, 0.0]
    wild = _walk(Market(noise=500.0)).stability().to_dicts()
    assert max(row["mean_change"] for row in wild) > 0.1
    assert max(row["n_values"] for row in wild) > 1


def test_walk_forward__table_has_a_row_for_each_window() -> None:
    """Its sessions, both sides, and what was chosen."""
    found = _walk(Market())
    row = found.table().to_dicts()[1]
    each = found.windows[1]
    assert each.trial is not None
    assert each.profits is not None
    assert (row["train_from"], row["train_to"]) == (DAYS[4], DAYS[11])
    assert (row["test_from"], row["test_to"]) == (DAYS[12], DAYS[15])
    assert row["fast"] == each.trial.parameters["fast"]
    assert row["net_profit_e6"] == int(each.profits.sum())
    assert row["n_trials"] == 36


def test_walk_forward__hands_over_each_window() -> None:
    """In order, when it is done."""
    told: list[WindowResult] = []
    windows = walk_forward_windows(DAYS, train=8, test=4)
    found = walk_windows(
        _space(), GRID, Evaluator(Market()), windows, CAPITAL, on_window=told.append
    )
    assert tuple(told) == found.windows
    with pytest.raises(ConfigError, match="windows must be at least one"):
        walk_windows(_space(), GRID, Evaluator(Market()), (), CAPITAL)


def test_cross_validation__paths_are_put_together_from_the_splits() -> None:
    """Each path has every session once, from a choice that was not made on it."""
    market = Market()
    combinations = combinatorial_splits(DAYS, groups=4, test_groups=2)
    found = cross_validate_splits(_space(), GRID, Evaluator(market), combinations, CAPITAL)
    profits = found.profits()
    assert profits.shape == (3, len(DAYS))
    for path, line in zip(combinations.paths, profits, strict=True):
        expected = []
        for group, split in enumerate(path):
            trial = found.splits[split].trial
            assert trial is not None
            assert not set(combinations.groups[group]) & set(combinations.splits[split].train)
            expected += [
                market.outcome(day, trial.parameters) for day in combinations.groups[group]
            ]
        assert line.tolist() == expected
    assert found.values() == pytest.approx(sharpe_of(profits.T))
    assert len(market.asked) == 36 * len(DAYS)


def test_cross_validation__names_the_split_that_has_no_result() -> None:
    """No path is made of half of the sessions."""

    class FailsOnce(Market):
        def outcome(self, session: str, parameters: Parameters) -> int | str:
            return "lost" if session == DAYS[-1] else super().outcome(session, parameters)

    combinations = combinatorial_splits(DAYS, groups=4, test_groups=1)
    found = cross_validate_splits(_space(), GRID, Evaluator(FailsOnce()), combinations, CAPITAL)
    with pytest.raises(DataError, match="the split that tests groups \\(0,\\) has no result"):
        found.profits()
