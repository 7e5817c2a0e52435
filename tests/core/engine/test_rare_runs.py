"""Runs in which something happens that random ones seldom meet: both engines agree there too."""

import pytest

from tests.core.engine.cases import assert_same, case_of
from tests.core.engine.reached import notes_of

RARE = [
    ("carried", 52, "bracket: both fill"),
    ("one, by price", 386, "bracket: both fill"),
    ("carried", 166, "stop: triggered as its cancel arrives"),
    ("carried, by price", 166, "stop: triggered as its cancel arrives"),
    ("one", 80, "modify: of a bracket's stop"),
    ("one", 44, "market: rests"),
    ("one", 86, "market: remainder_cancelled"),
    ("one", 49, "market: rejected_untrusted"),
    ("one", 382, "fok: rejected_untrusted"),
    ("one", 28, "ioc: rejected_untrusted"),
    ("one", 34, "post_only: rejected_untrusted"),
    ("one, by price", 34, "levels: fills two orders by one trade"),
    ("one, by price", 54, "levels: fills behind a fraction"),
]


@pytest.mark.parametrize(("kind", "seed", "name"), RARE)
def test_rare_run__agrees_with_the_naive_engine(kind: str, seed: int, name: str) -> None:
    """Where the runs are made otherwise, look for new seeds: see `reached`."""
    case = case_of(kind, seed)

    assert name in notes_of(case)
    assert_same(case.fast(), case.slow())
