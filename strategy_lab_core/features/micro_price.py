"""Stoikov's micro-price: the mid plus the move that imbalance and spread foretell, fitted to data.

S. Stoikov (2018), "The micro-price: a high-frequency estimator of future prices", Quantitative
Finance 18(12), 1959-1966, doi:10.1080/14697688.2018.1489139. Fit on sessions before those that it
is used on: a fit knows all of its rows.
"""

from dataclasses import dataclass

import numpy as np

from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.features.book import bid_share
from strategy_lab_core.types import Bool1D, Float1D, Float2D, Int1D, IntAny

__all__ = ["MicroPrice", "fit_micro_price"]

_TERMS = 6  # of the sum over mid moves; the paper's figures settle by then


@dataclass(frozen=True, slots=True)
class MicroPrice:
    """A fitted micro-price.

    Attributes
    ----------
    adjustment
        Expected move of the mid in ticks (shape: spreads from one tick on, imbalance buckets).
    n_rows
        Pairs of successive rows that it was fitted on, each counted with its mirror image.
    """

    adjustment: Float2D
    n_rows: int

    def price(self, bid: IntAny, bid_size: IntAny, ask: IntAny, ask_size: IntAny) -> Float1D:
        """Return the micro-price in ticks of each row; NaN where the spread is none of the fitted.

        Prices in ticks, sizes in lots (shape: rows).
        """
        n_spreads, n_buckets = self.adjustment.shape
        state = _states(bid, bid_size, ask, ask_size, n_spreads, n_buckets)
        known = np.append(self.adjustment.ravel(), np.nan)
        mid = 0.5 * (np.asarray(bid, np.int64) + np.asarray(ask, np.int64))
        return np.asarray(mid + known[state], np.float64)


def fit_micro_price(
    bid: IntAny,
    bid_size: IntAny,
    ask: IntAny,
    ask_size: IntAny,
    *,
    n_buckets: int = 10,
    max_spread: int = 3,
) -> MicroPrice:
    """Fit the micro-price to successive best bids and offers of one session and instrument.

    States are (spread, imbalance bucket); buckets have equal width (the paper's hold equally many
    rows). Every pair of rows counts with its mirror image, sides swapped: without this symmetry
    the sum has no limit. Pairs with an empty side or a wider spread are left out. A state from
    which the data never came to a move of the mid has no adjustment.

    Parameters
    ----------
    bid, bid_size, ask, ask_size
        Prices in ticks, sizes in lots (shape: rows).
    n_buckets
        Imbalance buckets, at least 2.
    max_spread
        Largest spread in ticks that counts, at least 1.

    Raises
    ------
    DataError
        The mid never moves between two rows that count.
    """
    if n_buckets < 2:
        raise ConfigError("n_buckets", n_buckets, "at least 2")
    if max_spread < 1:
        raise ConfigError("max_spread", max_spread, "at least 1")
    state = _states(bid, bid_size, ask, ask_size, max_spread, n_buckets)
    n_states = max_spread * n_buckets
    is_known = (state[:-1] < n_states) & (state[1:] < n_states)
    before, after = state[:-1][is_known], state[1:][is_known]
    move = 0.5 * np.diff(np.asarray(bid, np.int64) + np.asarray(ask, np.int64))[is_known]
    before = np.concatenate([before, _mirrored(before, n_buckets)])
    after = np.concatenate([after, _mirrored(after, n_buckets)])
    move = np.concatenate([move, -move])
    if not move.any():
        raise DataError(
            f"the mid never moves in the {is_known.sum()} pairs of rows with spreads of 1 to "
            f"{max_spread} ticks: fit the micro-price to more rows, or raise max_spread"
        )
    adjustment = _expected_move(before, after, move, n_states)
    return MicroPrice(adjustment.reshape(max_spread, n_buckets), int(is_known.sum()))


def _states(
    bid: IntAny, bid_size: IntAny, ask: IntAny, ask_size: IntAny, n_spreads: int, n_buckets: int
) -> Int1D:
    """Return each row's state, spread by spread; one more than the last where it has none."""
    spread = np.asarray(ask, np.int64) - np.asarray(bid, np.int64)
    bucket = np.asarray(bid_share(bid_size, ask_size) * n_buckets).astype(np.int64)
    bucket = np.minimum(bucket, n_buckets - 1)
    is_quoted = (np.asarray(bid_size) > 0) & (np.asarray(ask_size) > 0)
    is_known = is_quoted & (spread >= 1) & (spread <= n_spreads)
    return np.where(is_known, (spread - 1) * n_buckets + bucket, n_spreads * n_buckets)


def _mirrored(state: Int1D, n_buckets: int) -> Int1D:
    """Return the states with bid and ask swapped: the same spread, the opposite bucket."""
    return state - state % n_buckets + n_buckets - 1 - state % n_buckets


def _expected_move(before: Int1D, after: Int1D, move: Float1D, n_states: int) -> Float1D:
    """Return G of each state, the sum of the first terms B^i G1."""
    total = np.maximum(np.bincount(before, minlength=n_states), 1)
    is_still = move == 0
    still = _shares(before[is_still], after[is_still], total)  # Q
    moved = _shares(before[~is_still], after[~is_still], total)  # R2
    mean_move = np.bincount(before, weights=move, minlength=n_states) / total  # R1 K
    stays = ~_leaves(still, moved)
    still[stays, :], still[:, stays] = 0.0, 0.0
    inside = np.eye(n_states) - still
    term = np.linalg.solve(inside, mean_move)  # G1 = (I - Q)^-1 R1 K
    step = np.linalg.solve(inside, moved)  # B = (I - Q)^-1 R2
    adjustment = np.zeros(n_states)
    for _ in range(_TERMS):
        adjustment += term
        term = step @ term
    return adjustment


def _shares(before: Int1D, after: Int1D, total: Int1D) -> Float2D:
    count = np.zeros((len(total), len(total)))
    np.add.at(count, (before, after), 1.0)
    return np.asarray(count / total[:, None], np.float64)


def _leaves(still: Float2D, moved: Float2D) -> Bool1D:
    """Say from which states a move of the mid can be reached: else I - Q has no inverse."""
    leaves = moved.sum(axis=1) > 0
    for _ in range(len(still)):
        leaves = leaves | (still[:, leaves].sum(axis=1) > 0)
    return np.asarray(leaves, np.bool_)
