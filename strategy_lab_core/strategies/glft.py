"""Market making with an inventory limit, by the closed form for a far horizon.

O. Gueant, C.-A. Lehalle and J. Fernandez-Tapia (2013), "Dealing with the inventory risk: a solution
to the market making problem", Mathematics and Financial Economics 7, 477-507,
doi:10.1007/s11579-012-0087-0; O. Gueant (2017), "Optimal market making", arXiv:1605.01862,
equations 4.6 and 4.7. Assumed there: the mid is a Brownian motion that does not react to us; an
order at distance d from it is filled at rate A exp(-k d), whatever its place in the queue; the end
is far away; prices have no tick and orders no latency. Of these the fills flatter most: a queue is
filled late and when the price comes through it. A profit is not claimed. A and k are to be fitted
to the market that is traded. Here xi = g, the paper's exponential utility.
"""

import math
from typing import Annotated, NamedTuple

from strategy_lab_core._jit import kernel
from strategy_lab_core.features.volatility import UNKNOWN
from strategy_lab_core.strategies.parameters import Range
from strategy_lab_core.strategies.quoting import (
    cancel_all,
    is_two_sided,
    known_volatility,
    quote,
    seconds_left,
)
from strategy_lab_core.strategies.strategy import Bounds, Memory, View, strategy
from strategy_lab_core.types import Int2D

__all__ = ["GlftParams", "glft", "half_spread_and_skew"]


class GlftParams(NamedTuple):
    """Units are ticks, lots and seconds; `volatility` 0 means: measured as it goes."""

    # g, per tick of profit
    risk_aversion: Annotated[float, Bounds(1e-6, 10.0), Range(1e-5, 0.1, log=True)] = 0.001
    # A, fills per second at the mid
    fill_rate: Annotated[float, Bounds(1e-6, 1e6), Range(0.1, 10.0, log=True)] = 1.0
    # k, per tick from the mid
    fill_decay: Annotated[float, Bounds(0.001, 100.0), Range(0.1, 5.0, log=True)] = 1.0
    volatility: Annotated[float, Bounds(0.0, 1_000.0)] = 0.0  # sigma, ticks per root second
    half_life_s: Annotated[float, Bounds(1.0, 86_400.0)] = 300.0  # of the measured volatility
    size: Annotated[int, Bounds(1, 100)] = 1  # D, lots of a quote
    max_position: Annotated[int, Bounds(1, 1_000)] = 5  # lots, long or short
    min_change_ticks: Annotated[int, Bounds(1, 1_000)] = 1  # a smaller change is not sent
    wind_down_s: Annotated[float, Bounds(0.0, 86_400.0)] = 30.0  # at the end: only reduce


@kernel
def half_spread_and_skew(
    risk_aversion: float,
    xi: float,
    size: float,
    volatility: float,
    fill_rate: float,
    fill_decay: float,
) -> tuple[float, float]:
    """Return c1 + D sigma c2 / 2 and, per lot of position, sigma c2; in ticks.

    Equations 4.6 and 4.7 of Gueant (2017): the bid is the half spread plus position x skew below
    the mid, the ask the half spread less position x skew above it.
    """
    reach = xi * size / fill_decay
    c1 = math.log1p(reach) / (xi * size)
    power = math.exp((1 / reach + 1) * math.log1p(reach))
    c2 = math.sqrt(risk_aversion / (2 * fill_rate * size * fill_decay) * power)
    skew = volatility * c2
    return c1 + size * skew / 2, skew


@strategy(GlftParams, on_book=False, timer_ns=100_000_000)
def glft(memory: Memory, view: View, p: GlftParams, requests: Int2D) -> None:
    """Quote both sides of the mid, moved against the position."""
    if not is_two_sided(view):
        cancel_all(view, requests)
        return
    volatility = known_volatility(memory, view, p.volatility, p.half_life_s)
    if volatility == UNKNOWN:
        return
    half, skew = half_spread_and_skew(
        p.risk_aversion, p.risk_aversion, p.size, volatility, p.fill_rate, p.fill_decay
    )
    centre = (view.bid + view.ask) / 2 - view.position * skew
    most = p.max_position if seconds_left(view) > p.wind_down_s else 0
    quote(view, centre - half, centre + half, p.size, most, p.min_change_ticks, requests)
