"""The paper's own simulation, run with the functions that the strategy quotes by."""

import math
from typing import NamedTuple

import numpy as np
import pytest

from strategy_lab_core.strategies.avellaneda_stoikov import optimal_spread, reservation_price


class Figures(NamedTuple):
    """Of many paths."""

    spread: float
    profit: float
    profit_std: float
    position_std: float


def _simulated(risk_aversion: float, n_paths: int, seed: int) -> Figures:
    """Simulate as the paper does: s = 100, T = 1, sigma = 2, dt = 0.005, k = 1.5, A = 140."""
    rng, dt, sigma, k, rate = np.random.default_rng(seed), 0.005, 2.0, 1.5, 140.0
    mid, cash, position = np.full(n_paths, 100.0), np.zeros(n_paths), np.zeros(n_paths)
    spreads = []
    for step in range(200):
        time_left = 1 - step * dt
        centre = reservation_price(mid, position, risk_aversion, sigma**2, time_left)  # type: ignore[arg-type]
        spread = optimal_spread(risk_aversion, k, sigma**2, time_left)
        bid, ask = centre - spread / 2, centre + spread / 2
        bought = rng.random(n_paths) < rate * dt * np.exp(-k * (mid - bid))
        sold = rng.random(n_paths) < rate * dt * np.exp(-k * (ask - mid))
        cash += np.where(sold, ask, 0.0) - np.where(bought, bid, 0.0)
        position += 1.0 * bought - sold
        mid = mid + sigma * math.sqrt(dt) * rng.choice([-1.0, 1.0], n_paths)
        spreads.append(spread)
    profit = cash + position * mid
    return Figures(float(np.mean(spreads)), profit.mean(), profit.std(ddof=1), position.std(ddof=1))


def _agrees(found: Figures, paper: Figures, n_paths: int, digit: float) -> None:
    """Hold figures within three standard errors of printed ones with `digit` as their last."""
    assert found.spread == pytest.approx(paper.spread, abs=0.005)
    for name, error in (
        ("profit", paper.profit_std / math.sqrt(n_paths)),
        ("profit_std", paper.profit_std / math.sqrt(2 * n_paths)),
        ("position_std", paper.position_std / math.sqrt(2 * n_paths)),
    ):
        wanted = pytest.approx(getattr(paper, name), abs=3 * error + digit / 2)
        assert getattr(found, name) == wanted, name


@pytest.mark.parametrize(
    ("risk_aversion", "paper"),
    [(0.1, Figures(1.49, 65.0, 6.6, 2.9)), (0.01, Figures(1.35, 68.6, 8.7, 5.1))],
)
def test_quotes__give_the_papers_table(risk_aversion: float, paper: Figures) -> None:
    """The inventory rows of its tables, from as many paths as there."""
    _agrees(_simulated(risk_aversion, 1_000, seed=2008), paper, 1_000, 0.1)


def test_quotes__give_the_table_of_many_paths() -> None:
    """20,000 independent paths at g = 0.1."""
    paper = Figures(1.49, 64.86, 6.52, 2.91)
    # Both are samples of that size: the error of their difference is larger by the root of two.
    _agrees(_simulated(0.1, 20_000, seed=2008), paper, 10_000, 0.01)


def test_reservation_price__leans_against_the_inventory() -> None:
    """By q g sigma^2 (T - t)."""
    assert reservation_price(100.0, 3, 0.1, 4.0, 0.5) == pytest.approx(99.4)
    assert reservation_price(100.0, -3, 0.1, 4.0, 0.0) == 100.0


def test_optimal_spread__of_the_paper() -> None:
    """The sum of the two terms; 2 / k for the one who does not mind risk."""
    assert optimal_spread(0.1, 1.5, 4.0, 1.0) == pytest.approx(0.4 + 20 * math.log(1 + 0.1 / 1.5))
    assert optimal_spread(1e-9, 1.5, 4.0, 1.0) == pytest.approx(2 / 1.5)
