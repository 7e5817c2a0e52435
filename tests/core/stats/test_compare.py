"""Strategies ranked: the corrections by brute force, and no ranking without the trials."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.stats import compare, holm, romano_wolf
from strategy_lab_core.types import Float2D

NAMES = ("noise", "small", "edge", "loser", "copy")


def five(seed: int) -> dict[str, Float2D]:
    """Return five strategies over the same sessions."""
    values = np.random.default_rng(seed).standard_normal((250, 5)) * 0.01
    values[:, 2] += 0.004
    values[:, 3] -= 0.004
    values[:, 4] = values[:, 2]
    return dict(zip(NAMES, values.T, strict=True))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm__is_the_largest_of_all_smaller_ones(p_values: list[float]) -> None:
    """Each: max over smaller p of (how many are not smaller) times p, at most one."""
    ranked = sorted(range(len(p_values)), key=lambda k: (p_values[k], k))
    for place, number in enumerate(ranked):
        steps = [(len(p_values) - k) * p_values[ranked[k]] for k in range(place + 1)]
        assert holm(p_values)[number] == pytest.approx(min(max(steps), 1.0))


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_romano_wolf__is_step_by_step_the_largest_of_those_left(seed: int, n: int) -> None:
    """Their algorithm written out; between the p-value alone and Holm's would be with noise."""
    rng = np.random.default_rng(seed)
    statistics, null = rng.standard_normal(n) + 1, rng.standard_normal((200, n))
    found = romano_wolf(statistics, null)
    left, last = sorted(range(n), key=lambda k: -statistics[k]), 0.0
    while left:
        strongest = left[0]
        beyond = sum(max(row[k] for k in left) >= statistics[strongest] for row in null)
        last = max(last, (1 + beyond) / 201)
        assert found[strongest] == pytest.approx(last)
        left = left[1:]


def test_compare__ranks_five_and_counts_their_searches() -> None:
    """The edge and its copy first, found in all searches; the loser last."""
    few = compare(five(1), n_trials=dict.fromkeys(NAMES, 1))
    assert {few[0].name, few[1].name} == {"edge", "copy"}
    assert few[0].p_holm < 0.05
    assert few[0].p_romano_wolf < 0.05
    assert few[0].p_confidence_set == few[1].p_confidence_set == 1.0
    assert few[-1].name == "loser"
    assert few[-1].p_confidence_set < 0.05
    many = compare(five(1), n_trials=dict.fromkeys(NAMES, 1000))
    assert min(each.p_holm for each in many) > 0.5
    for each in (*few, *many):
        assert each.p_value <= each.p_searched * (1 + 1e-9) <= each.p_holm * (1 + 1e-8)
        assert each.p_value <= each.p_romano_wolf


def test_compare__of_a_strategy_is_not_changed_by_the_order_of_the_others() -> None:
    """Isolated from one another: names and places do not matter."""
    strategies, counts = five(2), dict.fromkeys(NAMES, 10)
    turned = dict(reversed(strategies.items()))
    one, other = (
        {each.name: each for each in compare(some, n_trials=counts)}
        for some in (strategies, turned)
    )
    for name in NAMES:
        assert one[name][1:] == pytest.approx(other[name][1:])


def test_compare__refuses_what_has_no_answer() -> None:
    """One strategy, different sessions, trials not counted, constant results."""
    strategies = five(3)
    with pytest.raises(DataError, match="at least two strategies, got 1"):
        compare({"edge": strategies["edge"]}, n_trials={"edge": 1})
    with pytest.raises(ConfigError, match="n_trials of loser must be at least 1"):
        compare(strategies, n_trials={name: 3 for name in NAMES if name != "loser"})
    with pytest.raises(DataError, match="same sessions, got noise: 250, small: 249"):
        compare(
            {"noise": strategies["noise"], "small": strategies["small"][1:]},
            n_trials=dict.fromkeys(NAMES, 1),
        )
    with pytest.raises(DataError, match=r"must vary|has the profit"):
        compare(strategies | {"flat": np.ones(250)}, n_trials=dict.fromkeys((*NAMES, "flat"), 1))
