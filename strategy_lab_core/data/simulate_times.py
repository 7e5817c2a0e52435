"""When simulated events happen, when they are received, and how they are numbered.

All times are ns UTC. The activity follows the trading day: quiet nights, a busy open of the stock
market fifteen and a half hours into the session, and bursts of events microseconds apart.
"""

from datetime import date
from typing import Protocol

import numpy as np

from strategy_lab_core.types import Action, Bool1D, Int1D

__all__ = ["Window", "open_times", "pre_open_times", "receive_times", "sequences"]

# Share of a 23-hour session that has passed, and the relative activity there.
_HOURS = np.array([0.0, 0.01, 0.05, 0.3, 0.42, 0.55, 0.665, 0.675, 0.70, 0.80, 0.94, 0.955, 1.0])
_ACTIVITY = np.array([2.5, 1.2, 0.4, 0.25, 0.7, 0.5, 0.9, 6.0, 4.0, 1.8, 3.5, 5.0, 0.3])
_LEADERS = 0.4  # share of events that start a burst or stand alone
_ECHO_NS = 150_000.0  # mean time from a leader to each follower
_WIRE_NS = 40_000  # least time from matching engine to capture
_SAME_PACKET_NS = 6_000


class Window(Protocol):
    """The times of a session, ns UTC, as the calendar's `Session` has them."""

    @property
    def key(self) -> date:
        """Date of the session."""

    @property
    def previous_close_ns(self) -> int:
        """Begin of the session's window, inclusive."""

    @property
    def pre_open_ns(self) -> int:
        """Begin of order entry."""

    @property
    def open_ns(self) -> int:
        """Begin of trading."""

    @property
    def close_ns(self) -> int:
        """End of trading and of the window, exclusive."""

    @property
    def halts(self) -> tuple[tuple[int, int], ...]:
        """Breaks, each [start, end)."""


def pre_open_times(session: Window, count: int, rng: np.random.Generator) -> Int1D:
    """Return `count` ascending times between pre-open and open, denser towards the open."""
    span = session.open_ns - session.pre_open_ns
    shares = 1.0 - rng.random(count) ** 2
    return _ascending(session.pre_open_ns + (shares * (span - count - 1)).astype(np.int64))


def open_times(session: Window, count: int, end_gap_ns: int, rng: np.random.Generator) -> Int1D:
    """Return `count` ascending times in (open, close - `end_gap_ns`), none inside a halt."""
    span = session.close_ns - session.open_ns
    grid = np.linspace(0.0, 1.0, 2_001)
    passed = np.cumsum(np.interp(grid, _HOURS, _ACTIVITY))
    leaders = max(int(_LEADERS * count), 1)
    shares = np.interp(rng.random(leaders), passed / passed[-1], grid)
    starts = session.open_ns + 1 + (shares * (span - end_gap_ns - count - 2)).astype(np.int64)
    # Leaders differ in how many follow them: an exponential weight gives bursts of all sizes.
    weights = rng.exponential(1.0, leaders) ** 2
    chosen = np.searchsorted(np.cumsum(weights), rng.random(count - leaders) * weights.sum())
    delays = rng.exponential(_ECHO_NS, count - leaders).astype(np.int64)
    followers = starts[np.minimum(chosen, leaders - 1)] + delays
    times = np.sort(_outside(np.concatenate([starts, followers]), session.halts))
    latest = session.close_ns - end_gap_ns - count + np.arange(count) - 1
    return np.minimum(_ascending(times), latest)


def _outside(times: Int1D, halts: tuple[tuple[int, int], ...]) -> Int1D:
    """Return the times with those inside a halt moved behind it."""
    for start, end in halts:
        inside = (times >= start) & (times < end)
        times = np.where(inside, end + (times - start) % 1_000_000_000, times)
    return times


def _ascending(times: Int1D) -> Int1D:
    """Return sorted times with ties pushed apart by whole nanoseconds."""
    order = np.arange(len(times))
    return np.asarray(np.maximum.accumulate(np.sort(times) - order) + order)


def sequences(step: Int1D, action: Int1D, rng: np.random.Generator) -> Int1D:
    """Return sequence numbers: gaps between events (a channel carries other instruments too).

    Within an event, trades and fills share a number and the book's changes the next one.
    """
    new_event = np.diff(step, prepend=step[0] - 1) != 0
    after_fill = np.zeros(len(step), dtype=bool)
    after_fill[1:] = (action[:-1] == Action.FILL) & (action[1:] != Action.FILL)
    after_fill &= action != Action.TRADE
    gaps = rng.geometric(0.55, len(step))
    return np.cumsum(np.where(new_event, gaps, after_fill.astype(np.int64)))


def receive_times(
    ts_event: Int1D, sequence: Int1D, rng: np.random.Generator
) -> tuple[Int1D, Int1D]:
    """Return `ts_recv` and `ts_in_delta` of each row; rows of one sequence number share them.

    Log-normal around 90 microseconds, one in a thousand late by milliseconds; never descending,
    so that what follows a late packet queues up behind it.
    """
    count = len(ts_event)
    new = np.diff(sequence, prepend=sequence[:1] - 1) != 0
    packet = np.cumsum(new) - 1
    latency = _WIRE_NS + np.exp(np.log(50_000.0) + 0.45 * rng.standard_normal(count))
    latency += np.where(rng.random(count) < 0.001, rng.exponential(2e6, count), 0.0)
    delta = 11_500 + np.exp(np.log(3_500.0) + 0.4 * rng.standard_normal(count))
    sent = ts_event + np.where(_second(new, ts_event), _SAME_PACKET_NS, 0)
    arrival = np.maximum.accumulate(sent[new] + latency[packet][new].astype(np.int64))
    return arrival[packet], delta[packet].astype(np.int64)


def _second(new: Bool1D, ts_event: Int1D) -> Bool1D:
    """Return which rows begin a later packet of an event that has begun."""
    return np.asarray(new & (np.diff(ts_event, prepend=ts_event[:1] - 1) == 0))
