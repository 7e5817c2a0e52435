"""How a search goes about it: method, objectives, budgets, seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from strategy_lab_core.data.exact_yaml import refuse_unknown
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.search.objective import OBJECTIVES

__all__ = ["METHODS", "Method", "SearchConfig", "search_config"]

Method = Literal["grid", "random", "tpe", "nsga2", "cmaes"]
METHODS = ("grid", "random", "tpe", "nsga2", "cmaes")
_MAX_TRIALS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """How a search proposes, judges and ends.

    Attributes
    ----------
    method
        ``grid`` (every point), ``random``, ``tpe`` (Bayesian), ``nsga2`` (genetic) or ``cmaes``.
    objectives
        Names in `objective.OBJECTIVES`; the first one chooses. CMA-ES takes one only.
    n_trials
        The budget. A grid has to fit; a search that is given more later goes on where it was.
    batch_size
        Trials proposed before any of them is known, and run in one pass over a session; a
        generation of the genetic search and of CMA-ES. It decides what is proposed.
    seed
        Of everything that is drawn.
    max_seconds
        No new batch after this long, in one call; None for no limit.
    prune
        Drop the worse half of a batch after a quarter of the sessions, and again after a half.
        Cheap and biased: what was dropped has no full series, so PBO can't be told.
    n_neighbours
        0 chooses the best trial. Above, a trial counts for no more than the median of itself and
        this many of its nearest in the space: a plateau instead of a peak.
    """

    method: Method = "tpe"
    objectives: tuple[str, ...] = ("sharpe_ratio",)
    n_trials: int = 128
    batch_size: int = 32
    seed: int = 0
    max_seconds: float | None = None
    prune: bool = False
    n_neighbours: int = 0

    def __post_init__(self) -> None:
        refuse_unknown("method", [self.method], METHODS)
        refuse_unknown("objectives", self.objectives, tuple(OBJECTIVES))
        if not self.objectives or len(set(self.objectives)) < len(self.objectives):
            raise ConfigError("objectives", self.objectives, "one name or more, each once")
        if self.method == "cmaes" and len(self.objectives) > 1:
            raise ConfigError("objectives", self.objectives, "one name for cmaes")
        lowest = 2 if self.method in ("nsga2", "cmaes") else 1
        _whole("n_trials", self.n_trials, 1, _MAX_TRIALS)
        _whole("batch_size", self.batch_size, lowest, _MAX_TRIALS)
        _whole("seed", self.seed, 0, 2**32 - 1)
        _whole("n_neighbours", self.n_neighbours, 0, _MAX_TRIALS)
        if not isinstance(self.prune, bool):
            raise ConfigError("prune", self.prune, "true or false")
        if self.max_seconds is not None and not self.max_seconds > 0:
            raise ConfigError("max_seconds", self.max_seconds, "above 0, or none")

    @property
    def learns(self) -> bool:
        """Whether what it proposes depends on what the trials before earned."""
        return self.method not in ("grid", "random")

    def as_dict(self) -> dict[str, Any]:
        """Return what decides the trials and their order, but not how many: no budget."""
        return {
            "method": self.method,
            "objectives": list(self.objectives),
            "batch_size": self.batch_size,
            "seed": self.seed,
            "prune": self.prune,
        }


def search_config(given: Mapping[str, Any]) -> SearchConfig:
    """Return the configuration that a mapping describes, as a file of a search holds it.

    `objective` is taken for a single name in `objectives`. `ConfigError` names what is wrong.
    """
    known = [each.name for each in fields(SearchConfig)]
    refuse_unknown("search", given, ("objective", *known))
    values = dict(given)
    if "objective" in values:
        if "objectives" in values:
            raise ConfigError("objectives", values["objectives"], "left out beside `objective`")
        values["objectives"] = [values.pop("objective")]
    if "objectives" in values:
        names = values["objectives"]
        if isinstance(names, str) or not isinstance(names, Sequence):
            raise ConfigError("objectives", names, "a list of names")
        values["objectives"] = tuple(names)
    if values.get("max_seconds") is not None:
        values["max_seconds"] = _seconds(values["max_seconds"])
    return SearchConfig(**values)


def _seconds(value: Any) -> float:
    if isinstance(value, bool):
        raise ConfigError("max_seconds", value, "a number of seconds")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ConfigError("max_seconds", value, "a number of seconds") from error


def _whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(name, value, f"a whole number in [{low}, {high:,}]")
