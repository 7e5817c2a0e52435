"""Windows and combinations: against plain loops, skfolio, and what must never happen."""

from datetime import date, timedelta
from math import comb
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.search.splits import Grouping, combinatorial_splits, walk_forward_windows
from tests.core.search.toys import DAYS
from tests.naive.search import splits_and_paths, windows

_lengths = st.integers(1, 8)
_gaps = st.integers(0, 3)


def _days(n: int) -> list[str]:
    return [str(date(2025, 1, 1) + timedelta(days=k)) for k in range(n)]


@given(st.integers(1, 60), _lengths, _lengths, _gaps, _gaps, _gaps, st.booleans())
def test_windows__equal_plain_loops(
    n: int, train: int, test: int, more: int, purge: int, embargo: int, anchored: bool
) -> None:
    """Rolling and anchored, any lengths; and out-of-sample sessions never overlap."""
    gap = purge + embargo
    assume(n >= train + gap + test)
    days = _days(n)
    found = walk_forward_windows(
        days, train=train, test=test, step=test + more, anchored=anchored, purge=purge,
        embargo=embargo,
    )  # fmt: skip
    expected = windows(n, train, test, test + more, gap, anchored=anchored)
    assert [(list(each.train), list(each.test)) for each in found] == [
        ([days[k] for k in training], [days[k] for k in judged]) for training, judged in expected
    ]
    judged = [session for each in found for session in each.test]
    assert len(judged) == len(set(judged))
    for each in found:
        assert days.index(each.test[0]) - days.index(each.train[-1]) == gap + 1


def test_windows__step_is_the_test_by_default() -> None:
    """Every session after the first training judges once, up to the last whole window."""
    found = walk_forward_windows(DAYS[:11], train=4, test=3)
    assert [each.test for each in found] == [DAYS[4:7], DAYS[7:10]]
    assert [each.train for each in found] == [DAYS[:4], DAYS[3:7]]


def test_window__has_the_key_of_its_dates() -> None:
    """Experiment, first and last session of the training, last of the test."""
    found = walk_forward_windows(DAYS[:7], train=4, test=3)[0]
    assert found.key("ab12") == "ab12_2025-01-01_2025-01-04_2025-01-07"


@pytest.mark.parametrize(
    ("sessions", "changes", "message"),
    [
        ((), {}, "sessions must be at least 6 for one window, got 0"),
        (DAYS[:1], {}, "sessions must be at least 6 for one window, got 1"),
        (DAYS[:6], {"embargo": 1}, "sessions must be at least 7 for one window, got 6"),
        (DAYS, {"train": 0}, "train must be a whole number of sessions, at least 1, got 0"),
        (DAYS, {"test": 0}, "test must be a whole number of sessions, at least 1, got 0"),
        (DAYS, {"purge": -1}, "purge must be a whole number of sessions, at least 0, got -1"),
        (DAYS, {"train": 2.5}, "train must be a whole number of sessions"),
        (DAYS, {"step": 1}, "step must be at least the test's length, 2: no session twice"),
        (DAYS[::-1], {}, "sessions must be in order, each once"),
        (DAYS[:9] + DAYS[8:], {}, "sessions must be in order, each once"),
    ],
)
def test_windows__refuse_what_makes_none(
    sessions: tuple[str, ...], changes: dict[str, Any], message: str
) -> None:
    """Empty windows, one session, too few: said with the number that is needed."""
    with pytest.raises(ConfigError, match=message):
        walk_forward_windows(sessions, **({"train": 4, "test": 2} | changes))


_groupings = st.integers(2, 6).flatmap(
    lambda groups: st.tuples(st.just(groups), st.integers(1, groups - 1))
)


@given(_groupings, st.integers(6, 40), _gaps, _gaps)
def test_combinations__equal_plain_loops(
    grouping: tuple[int, int], n: int, purge: int, embargo: int
) -> None:
    """Training and test of every split, whatever the gaps."""
    groups, k = grouping
    places = [part.tolist() for part in np.array_split(np.arange(n), groups)]
    expected = splits_and_paths(places, k, purge, embargo)
    assume(all(training for training, _ in expected))
    days = _days(n)
    found = combinatorial_splits(days, groups=groups, test_groups=k, purge=purge, embargo=embargo)
    assert [set(each.train) for each in found.splits] == [
        {days[i] for i in training} for training, _ in expected
    ]
    assert [{day for test in each.tests for day in test} for each in found.splits] == [
        {days[i] for i in judged} for _, judged in expected
    ]


@given(_groupings)
def test_combinations__paths_use_every_test_once(grouping: tuple[int, int]) -> None:
    """There are k / N C(N, k) paths; each goes through every group by a split that tests it."""
    groups, k = grouping
    found = combinatorial_splits(_days(30), groups=groups, test_groups=k)
    assert len(found.paths) * groups == k * comb(groups, k)
    used = [(split, group) for path in found.paths for group, split in enumerate(path)]
    assert len(used) == len(set(used))
    assert set(used) == {
        (number, group) for number, each in enumerate(found.splits) for group in each.groups
    }


@pytest.mark.parametrize(
    ("n", "groups", "k", "purge", "embargo"),
    [(60, 6, 2, 0, 0), (60, 6, 2, 2, 1), (40, 8, 3, 1, 0), (50, 10, 8, 0, 2), (45, 5, 2, 3, 3)],
)
def test_combinations__equal_skfolio(n: int, groups: int, k: int, purge: int, embargo: int) -> None:
    """The same splits and the same paths as an independent implementation, for equal groups."""
    from skfolio.model_selection import CombinatorialPurgedCV

    peer = CombinatorialPurgedCV(
        n_folds=groups, n_test_folds=k, purged_size=purge, embargo_size=embargo
    )
    days = np.array(_days(n))
    found = combinatorial_splits(
        list(days), groups=groups, test_groups=k, purge=purge, embargo=embargo
    )
    theirs = list(peer.split(np.zeros((n, 1))))
    assert [set(days[train]) for train, _ in theirs] == [set(each.train) for each in found.splits]
    assert [[list(days[test]) for test in tests] for _, tests in theirs] == [
        [list(test) for test in each.tests] for each in found.splits
    ]
    ids = np.array(peer.get_path_ids())
    ours = {
        (split, group): number
        for number, path in enumerate(found.paths)
        for group, split in enumerate(path)
    }
    for split, each in enumerate(found.splits):
        assert [ours[split, group] for group in each.groups] == ids[split].tolist()


@pytest.mark.parametrize(
    ("sessions", "changes", "message"),
    [
        ((), {}, "sessions must be at least one for each group, 4, got 0"),
        (DAYS[:3], {}, "sessions must be at least one for each group, 4, got 3"),
        (DAYS, {"groups": 1}, "groups must be a whole number of sessions, at least 2"),
        (DAYS, {"test_groups": 4}, "test_groups must be fewer than groups, 4, got 4"),
        (DAYS, {"purge": 28}, "sessions must be enough to train beside groups"),
        (DAYS, {"groups": 28, "test_groups": 14}, "groups must be so few that there are 10,000"),
    ],
)
def test_combinations__refuse_what_makes_none(
    sessions: tuple[str, ...], changes: dict[str, Any], message: str
) -> None:
    """Each with the number that is wrong."""
    with pytest.raises(ConfigError, match=message):
        combinatorial_splits(sessions, **({"groups": 4, "test_groups": 2} | changes))


def test_grouping__refuses_millions_of_groups_at_once() -> None:
    """Without counting their splits, which takes for ever."""
    with pytest.raises(ConfigError, match="groups must be so few that there are 10,000 splits"):
        Grouping(groups=10**9, test_groups=5 * 10**8)
