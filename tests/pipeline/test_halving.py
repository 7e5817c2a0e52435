"""Halving: the sets to blame are found, every other set has one result, whoever is to blame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.strategies.experiment import Experiment, experiment_from_dict
from strategy_lab_pipeline.errors import EngineError, OverrunError
from strategy_lab_pipeline.stages.halving import HOPELESS, Halving

DEADLINE = 64.0
ONE = experiment_from_dict({"name": "one", "product": "MNQ", "strategy": "imbalance", "capital": 1})


def sets(count: int) -> list[Experiment]:
    """Return experiments that differ in nothing but a parameter."""
    return [
        Experiment(ONE.name, ONE.product, ONE.strategy(hold_ms=n + 1), ONE.reference, 1, ONE.config)
        for n in range(count)
    ]


class Passes:
    """Passes that are too much for the time or memory where a set to blame is in them."""

    def __init__(self, experiments: list[Experiment], to_blame: set[int]) -> None:
        self.numbers = {each.digest(): number for number, each in enumerate(experiments)}
        self.to_blame = to_blame
        self.seen: list[tuple[list[int], float]] = []
        self.results: list[int] = []

    def __call__(self, experiments: list[Experiment], *, deadline_seconds: float) -> None:
        """Run a pass."""
        mine = [self.numbers[each.digest()] for each in experiments]
        self.seen.append((mine, deadline_seconds))
        if self.to_blame & set(mine):
            raise OverrunError(f"sets {mine}")
        self.results += mine


@given(data=st.data(), count=st.integers(1, 20))
def test_halving__finds_all_that_are_to_blame(data: st.DataObject, count: int) -> None:
    """And nobody else; the rest has a result each, once, and one alone has the whole deadline."""
    to_blame = data.draw(st.sets(st.integers(0, count - 1), max_size=HOPELESS - 1))
    experiments = sets(count)
    passes = Passes(experiments, to_blame)
    halving = Halving(passes.numbers, DEADLINE)

    halving.run(passes, experiments)

    assert {passes.numbers[digest] for digest in halving.guilty} == to_blame
    assert sorted(passes.results) == sorted(set(range(count)) - to_blame)
    assert all(deadline == DEADLINE for mine, deadline in passes.seen if len(mine) == 1)
    for number in to_blame:
        assert halving.guilty[experiments[number].digest()] == f"sets [{number}]"


def test_halving__costs_three_deadlines_for_one_endless_set() -> None:
    """Of 64; in the next session it is not tried."""
    experiments = sets(64)
    passes = Passes(experiments, {17})
    halving = Halving(passes.numbers, DEADLINE)
    halving.run(passes, experiments)
    lost = sum(deadline for mine, deadline in passes.seen if 17 in mine)
    passes.seen.clear()
    halving.run(passes, experiments)

    assert lost <= 3 * DEADLINE
    (again,) = passes.seen
    assert (len(again[0]), again[1]) == (63, DEADLINE)


def test_halving__gives_up_where_no_set_ever_ends() -> None:
    """After so many that failed alone: not a deadline for each of a hundred thousand."""
    experiments = sets(64)
    passes = Passes(experiments, set(range(64)))
    with pytest.raises(EngineError, match=r"given up: sets .* were tried alone") as caught:
        Halving(passes.numbers, DEADLINE).run(passes, experiments)

    assert not isinstance(caught.value, OverrunError)
    assert sum(deadline for _, deadline in passes.seen) <= (HOPELESS + 6) * DEADLINE


def test_halving__passes_other_errors_on() -> None:
    """A file that changed, a bug: fewer sets change nothing."""
    experiments = sets(4)

    def broken(experiments: list[Experiment], *, deadline_seconds: float) -> None:
        """Fail for a reason that no number of sets changes."""
        raise EngineError(f"{len(experiments)} sets, {deadline_seconds} s")

    with pytest.raises(EngineError, match="4 sets"):
        Halving({}, DEADLINE).run(broken, experiments)
