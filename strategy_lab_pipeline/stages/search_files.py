"""Search files of the home folder: YAML, one search each, unknown keys refused.

A search names an experiment of the home folder, what of its strategy varies, how it is searched,
and the sessions; with `walk_forward` it is repeated on windows of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

from strategy_lab_core.data.exact_yaml import read_yaml, refuse_unknown
from strategy_lab_core.data.instruments import Product
from strategy_lab_core.errors import ConfigError, FileError
from strategy_lab_core.search.config import SearchConfig, search_config
from strategy_lab_core.search.space import Space, space_of
from strategy_lab_core.search.splits import Grouping, Lengths
from strategy_lab_core.strategies.experiment import Experiment
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages.experiments import find_experiment
from strategy_lab_pipeline.stages.workspace import products_of

__all__ = ["SearchFile", "Searches", "find_search", "read_search", "searches"]

_SEARCH = tuple(each.name for each in fields(SearchConfig))
_OWN = (
    "name", "description", "experiment", "space", "sessions", "walk_forward", "objective",
    "null_searches", "cross_validation",
)  # fmt: skip
_MOST_NULLS = 1_000
_GROUPING = tuple(each.name for each in fields(Grouping))
_WINDOWS = tuple(each.name for each in fields(Lengths))
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class SearchFile:
    """One search.

    Attributes
    ----------
    name, description
        For people; the name is its partition.
    experiment
        What is not searched: strategy, costs, latency, limits, capital.
    product
        That it trades.
    space, config
        What varies, and how it is searched.
    first, last
        Sessions, both inclusive; None for all that there are.
    skip
        Sessions of the calendar that a walk-forward leaves out.
    windows
        Lengths of a walk-forward (`search.splits.walk_forward_windows`), None for a search over
        all sessions at once.
    null_searches
        How often evidence repeats the search on simulated sessions.
    cross_validation
        How evidence cuts the sessions; None for a walk-forward, which is out of sample itself.
    """

    name: str
    experiment: Experiment
    product: Product
    space: Space
    config: SearchConfig
    first: date | None
    last: date | None
    skip: frozenset[date]
    windows: Mapping[str, Any] | None
    description: str = ""
    null_searches: int = 0
    cross_validation: Grouping | None = None


@dataclass(frozen=True, slots=True)
class Searches:
    """What the search files say by name, and a sentence for each that can't be used."""

    by_name: Mapping[str, SearchFile]
    problems: tuple[str, ...]


def searches(settings: Settings) -> Searches:
    """Read the search files of the home folder, by file name."""
    found: dict[str, SearchFile] = {}
    problems = []
    for path in sorted(settings.searches.glob("*.yaml")):
        try:
            search = read_search(settings, path)
        except (ConfigError, FileError) as error:
            problems.append(str(error))
            continue
        if search.name in found:
            problems.append(f"{path}: name: {search.name!r} is taken by another file; rename it")
        else:
            found[search.name] = search
    return Searches(found, tuple(problems))


def find_search(settings: Settings, name: str) -> SearchFile:
    """Return the search of this name.

    Raises
    ------
    PipelineError
        Its file can't be used: with the reason.
    ConfigError
        There is none: with the nearest name.
    """
    found = searches(settings)
    broken = [problem for problem in found.problems if f"/{name}.yaml" in problem]
    if broken:
        raise PipelineError(broken[0])
    known = tuple(found.by_name) or ("the files in " + str(settings.searches),)
    refuse_unknown("search", [name], known)
    return found.by_name[name]


def read_search(settings: Settings, path: Path) -> SearchFile:
    """Read and check one search file.

    Raises
    ------
    ConfigError
        Names the file, the key, the rule, the value found, and the key that was meant.
    """
    loaded = read_yaml(path)
    if not isinstance(loaded, dict):
        raise ConfigError(str(path), loaded, "a mapping of keys such as `name:` and `experiment:`")
    try:
        return _search(settings, loaded)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.name}", error.value, error.expected) from error


def _search(settings: Settings, content: Mapping[str, Any]) -> SearchFile:
    refuse_unknown("key", content, (*_OWN, *_SEARCH))
    name = content.get("name")
    if not isinstance(name, str) or not name.replace("_", "").replace("-", "").isalnum():
        raise ConfigError("name", name, "letters, digits, _ and -")
    if len(name) > _LONGEST_NAME:
        raise ConfigError("name", name, f"{_LONGEST_NAME} letters or fewer")
    experiment = find_experiment(settings, str(content.get("experiment")))
    first, last, skip = _sessions(content.get("sessions"))
    own = {key: value for key, value in content.items() if key in (*_SEARCH, "objective")}
    return SearchFile(
        name=name,
        description=str(content.get("description", "")),
        experiment=experiment,
        product=products_of(settings)[experiment.product],
        space=_space(experiment, content.get("space")),
        config=search_config(own),
        first=first,
        last=last,
        skip=skip,
        windows=_windows(content.get("walk_forward")),
        null_searches=_null_searches(content, experiment),
        cross_validation=_grouping(content),
    )


def _space(experiment: Experiment, given: Any) -> Space:
    if given is not None and not isinstance(given, Mapping):
        expected = "a mapping of parameters to what varies, such as {size: [1, 2]}"
        raise ConfigError("space", given, expected)
    return space_of(experiment.strategy, given)


def _sessions(given: Any) -> tuple[date | None, date | None, frozenset[date]]:
    if given is None:
        return None, None, frozenset()
    if not isinstance(given, Mapping):
        raise ConfigError("sessions", given, "a mapping with `from`, `to` and `skip`")
    refuse_unknown("sessions", given, ("from", "to", "skip"))
    first, last = (_day(f"sessions.{key}", given.get(key)) for key in ("from", "to"))
    skipped = given.get("skip") or []
    if not isinstance(skipped, list):
        raise ConfigError("sessions.skip", skipped, "a list of dates")
    if first and last and first > last:
        raise ConfigError("sessions.to", str(last), f"not before {first}")
    return first, last, frozenset(day for each in skipped if (day := _day("sessions.skip", each)))


def _day(name: str, value: Any) -> date | None:
    if value is not None and type(value) is not date:
        raise ConfigError(name, value, "a date, YYYY-MM-DD")
    return value


def _null_searches(content: Mapping[str, Any], experiment: Experiment) -> int:
    given = content.get("null_searches", 0)
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= _MOST_NULLS:
        raise ConfigError("null_searches", given, f"a whole number, from 0 to {_MOST_NULLS:,}")
    if given and content.get("walk_forward") is not None:
        raise ConfigError("null_searches", given, "0 for a walk-forward, which is out of sample")
    if given and experiment.config.carry:
        raise ConfigError("null_searches", given, "0 for a carried run: its sessions are one")
    return given


def _grouping(content: Mapping[str, Any]) -> Grouping | None:
    given = content.get("cross_validation")
    if content.get("walk_forward") is not None:
        if given is not None:
            rule = "left out for a walk-forward, which is out of sample"
            raise ConfigError("cross_validation", given, rule)
        return None
    if given is None:
        return Grouping()
    if not isinstance(given, Mapping):
        raise ConfigError("cross_validation", given, f"a mapping with {', '.join(_GROUPING)}")
    refuse_unknown("cross_validation", given, _GROUPING)
    try:
        return Grouping(**given)
    except ConfigError as error:
        raise ConfigError(f"cross_validation.{error.name}", error.value, error.expected) from error


def _windows(given: Any) -> Mapping[str, Any] | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise ConfigError("walk_forward", given, "a mapping with `train` and `test`, in sessions")
    refuse_unknown("walk_forward", given, _WINDOWS)
    for key in ("train", "test"):
        if key not in given:
            raise ConfigError(f"walk_forward.{key}", None, "given, in sessions")
    try:
        Lengths(**given)
    except ConfigError as error:
        raise ConfigError(f"walk_forward.{error.name}", error.value, error.expected) from error
    return dict(given)
