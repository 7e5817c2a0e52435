"""The closed form of GLFT to the digits."""

import math

import pytest

from strategy_lab_core.strategies.glft import half_spread_and_skew


def test_half_spread_and_skew__worked_example() -> None:
    """A = 2.986..., k = 0.0423..., g = xi = 0.05, D = 1, sigma = 10.69."""
    half, skew = half_spread_and_skew(0.05, 0.05, 1, 10.69, 2.986162360812285, 0.04235741115084049)

    assert half == pytest.approx(20.47208533844371, rel=1e-14)
    assert skew == pytest.approx(9.76326865029227, rel=1e-14)


@pytest.mark.parametrize("size", [1, 7])
def test_half_spread_and_skew__with_next_to_no_xi(size: int) -> None:
    """The limit of the paper's other model: c1 = 1 / k, c2 = sqrt(g e / (2 A D k))."""
    half, skew = half_spread_and_skew(0.05, 1e-9, size, 3.0, 2.0, 0.5)

    c2 = math.sqrt(0.05 * math.e / (2 * 2.0 * size * 0.5))
    assert skew == pytest.approx(3.0 * c2)
    assert half == pytest.approx(1 / 0.5 + size * 3.0 * c2 / 2)
