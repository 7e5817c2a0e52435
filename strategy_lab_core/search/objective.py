"""What a search maximises: a number for the net profits of the sessions.

All of them are per session, never annualised, never per trade (docs/semantics.md, Statistics).
Where a number has no meaning it is NaN, and no trial is chosen by it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from strategy_lab_core.stats.series import is_constant
from strategy_lab_core.stats.sharpe import sharpe_ratio
from strategy_lab_core.types import Int1D

__all__ = ["OBJECTIVES", "Capital", "Objective"]


class Capital(NamedTuple):
    """What returns are counted on.

    `money` is in the same units as the profits, `scale` of them to one of currency.
    """

    money: int
    scale: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Objective:
    """A declared objective.

    Attributes
    ----------
    name, meaning
        For people.
    measure
        Of the net profits (shape: sessions; money units) and the capital.
    is_maximised
        False where less is better.
    grows
        Whether it changes with the number of sessions alone, so that a training and a test of
        other lengths can't be compared by it.
    """

    name: str
    meaning: str
    measure: Callable[[Int1D, Capital], float]
    is_maximised: bool = True
    grows: bool = True

    def is_better(self, one: float, other: float) -> bool:
        """Tell whether one value is strictly better than another; NaN is better than none."""
        return one > other if self.is_maximised else one < other


def _sharpe_ratio(profits: Int1D, capital: Capital) -> float:
    """Return mean over standard deviation (n - 1) of the returns; NaN for a constant series."""
    returns = profits / capital.money
    if len(profits) < 2 or is_constant(returns):
        return math.nan
    return sharpe_ratio(returns)


def _net_profit(profits: Int1D, capital: Capital) -> float:
    return int(profits.sum()) / capital.scale if len(profits) else math.nan


def _mean_profit(profits: Int1D, capital: Capital) -> float:
    return _net_profit(profits, capital) / len(profits) if len(profits) else math.nan


def _worst_session(profits: Int1D, capital: Capital) -> float:
    return int(profits.min()) / capital.scale if len(profits) else math.nan


def _max_drawdown(profits: Int1D, capital: Capital) -> float:
    return _drawdown(profits) / capital.scale if len(profits) else math.nan


def _profit_over_drawdown(profits: Int1D, capital: Capital) -> float:
    """Return net profit over the largest drawdown, no drawdown smaller than 1e-4 of the capital."""
    if not len(profits):
        return math.nan
    return int(profits.sum()) / max(_drawdown(profits), capital.money / 10_000)


def _drawdown(profits: Int1D) -> int:
    equity = np.concatenate((np.zeros(1, np.int64), np.cumsum(profits)))
    return int((np.maximum.accumulate(equity) - equity).max())


OBJECTIVES: Mapping[str, Objective] = {
    each.name: each
    for each in (
        Objective(
            "sharpe_ratio", "mean over standard deviation of the returns", _sharpe_ratio,
            grows=False,
        ),
        Objective("net_profit", "of all sessions, currency", _net_profit),
        Objective("mean_profit", "of a session, currency", _mean_profit, grows=False),
        Objective("worst_session", "net profit of the worst session, currency", _worst_session),
        Objective(
            "max_drawdown", "of the net profit from session to session, currency", _max_drawdown,
            is_maximised=False,
        ),
        Objective(
            "profit_over_drawdown", "net profit over the largest drawdown", _profit_over_drawdown
        ),
    )
}  # fmt: skip
