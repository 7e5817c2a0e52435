"""Experiment files of the home folder: YAML, one experiment each, unknown keys refused.

Paths in a file are relative to it.

A folder inside the folder of experiments is a group with an asset of its own; the files beside it
are the default group's. A file that can't be read is named and left out; the others go on without.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.exact_yaml import read_yaml
from strategy_lab_core.data.instruments import products
from strategy_lab_core.errors import CalendarError, ConfigError, FileError
from strategy_lab_core.strategies.experiment import Experiment, experiment_from_dict, placed
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages.vetting import vet

__all__ = [
    "ASSET",
    "Experiments",
    "backtest_assets",
    "experiment_files",
    "experiments",
    "experiments_of",
    "moved_text",
    "read_experiment",
]

ASSET = "backtest_runs"  # of the default group; `backtest_runs.<group>` of another
_GROUP = re.compile(r"[A-Za-z0-9_]{1,40}", re.ASCII)  # what Dagster takes as a name


@dataclass(frozen=True, slots=True)
class Experiments:
    """What the experiment files say, by asset, and a sentence for each that can't be used."""

    by_asset: Mapping[str, tuple[Experiment, ...]]
    problems: tuple[str, ...]

    @property
    def usable(self) -> tuple[Experiment, ...]:
        """All of them, group by group."""
        return tuple(experiment for group in self.by_asset.values() for experiment in group)


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
    """Read and check one experiment file.

    Raises
    ------
    ConfigError
        Names the file, the key, the rule, the value found, and the key that was meant.
    """
    loaded = read_yaml(path)
    if not isinstance(loaded, dict):
        raise ConfigError(str(path), loaded, "a mapping of keys such as `name:` and `strategy:`")
    folder = path.absolute().parent
    if isinstance(loaded.get("strategy"), str):
        vet(placed(loaded["strategy"], folder))
    try:
        experiment = experiment_from_dict(loaded, folder=folder)
        _require_sessions(experiment)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.name}", error.value, error.expected) from error
    return experiment


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
    found = [
        node
        for keys in (("strategy",), ("latency", "file"))
        if (node := _node(yaml.compose(text, Loader=yaml.SafeLoader), keys)) is not None
    ]
    for node in sorted(found, key=lambda each: each.start_mark.index, reverse=True):
        reference = placed(node.value, path.absolute().parent)
        if reference != node.value:
            first, last = node.start_mark.index, node.end_mark.index
            text = f"{text[:first]}{json.dumps(reference)}{text[last:]}"
    return text


def _node(node: yaml.Node | None, keys: Sequence[str]) -> yaml.ScalarNode | None:
    """Return the scalar below a row of keys."""
    for key in keys:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((value for name, value in pairs if name.value == key), None)
    return node if isinstance(node, yaml.ScalarNode) else None


def experiments(settings: Settings) -> Experiments:
    """Read the experiment files of the home folder, by file name; names are unique over groups."""
    found: dict[str, list[Experiment]] = {}
    first: dict[str, Path] = {}
    problems = []
    for path in experiment_files(settings):
        asset = _asset_of(settings, path)
        if not asset:
            problems.append(f"{path}: a folder's name must be up to 40 letters, digits and _")
            continue
        try:
            experiment = read_experiment(path)
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


def experiments_of(
    found: Experiments, product: str, asset: str = ASSET, session: date | None = None
) -> list[Experiment]:
    """Return the experiments of an asset's group that trade `product`, by file name.

    With a session, a carried experiment is among them only where it is its last.
    """
    group = found.by_asset.get(asset, ())
    return [
        each
        for each in group
        if each.product == product
        and (session is None or each.sessions is None or each.sessions[1] == session)
    ]
