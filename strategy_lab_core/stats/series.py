"""What every statistic takes: the series of net profit per session over the declared capital.

One number a session, zero for a session without a trade; no partial sessions (docs/evidence.md).
Here they are checked, so that a statistic is a number only where one exists.
"""

import numpy as np
from numpy.typing import ArrayLike

from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.types import Float1D, Float2D

__all__ = [
    "checked_returns",
    "checked_trials",
    "is_constant",
    "require_share",
    "require_variation",
]

_SAME = 1e-12  # a spread below this share of the size is rounding


def checked_returns(returns: ArrayLike, *, name: str = "returns", least: int = 2) -> Float1D:
    """Return the series as float64 (shape: sessions).

    Raises
    ------
    DataError
        Not one-dimensional, fewer than `least` sessions, or a value that is not finite.
    """
    values = np.asarray(returns, np.float64)
    if values.ndim != 1:
        raise DataError(f"{name} must have one value a session, got the shape {values.shape}")
    _check_values(values, name, least)
    return values


def checked_trials(trials: ArrayLike, *, least: int = 2, least_trials: int = 1) -> Float2D:
    """Return the trials' series side by side as float64 (shape: sessions x trials).

    Raises
    ------
    DataError
        Not two-dimensional, too few sessions or trials, or a value that is not finite.
    """
    values = np.asarray(trials, np.float64)
    if values.ndim != 2:
        raise DataError(f"trials must have the shape sessions x trials, got {values.shape}")
    if values.shape[1] < least_trials:
        raise DataError(f"trials must have at least {least_trials} columns, got {values.shape[1]}")
    _check_values(values, "trials", least)
    return values


def _check_values(values: Float1D, name: str, least: int) -> None:
    if len(values) < least:
        raise DataError(f"{name} must have at least {least} sessions, got {len(values)}")
    missing = np.argwhere(~np.isfinite(values))
    if len(missing):
        place = ", ".join(str(int(each)) for each in missing[0])
        raise DataError(
            f"{name} must be finite, got {len(missing)} that are not, the first at [{place}]: "
            "a session without a trade is a zero, a partial session is left out"
        )


def is_constant(returns: Float1D) -> bool:
    """Return whether all values are the same but for rounding."""
    return bool(np.ptp(returns) <= _SAME * np.abs(returns).max())


def require_variation(returns: Float1D, *, name: str = "returns") -> None:
    """Raise DataError where all sessions have the same result: no risk can be estimated."""
    if is_constant(returns):
        raise DataError(
            f"{name} must vary, got {returns[0]:g} in each of {len(returns)} sessions: "
            "a ratio of profit to risk does not exist"
        )


def require_share(name: str, value: float) -> None:
    """Raise ConfigError unless 0 < value < 1."""
    if not 0 < value < 1:
        raise ConfigError(name, value, "between 0 and 1, both exclusive")
