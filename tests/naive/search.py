"""Searching and walking forward by plain loops, one session and one set at a time."""

import itertools
import math
from collections.abc import Callable, Sequence

from strategy_lab_core.search.space import Parameters

__all__ = [
    "cross_validation",
    "drawdown",
    "sharpe_ratio",
    "splits_and_paths",
    "walk_forward",
    "windows",
]


def sharpe_ratio(profits: Sequence[int]) -> float:
    """Return mean over standard deviation with n - 1; NaN for a constant series."""
    n = len(profits)
    if n < 2 or len(set(profits)) == 1:
        return math.nan
    total = sum(profits)
    squares = n * sum(each**2 for each in profits) - total**2  # exact: n (n - 1) variance
    return total / n / math.sqrt(squares / (n * (n - 1)))


def drawdown(profits: Sequence[int]) -> int:
    """Return the largest fall of the running sum from any earlier height, 0 at the start."""
    sums = [0, *itertools.accumulate(profits)]
    return max(sums[i] - sums[j] for i in range(len(sums)) for j in range(i, len(sums)))


def windows(
    n: int, train: int, test: int, step: int, gap: int, *, anchored: bool
) -> list[tuple[list[int], list[int]]]:
    """Return training and test places of each window, found by trying every first test place."""
    found: list[tuple[list[int], list[int]]] = []
    next_test = train + gap
    for first in range(n):
        if first != next_test or first + test > n:
            continue
        training = [k for k in range(n) if k < first - gap]
        if not anchored:
            training = training[-train:]
        found.append((training, [k for k in range(n) if first <= k < first + test]))
        next_test += step
    return found


def walk_forward(
    profit: Callable[[int, Parameters], int],
    sets: Sequence[Parameters],
    places: Sequence[tuple[list[int], list[int]]],
) -> list[tuple[Parameters, list[int]]]:
    """Return for each window the set with the highest Sharpe ratio in training, and its test."""
    found = []
    for training, test in places:
        best, highest = sets[0], -math.inf
        for each in sets:
            ratio = sharpe_ratio([profit(session, each) for session in training])
            if ratio > highest:
                best, highest = each, ratio
        found.append((best, [profit(session, best) for session in test]))
    return found


def splits_and_paths(
    groups: Sequence[Sequence[int]], k: int, purge: int, embargo: int
) -> list[tuple[set[int], set[int]]]:
    """Return training and test places of every choice of `k` groups."""
    everything = {place for group in groups for place in group}
    found = []
    for chosen in itertools.combinations(groups, k):
        test = {place for group in chosen for place in group}
        near = set()
        for group in chosen:
            for place in everything:
                before, after = group[0] - place, place - group[-1]
                if 0 < before <= purge or 0 < after <= purge + embargo:
                    near.add(place)
        found.append((everything - test - near, test))
    return found


def cross_validation(
    profits: Sequence[Sequence[int]],
    measure: Callable[[Sequence[int]], float],
    groups: Sequence[Sequence[int]],
    k: int,
    purge: int,
    embargo: int,
) -> tuple[list[int], list[list[int]]]:
    """Return the column chosen in each split, and each path session by session.

    Parameters
    ----------
    profits
        A row for each session, a column for each set.
    """
    chosen, tests = [], []
    for training, test in splits_and_paths(groups, k, purge, embargo):
        best, highest = -1, -math.inf
        for column in range(len(profits[0])):
            value = measure([profits[place][column] for place in sorted(training)])
            if value > highest:
                best, highest = column, value
        chosen.append(best)
        tests.append(test)
    paths: list[list[int]] = []
    for group in groups:
        # A session is judged by all splits that test it: the first is on path 0, and so on.
        judges = [split for split, test in enumerate(tests) if group[0] in test]
        while len(paths) < len(judges):
            paths.append([])
        for path, split in zip(paths, judges, strict=True):
            path += [profits[place][chosen[split]] for place in group]
    return chosen, paths
