"""Order latencies, slow and obvious: fractions, big integers, the standard library's normal.

Written from docs/semantics.md and the papers named there, not from the kernels.
"""

import math
from fractions import Fraction
from statistics import NormalDist

from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.latency_config import (
    FeedLatencyConfig,
    LogNormalLatencyConfig,
    RecordedLatencyConfig,
)

DAY = 86_400_000_000_000
Point = tuple[int, int]


def words(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, ...]:
    """Return the four words of Philox4x32-10 for a counter and a key."""
    c, (k0, k1) = list(counter), key
    for turn in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        first = (k0 + turn * 0x9E3779B9) % 2**32
        second = (k1 + turn * 0xBB67AE85) % 2**32
        c = [p1 // 2**32 ^ c[1] ^ first, p1 % 2**32, p0 // 2**32 ^ c[3] ^ second, p0 % 2**32]
    return tuple(c)


def between(points: list[Point], now: int) -> int:
    """Return the value at a time: linear, rounded down; of equal times the last counts."""
    before = [point for point in points if point[0] <= now]
    after = [point for point in points if point[0] > now]
    if not before or not after:
        return before[-1][1] if before else after[0][1]
    (t0, d0), (t1, d1) = before[-1], after[0]
    return math.floor(d0 + Fraction((d1 - d0) * (now - t0), t1 - t0))


class NaiveLatency:
    """The delays of one configuration; legs are 0 to the exchange and 1 back."""

    def __init__(self, config: BacktestConfig) -> None:
        self.config = config.latency
        key = config.stream_key()
        self.key = (key % 2**32, key // 2**32)
        self.points: tuple[list[Point], list[Point]] = ([], [])
        self.waits: list[tuple[int, int | None]] = []
        if isinstance(self.config, RecordedLatencyConfig):
            for request, exchange, response in self.config.rows:
                if exchange is None:
                    self.waits.append((request, response - request))
                    continue
                self.waits.append((request, None))
                self.points[0].append((request, exchange - request))
                self.points[1].append((exchange, response - exchange))

    def delay(self, leg: int, number: int, now: int, feed: int) -> int:
        """Return how long a message takes that is sent now, while the feed takes `feed`."""
        latency = self.config
        fixed = (latency.order_ns, latency.response_ns)[leg]
        if isinstance(latency, FeedLatencyConfig):
            factor = (latency.entry_multiplier_e6, latency.response_multiplier_e6)[leg]
            return fixed + math.floor(Fraction(feed * factor, 10**6))
        if isinstance(latency, RecordedLatencyConfig):
            return fixed + between(self.points[leg], now)
        if isinstance(latency, LogNormalLatencyConfig):
            median = (latency.entry_median_ns, latency.response_median_ns)[leg]
            sigma = (latency.entry_sigma_e6, latency.response_sigma_e6)[leg] / 1e6
            high, low, *_ = words((number % 2**32, number // 2**32, leg, 0), self.key)
            share = (high * 2**20 + low // 2**12 + 0.5) / 2**52
            drawn = median * math.exp(sigma * NormalDist().inv_cdf(share))
            return fixed + math.floor(min(drawn, DAY) + 0.5)
        return fixed

    def rejected(self, now: int) -> int | None:
        """Return when we hear that the gateway rejects what is sent now, None if it takes it."""
        if not self.waits:
            return None
        before = [wait for request, wait in self.waits if request <= now]
        wait = before[-1] if before else self.waits[0][1]
        if wait is None:
            return None
        return now + wait + self.config.order_ns + self.config.response_ns
