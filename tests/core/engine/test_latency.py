"""Latency models: the arithmetic alone, against fractions, SciPy and published answers."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import kstest, lognorm

from strategy_lab_core._jit import kernel
from strategy_lab_core.engine.config import BacktestConfig, FeeConfig, LatencyConfig
from strategy_lab_core.engine.draws import normal_quantile, philox
from strategy_lab_core.engine.latency import delay, interpolated, times_e6
from strategy_lab_core.engine.latency_config import LogNormalLatencyConfig
from strategy_lab_core.engine.rules import line_of, rules_of
from strategy_lab_core.types import Float1D, Int1D, Int2D, Records
from tests.naive.latency import between, words

DAY = 86_400_000_000_000


@kernel
def _words(key_low: int, key_high: int, low: int, high: int, stream: int) -> tuple[int, int]:
    return philox(key_low, key_high, low, high, stream)


@kernel
def _quantiles(shares: Float1D, found: Float1D) -> None:
    for i in range(len(shares)):
        found[i] = normal_quantile(shares[i])


@kernel
def _interpolated(line: Int2D, first: int, n: int, now_ns: int) -> int:
    return interpolated(line, first, n, now_ns)


@kernel
def _times(time_ns: int, multiplier_e6: int) -> int:
    return times_e6(time_ns, multiplier_e6)


@kernel
def _delays(rules: Records, line: Int2D, leg: int, found: Int1D) -> None:
    for number in range(len(found)):
        found[number] = delay(rules, line, 0, leg, number, 0)


def delays(config: BacktestConfig, leg: int, n: int) -> Int1D:
    """Return the delays of the first `n` messages of a leg."""
    line, _ = line_of([config])
    rules = rules_of(
        config, tick_value=2, maker_fee=0, taker_fee=0, order_kinds=(), max_loss=0, timer_ns=0
    )
    found = np.zeros(n, np.int64)
    _delays(rules, line, leg, found)
    return found


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (2**32 - 1,) * 4,
            (2**32 - 1,) * 2,
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_naive_philox__gives_the_published_answers(
    counter: tuple[int, int, int, int], key: tuple[int, int], answer: tuple[int, ...]
) -> None:
    """Known answers of the authors' Random123 library (tests/kat_vectors, philox4x32 10)."""
    assert words(counter, key) == answer


WORD = st.integers(0, 2**32 - 1)


@given(key=st.tuples(WORD, WORD), low=WORD, high=WORD, stream=st.integers(0, 1))
def test_philox__is_the_naive_one(key: tuple[int, int], low: int, high: int, stream: int) -> None:
    """The first two words of each block, from products that overflow."""
    assert _words(*key, low, high, stream) == words((low, high, stream, 0), key)[:2]


@given(st.floats(1e-300, 1 - 1e-16))
def test_normal_quantile__is_scipys(share: float) -> None:
    """To a few units in the last place, far into both tails."""
    found = np.zeros(1)
    _quantiles(np.array([share]), found)
    assert found[0] == pytest.approx(ndtri(share), rel=2e-14, abs=1e-15)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (-5, 100),  # clamped before the first row
        (0, 100),
        (3, 106),  # 100 + 20 x 3/10
        (10, 120),
        (11, 118),  # 120 - 5 x 1/3 = 118.33, down
        (12, 116),  # 116.67
        (13, 115),
        (99, 115),  # clamped after the last
    ],
)
def test_interpolated__worked_example(now: int, expected: int) -> None:
    """Rows (0, 100), (10, 120), (13, 115), whatever stands above them."""
    line = np.array([[7, 7], [0, 100], [10, 120], [13, 115]], np.int64)
    assert _interpolated(line, 1, 3, now) == expected


@given(
    points=st.lists(
        st.tuples(st.integers(0, 2**52), st.integers(0, DAY)), min_size=1, max_size=6
    ).map(sorted),
    now=st.integers(0, 2**52),
)
def test_interpolated__is_exact(points: list[tuple[int, int]], now: int) -> None:
    """By fractions, over 52 days and with delays of up to a day: no overflow, no rounding up."""
    line = np.array(points, np.int64)
    assert _interpolated(line, 0, len(points), now) == between(points, now)


@given(time_ns=st.integers(0, 2 * DAY), factor=st.integers(0, 10**9))
def test_times__is_exact(time_ns: int, factor: int) -> None:
    """Two days a thousand times over: rounded down, without an overflow."""
    assert _times(time_ns, factor) == math.floor(Fraction(time_ns * factor, 10**6))


@pytest.mark.parametrize(("leg", "median", "sigma"), [(0, 800_000, 0.35), (1, 250_000, 1.2)])
def test_lognormal__has_scipys_quantiles(leg: int, median: int, sigma: float) -> None:
    """20,000 draws of each leg: a Kolmogorov-Smirnov test, and the deciles within 4 %."""
    latency = LogNormalLatencyConfig(
        entry_median_ns=800_000, entry_sigma_e6=350_000,
        response_median_ns=250_000, response_sigma_e6=1_200_000,
    )  # fmt: skip
    found = delays(BacktestConfig(latency=latency, seed=11), leg, 20_000)

    expected = lognorm(s=sigma, scale=median)
    assert kstest(found, expected.cdf).pvalue > 0.01
    shares = np.arange(1, 10) / 10
    assert np.quantile(found, shares) == pytest.approx(expected.ppf(shares), rel=0.04)
    assert abs(np.corrcoef(found[1:], found[:-1])[0, 1]) < 0.03


def test_lognormal__adds_to_the_constant() -> None:
    """Sigma 0 is the median, on top of the shortest way; the longest draw is a day."""
    still = LogNormalLatencyConfig(order_ns=5, entry_median_ns=70, entry_sigma_e6=0)
    assert delays(BacktestConfig(latency=still), 0, 3).tolist() == [75, 75, 75]
    wild = LogNormalLatencyConfig(entry_median_ns=DAY, entry_sigma_e6=5_000_000)
    assert delays(BacktestConfig(latency=wild), 0, 50).max() == DAY


def test_lognormal__is_keyed_by_seed_and_latencies() -> None:
    """The same latencies draw the same under other fees; seed, sigma and legs draw anew."""
    latency = LogNormalLatencyConfig()
    one = BacktestConfig(latency=latency, seed=1)
    wide = LogNormalLatencyConfig(entry_sigma_e6=1_000_000)
    others = [replace(one, seed=2), replace(one, latency=wide)]
    first = delays(one, 0, 8).tolist()
    assert first == delays(replace(one, fees=FeeConfig(maker_e6=0)), 0, 8).tolist()
    assert first != delays(one, 1, 8).tolist()
    for other in others:
        assert not set(first) & set(delays(other, 0, 8).tolist())


def test_constant__is_constant() -> None:
    """Each leg its own."""
    config = BacktestConfig(latency=LatencyConfig(order_ns=3, response_ns=4))
    assert delays(config, 0, 2).tolist() == [3, 3]
    assert delays(config, 1, 2).tolist() == [4, 4]
