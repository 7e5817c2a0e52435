"""How far prices go: volatility per square root of a second, and the bounce between bid and ask."""

import math

import numpy as np

from strategy_lab_core._jit import kernel
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.features.decay import faded
from strategy_lab_core.types import NS_PER_SECOND, Float1D, Int1D

__all__ = [
    "UNKNOWN",
    "bounce_spread",
    "realised_so_far",
    "realised_volatility",
    "roll_spread",
    "watch_realised",
    "watch_volatility",
]

UNKNOWN = -1.0  # volatility while too little has been seen
_LAST_NS, _SINCE_NS, _LAST_MID_TWICE = 0, 1, 2  # places in the integers of `watch_volatility`
_SQUARES, _SECONDS = 0, 1  # and in its floats
_GRID_NS, _STEPS = 0, 1  # the integers of `watch_realised`: the next point, steps in the sum
_AT_GRID, _LATEST, _SUM = 0, 1, 2  # its floats: price at the last point and now, squares


def realised_volatility(ts_ns: Int1D, price: Float1D, *, sample_ns: int = NS_PER_SECOND) -> float:
    """Return sqrt(sum of squared changes / time), in the price's unit per square root of a second.

    Prices are taken on a grid from the first row on, the last one known at each point (T. Andersen,
    T. Bollerslev, F. Diebold and P. Labys (2003), "Modeling and forecasting realized volatility",
    Econometrica 71(2), 579-625). The finer the grid, the more of it is the bounce between bid and
    ask; mids have less of that than trades.

    Parameters
    ----------
    ts_ns
        Times in ns, ascending (shape: rows).
    price
        Price from each time on.
    sample_ns
        Spacing of the grid; at least one whole step must fit.
    """
    if len(ts_ns) == 0 or not 0 < sample_ns <= ts_ns[-1] - ts_ns[0]:
        raise ConfigError("sample_ns", sample_ns, "above 0 and within the time that the rows span")
    ints, floats = np.zeros(2, np.int64), np.zeros(3)
    columns = np.ascontiguousarray(ts_ns, np.int64), np.ascontiguousarray(price, np.float64)
    return _realised(ints, floats, *columns, sample_ns)


@kernel
def _realised(ints: Int1D, floats: Float1D, ts_ns: Int1D, price: Float1D, sample_ns: int) -> float:
    for n in range(len(ts_ns)):
        watch_realised(ints, floats, ts_ns[n], price[n], sample_ns)
    return realised_so_far(ints, floats, ts_ns[-1], sample_ns)


@kernel
def watch_realised(ints: Int1D, floats: Float1D, now_ns: int, price: float, sample_ns: int) -> None:
    """Take in the price that holds from `now_ns` on.

    Parameters
    ----------
    ints, floats
        Its memory: two integers and three floats, zero at the beginning. The grid counts from the
        first price.
    """
    if ints[_GRID_NS] == 0:
        ints[_GRID_NS], floats[_AT_GRID] = now_ns + sample_ns, price
    else:
        pass_grid(ints, floats, now_ns - 1, sample_ns)
    floats[_LATEST] = price


@kernel
def pass_grid(ints: Int1D, floats: Float1D, now_ns: int, sample_ns: int) -> None:
    """Take the points of the grid up to `now_ns`, included: the price has not changed since."""
    if now_ns >= ints[_GRID_NS] > 0:
        steps = (now_ns - ints[_GRID_NS]) // sample_ns + 1
        floats[_SUM] += (floats[_LATEST] - floats[_AT_GRID]) ** 2
        floats[_AT_GRID] = floats[_LATEST]
        ints[_GRID_NS] += steps * sample_ns
        ints[_STEPS] += steps


@kernel
def realised_so_far(ints: Int1D, floats: Float1D, now_ns: int, sample_ns: int) -> float:
    """Return the realised volatility up to `now_ns` and begin a new sum; `UNKNOWN` without steps.

    The unit is the price's per square root of a second.
    """
    pass_grid(ints, floats, now_ns, sample_ns)
    if ints[_STEPS] == 0:
        return UNKNOWN
    found = math.sqrt(floats[_SUM] / (ints[_STEPS] * sample_ns / NS_PER_SECOND))
    ints[_STEPS], floats[_SUM] = 0, 0.0
    return found


@kernel
def watch_volatility(
    ints: Int1D, floats: Float1D, mid_twice: int, now_ns: int, half_life_s: float
) -> float:
    """Take in the mid and return the volatility in ticks per square root of a second.

    Squared changes of the mid over steps of a second or longer, faded: old ones count half after
    `half_life_s`. `UNKNOWN` until that much time has been seen.

    Parameters
    ----------
    ints, floats
        Its memory: the first three integers and two floats, zero at the beginning.
    mid_twice
        Best bid plus best ask, in ticks.
    now_ns
        Our clock, above 0.
    """
    if ints[_LAST_NS] == 0:
        ints[_LAST_NS], ints[_SINCE_NS], ints[_LAST_MID_TWICE] = now_ns, now_ns, mid_twice
    elapsed_ns = now_ns - ints[_LAST_NS]
    if elapsed_ns >= NS_PER_SECOND:
        seconds = elapsed_ns / NS_PER_SECOND
        change = (mid_twice - ints[_LAST_MID_TWICE]) / 2
        floats[_SQUARES] = faded(floats[_SQUARES], seconds, half_life_s) + change**2
        floats[_SECONDS] = faded(floats[_SECONDS], seconds, half_life_s) + seconds
        ints[_LAST_NS], ints[_LAST_MID_TWICE] = now_ns, mid_twice
    if now_ns - ints[_SINCE_NS] < half_life_s * NS_PER_SECOND or floats[_SECONDS] == 0:
        return UNKNOWN
    return math.sqrt(floats[_SQUARES] / floats[_SECONDS])


@kernel
def bounce_spread(autocovariance: float) -> float:
    """Return 2 sqrt(-c), the spread behind a first autocovariance c of price changes; 0 for c > 0.

    R. Roll (1984), "A simple implicit measure of the effective bid-ask spread in an efficient
    market", J. Finance 39(4), 1127-1139, doi:10.1111/j.1540-6261.1984.tb03897.x.
    """
    return 2 * math.sqrt(max(-autocovariance, 0.0))


def roll_spread(price: Float1D) -> float:
    """Return Roll's effective spread of a series of trade prices (shape: trades), in their unit.

    0 where the autocovariance is positive: the model does not hold there. At least three trades.
    """
    if len(price) < 3:
        raise ConfigError("price", f"{len(price)} trades", "at least 3 trades")
    change = np.diff(np.asarray(price, np.float64))
    return bounce_spread(float(np.mean(change[1:] * change[:-1]) - np.mean(change) ** 2))
