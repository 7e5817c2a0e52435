"""Choosing among the trials of one search, split by split: plain loops, and what must not leak."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from strategy_lab_core.errors import DataError
from strategy_lab_core.search.config import SearchConfig
from strategy_lab_core.search.cross_validation import cross_validate_splits, cross_validate_trials
from strategy_lab_core.search.evaluate import Evaluator, Outcome
from strategy_lab_core.search.path_figures import describe_paths, parameters_text, path_figures
from strategy_lab_core.search.space import Parameters
from strategy_lab_core.search.splits import combinatorial_splits
from strategy_lab_core.search.trials import SearchResult, run_search
from tests.core.search.toys import CAPITAL, DAYS, Market, toy_space
from tests.naive import search as naive

MEASURES: dict[str, Callable[[Sequence[int]], float]] = {
    "net_profit": sum,
    "sharpe_ratio": naive.sharpe_ratio,
    "worst_session": min,
    "max_drawdown": lambda profits: -naive.drawdown(profits),
}


def _searched(profits: Sequence[Sequence[int]], **options: Any) -> SearchResult:
    """Return a grid whose set number k earned column k."""
    days = DAYS[: len(profits)]

    def run_pass(session: str, sets: Sequence[Parameters]) -> list[Outcome]:
        return [profits[days.index(session)][int(each["fast"]) - 1] for each in sets]

    space = toy_space({"fast": list(range(1, len(profits[0]) + 1))})
    config = SearchConfig(**({"method": "grid"} | options))
    return run_search(space, config, Evaluator(run_pass), days, CAPITAL)


def _columns(found: Any) -> list[int]:
    return [int(each.trial.parameters["fast"]) - 1 for each in found.splits]


def _table(seed: int, sessions: int, sets: int) -> list[list[int]]:
    """Return profits in which the last column repeats the first: a tie, and no near one."""
    profits = np.random.default_rng(seed).integers(-(10**6), 10**6, (sessions, sets))
    profits[:, -1] = profits[:, 0]
    rows: list[list[int]] = profits.tolist()
    return rows


_tables = st.builds(_table, st.integers(0, 2**32 - 1), st.integers(6, 28), st.integers(2, 6))
_groupings = st.integers(2, 6).flatmap(
    lambda groups: st.tuples(st.just(groups), st.integers(1, groups - 1))
)


@given(_tables, _groupings, st.integers(0, 2), st.integers(0, 2), st.sampled_from(list(MEASURES)))
def test_cross_validate_trials__equals_plain_loops(
    profits: list[list[int]], grouping: tuple[int, int], purge: int, embargo: int, objective: str
) -> None:
    """What each split chooses and each path earns; ties go to the first set."""
    groups, k = grouping
    places = [part.tolist() for part in np.array_split(np.arange(len(profits)), groups)]
    assume(all(training for training, _ in naive.splits_and_paths(places, k, purge, embargo)))
    expected, paths = naive.cross_validation(
        profits, MEASURES[objective], places, k, purge, embargo
    )
    assume(-1 not in expected)
    combinations = combinatorial_splits(
        DAYS[: len(profits)], groups=groups, test_groups=k, purge=purge, embargo=embargo
    )

    found = cross_validate_trials(_searched(profits, objectives=(objective,)), combinations)

    assert _columns(found) == expected
    assert found.profits().tolist() == paths


@pytest.mark.parametrize("options", [{}, {"n_neighbours": 3}, {"objectives": ("net_profit",)}])
def test_cross_validate_trials__is_a_search_of_every_split_for_a_grid(
    options: dict[str, Any],
) -> None:
    """What does not learn proposes the same sets wherever it is searched; no pass is needed."""
    config = SearchConfig(method="grid", n_trials=500, **options)
    space = toy_space({"fast": [5, 20, 35], "slow": [20, 60], "passive": None, "patience": None})
    combinations = combinatorial_splits(DAYS, groups=6, test_groups=2, purge=1, embargo=1)
    market = Market(noise=200.0)
    searched = run_search(space, config, Evaluator(market), DAYS, CAPITAL)
    n_passes = market.n_passes

    found = cross_validate_trials(searched, combinations)

    assert market.n_passes == n_passes
    again = cross_validate_splits(space, config, Evaluator(market), combinations, CAPITAL)
    assert [each.trial for each in found.splits] == [each.trial for each in again.splits]
    assert found.profits().tolist() == again.profits().tolist()


@settings(max_examples=settings().max_examples // 4)
@given(
    st.integers(0, 14), st.integers(0, 2), st.integers(0, 2), st.integers(-(10**6), 10**6)
)  # fmt: skip
def test_cross_validate_trials__never_sees_test_or_gap(
    split: int, purge: int, embargo: int, other: int
) -> None:
    """Other profits in the tests of a split and in the sessions beside them change no choice."""
    profits = np.random.default_rng(7).integers(-(10**6), 10**6, (24, 8)).tolist()
    days = DAYS[:24]
    combinations = combinatorial_splits(days, groups=6, test_groups=2, purge=purge, embargo=embargo)
    used = set(combinations.splits[split].train)
    groups = combinations.splits[split].groups
    near = range(-purge, 4 + purge + embargo)
    for place, day in enumerate(days):
        assert (day in used) != any(place - 4 * group in near for group in groups)
    changed = [
        row if day in used else [other * (column + 1) for column in range(8)]
        for day, row in zip(days, profits, strict=True)
    ]

    before = cross_validate_trials(_searched(profits), combinations).splits[split].trial
    after = cross_validate_trials(_searched(changed), combinations).splits[split].trial

    assert before is not None
    assert before == after


def test_path_figures__are_those_of_the_paths() -> None:
    """Quantiles, shares, both sides and choices, by Python's own statistics."""
    rng = np.random.default_rng(3)
    profits = rng.integers(-(10**8), 10**8, (28, 7)).tolist()
    combinations = combinatorial_splits(DAYS, groups=6, test_groups=2, embargo=1)
    found = cross_validate_trials(_searched(profits), combinations)

    figures = path_figures(found)

    paths = found.profits().tolist()
    sums = sorted(sum(path) / 1e6 for path in paths)
    ratios = sorted(naive.sharpe_ratio(path) for path in paths)
    for name, values in (("net_profit", sums), ("sharpe_ratio", ratios)):
        quartiles = statistics.quantiles(values, n=4, method="inclusive")
        spread = figures[name]
        assert [
            spread["lowest"], spread["lower_quartile"], spread["median"],
            spread["upper_quartile"], spread["highest"],
        ] == pytest.approx([values[0], *quartiles, values[-1]])  # fmt: skip
        assert spread["below_zero"] == sum(value < 0 for value in values) / 5
        assert sorted(spread["values"]) == pytest.approx(values)
    inside, outside = [], []
    for each, column in zip(found.splits, _columns(found), strict=True):
        own = {day: profits[place][column] for place, day in enumerate(DAYS)}
        inside.append(naive.sharpe_ratio([own[day] for day in each.window.train]))
        outside.append(naive.sharpe_ratio([own[day] for day in each.window.test]))
    assert figures["sides"]["sharpe_ratio"] == {
        "in_sample": pytest.approx(statistics.mean(inside)),
        "out_of_sample": pytest.approx(statistics.mean(outside)),
        "share_worse": sum(o < i for i, o in zip(inside, outside, strict=True)) / 15,
    }
    columns = _columns(found)
    assert {each["parameters"]["fast"]: each["splits"] for each in figures["choices"]} == {
        column + 1: columns.count(column) for column in columns
    }
    counts = [each["splits"] for each in figures["choices"]]
    assert counts == sorted(counts, reverse=True)
    assert sum(each["share"] for each in figures["choices"]) == pytest.approx(1)
    assert f"{figures['paths']} paths" in describe_paths(figures)


def test_path_figures__an_edge_holds_and_noise_does_not() -> None:
    """One set with an edge is chosen everywhere and keeps it; of noise the best falls back."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1e8, (28, 40))
    edge = noise.copy()
    edge[:, 11] += 3e8
    combinations = combinatorial_splits(DAYS, groups=6, test_groups=2, embargo=1)
    lucky, real = (
        path_figures(cross_validate_trials(_searched(table.round().astype(int).tolist()),
                                           combinations))
        for table in (noise, edge)
    )  # fmt: skip
    assert real["choices"] == [{"parameters": {"fast": 12}, "splits": 15, "share": 1.0}]
    assert real["net_profit"]["below_zero"] == 0
    assert lucky["sides"]["sharpe_ratio"]["in_sample"] > 0.2
    assert lucky["sides"]["sharpe_ratio"]["out_of_sample"] < 0.1
    assert lucky["sides"]["mean_profit"]["share_worse"] > 0.8


def test_path_figures__a_path_without_variation_has_no_ratio() -> None:
    """Sets that never trade: a profit of nothing is a number, a Sharpe ratio is not."""
    profits = [[0, 0]] * 12
    combinations = combinatorial_splits(DAYS[:12], groups=4, test_groups=2)
    by_profit = _searched(profits, objectives=("net_profit",))

    figures = path_figures(cross_validate_trials(by_profit, combinations))

    assert figures["sharpe_ratio"] is None
    assert figures["sides"]["sharpe_ratio"] is None
    assert figures["net_profit"]["values"] == [0.0] * 3
    assert "a path has no Sharpe ratio" in describe_paths(figures)
    by_ratio = cross_validate_trials(_searched(profits), combinations)
    with pytest.raises(DataError, match=r"tests groups \(0, 1\) has no result: no trial of 2"):
        path_figures(by_ratio)


def test_cross_validate_trials__needs_complete_series_to_choose_from() -> None:
    """Pruned trials are refused, failed ones are left out, one alone is no choice."""
    profits = np.random.default_rng(5).integers(-9, 9, (12, 3)).tolist()
    combinations = combinatorial_splits(DAYS[:12], groups=3, test_groups=1)
    found = _searched(profits)
    pruned = replace(found.trials[0], outcomes=(1, *[None] * 11))
    with_pruned = replace(found, trials=(pruned, *found.trials[1:])).on(found.sessions)
    assert with_pruned.trials[0].state == "pruned"
    with pytest.raises(DataError, match="1 trials were pruned"):
        cross_validate_trials(with_pruned, combinations)

    failed = replace(found.trials[0], outcomes=("it raised", *found.trials[0].outcomes[1:]))
    with_failed = replace(found, trials=(failed, *found.trials[1:])).on(found.sessions)
    assert with_failed.trials[0].error == f"{DAYS[0]}: it raised"
    assert 0 not in _columns(cross_validate_trials(with_failed, combinations))
    alone = replace(with_failed, trials=with_failed.trials[:2])
    with pytest.raises(
        DataError, match="fewer than two complete trials leave nothing to choose from"
    ):
        cross_validate_trials(alone, combinations)


def test_on__measures_the_trials_on_some_of_the_sessions() -> None:
    """The same trials with the objective of the sessions that are left, in their order."""
    profits = np.random.default_rng(6).integers(-9, 9, (10, 3)).tolist()
    found = _searched(profits)
    part = found.on((DAYS[1], DAYS[4], DAYS[8]))
    assert part.profits().tolist() == [profits[1], profits[4], profits[8]]
    for trial, column in zip(part.trials, range(3), strict=True):
        expected = naive.sharpe_ratio([profits[place][column] for place in (1, 4, 8)])
        assert trial.values[0] == pytest.approx(expected, nan_ok=True)
    assert all(math.isnan(trial.values[0]) for trial in found.on(DAYS[:1]).trials)
    assert found.on(found.sessions) == found


def test_parameters_text__loses_no_digit_of_a_whole_number() -> None:
    """Nanoseconds stay what they are."""
    assert parameters_text({"wait_ns": 1_000_000_001, "share": 0.30000000000000004}) == (
        "wait_ns 1000000001, share 0.3"
    )
