"""Objectives against plain loops, and what has no meaning."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.search.objective import OBJECTIVES, Capital
from tests.core.search.toys import CAPITAL
from tests.naive.search import drawdown, sharpe_ratio

# A unit of money in a hundred thousand of currency: less is the same profit but for rounding.
_profits = st.lists(st.integers(-(10**11), 10**11), min_size=1, max_size=40)


def _value(name: str, profits: list[int]) -> float:
    return OBJECTIVES[name].measure(np.array(profits, np.int64), CAPITAL)


@given(_profits)
def test_objectives__equal_plain_loops(profits: list[int]) -> None:
    """Any profits."""
    assert _value("sharpe_ratio", profits) == pytest.approx(
        sharpe_ratio(profits), rel=1e-6, abs=1e-9, nan_ok=True
    )
    assert _value("net_profit", profits) == sum(profits) / 1e6
    assert _value("mean_profit", profits) == pytest.approx(sum(profits) / 1e6 / len(profits))
    assert _value("worst_session", profits) == min(profits) / 1e6
    assert _value("max_drawdown", profits) == drawdown(profits) / 1e6
    fall = max(drawdown(profits), CAPITAL.money / 10_000)
    assert _value("profit_over_drawdown", profits) == sum(profits) / fall


@pytest.mark.parametrize("profits", [[], [5], [5, 5, 5], [0, 0], [10**15, 10**15 + 1]])
def test_sharpe_ratio__of_a_constant_or_single_value_has_no_meaning(profits: list[int]) -> None:
    """Never infinite, never a large number out of rounding."""
    assert math.isnan(_value("sharpe_ratio", profits))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives__of_no_session_have_no_meaning(name: str) -> None:
    """NaN, not zero."""
    assert math.isnan(_value(name, []))


def test_sharpe_ratio__does_not_depend_on_the_capital() -> None:
    """A fixed capital only scales the returns."""
    profits = np.array([3, -1, 4, 1, -5], np.int64) * 10**8
    ratio = OBJECTIVES["sharpe_ratio"].measure
    assert ratio(profits, Capital(10**9)) == pytest.approx(ratio(profits, Capital(10**12)))
