"""The product's own pattern of activity, and the stretches that are silent against it.

A quiet night is no gap where nights are quiet. The pattern is how active each minute after the open
usually is; a stretch without rows is a gap where the pattern, at the session's own level around it,
expects many active seconds, and several times more than in the longest silence of a usual session.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from strategy_lab_core.types import NS_PER_SECOND, Float1D, Int1D

__all__ = [
    "LEAST_EXPECTED",
    "LEAST_SESSIONS",
    "LEAST_SILENCE_NS",
    "Measured",
    "Pattern",
    "Silence",
    "pattern_of",
    "silences",
]

LEAST_SESSIONS = 5  # complete ones: a median of fewer is one session's mood
LEAST_SILENCE_NS = 60 * NS_PER_SECOND
LEAST_EXPECTED = 25.0  # active seconds: were they independent, one such silence in e^25
TIMES_USUAL = 4.0  # rows cluster: a silence counts from this multiple of the usual longest
AROUND_NS = 3600 * NS_PER_SECOND  # on each side of a stretch: the session's own level there
SMOOTHING = 15  # minutes, odd
SAME_LENGTH = 0.02
_MINUTE_NS = 60 * NS_PER_SECOND
_DOUBT = 60.0  # average open seconds: where the pattern has next to nothing it proves nothing


@dataclass(frozen=True, slots=True)
class Measured:
    """One session's activity.

    Attributes
    ----------
    open_ns, first_ns, last_ns
        The open, and from where to where it has rows, ns UTC: what lies outside is not silence
        but a session that begins late or ends early.
    minutes, stretches
        The tables of `activity`.
    """

    open_ns: int
    first_ns: int
    last_ns: int
    minutes: pl.DataFrame
    stretches: pl.DataFrame


class Silence(NamedTuple):
    """A stretch without rows that the pattern does not know; [start, end) in ns UTC.

    `expected` are the active seconds that the pattern expects in it.
    """

    start_ns: int
    end_ns: int
    expected: float


@dataclass(frozen=True, slots=True)
class Pattern:
    """How active a product's sessions usually are.

    Attributes
    ----------
    rates
        By minute since the open, shape (minutes,): the usual share of seconds with a row, over the
        session's own mean share; 1 everywhere where nothing is known.
    sessions
        How many complete sessions it rests on.
    usual
        Expected active seconds in the longest silence of a usual session: their median.
    open_seconds
        How long a usual session trades: their median.
    """

    rates: Float1D
    sessions: int
    usual: float = 0.0
    open_seconds: float = 0.0

    @property
    def is_known(self) -> bool:
        """Whether it rests on enough sessions to judge by."""
        return self.sessions >= LEAST_SESSIONS

    def limit(self, measured: Measured) -> float:
        """Return the expected active seconds from which on a silence of a session is a gap.

        Twice as many in a session that trades longer or shorter than usual: its day is another's.
        """
        seconds = float(measured.minutes["open_seconds"].sum())
        is_usual = abs(seconds - self.open_seconds) <= SAME_LENGTH * self.open_seconds
        return max(LEAST_EXPECTED, TIMES_USUAL * self.usual) * (1.0 if is_usual else 2.0)

    def weights_between(self, measured: Measured, starts: Int1D, ends: Int1D) -> Float1D:
        """Return what the open time in each [start, end) of a session counts, shape (n,).

        Seconds of the open phase times their minute's rate; within a minute they are shared out
        evenly, and a minute beyond the pattern's last counts like an average one.
        """
        opened = measured.minutes["open_seconds"].to_numpy()
        rates = np.ones(len(opened))
        known = min(len(self.rates), len(opened))
        rates[:known] = self.rates[:known]
        until = _until(measured, rates * opened)
        return until(ends) - until(starts)


def pattern_of(complete: Sequence[Measured]) -> Pattern:
    """Return the pattern of a product's complete sessions, of one schema.

    Per minute the median over the sessions of their smoothed shares of active seconds, each over
    its session's mean share: neither a fault nor a holiday in the minority moves it.
    """
    longest = max((each.minutes.height for each in complete), default=0)
    rates = np.full((len(complete), longest), np.nan)
    for row, each in enumerate(complete):
        share = _smoothed_share(each.minutes)
        rates[row, : len(share)] = share
    if len(complete) < LEAST_SESSIONS:
        return Pattern(np.ones(longest), len(complete))
    known = ~np.isnan(rates).all(axis=0)
    usual_rates = np.ones(longest)
    usual_rates[known] = np.nanmedian(rates[:, known], axis=0)
    draft = Pattern(usual_rates, len(complete))
    silent = [_expected(draft, each)[1].max(initial=0.0) for each in complete]
    seconds = [float(each.minutes["open_seconds"].sum()) for each in complete]
    return replace(draft, usual=float(np.median(silent)), open_seconds=float(np.median(seconds)))


def _smoothed_share(minutes: pl.DataFrame) -> Float1D:
    """Return each minute's share of active seconds over the session's mean; NaN where not open."""
    active = minutes["active_seconds"].to_numpy().astype(np.float64)
    opened = minutes["open_seconds"].to_numpy()
    if not active.sum():
        return np.full(len(active), np.nan)
    near = np.ones(min(SMOOTHING, len(active)))
    around = np.convolve(opened, near, mode="same")
    share = np.full(len(active), np.nan)
    np.divide(np.convolve(active, near, mode="same"), around, out=share, where=opened > 0)
    found: Float1D = share / (active.sum() / opened.sum())
    return found


def silences(pattern: Pattern, measured: Measured) -> list[Silence]:
    """Return the silences of a session in order; none where no pattern is known."""
    if not pattern.is_known:
        return []
    stretches, expected = _expected(pattern, measured)
    is_gap = expected >= pattern.limit(measured)
    is_gap &= (stretches["end_ns"] - stretches["start_ns"]).to_numpy() >= LEAST_SILENCE_NS
    rows = zip(*(stretches[name] for name in stretches.columns), expected, strict=True)
    return [Silence(*row) for row, gap in zip(rows, is_gap, strict=True) if gap]


def _expected(pattern: Pattern, measured: Measured) -> tuple[pl.DataFrame, Float1D]:
    """Return the stretches between the first and the last row, and what each should have held.

    Expected active seconds: those that the session has around the stretch, times the pattern's
    weight of the stretch over its weight of what is around. So a session that is slower than usual,
    all of it or its afternoon, is measured by its own level.
    """
    inside = (pl.col("start_ns") >= measured.first_ns) & (pl.col("end_ns") <= measured.last_ns)
    stretches = measured.stretches.filter(inside)
    starts, ends = (stretches[name].to_numpy() for name in ("start_ns", "end_ns"))
    begin = np.maximum(starts - AROUND_NS, measured.first_ns)
    end = np.minimum(ends + AROUND_NS, measured.last_ns)
    within = pattern.weights_between(measured, starts, ends)
    rest = pattern.weights_between(measured, begin, end) - within + _DOUBT
    active = _until(measured, measured.minutes["active_seconds"].to_numpy())
    expected: Float1D = (active(end) - active(begin)) * within / rest
    return stretches, expected


def _until(measured: Measured, per_minute: NDArray[Any]) -> Callable[[Int1D], Float1D]:
    """Return the function of how much of a figure by minute lies before a time, shared out."""
    total = np.concatenate([[0.0], np.cumsum(per_minute)])
    minutes = np.arange(len(total))

    def until(times: Int1D) -> Float1D:
        """Return the figure's sum from the open to each time, shape (n,)."""
        found: Float1D = np.interp((times - measured.open_ns) / _MINUTE_NS, minutes, total)
        return found

    return until
