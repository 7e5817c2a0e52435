"""Walking forward: parameters chosen on the sessions before, judged on the sessions after.

Each window searches its own training sessions with the same seed, so that a grid and random draws
are the same sets in every window, and their outcomes are shared. What is reported is out-of-sample
only; what the choice looked like in-sample is there to be compared, and for nothing else.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from strategy_lab_core.data.columns import Table, table
from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.search.choice import best
from strategy_lab_core.search.config import SearchConfig
from strategy_lab_core.search.evaluate import Evaluator, profits_of
from strategy_lab_core.search.objective import OBJECTIVES, Capital
from strategy_lab_core.search.space import Space
from strategy_lab_core.search.splits import Window
from strategy_lab_core.search.trials import SearchResult, Trial, run_search
from strategy_lab_core.types import Int1D

__all__ = ["WalkForwardResult", "WindowResult", "judged", "run_window", "walk_windows"]


@dataclass(frozen=True, slots=True)
class WindowResult:
    """One window: what was chosen, and what it then earned.

    Attributes
    ----------
    trial
        The chosen one, with its in-sample result; None where there was none to choose.
    n_trials
        Distinct sets that the choice was made among.
    in_sample, out_of_sample
        The objective on both sides; NaN where it has no meaning.
    profits
        Net profits of the test's sessions (shape: sessions; money units); None on failure.
    error
        Why the window has no out-of-sample result.
    """

    window: Window
    trial: Trial | None
    n_trials: int
    in_sample: float
    out_of_sample: float
    profits: Int1D | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class WalkForwardResult:
    """The windows in their order."""

    space: Space
    config: SearchConfig
    capital: Capital
    windows: tuple[WindowResult, ...]

    @property
    def failed(self) -> tuple[WindowResult, ...]:
        """The windows without an out-of-sample result."""
        return tuple(each for each in self.windows if each.profits is None)

    def sessions(self) -> tuple[str, ...]:
        """Return the out-of-sample sessions, in order; `DataError` where a window failed."""
        self._require_whole()
        return tuple(session for each in self.windows for session in each.window.test)

    def profits(self) -> Int1D:
        """Return the out-of-sample net profits (shape: sessions; money units).

        A series without the windows that failed would flatter: `DataError` names the first.
        """
        self._require_whole()
        parts = [each.profits for each in self.windows if each.profits is not None]
        return np.concatenate(parts)

    def value(self) -> float:
        """Return the objective of the whole out-of-sample series."""
        return OBJECTIVES[self.config.objectives[0]].measure(self.profits(), self.capital)

    def table(self) -> Table:
        """Return a row for each window: its sessions, objective on both sides, parameters."""
        names = [axis.name for axis in self.space.axes]
        windows = [each.window for each in self.windows]
        columns: dict[str, Any] = {
            "train_from": [each.train[0] for each in windows],
            "train_to": [each.train[-1] for each in windows],
            "test_from": [each.test[0] for each in windows],
            "test_to": [each.test[-1] for each in windows],
            "n_trials": [each.n_trials for each in self.windows],
            "in_sample": [_or_none(each.in_sample) for each in self.windows],
            "out_of_sample": [_or_none(each.out_of_sample) for each in self.windows],
            "net_profit_e6": [None if each.profits is None else int(each.profits.sum())
                              for each in self.windows],
        }  # fmt: skip
        for name in names:
            shown = f"parameter_{name}" if name in columns or name == "error" else name
            columns[shown] = [each.trial.parameters[name] if each.trial else None
                              for each in self.windows]  # fmt: skip
        columns["error"] = [each.error for each in self.windows]
        return table(columns)

    def stability(self) -> Table:
        """Return a row for each parameter: how much the choice moved from window to window.

        `most_common` and `share` tell the value chosen most often; `n_values` how many there were;
        `mean_change` the mean distance from one window's place on the axis (0 first value, 1 last)
        to the next one's, None with less than two windows in which the parameter mattered.
        """
        rows: list[dict[str, Any]] = []
        for axis in self.space.axes:
            chosen = [each.trial.chosen[axis.name] for each in self.windows
                      if each.trial is not None and axis.name in each.trial.chosen]  # fmt: skip
            counts = Counter(chosen).most_common(1)
            value, times = counts[0] if counts else (None, 0)
            moves = np.abs(np.diff([axis.place(each) for each in chosen]))
            rows.append({
                "parameter": axis.name,
                "windows": len(chosen),
                "n_values": len(set(chosen)),
                "most_common": None if value is None else float(value),
                "share": times / len(chosen) if chosen else None,
                "mean_change": float(moves.mean()) if len(moves) else None,
            })  # fmt: skip
        return table({name: [row[name] for row in rows] for name in rows[0]})

    def degradation(self) -> dict[str, float | str]:
        """Return how the choice fared from in-sample to out-of-sample, over the windows.

        By the ``objective``, or by the mean profit of a session where that grows with the number
        of sessions: training and test differ in length. Means of both sides, their difference, and
        the share of windows in which it got worse, over the windows in which both have a meaning;
        NaN where there are none.
        """
        measure = OBJECTIVES[self.config.objectives[0]]
        if measure.grows:
            measure = OBJECTIVES["mean_profit"]
        sides = [(np.array(each.trial.outcomes), each.profits) for each in self.windows
                 if each.trial is not None and each.profits is not None]  # fmt: skip
        pairs = [tuple(measure.measure(side, self.capital) for side in both) for both in sides]
        both = [pair for pair in pairs if not any(map(math.isnan, pair))]
        worse = [measure.is_better(inside, outside) for inside, outside in both]
        inside, outside = _mean([each[0] for each in both]), _mean([each[1] for each in both])
        return {
            "objective": measure.name,
            "windows": len(both),
            "in_sample": inside,
            "out_of_sample": outside,
            "change": outside - inside,
            "share_worse": _mean(worse),
        }

    def _require_whole(self) -> None:
        if self.failed:
            each = self.failed[0]
            where = f"{each.window.test[0]} to {each.window.test[-1]}"
            raise DataError(
                f"{len(self.failed)} of {len(self.windows)} windows have no out-of-sample result; "
                f"the first, {where}: {each.error}"
            )


def walk_windows(
    space: Space,
    config: SearchConfig,
    evaluator: Evaluator,
    windows: Sequence[Window],
    capital: Capital,
    *,
    on_window: Callable[[WindowResult], None] | None = None,
) -> WalkForwardResult:
    """Return what each window chose and earned; `on_window` is called after each."""
    if not windows:
        raise ConfigError("windows", windows, "at least one")
    done = []
    for window in windows:
        done.append(run_window(space, config, evaluator, window, capital))
        if on_window is not None:
            on_window(done[-1])
    return WalkForwardResult(space, config, capital, tuple(done))


def run_window(
    space: Space,
    config: SearchConfig,
    evaluator: Evaluator,
    window: Window,
    capital: Capital,
    *,
    on_batch: Callable[[Sequence[Trial]], None] | None = None,
) -> WindowResult:
    """Search the window's training sessions, and run the chosen set on its test.

    A window without a choice, or whose choice fails in the test, is a result with the reason.
    """
    found = run_search(space, config, evaluator, window.train, capital, on_batch=on_batch)
    return judged(found, window, evaluator)


def judged(found: SearchResult, window: Window, evaluator: Evaluator) -> WindowResult:
    """Return how the choice of a search on the window's training fares on its test."""
    n_trials = len(found.distinct())
    try:
        trial = best(found)
    except DataError as error:
        return WindowResult(window, None, n_trials, math.nan, math.nan, None, str(error))
    inside = trial.values[0]
    (outcomes,) = evaluator.outcomes([trial.parameters], window.test)
    profits = profits_of(outcomes)
    if profits is None:
        failures = zip(window.test, outcomes, strict=True)
        reason = next(f"{day}: {each}" for day, each in failures if isinstance(each, str))
        return WindowResult(window, trial, n_trials, inside, math.nan, None, reason)
    outside = OBJECTIVES[found.config.objectives[0]].measure(profits, found.capital)
    return WindowResult(window, trial, n_trials, inside, outside, profits)


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
