"""Which sessions choose and which judge: windows that walk forward, and combinations of groups.

All lengths are in sessions of the list given, in its order; nothing is known here of dates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.types import Bool1D

__all__ = [
    "Combination",
    "Combinations",
    "Grouping",
    "Lengths",
    "Window",
    "combinatorial_splits",
    "walk_forward_windows",
]

_MAX_SPLITS = 10_000


@dataclass(frozen=True, slots=True)
class Window:
    """One step of a walk-forward: parameters are chosen on `train` and judged on `test`."""

    train: tuple[str, ...]
    test: tuple[str, ...]

    def key(self, experiment_id: str) -> str:
        """Return ``<experiment id>_<train from>_<train to>_<test to>``."""
        return f"{experiment_id}_{self.train[0]}_{self.train[-1]}_{self.test[-1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How sessions are cut for a walk-forward (`walk_forward_windows`)."""

    train: int
    test: int
    step: int | None = None
    anchored: bool = False
    purge: int = 0
    embargo: int = 0

    def __post_init__(self) -> None:
        step = self.test if self.step is None else self.step
        _require_lengths({"train": (self.train, 1), "test": (self.test, 1),
                          "purge": (self.purge, 0), "embargo": (self.embargo, 0),
                          "step": (step, 1)})  # fmt: skip
        if step < self.test:
            rule = f"at least the test's length, {self.test}: no session twice"
            raise ConfigError("step", step, rule)
        if not isinstance(self.anchored, bool):
            raise ConfigError("anchored", self.anchored, "true or false")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """How a combinatorial purged cross-validation cuts the sessions (`combinatorial_splits`).

    Attributes
    ----------
    groups, test_groups
        N and k: 6 and 2 make 15 splits and 5 paths.
    purge, embargo
        Sessions left out of the training beside each test group. Runs that end flat need no purge.
    """

    groups: int = 6
    test_groups: int = 2
    purge: int = 0
    embargo: int = 1

    def __post_init__(self) -> None:
        _require_lengths({"groups": (self.groups, 2), "test_groups": (self.test_groups, 1),
                          "purge": (self.purge, 0), "embargo": (self.embargo, 0)})  # fmt: skip
        if self.test_groups >= self.groups:
            raise ConfigError("test_groups", self.test_groups, f"fewer than groups, {self.groups}")
        # There are as many splits as groups or more; counting those of millions takes for ever.
        if self.groups > _MAX_SPLITS or comb(self.groups, self.test_groups) > _MAX_SPLITS:
            expected = f"so few that there are {_MAX_SPLITS:,} splits"
            raise ConfigError("groups", self.groups, expected)


@dataclass(frozen=True, slots=True)
class Combination:
    """One split: the groups that judge, the sessions of each, and those that choose."""

    groups: tuple[int, ...]
    train: tuple[str, ...]
    tests: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Combinations:
    """All splits of a combinatorial purged cross-validation, and how they make paths.

    Attributes
    ----------
    groups
        Sessions of each group.
    splits
        One for each choice of test groups.
    paths
        For each path and group, the split whose test gives that stretch.
    """

    groups: tuple[tuple[str, ...], ...]
    splits: tuple[Combination, ...]
    paths: tuple[tuple[int, ...], ...]


def walk_forward_windows(
    sessions: Sequence[str],
    *,
    train: int,
    test: int,
    step: int | None = None,
    anchored: bool = False,
    purge: int = 0,
    embargo: int = 0,
) -> tuple[Window, ...]:
    """Return the windows, from the first; sessions at the end that fill no window are not used.

    Parameters
    ----------
    train, test
        Sessions that choose, and that judge.
    step
        From one window's test to the next one's; by default `test`, and never less: no session
        judges twice.
    anchored
        Let the training begin with the first session always, and grow.
    purge, embargo
        Sessions left out between training and test: those whose runs reach into the test (none
        where every run ends flat), and those held back because markets remember. Training never
        follows its test here, so they add up to one gap.

    Raises
    ------
    ConfigError
        Lengths that `Lengths` refuses, a session twice or out of order, or
        too few sessions for one window.
    """
    step = test if step is None else step
    _require_sorted(sessions)
    Lengths(train=train, test=test, step=step, anchored=anchored, purge=purge, embargo=embargo)
    least = train + purge + embargo + test
    if len(sessions) < least:
        raise ConfigError("sessions", len(sessions), f"at least {least} for one window")
    windows = []
    for first in range(least - test, len(sessions) - test + 1, step):
        last = first - purge - embargo
        begin = 0 if anchored else last - train
        windows.append(Window(tuple(sessions[begin:last]), tuple(sessions[first : first + test])))
    return tuple(windows)


def combinatorial_splits(
    sessions: Sequence[str],
    *,
    groups: int,
    test_groups: int,
    purge: int = 0,
    embargo: int = 0,
) -> Combinations:
    """Return the splits of a combinatorial purged cross-validation.

    M. Lopez de Prado (2018), Advances in Financial Machine Learning, chapter 12: of N groups every
    choice of k judges, which makes C(N, k) splits and k / N C(N, k) paths through all groups.

    Parameters
    ----------
    groups, test_groups
        N and k. Groups are contiguous, and the first ones larger where they can't be equal.
    purge
        Sessions of the training left out on both sides of each test group.
    embargo
        More sessions left out after each test group.

    Raises
    ------
    ConfigError
        Fewer than two groups, as many test groups as groups, fewer sessions than groups, a split
        whose training would be empty, more than 10,000 splits.
    """
    _require_sorted(sessions)
    Grouping(groups=groups, test_groups=test_groups, purge=purge, embargo=embargo)
    if len(sessions) < groups:
        raise ConfigError("sessions", len(sessions), f"at least one for each group, {groups}")
    places = [part.tolist() for part in np.array_split(np.arange(len(sessions)), groups)]
    parts = tuple(tuple(sessions[i] for i in part) for part in places)
    splits = []
    for chosen in combinations(range(groups), test_groups):
        used = _trainable(len(sessions), [places[g] for g in chosen], purge, embargo)
        if not used.any():
            raise ConfigError("sessions", len(sessions), f"enough to train beside groups {chosen}")
        train = tuple(sessions[i] for i in np.flatnonzero(used).tolist())
        splits.append(Combination(chosen, train, tuple(parts[g] for g in chosen)))
    return Combinations(parts, tuple(splits), _paths(splits, groups))


def _trainable(n: int, tests: Sequence[Sequence[int]], purge: int, embargo: int) -> Bool1D:
    used = np.ones(n, bool)
    for test in tests:
        used[max(test[0] - purge, 0) : test[-1] + 1 + purge + embargo] = False
    return used


def _paths(splits: Sequence[Combination], groups: int) -> tuple[tuple[int, ...], ...]:
    """Return for each path which split serves each group: the p-th that tests it, on path p."""
    testing = [[k for k, split in enumerate(splits) if g in split.groups] for g in range(groups)]
    return tuple(zip(*testing, strict=True))


def _require_sorted(sessions: Sequence[str]) -> None:
    if list(sessions) != sorted(set(sessions)):
        raise ConfigError("sessions", list(sessions)[:8], "in order, each once")


def _require_lengths(lengths: dict[str, tuple[object, int]]) -> None:
    for name, (value, least) in lengths.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(name, value, f"a whole number of sessions, at least {least}")
