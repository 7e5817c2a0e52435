"""Volatility and the bounce, on prices whose answer is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.features.decay import faded
from strategy_lab_core.features.volatility import (
    UNKNOWN,
    realised_volatility,
    roll_spread,
    watch_volatility,
)
from tests.naive import features as naive

SECOND = 10**9


@given(
    st.lists(st.tuples(st.integers(1, 3 * SECOND), st.integers(-9, 9)), min_size=2, max_size=12),
    st.integers(SECOND // 4, SECOND),
)
def test_realised_volatility__is_the_sum_on_the_grid(
    steps: list[tuple[int, int]], sample_ns: int
) -> None:
    """The price that was known at each point of the grid, no later one."""
    ts_ns = np.cumsum([gap for gap, _ in steps])
    price = np.array([float(each) for _, each in steps])
    if ts_ns[-1] - ts_ns[0] < sample_ns:
        return

    found = realised_volatility(ts_ns, price, sample_ns=sample_ns)

    assert found == pytest.approx(
        naive.realised_volatility(ts_ns.tolist(), price.tolist(), sample_ns)
    )


def test_realised_volatility__finds_that_of_a_brownian_motion() -> None:
    """3 ticks per root second, seen for 5,000 s: within four standard errors."""
    n, sigma = 20_000, 3.0
    price = np.cumsum(np.random.default_rng(1).normal(0, sigma / 2, n))

    found = realised_volatility(np.arange(n) * (SECOND // 4), price)

    assert found == pytest.approx(sigma, abs=4 * sigma / math.sqrt(2 * n / 4))


@pytest.mark.parametrize("sample_ns", [0, 11])
def test_realised_volatility__needs_a_grid(sample_ns: int) -> None:
    """A step above 0 that fits into the rows."""
    with pytest.raises(ConfigError, match="sample_ns"):
        realised_volatility(np.array([0, 10]), np.array([1.0, 2.0]), sample_ns=sample_ns)


def _watched(mid_twice: list[int], half_life_s: float, step_ns: int = SECOND) -> list[float]:
    """Return the volatility after each mid of a series, one every `step_ns`."""
    ints, floats = np.zeros(3, np.int64), np.zeros(2)
    return [
        watch_volatility(ints, floats, each, SECOND + i * step_ns, half_life_s)
        for i, each in enumerate(mid_twice)
    ]


def test_watch_volatility__is_the_faded_mean_of_squares() -> None:
    """Moves of 1, 0, 2 ticks in three seconds, the older ones at a quarter and a half."""
    found = _watched([10, 12, 12, 16], 1.0)

    assert found[0] == UNKNOWN
    assert found[1] == pytest.approx(1.0)
    assert found[2] == pytest.approx(math.sqrt(0.5 / 1.5))
    assert found[3] == pytest.approx(math.sqrt((0.25 + 4) / 1.75))


def test_watch_volatility__says_nothing_before_a_half_life() -> None:
    """And samples no more than once a second, however often it is called."""
    found = _watched([10 + (i % 2) for i in range(50)], 4.0, step_ns=SECOND // 10)
    assert found[:40] == [UNKNOWN] * 40
    assert found[40] == 0.0  # every tenth mid is the same


@pytest.mark.parametrize("drift", [0.0, 0.5])
def test_roll_spread__finds_that_of_bouncing_trades(drift: float) -> None:
    """Roll's own model: a value that wanders, trades half a spread off it on a side by chance."""
    rng, n, spread = np.random.default_rng(2), 200_000, 1.5
    value = np.cumsum(rng.normal(drift, 0.2, n))
    trades = value + rng.choice([-spread / 2, spread / 2], n)

    assert roll_spread(trades) == pytest.approx(spread, rel=0.01)
    assert roll_spread(np.arange(9.0) ** 2) == 0  # a trend has no bounce


def test_roll_spread__needs_two_changes() -> None:
    """Two trades have one."""
    with pytest.raises(ConfigError, match="at least 3 trades, got '2 trades'"):
        roll_spread(np.array([1.0, 2.0]))


def test_faded__halves_with_every_half_life() -> None:
    """Whatever the unit."""
    assert faded(8.0, 3.0, 1.0) == 1.0
    assert faded(8.0, 5.0, 10.0) == pytest.approx(8 / math.sqrt(2))
