"""Samplers, asked and told directly: directions, silence, what is undefined."""

import logging
import warnings

import numpy as np
import pytest

from strategy_lab_core.search.config import Method, SearchConfig
from strategy_lab_core.search.grid import grid_points
from strategy_lab_core.search.samplers import Sampler, sampler_of
from strategy_lab_core.search.space import Parameters, Space
from tests.core.search.toys import fast_below_slow, toy_space


def _fast(batch: list[Parameters]) -> float:
    return float(np.mean([point["fast"] for point in batch]))


def _sampler(method: Method, *objectives: str) -> Sampler:
    space = toy_space({"fast": None, "slow": None})
    return sampler_of(
        space, SearchConfig(method=method, objectives=objectives, batch_size=12, seed=3)
    )


@pytest.mark.parametrize("method", ["tpe", "nsga2", "cmaes"])
@pytest.mark.parametrize("objective", ["net_profit", "max_drawdown"])
def test_sampler__learns_in_the_direction_of_its_objective(method: Method, objective: str) -> None:
    """Told `fast` as the objective: large where it is maximised, small where it is minimised."""
    sampler = _sampler(method, objective)
    means = []
    for _ in range(7):
        batch = sampler.ask(12)
        sampler.tell([(point["fast"],) for point in batch])
        means.append(_fast(batch))
    gained = np.mean(means[-2:]) - means[0]
    assert gained > 5 if objective == "net_profit" else gained < -5


@pytest.mark.parametrize("method", ["tpe", "nsga2"])
def test_sampler__takes_each_objective_its_own_way(method: Method) -> None:
    """More profit and less drawdown with a larger `fast`: were one turned round, none would win."""
    sampler = _sampler(method, "net_profit", "max_drawdown")
    means = []
    for _ in range(10):
        batch = sampler.ask(12)
        sampler.tell([(point["fast"], -point["fast"]) for point in batch])
        means.append(_fast(batch))
    assert np.mean(means[-2:]) > means[0] + 5


@pytest.mark.parametrize("method", ["tpe", "nsga2", "cmaes"])
def test_sampler__goes_on_where_nothing_has_a_value(method: Method) -> None:
    """Failed, pruned and meaningless trials are told without a value."""
    sampler = _sampler(method, "sharpe_ratio")
    for _ in range(3):
        batch = sampler.ask(12)
        assert len(batch) == 12
        sampler.tell([None] * 12)


def test_tpe__leaves_a_region_without_values() -> None:
    """A trial without a value counts as bad for TPE, not as unknown."""
    sampler = _sampler("tpe", "sharpe_ratio")
    for _ in range(6):
        batch = sampler.ask(12)
        sampler.tell([None if point["fast"] > 20 else (0.0,) for point in batch])
    assert _fast(sampler.ask(12)) < 20


def test_sampler__leaves_the_users_own_optuna_alone(capfd: pytest.CaptureFixture[str]) -> None:
    """Its log says nothing of ours, and is as loud as it was; so are the warnings."""
    import optuna

    before = optuna.logging.get_verbosity()
    filters = list(warnings.filters)
    sampler = _sampler("tpe", "sharpe_ratio")
    sampler.tell([None] * len(sampler.ask(3)))
    assert capfd.readouterr().err == ""
    assert optuna.logging.get_verbosity() == before == logging.INFO
    assert list(warnings.filters) == filters


def test_grid__is_every_allowed_point_once() -> None:
    """The last axis fastest, conditions and constraints kept: against plain loops."""
    given = {"fast": [5, 20, 40], "slow": [10, 60], "model": None, "passive": None,
             "patience": None}  # fmt: skip
    expected = []
    for fast in (5, 20, 40):
        for slow in (10, 60):
            for model in (0, 1, 2):
                for passive in (False, True):
                    for patience in (5, 10, 15, 20) if passive else (None,):
                        point = {"fast": fast, "slow": slow, "model": model, "passive": passive}
                        if patience is not None:
                            point["patience"] = patience
                        if fast < slow:
                            expected.append(point)
    assert grid_points(toy_space(given, fast_below_slow), 60) == expected


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (toy_space({"threshold": None}), "toy.threshold must be a list of values or a step in a"),
        (toy_space({"fast": None, "model": None}), "at least the points of the grid \\(fast 50 x"),
    ],
)
def test_grid__refuses_what_it_can_not_finish(space: Space, message: str) -> None:
    """Part of a grid is a corner of the space: no budget cuts it."""
    with pytest.raises(ValueError, match=message):
        grid_points(space, 149)
