"""Performance figures: worked by hand, and against brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.stats import (
    calmar_ratio,
    drawdown,
    expectancy,
    hit_rate,
    performance,
    profit_factor,
    sortino_ratio,
    tail_ratio,
    turnover,
)

PROFITS = [2.0, -1.0, -2.0, 0.0, 4.0, -1.0]
LISTS = st.lists(st.integers(-5, 5).map(float), min_size=2, max_size=40)


def test_returns__are_those_worked_by_hand() -> None:
    """Six sessions: two gains, three losses, a session without a trade."""
    assert hit_rate(PROFITS) == pytest.approx(2 / 6)
    assert profit_factor(PROFITS) == pytest.approx(6 / 4)
    assert expectancy(PROFITS) == pytest.approx(2 / 6)
    assert sortino_ratio(PROFITS) == pytest.approx((2 / 6) / 1.0)  # losses squared: 1 + 4 + 1
    assert sortino_ratio(PROFITS, target=1.0) == pytest.approx((2 / 6 - 1) / (18 / 6) ** 0.5)
    assert drawdown(PROFITS) == (3.0, 1, 3, 5, 4)  # 2, 1, -1, -1, 3: up again after the fifth
    assert calmar_ratio(PROFITS, sessions_per_year=252) == pytest.approx(2 / 6 * 252 / 3)
    assert tail_ratio([-2.0, 0.0, 3.0], share=0.25) == pytest.approx(1.5 / 1.0)
    assert turnover([100.0, 0.0, 50.0], capital=10.0) == pytest.approx(5.0)


def test_returns__are_none_where_they_divide_by_nothing() -> None:
    """No losing session: no loss to compare with, and no number made up for it."""
    profits = [1.0, 2.0]
    assert profit_factor(profits) is None
    assert sortino_ratio(profits) is None
    assert calmar_ratio(profits, sessions_per_year=252) is None
    assert tail_ratio([0.0, 0.0]) is None
    assert drawdown(profits) == (0.0, 0, 0, 0, 0)


@given(LISTS)
def test_drawdown__is_the_worst_pair_of_moments(profits: list[float]) -> None:
    """Depth over all pairs; the longest time below a peak by walking along."""
    equity = [0.0]
    for profit in profits:
        equity.append(equity[-1] + profit)
    found = drawdown(profits)
    worst = max(equity[a] - equity[b] for a in range(len(equity)) for b in range(a, len(equity)))
    assert found.depth == worst == equity[found.peak] - equity[found.trough]
    longest = 0
    for start, level in enumerate(equity):
        if level < max(equity[: start + 1]):
            continue
        back = next((k for k in range(start + 1, len(equity)) if equity[k] >= level), len(equity))
        if any(value < level for value in equity[start:back]):
            longest = max(longest, min(back, len(equity) - 1) - start)
    assert found.longest == longest
    if found.recovered is None:
        assert all(value < equity[found.peak] for value in equity[found.trough :])
    else:
        assert equity[found.recovered] >= equity[found.peak]


def test_performance__has_them_all_and_none_for_a_series_that_never_varies() -> None:
    """A strategy that never traded has a result of zero, and no ratios."""
    some = performance(PROFITS, sessions_per_year=252)
    assert (some.sessions, some.total) == (6, 2.0)
    assert some.hit_rate == pytest.approx(1 / 3)
    assert some.sharpe is not None
    assert some.sharpe_annualised == pytest.approx(some.sharpe * 252**0.5)
    none = performance(np.zeros(10), sessions_per_year=252)
    assert (none.total, none.sharpe, none.sharpe_annualised, none.sortino, none.calmar) == (
        0.0, None, None, None, None,
    )  # fmt: skip


def test_returns__refuse_what_has_no_answer() -> None:
    """Negative values traded, no capital, NaN, a share that is none."""
    with pytest.raises(DataError, match="at least 0"):
        turnover([-1.0], capital=1.0)
    with pytest.raises(ConfigError, match="capital must be above 0, got 0"):
        turnover([1.0], capital=0)
    with pytest.raises(DataError, match="profits must be finite"):
        hit_rate([float("nan")])
    with pytest.raises(ConfigError, match="share"):
        tail_ratio(PROFITS, share=0.5)
    with pytest.raises(ConfigError, match="sessions_per_year"):
        calmar_ratio(PROFITS, sessions_per_year=0)
