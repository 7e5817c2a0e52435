"""What luck looks like on the user's own data: signals out of time, and records without their edge.

A search over shuffled signals keeps the market, the costs and the signals' own shape, and destroys
only what they know of the moment; whatever its best trial shows is luck.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.stats.bootstrap import block_length, resampled_means
from strategy_lab_core.stats.series import checked_trials
from strategy_lab_core.stats.superiority import studentised
from strategy_lab_core.types import Float1D, Int1D

__all__ = ["best_by_luck", "shuffled_blocks", "shuffled_times"]


def shuffled_blocks(count: int, *, length: int, seed: int) -> Int1D:
    """Return an order of `count` places in which blocks of `length` have changed places.

    For sessions, or for moments in one: inside a block signals keep their shape.
    The order of blocks is drawn, turned by a drawn offset; the last block may be shorter.

    Raises
    ------
    ConfigError
        Fewer than two blocks: nothing would be shuffled.
    """
    if not 1 <= length <= count // 2:
        raise ConfigError("length", length, f"from 1 to half of the {count} places")
    rng = np.random.default_rng(seed)
    turned = np.roll(np.arange(count), -int(rng.integers(count)))
    parts = np.split(turned, range(length, count, length))
    return np.concatenate([parts[each] for each in rng.permutation(len(parts))])


def shuffled_times(signal: ArrayLike, *, length: int, seed: int) -> NDArray[np.float64]:
    """Return the signal with its blocks in another order of time (shape: as given, first is time).

    Columns stay together, so signals keep their correlation with one another.
    """
    values = np.asarray(signal, np.float64)
    return np.asarray(values[shuffled_blocks(len(values), length=length, seed=seed)])


def best_by_luck(
    trials: ArrayLike, *, length: float | None = None, samples: int = 1000, seed: int = 0
) -> Float1D:
    """Return the best trial's statistic in samples of the same trials without any edge.

    Sessions are drawn in blocks, all trials together, and each trial's mean is taken away: what the
    best of this very search shows where none is any good.

    Parameters
    ----------
    trials
        Net profit per session (shape: sessions x trials).
    length, samples, seed
        Of the stationary bootstrap.

    Returns
    -------
    Float1D
        Mean over its standard error of the best trial, in order of size (shape: samples); beside
        `Superiority.statistics`.
    """
    values = checked_trials(trials, least=10)
    length = block_length(values) if length is None else length
    scaled = studentised(values, length)
    drawn = resampled_means(scaled, length=length, kind="stationary", samples=samples, seed=seed)
    return np.sort((drawn - scaled.mean(axis=0)).max(axis=1) * np.sqrt(len(values)))
