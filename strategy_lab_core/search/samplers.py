"""What to try next, by Optuna's samplers: asked for a batch, told how it went.

A sampler's state is a function of the seed and of what was asked and told, in order: nothing of it
is stored. A search that was killed is asked and told the same again, and goes on. Optuna's own
storage is not used, and its log is silent while we call it.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.search.axes import Axis
from strategy_lab_core.search.config import SearchConfig
from strategy_lab_core.search.grid import Grid
from strategy_lab_core.search.objective import OBJECTIVES
from strategy_lab_core.search.space import Parameters, Space

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import Trial

__all__ = ["MAX_DRAWS", "Sampler", "sampler_of"]

MAX_DRAWS = 1_000  # of one trial, until a draw keeps the constraints


class Sampler(Protocol):
    """Proposes points of a space."""

    def ask(self, n: int) -> list[Parameters]:
        """Return the values of the active axes of the next `n` trials; none: there are no more."""

    def tell(self, values: Sequence[tuple[float, ...] | None]) -> None:
        """Take the objectives of the last batch, in order; None for a trial that has none."""


def sampler_of(space: Space, config: SearchConfig) -> Sampler:
    """Return the sampler of a configured method; `ConfigError` where it can't do the space."""
    if config.method == "grid":
        return Grid(space, config.n_trials)
    return _OptunaSampler(space, config)


class _OptunaSampler:
    """Draws until the constraints are kept; what was refused is told as failed, and forgotten."""

    def __init__(self, space: Space, config: SearchConfig) -> None:
        from optuna import create_study  # 0.4 s: not for those who search nothing
        from optuna.study import StudyDirection
        from optuna.trial import TrialState

        self._space, self._states = space, TrialState
        directions = [
            StudyDirection.MAXIMIZE if OBJECTIVES[name].is_maximised else StudyDirection.MINIMIZE
            for name in config.objectives
        ]
        with _quiet():
            self._study = create_study(sampler=_chosen(space, config), directions=directions)
        self._batch: list[Trial] = []

    def ask(self, n: int) -> list[Parameters]:
        """Return `n` points."""
        points = []
        with _quiet():
            for _ in range(n):
                trial, point = self._draw()
                self._batch.append(trial)
                points.append(point)
        return points

    def tell(self, values: Sequence[tuple[float, ...] | None]) -> None:
        """Take the objectives of the last batch."""
        with _quiet():
            for trial, found in zip(self._batch, values, strict=True):
                if found is None:
                    # A pruned trial without a value is one that TPE takes for the worst.
                    self._study.tell(trial, state=self._states.PRUNED)
                else:
                    self._study.tell(trial, list(found))
        self._batch = []

    def _draw(self) -> tuple["Trial", Parameters]:
        broken = None
        for _ in range(MAX_DRAWS):
            trial = self._study.ask()
            point = self._suggested(trial)
            broken = self._space.broken(point)
            if broken is None:
                return trial, point
            self._study.tell(trial, state=self._states.FAIL)
        found = f"none of {MAX_DRAWS:,} draws"
        raise ConfigError("space", found, f"such that draws often keep {broken}")

    def _suggested(self, trial: "Trial") -> Parameters:
        point: dict[str, float] = {}
        for axis in self._space.axes:
            if self._space.is_active(axis, point):
                point[axis.name] = _suggest(trial, axis)
        return point


def _suggest(trial: "Trial", axis: Axis) -> float:
    if axis.values and axis.is_ordered:
        return axis.values[trial.suggest_int(axis.name, 0, len(axis.values) - 1)]
    if axis.values:
        return axis.values[trial.suggest_categorical(axis.name, range(len(axis.values)))]
    if axis.kind is int:
        return trial.suggest_int(axis.name, int(axis.low), int(axis.high), log=axis.log)
    return trial.suggest_float(axis.name, axis.low, axis.high, log=axis.log)


def _chosen(space: Space, config: SearchConfig) -> "BaseSampler":
    from optuna import samplers

    if config.method == "random":
        return samplers.RandomSampler(seed=config.seed)
    if config.method == "tpe":
        return samplers.TPESampler(seed=config.seed)
    if config.method == "nsga2":
        return samplers.NSGAIISampler(seed=config.seed, population_size=config.batch_size)
    _require_numbers(space)
    return samplers.CmaEsSampler(
        seed=config.seed, popsize=config.batch_size, warn_independent_sampling=False
    )


def _require_numbers(space: Space) -> None:
    """Refuse a space in which CMA-ES would draw all by chance."""
    usable = [a.name for a in space.axes if a.is_ordered and not a.when and a.n_values != 1]
    if not usable:
        names = [axis.name for axis in space.axes]
        raise ConfigError("space", names, "with an ordered, unconditional parameter for cmaes")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna's log and its notes on experimental parts to ourselves, for these calls only."""
    from optuna import logging
    from optuna.exceptions import ExperimentalWarning

    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    finally:
        logging.set_verbosity(before)
