"""Market making around a reservation price that leans against the inventory.

M. Avellaneda and S. Stoikov (2008), "High-frequency trading in a limit order book", Quantitative
Finance 8(3), 217-224, doi:10.1080/14697680701381228. Assumed there: the mid is a Brownian motion
that does not react to us; an order at distance d from it is filled at rate A exp(-k d), whatever
its place in the queue; utility is exponential; prices have no tick and orders no latency. Of these
the fills flatter most: a queue is filled late and when the price comes through it. A profit is not
claimed. Departures: the time left is at most `horizon_s`, as a session of a day would make the
first quotes as wide as a day's risk; prices are whole ticks and stay off the other side.
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

__all__ = ["AvellanedaStoikovParams", "avellaneda_stoikov", "optimal_spread", "reservation_price"]


class AvellanedaStoikovParams(NamedTuple):
    """Units are ticks, lots and seconds; `volatility` 0 means: measured as it goes."""

    # g, per tick of profit
    risk_aversion: Annotated[float, Bounds(1e-6, 10.0), Range(1e-5, 0.1, log=True)] = 0.001
    # k, per tick from the mid
    fill_decay: Annotated[float, Bounds(0.001, 100.0), Range(0.1, 5.0, log=True)] = 1.0
    # Largest T - t
    horizon_s: Annotated[float, Bounds(1.0, 86_400.0), Range(5.0, 600.0, log=True)] = 60.0
    volatility: Annotated[float, Bounds(0.0, 1_000.0)] = 0.0  # sigma, ticks per root second
    half_life_s: Annotated[float, Bounds(1.0, 86_400.0)] = 300.0  # of the measured volatility
    size: Annotated[int, Bounds(1, 100)] = 1  # lots of a quote
    max_position: Annotated[int, Bounds(1, 1_000)] = 5  # lots, long or short
    min_change_ticks: Annotated[int, Bounds(1, 1_000)] = 1  # a smaller change is not sent
    wind_down_s: Annotated[float, Bounds(0.0, 86_400.0)] = 30.0  # at the end: only reduce


@kernel
def reservation_price(
    mid: float, position: float, risk_aversion: float, variance: float, time_left: float
) -> float:
    """Return s - q g sigma^2 (T - t), the price at which we are indifferent."""
    return mid - position * risk_aversion * variance * time_left


@kernel
def optimal_spread(
    risk_aversion: float, fill_decay: float, variance: float, time_left: float
) -> float:
    """Return g sigma^2 (T - t) + (2 / g) ln(1 + g / k), ask less bid."""
    inventory = risk_aversion * variance * time_left
    return inventory + 2 / risk_aversion * math.log1p(risk_aversion / fill_decay)


@strategy(AvellanedaStoikovParams, on_book=False, timer_ns=100_000_000)
def avellaneda_stoikov(
    memory: Memory, view: View, p: AvellanedaStoikovParams, requests: Int2D
) -> None:
    """Quote both sides of the reservation price, wider the more risk is abhorred."""
    if not is_two_sided(view):
        cancel_all(view, requests)
        return
    volatility = known_volatility(memory, view, p.volatility, p.half_life_s)
    if volatility == UNKNOWN:
        return
    mid, left_s = (view.bid + view.ask) / 2, seconds_left(view)
    time_left, variance = min(left_s, p.horizon_s), volatility * volatility
    centre = reservation_price(mid, view.position, p.risk_aversion, variance, time_left)
    half = optimal_spread(p.risk_aversion, p.fill_decay, variance, time_left) / 2
    most = p.max_position if left_s > p.wind_down_s else 0
    quote(view, centre - half, centre + half, p.size, most, p.min_change_ticks, requests)
