"""The market of known edges: what a mask earns, and how often its signal is right."""

from datetime import date

import numpy as np
import pytest

import strategy_lab_core as lab
from benchmarks.planted import (
    BITS,
    EDGES,
    MASKS,
    agreement_of,
    draw,
    follow,
    parities,
    session_table,
    sharpe_of,
)
from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.engine.config import BacktestConfig, FeeConfig

FREE = BacktestConfig(fees=FeeConfig(maker_e6=0, taker_e6=0))
TICK_E6 = 500_000  # of MNQ, money units


def test_engine__earns_what_the_moves_say() -> None:
    """Sides times moves, less the spread of one tick for each lot bought: to the unit of money."""
    (day,) = session_calendar("CME Globex Equity").sessions(date(2025, 1, 14), date(2025, 1, 14))
    bits, moves = draw(np.random.default_rng(4))
    masks = [*MASKS, 0b1011000000, 2**BITS - 1]
    found = lab.sweep(
        session_table(day, bits, moves), follow, [{"mask": mask} for mask in masks], FREE, cores=1
    )
    for mask, run in zip(masks, found.runs, strict=True):
        sides = parities(bits, mask)
        bought = np.maximum(np.diff(np.concatenate(([0], sides, [0]))), 0).sum()
        assert run.result is not None
        assert (
            run.result.metrics["net_profit_e6"] == (int((sides * moves).sum()) - bought) * TICK_E6
        )


def test_draw__has_the_edges_that_it_says() -> None:
    """Over 4,000 sessions: the planted Sharpe ratios within three standard errors, others zero."""
    rng = np.random.default_rng(7)
    drawn = [draw(rng) for _ in range(4_000)]
    for mask, sharpe in [*zip(MASKS, EDGES, strict=True), (0b1001000000, 0.0), (0b1111, 0.0)]:
        profits = np.array([(parities(bits, mask) * moves).sum() for bits, moves in drawn])
        error = np.sqrt((1 + sharpe**2 / 2) / len(profits))
        assert profits.mean() / profits.std() == pytest.approx(sharpe, abs=3 * error)


@pytest.mark.parametrize("sharpe", EDGES)
def test_agreement_of__is_the_inverse(sharpe: float) -> None:
    """Of the Sharpe ratio that an agreement makes."""
    assert sharpe_of(agreement_of(sharpe)) == pytest.approx(sharpe)
