"""A search: batches of trials, each evaluated on all sessions, until the budget ends.

Every trial is kept, failed and pruned ones too. A search is a function of its space, its
configuration and the outcomes: run again with the outcomes that are known, it makes the same trials
without a pass, and goes on where it ended. That is how it is resumed.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from strategy_lab_core.data.columns import Table, table
from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.search.config import SearchConfig
from strategy_lab_core.search.evaluate import Evaluator, Outcome, profits_of, set_key
from strategy_lab_core.search.objective import OBJECTIVES, Capital
from strategy_lab_core.search.pruning import FEWEST_SESSIONS, halved
from strategy_lab_core.search.samplers import sampler_of
from strategy_lab_core.search.space import Parameters, Space
from strategy_lab_core.types import Int2D

__all__ = ["SearchResult", "State", "Trial", "run_search"]

State = Literal["complete", "failed", "pruned"]


@dataclass(frozen=True, slots=True)
class Trial:
    """One parameter set that a search proposed.

    Attributes
    ----------
    number, batch
        From 0, in the order of proposing.
    chosen, parameters
        What the search chose, and all parameters of the strategy.
    state
        ``complete``: a result in every session; ``failed``: at least one without; ``pruned``:
        dropped before the last session.
    values
        The objectives in their order; NaN where one has no meaning, as for every trial that is not
        complete.
    outcomes
        Net profit or reason of failure in each session; None where it was dropped before.
    error
        The first reason of failure, with its session.
    same_as
        The number of an earlier trial with the same parameters, whose result this is.
    """

    number: int
    batch: int
    chosen: Parameters
    parameters: Parameters
    state: State
    values: tuple[float, ...]
    outcomes: tuple[Outcome | None, ...]
    error: str | None = None
    same_as: int | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """All trials of a search, and what they were made from.

    Attributes
    ----------
    ended
        Why there are no more: ``trials`` (the budget), ``time``, or ``points`` (no more in a grid).
    """

    space: Space
    config: SearchConfig
    sessions: tuple[str, ...]
    capital: Capital
    trials: tuple[Trial, ...]
    ended: Literal["trials", "time", "points"]

    def distinct(self) -> tuple[Trial, ...]:
        """Return the trials without those that repeat an earlier one."""
        return tuple(trial for trial in self.trials if trial.same_as is None)

    def profits(self) -> Int2D:
        """Return net profits of the distinct complete trials (shape: sessions, trials)."""
        columns = [trial.outcomes for trial in self.distinct() if trial.state == "complete"]
        shape = (len(columns), len(self.sessions))
        return np.array(columns, np.int64).reshape(shape).T

    def on(self, sessions: Sequence[str]) -> "SearchResult":
        """Return the trials with their results on some of the sessions: what choosing there sees.

        They stay the trials that were proposed with all sessions in view.
        """
        places = [self.sessions.index(session) for session in sessions]
        trials = []
        for trial in self.trials:
            outcomes = tuple(map(trial.outcomes.__getitem__, places))
            state, values = _judged(outcomes, self.config, self.capital)
            error = _error(sessions, outcomes) if state == "failed" else None
            trials.append(
                replace(trial, outcomes=outcomes, state=state, values=values, error=error)
            )
        return replace(self, sessions=tuple(sessions), trials=tuple(trials))

    def best_so_far(self, objective: str | None = None) -> list[float]:
        """Return the best value after each trial (NaN before the first): the search's curve."""
        measure = OBJECTIVES[objective or self.config.objectives[0]]
        place = self.config.objectives.index(measure.name)
        best, curve = math.nan, []
        for trial in self.trials:
            value = trial.values[place]
            if math.isnan(best) or measure.is_better(value, best):
                best = value
            curve.append(best)
        return curve

    def table(self) -> Table:
        """Return a row for each trial: number, batch, parameters, state, objectives, error."""
        columns: dict[str, Any] = {
            "trial": [trial.number for trial in self.trials],
            "batch": [trial.batch for trial in self.trials],
        }
        for name in self.space.strategy.parameters:
            shown = f"parameter_{name}" if name in (*_FIXED, *self.config.objectives) else name
            columns[shown] = [trial.parameters[name] for trial in self.trials]
        columns["state"] = [trial.state for trial in self.trials]
        for place, name in enumerate(self.config.objectives):
            values = [trial.values[place] for trial in self.trials]
            columns[name] = [None if math.isnan(value) else value for value in values]
        columns["same_as"] = [trial.same_as for trial in self.trials]
        columns["error"] = [trial.error for trial in self.trials]
        return table(columns)


_FIXED = ("trial", "batch", "state", "same_as", "error")


def run_search(
    space: Space,
    config: SearchConfig,
    evaluator: Evaluator,
    sessions: Sequence[str],
    capital: Capital,
    *,
    stored: Sequence[Trial] = (),
    on_batch: Callable[[Sequence[Trial]], None] | None = None,
    now_s: Callable[[], float] = time.monotonic,
) -> SearchResult:
    """Search a space over sessions.

    Parameters
    ----------
    evaluator
        With the outcomes that are known already.
    sessions
        Labels, each once; what the evaluator's passes run on.
    stored
        Trials of this search from before a kill. They are made again from the known outcomes, and
        compared: a search that would go on as another is refused.
    on_batch
        Called with the trials of each batch, once they all have their results.
    now_s
        The clock of `max_seconds`.

    Raises
    ------
    ConfigError
        No sessions, a session twice, too few to prune; a space that the method can't search.
    DataError
        `stored` is not what this search makes.
    """
    _require_sessions(sessions, config)
    run = _Run(space, config, evaluator, tuple(sessions), capital)
    sampler, begun = sampler_of(space, config), now_s()
    ended: Literal["trials", "time", "points"] = "trials"
    while len(run.trials) < config.n_trials:
        if config.max_seconds is not None and run.trials and now_s() - begun >= config.max_seconds:
            ended = "time"
            break
        points = sampler.ask(min(config.batch_size, config.n_trials - len(run.trials)))
        if not points:
            ended = "points"
            break
        batch = run.batch(points)
        _require_same(batch, stored)
        sampler.tell([_told(trial) for trial in batch])
        if on_batch is not None:
            on_batch(batch)
    return SearchResult(space, config, run.sessions, capital, tuple(run.trials), ended)


def _require_sessions(sessions: Sequence[str], config: SearchConfig) -> None:
    if not sessions or len(set(sessions)) < len(sessions):
        raise ConfigError("sessions", list(sessions), "at least one, each once")
    if config.prune and len(sessions) < FEWEST_SESSIONS:
        expected = f"left out for fewer than {FEWEST_SESSIONS} sessions"
        raise ConfigError("prune", f"{len(sessions)} sessions", expected)


def _told(trial: Trial) -> tuple[float, ...] | None:
    return None if any(math.isnan(value) for value in trial.values) else trial.values


def _require_same(batch: Sequence[Trial], stored: Sequence[Trial]) -> None:
    """Refuse to go on where the trials of before would not be ours."""
    before = {trial.number: trial for trial in stored}
    for trial in batch:
        old = before.get(trial.number)
        if old is not None and set_key(old.parameters) != set_key(trial.parameters):
            problem = f"trial {trial.number} was {dict(old.parameters)}, and now would be"
            remedy = "the space, the sampler or an outcome has changed: search under another name"
            raise DataError(f"{problem} {dict(trial.parameters)}; {remedy}")


class _Run:
    """Makes trials of points, batch by batch; knows what was tried."""

    def __init__(
        self,
        space: Space,
        config: SearchConfig,
        evaluator: Evaluator,
        sessions: tuple[str, ...],
        capital: Capital,
    ) -> None:
        self.sessions = sessions
        self.trials: list[Trial] = []
        self._space, self._config, self._evaluator = space, config, evaluator
        self._capital = capital
        self._first: dict[Any, Trial] = {}  # of each parameter set
        self._n_batches = 0

    def batch(self, points: Sequence[Parameters]) -> list[Trial]:
        """Return the trials of a batch, each new set evaluated once."""
        complete = [self._space.complete(point) for point in points]
        new = {set_key(each): each for each in complete if set_key(each) not in self._first}
        outcomes = dict(zip(new, self._outcomes(list(new.values())), strict=True))
        made: list[Trial] = []
        for point, parameters in zip(points, complete, strict=True):
            key, number = set_key(parameters), len(self.trials) + len(made)
            first = self._first.get(key)
            if first is None:
                trial = self._trial(number, point, parameters, outcomes[key])
                self._first[key] = trial
            else:
                trial = replace(
                    first, chosen=point, number=number, batch=self._n_batches, same_as=first.number
                )
            made.append(trial)
        self.trials += made
        self._n_batches += 1
        return made

    def _outcomes(self, sets: Sequence[Parameters]) -> Sequence[tuple[Outcome | None, ...]]:
        if not self._config.prune:
            return self._evaluator.outcomes(sets, self.sessions)
        objective = OBJECTIVES[self._config.objectives[0]]
        return halved(self._evaluator, sets, self.sessions, objective, self._capital)

    def _trial(
        self,
        number: int,
        point: Parameters,
        parameters: Parameters,
        outcomes: tuple[Outcome | None, ...],
    ) -> Trial:
        state, values = _judged(outcomes, self._config, self._capital)
        error = _error(self.sessions, outcomes)
        return Trial(number, self._n_batches, point, parameters, state, values, outcomes, error)


def _judged(
    outcomes: Sequence[Outcome | None], config: SearchConfig, capital: Capital
) -> tuple[State, tuple[float, ...]]:
    profits = profits_of(outcomes)
    if profits is not None:
        measures = [OBJECTIVES[name].measure for name in config.objectives]
        return "complete", tuple(measure(profits, capital) for measure in measures)
    has_failed = any(isinstance(outcome, str) for outcome in outcomes)
    return "failed" if has_failed else "pruned", tuple(math.nan for _ in config.objectives)


def _error(sessions: Sequence[str], outcomes: Sequence[Outcome | None]) -> str | None:
    """Return the first reason of failure, with its session."""
    failures = (f"{session}: {outcome}"
                for session, outcome in zip(sessions, outcomes, strict=True)
                if isinstance(outcome, str))  # fmt: skip
    return next(failures, None)
