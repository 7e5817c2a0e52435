"""Signals of the best bid and offer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.features.book import bid_share, queue_imbalance, weighted_mid

SIZES = st.integers(0, 2**31)


@given(SIZES, SIZES)
def test_queue_imbalance__is_the_formula(bid_size: int, ask_size: int) -> None:
    """In [-1, 1], odd in its sides, 0 of nothing."""
    found = queue_imbalance(bid_size, ask_size)

    assert -1 <= found <= 1
    assert found == -queue_imbalance(ask_size, bid_size)
    if bid_size + ask_size:
        assert found == pytest.approx((bid_size - ask_size) / (bid_size + ask_size))


def test_weighted_mid__worked_example() -> None:
    """14.33 x 20 | 14.34 x 471, to the digits given."""
    assert bid_share(20, 471) == pytest.approx(0.040733, abs=5e-7)
    assert weighted_mid(14.33, 20, 14.34, 471) == pytest.approx(14.330407, abs=5e-7)


@given(st.integers(-(10**6), 10**6), SIZES, st.integers(1, 100), SIZES)
def test_weighted_mid__is_the_formula(bid: int, bid_size: int, spread: int, ask_size: int) -> None:
    """Between bid and ask; the mid where nobody is there."""
    found = weighted_mid(bid, bid_size, bid + spread, ask_size)

    share = bid_size / (bid_size + ask_size) if bid_size + ask_size else 0.5
    assert found == pytest.approx((bid + spread) * share + bid * (1 - share))


def test_features__of_columns_as_tables_store_them() -> None:
    """Unsigned sizes do not wrap, and a column gives what its rows give one by one."""
    bid_size, ask_size = np.array([2, 7, 0], np.uint32), np.array([5, 1, 0], np.uint32)
    bid, ask = np.array([99, 98, 97]), np.array([100, 101, 99])

    assert queue_imbalance(bid_size, ask_size) == pytest.approx([-3 / 7, 6 / 8, 0])
    assert bid_share(bid_size, ask_size) == pytest.approx([2 / 7, 7 / 8, 0.5])
    rows = zip(bid, bid_size, ask, ask_size, strict=True)
    one_by_one = [weighted_mid(*(int(cell) for cell in row)) for row in rows]
    assert weighted_mid(bid, bid_size, ask, ask_size) == pytest.approx(one_by_one)
