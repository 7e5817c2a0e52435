"""Order flow imbalance and VPIN, against the papers' rules written out slowly."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.features.flow import bulk_bought, flow_step, order_flow_imbalance, vpin
from tests.naive import features as naive

TICKS, LOTS = st.integers(-3, 3), st.integers(0, 5)
QUOTES = st.tuples(TICKS, LOTS, TICKS, LOTS)
TRADES = st.lists(st.tuples(st.integers(1, 9), st.sampled_from([1, -1])), max_size=40)


def test_order_flow_imbalance__worked_examples() -> None:
    """(100.00 x 10 | 100.25 x 8), then +5, +12 and -13; in ticks of 0.25."""
    rows = [(400, 10, 401, 8), (400, 15, 401, 8), (401, 4, 402, 6), (400, 15, 401, 9)]

    found = order_flow_imbalance(*np.array(rows).T)

    assert found.tolist() == [0, 5, 12, -13]


@given(st.lists(QUOTES, max_size=12))
def test_order_flow_imbalance__is_the_sum_of_what_each_side_gains(
    rows: list[tuple[int, int, int, int]],
) -> None:
    """A vanished side counts as the worst price; the first row has no change."""
    found = order_flow_imbalance(*np.array(rows, np.int64).reshape(-1, 4).T)

    wanted = [naive.flow(old, new) for old, new in pairwise(rows)]
    assert found.tolist() == [0, *wanted][: len(rows)]


@given(QUOTES, QUOTES)
def test_flow_step__is_odd_in_its_sides(
    old: tuple[int, int, int, int], new: tuple[int, int, int, int]
) -> None:
    """What is buying pressure in a market is selling pressure in its mirror image."""

    def mirrored(bid: int, bid_size: int, ask: int, ask_size: int) -> tuple[int, int, int, int]:
        return -ask, ask_size, -bid, bid_size

    assert flow_step(*mirrored(*old), *mirrored(*new)) == -flow_step(*old, *new)


def test_order_flow_imbalance__refuses_columns_of_two_lengths() -> None:
    """Compiled, it would read beyond the shorter."""
    one, two = np.zeros(1, np.int64), np.zeros(2, np.int64)
    with pytest.raises(ConfigError, match=r"of one length, got \[2, 2, 1, 2\]"):
        order_flow_imbalance(two, two, one, two)


@given(TRADES, st.integers(1, 12), st.integers(1, 4))
def test_vpin__counts_lot_by_lot(
    trades: list[tuple[int, int]], bucket_lots: int, n_buckets: int
) -> None:
    """The same values, known at the same trades, as with every lot put into its bucket by hand."""
    bought = np.array([lots if side > 0 else 0 for lots, side in trades], float)
    sold = np.array([lots if side < 0 else 0 for lots, side in trades], float)

    found = vpin(bought, sold, bucket_lots=bucket_lots, n_buckets=n_buckets)

    wanted = naive.vpin(trades, bucket_lots, n_buckets)
    assert found.row.tolist() == [row for row, _ in wanted]
    assert found.value == pytest.approx([value for _, value in wanted])


@given(TRADES.filter(lambda trades: len(trades) > 3), st.integers(1, 12), st.integers(1, 4))
def test_vpin__does_not_know_the_future(
    trades: list[tuple[int, int]], bucket_lots: int, n_buckets: int
) -> None:
    """Values of earlier rows stay when later trades are other ones."""
    bought, sold = np.array([(lots, 4) for lots, _ in trades], float).T
    cut = len(trades) // 2
    other = np.concatenate([bought[:cut], bought[cut:][::-1] + 5])

    first = vpin(bought, sold, bucket_lots=bucket_lots, n_buckets=n_buckets)
    second = vpin(other, sold, bucket_lots=bucket_lots, n_buckets=n_buckets)

    known = int(np.searchsorted(first.row, cut))
    assert first.row[:known].tolist() == second.row[:known].tolist()
    assert first.value[:known].tolist() == second.value[:known].tolist()


def test_vpin__a_row_with_both_sides_is_split_in_proportion() -> None:
    """A bar of 6 bought and 3 sold fills three buckets of 3: each 2 to 1."""
    found = vpin(np.array([6.0]), np.array([3.0]), bucket_lots=3, n_buckets=1)

    assert found.row.tolist() == [0, 0, 0]
    assert found.value == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("wrong", [{"bucket_lots": 0}, {"n_buckets": 0}])
def test_vpin__refuses_empty_buckets(wrong: dict[str, int]) -> None:
    """With the name of the setting."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        vpin(np.ones(3), np.ones(3), **{"bucket_lots": 1, "n_buckets": 1} | wrong)


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 9)), max_size=20))
def test_bulk_bought__is_the_normal_share(bars: list[tuple[int, int]]) -> None:
    """By each bar's change over what is usual so far; later bars do not matter."""
    changes, lots = [float(change) for change, _ in bars], [float(size) for _, size in bars]

    found = bulk_bought(np.array(changes), np.array(lots))

    assert found == pytest.approx(naive.bulk_bought(changes, lots))


def test_bulk_bought__one_sigma_up() -> None:
    """The first change is one sigma of itself: 84.13 % of its lots count as bought."""
    assert bulk_bought(np.array([2.0]), np.array([100.0]))[0] == pytest.approx(
        50 * (1 + math.erf(1 / math.sqrt(2)))
    )
