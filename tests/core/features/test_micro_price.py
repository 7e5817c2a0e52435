"""The micro-price against chains whose expected moves are known."""

import numpy as np
import pytest

from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.features.micro_price import MicroPrice, fit_micro_price
from strategy_lab_core.types import Int1D
from tests.naive import features as naive

Chain = dict[int, list[tuple[float, int, float]]]
SIZES = [(1, 9), (5, 5), (9, 1)]  # bid and ask lots of the imbalance buckets 0, 1, 2
# State = 3 x (spread - 1) + bucket; (probability, next state, move of the mid in ticks). Its own
# mirror image: state 0 with -1 is state 2 with +1.
CHAIN: Chain = {
    0: [(0.5, 0, 0.0), (0.2, 1, 0.0), (0.1, 3, -0.5), (0.2, 2, -1.0)],
    1: [(0.4, 1, 0.0), (0.2, 0, 0.0), (0.2, 2, 0.0), (0.1, 3, 0.5), (0.1, 5, -0.5)],
    2: [(0.5, 2, 0.0), (0.2, 1, 0.0), (0.1, 5, 0.5), (0.2, 0, 1.0)],
    3: [(0.3, 3, 0.0), (0.4, 0, -0.5), (0.2, 1, 0.5), (0.1, 4, 0.0)],
    4: [(0.6, 4, 0.0), (0.2, 0, 0.5), (0.2, 2, -0.5)],
    5: [(0.3, 5, 0.0), (0.4, 2, 0.5), (0.2, 1, -0.5), (0.1, 4, 0.0)],
}


def _walk(chain: Chain, n: int, seed: int) -> tuple[Int1D, Int1D, Int1D, Int1D]:
    """Return best bids and offers of a random walk through a chain, started in state 1."""
    rng, state, mid_twice, rows = np.random.default_rng(seed), 1, 2_001, []
    for draw in rng.random(n):
        spread, (bid_size, ask_size) = 1 + state // 3, SIZES[state % 3]
        rows.append(((mid_twice - spread) // 2, bid_size, (mid_twice + spread) // 2, ask_size))
        bounds = np.cumsum([step[0] for step in chain[state]])
        _, state, move = chain[state][min(int(np.searchsorted(bounds, draw)), len(bounds) - 1)]
        mid_twice += round(2 * move)
    bid, bid_size, ask, ask_size = np.array(rows).T
    return bid, bid_size, ask, ask_size


def _counted(bid: Int1D, bid_size: Int1D, ask: Int1D, ask_size: Int1D) -> Chain:
    """Return the chain that rows and their mirror images make, by counting."""
    mid, spread = (bid + ask) / 2, ask - bid
    bucket = np.array([SIZES.index((b, a)) for b, a in zip(bid_size, ask_size, strict=True)])
    count: dict[int, dict[tuple[int, float], int]] = {}
    for n in range(len(mid) - 1):
        move = float(mid[n + 1] - mid[n])
        for flip in (False, True):
            old, new = (3 * (spread[i] - 1) + (2 - bucket[i] if flip else bucket[i])
                        for i in (n, n + 1))  # fmt: skip
            key = (int(new), -move if flip else move)
            count.setdefault(int(old), {}).setdefault(key, 0)
            count[int(old)][key] += 1
    return {
        state: [(k / sum(steps.values()), to, move) for (to, move), k in steps.items()]
        for state, steps in count.items()
    }


def test_fit_micro_price__is_the_expected_move_until_the_sixth_of_the_mid() -> None:
    """The matrix formula against chances carried forward step by step, on the counted chain."""
    rows = _walk(CHAIN, 400, seed=1)

    found = fit_micro_price(*rows, n_buckets=3, max_spread=2)

    chain = _counted(*rows)
    wanted = [naive.expected_move(chain, state, 6) for state in range(6)]
    assert found.adjustment.ravel() == pytest.approx(wanted, abs=1e-9)
    assert found.n_rows == 399


def test_fit_micro_price__finds_the_chain_behind_the_rows() -> None:
    """From 30,000 rows the adjustments of the true chain, within 0.05 ticks; antisymmetric."""
    found = fit_micro_price(*_walk(CHAIN, 30_000, seed=2), n_buckets=3, max_spread=2)

    wanted = [naive.expected_move(CHAIN, state, 6) for state in range(6)]
    assert found.adjustment.ravel() == pytest.approx(wanted, abs=0.05)
    assert found.adjustment == pytest.approx(-found.adjustment[:, ::-1])


def test_micro_price__is_the_mid_and_the_adjustment() -> None:
    """By spread and bucket; NaN where the spread was not fitted or a side is empty."""
    fitted = MicroPrice(np.array([[-0.3, 0.0, 0.3], [-0.1, 0.0, 0.1]]), 1)
    bid, ask = np.array([10, 10, 10, 10, 10]), np.array([11, 12, 13, 11, 11])
    bid_size, ask_size = np.array([9, 1, 1, 0, 3], np.uint32), np.array([1, 9, 1, 5, 3], np.uint32)

    found = fitted.price(bid, bid_size, ask, ask_size)

    assert found == pytest.approx([10.8, 10.9, np.nan, np.nan, 10.5], nan_ok=True)


def test_fit_micro_price__leaves_out_rows_without_a_state() -> None:
    """A wide spread between two rows is no move of the states beside it."""
    bid, bid_size, ask, ask_size = _walk(CHAIN, 300, seed=3)
    broken = np.insert(ask, 150, ask[150] + 50)
    others = (np.insert(each, 150, each[150]) for each in (bid, bid_size, ask_size))
    longer_bid, longer_bid_size, longer_ask_size = others

    found = fit_micro_price(
        longer_bid, longer_bid_size, broken, longer_ask_size, n_buckets=3, max_spread=2
    )

    assert found.n_rows == 298


def test_fit_micro_price__a_state_that_never_leaves_has_no_adjustment() -> None:
    """The rows end in a bucket where the mid stands still for ever."""
    bid = np.array([10, 11, 10, 11, 11, 11])
    bid_size, ask_size = np.array([5, 5, 5, 5, 9, 9]), np.array([5, 5, 5, 5, 1, 1])

    found = fit_micro_price(bid, bid_size, bid + 1, ask_size, n_buckets=3, max_spread=1)

    assert np.isfinite(found.adjustment).all()
    assert found.adjustment[0, 2] == 0


def test_fit_micro_price__needs_a_move() -> None:
    """It says what was looked at."""
    still = np.full(5, 10)
    with pytest.raises(
        DataError, match="never moves in the 4 pairs of rows with spreads of 1 to 3"
    ):
        fit_micro_price(still, still, still + 1, still)


def test_fit_micro_price__refuses_settings_without_states() -> None:
    """With the name of the setting."""
    rows = _walk(CHAIN, 9, seed=1)
    with pytest.raises(ConfigError, match="n_buckets must be at least 2, got 1"):
        fit_micro_price(*rows, n_buckets=1)
    with pytest.raises(ConfigError, match="max_spread must be at least 1, got 0"):
        fit_micro_price(*rows, max_spread=0)
