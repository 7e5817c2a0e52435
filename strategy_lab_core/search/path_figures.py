"""What a cross-validation says in numbers: over its paths, its splits, and its choices.

Paths share sessions and choices, so they are not independent: their spread tells how much hangs on
which sessions chose, it is no confidence interval. Ratios are per session; both sides of a split
are told by figures that do not grow with the number of sessions, whatever the objective was.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from strategy_lab_core.search.cross_validation import CrossValidationResult
from strategy_lab_core.search.evaluate import set_key
from strategy_lab_core.search.objective import OBJECTIVES
from strategy_lab_core.search.space import Parameters
from strategy_lab_core.types import Float1D

__all__ = ["QUANTILES", "describe_paths", "parameters_text", "path_figures"]

_OF_PATHS = ("sharpe_ratio", "net_profit")
_OF_SIDES = ("sharpe_ratio", "mean_profit")
QUANTILES = {
    "lowest": 0.0, "lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75, "highest": 1.0,
}  # fmt: skip


def path_figures(found: CrossValidationResult) -> dict[str, Any]:
    """Return the figures in plain types.

    ``sharpe_ratio`` and ``net_profit`` (currency) hold the quantiles over the paths, the share of
    paths ``below_zero`` and the value of each; ``sides`` the means over the splits of both figures
    in training and test, and the share of splits in which they got worse; ``choices`` each set that
    a split chose, the most frequent first. A figure without a meaning on one of the paths or splits
    (a path on which no session differs has no Sharpe ratio) is None as a whole.

    Raises
    ------
    DataError
        A split has no choice, or its choice no result.
    """
    profits = found.profits()
    return {
        "objective": found.config.objectives[0],
        "splits": len(found.splits),
        "paths": len(profits),
        **{name: _spread(_values(name, profits, found)) for name in _OF_PATHS},
        "sides": {name: _sides(name, found) for name in _OF_SIDES},
        "choices": _choices(found),
    }


def describe_paths(figures: Mapping[str, Any]) -> str:
    """Return the figures as a sentence."""
    ratio, profit = figures["sharpe_ratio"], figures["net_profit"]
    head = f"{figures['paths']} paths of choices made on other sessions"
    earned = (
        f"net profit {profit['lowest']:,.2f} to {profit['highest']:,.2f}, "
        f"{profit['below_zero']:.0%} of paths below zero"
    )
    if ratio is None:
        return f"{head}: a path has no Sharpe ratio, its sessions are all alike; {earned}"
    return (
        f"{head}: Sharpe ratio a session {ratio['lowest']:.4f} to {ratio['highest']:.4f}, "
        f"median {ratio['median']:.4f}; {earned}"
    )


def parameters_text(parameters: Parameters) -> str:
    """Return a set on one line."""
    return ", ".join(
        f"{name} {value if isinstance(value, int) else format(value, '.6g')}"
        for name, value in parameters.items()
    )


def _values(name: str, lines: Iterable[Any], found: CrossValidationResult) -> Float1D:
    measure = OBJECTIVES[name].measure
    return np.array([measure(np.asarray(line), found.capital) for line in lines])


def _spread(values: Float1D) -> dict[str, Any] | None:
    if np.isnan(values).any():
        return None
    quantiles = {name: float(np.quantile(values, at)) for name, at in QUANTILES.items()}
    return {**quantiles, "below_zero": float((values < 0).mean()), "values": values.tolist()}


def _sides(name: str, found: CrossValidationResult) -> dict[str, float] | None:
    """Return the means of one figure in training and test, None where a split has none."""
    inside = _values(name, [each.trial.outcomes for each in found.splits if each.trial], found)
    outside = _values(name, [each.profits for each in found.splits], found)
    if np.isnan(inside).any() or np.isnan(outside).any():
        return None
    return {
        "in_sample": float(inside.mean()),
        "out_of_sample": float(outside.mean()),
        "share_worse": float((outside < inside).mean()),
    }


def _choices(found: CrossValidationResult) -> list[dict[str, Any]]:
    chosen = [each.trial for each in found.splits if each.trial is not None]
    trials = {set_key(trial.parameters): trial for trial in reversed(chosen)}
    counts = Counter(set_key(trial.parameters) for trial in chosen)
    return [
        {"parameters": dict(trials[key].chosen), "splits": n, "share": n / len(chosen)}
        for key, n in counts.most_common()
    ]
