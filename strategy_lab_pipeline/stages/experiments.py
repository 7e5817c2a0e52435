"""Experiment files of the home folder: YAML, one experiment each, unknown keys refused.

Paths in a file are relative to it.

A folder inside the folder of experiments is a group with an asset of its own; the files beside it
are the default group's. A file that can't be read is named and left out; the others go on without.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import yaml

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.exact_yaml import read_yaml, refuse_unknown
from strategy_lab_core.data.instruments import products
from strategy_lab_core.errors import CalendarError, ConfigError, FileError
from strategy_lab_core.strategies.experiment import Experiment, experiment_from_dict, placed
from strategy_lab_core.strategies.together import Together, any_from_dict, parts_of
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages.vetting import vet

__all__ = [
    "ASSET",
    "Experiments",
    "backtest_assets",
    "experiment_files",
    "experiments",
    "experiments_of",
    "find_experiment",
    "moved_text",
    "read_any",
    "read_experiment",
    "together_of",
]

T = TypeVar("T", bound=Experiment | Together)

ASSET = "backtest_runs"  # of the default group; `backtest_runs.<group>` of another
_GROUP = re.compile(r"[A-Za-z0-9_]{1,40}", re.ASCII)  # what Dagster takes as a name


@dataclass(frozen=True, slots=True)
class Experiments:
    """What the experiment files say, by asset, and a sentence for each that can't be used."""

    by_asset: Mapping[str, tuple[Experiment | Together, ...]]
    problems: tuple[str, ...]

    @property
    def usable(self) -> tuple[Experiment | Together, ...]:
        """All of them, group by group."""
        return tuple(experiment for group in self.by_asset.values() for experiment in group)

    @property
    def parts(self) -> tuple[Experiment, ...]:
        """All of them by instrument: those of several instruments as what they consist of."""
        return tuple(part for each in self.usable for part in parts_of(each))


def experiment_files(settings: Settings) -> list[Path]:
    """Return the experiment files of the home folder, by name; those of groups come after."""
    folder = settings.experiments
    return [*sorted(folder.glob("*.yaml")), *sorted(folder.glob("*/*.yaml"))]


def backtest_assets(settings: Settings) -> list[str]:
    """Return the asset of the default group, and of each group that has files."""
    found = {_asset_of(settings, path) for path in experiment_files(settings)}
    return sorted({ASSET, *(asset for asset in found if asset)})


def _asset_of(settings: Settings, path: Path) -> str:
    """Return the asset of a file's group, "" where the folder's name can't be one."""
    if path.parent == settings.experiments:
        return ASSET
    group = path.parent.name
    return f"{ASSET}.{group}" if _GROUP.fullmatch(group) else ""


def read_experiment(path: Path) -> Experiment:
    """Read and check the file of an experiment on one instrument.

    Raises
    ------
    ConfigError
        Names the file, the key, the rule, the value found, and the key that was meant.
    """
    return _read(path, experiment_from_dict)


def read_any(path: Path) -> Experiment | Together:
    """Read and check an experiment file as `read_experiment` does, also one of several."""
    return _read(path, any_from_dict)


def _read(path: Path, parse: Callable[..., T]) -> T:
    loaded = read_yaml(path)
    if not isinstance(loaded, dict):
        raise ConfigError(str(path), loaded, "a mapping of keys such as `name:` and `strategy:`")
    folder = path.absolute().parent
    for strategy in _strategies(loaded):
        vet(placed(strategy, folder))
    try:
        found = parse(loaded, folder=folder)
        for part in parts_of(found):
            _require_sessions(part)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.name}", error.value, error.expected) from error
    return found


def _strategies(loaded: Mapping[str, Any]) -> Iterator[str]:
    """Yield the strategies that a file names, whatever else is wrong with it."""
    several = loaded.get("instruments")
    for each in (loaded, *(several if isinstance(several, list) else ())):
        if isinstance(each, Mapping) and isinstance(each.get("strategy"), str):
            yield each["strategy"]


def _require_sessions(experiment: Experiment) -> None:
    """Refuse a carried range that does not begin and end with a session of the product."""
    if experiment.sessions is None or experiment.product not in products():
        return
    calendar = session_calendar(products()[experiment.product].calendar)
    for name, day in zip(("from", "to"), experiment.sessions, strict=True):
        try:
            calendar.session(day)
        except CalendarError as error:
            raise ConfigError(f"sessions.{name}", str(day), f"a session: {error}") from error


def moved_text(path: Path) -> str:
    """Return an experiment file's text with absolute paths, to be put into another folder."""
    text = path.read_text(encoding="utf-8")
    whole = yaml.compose(text, Loader=yaml.SafeLoader)
    several = _below(whole, ("instruments",))
    parts = several.value if isinstance(several, yaml.SequenceNode) else []
    found = {  # by place: an alias is the node that it stands for
        node.start_mark.index: node
        for part in (whole, *parts)
        for keys in (("strategy",), ("latency", "file"))
        if isinstance(node := _below(part, keys), yaml.ScalarNode)
    }
    for first, node in sorted(found.items(), reverse=True):
        reference = placed(node.value, path.absolute().parent)
        if reference != node.value:
            last = node.end_mark.index
            text = f"{text[:first]}{json.dumps(reference)}{text[last:]}"
    return text


def _below(node: yaml.Node | None, keys: Sequence[str]) -> yaml.Node | None:
    """Return what stands below a row of keys."""
    for key in keys:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((value for name, value in pairs if name.value == key), None)
    return node


def experiments(settings: Settings) -> Experiments:
    """Read the experiment files of the home folder, by file name; names are unique over groups."""
    found: dict[str, list[Experiment | Together]] = {}
    first: dict[str, Path] = {}
    problems = []
    for path in experiment_files(settings):
        asset = _asset_of(settings, path)
        if not asset:
            problems.append(f"{path}: a folder's name must be up to 40 letters, digits and _")
            continue
        try:
            experiment = read_any(path)
        except (ConfigError, FileError) as error:
            problems.append(str(error))
            continue
        taken = first.setdefault(experiment.name, path)
        if taken == path:
            found.setdefault(asset, []).append(experiment)
        else:
            where = taken.relative_to(settings.experiments)
            problem = f"name: {experiment.name!r} is the name of {where} already"
            problems.append(f"{path}: {problem}; give it another")
    return Experiments({asset: tuple(group) for asset, group in found.items()}, tuple(problems))


def find_experiment(settings: Settings, name: str) -> Experiment:
    """Return the home folder's experiment of this name, on one instrument.

    Raises
    ------
    ConfigError
        There is none: with the nearest name; or it is one of several instruments.
    """
    known = {each.name: each for each in experiments(settings).usable}
    refuse_unknown("experiment", [name], tuple(known) or ("none is there yet",))
    found = known[name]
    if isinstance(found, Together):
        rule = "of one instrument: make an experiment of the one that is meant"
        raise ConfigError("experiment", name, rule)
    return found


def experiments_of(
    found: Experiments, product: str, asset: str = ASSET, session: date | None = None
) -> list[Experiment]:
    """Return the experiments of an asset's group that trade `product` alone, by file name.

    With a session, a carried experiment is among them only where it is its last.
    """
    group = found.by_asset.get(asset, ())
    return [
        each
        for each in group
        if isinstance(each, Experiment) and each.product == product and _ends(each, session)
    ]


def together_of(
    found: Experiments, product: str, asset: str = ASSET, session: date | None = None
) -> list[Together]:
    """Return the experiments of an asset's group that trade `product` among several instruments."""
    group = found.by_asset.get(asset, ())
    return [
        each
        for each in group
        if isinstance(each, Together) and product in each.products and _ends(each, session)
    ]


def _ends(experiment: Experiment | Together, session: date | None) -> bool:
    return session is None or experiment.sessions is None or experiment.sessions[1] == session
