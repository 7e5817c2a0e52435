"""Experiment files of the home folder: YAML, one experiment each, unknown keys refused.

A file that can't be read is named and left out; the others go on without it.
"""

from dataclasses import dataclass
from pathlib import Path

from strategy_lab_core.data.exact_yaml import read_yaml
from strategy_lab_core.errors import ConfigError, FileError
from strategy_lab_core.strategies.experiment import Experiment, experiment_from_dict
from strategy_lab_pipeline.settings import Settings

__all__ = ["Experiments", "experiment_files", "experiments", "experiments_of", "read_experiment"]


@dataclass(frozen=True, slots=True)
class Experiments:
    """What the experiment files say, and a sentence for each that can't be used."""

    usable: tuple[Experiment, ...]
    problems: tuple[str, ...]


def experiment_files(settings: Settings) -> list[Path]:
    """Return the experiment files of the home folder, by name."""
    return sorted(settings.experiments.glob("*.yaml")) if settings.experiments.is_dir() else []


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
    try:
        return experiment_from_dict(loaded)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.name}", error.value, error.expected) from error


def experiments(settings: Settings) -> Experiments:
    """Read the experiment files of the home folder, by file name."""
    found: dict[str, tuple[Path, Experiment]] = {}
    problems = []
    for path in experiment_files(settings):
        try:
            experiment = read_experiment(path)
        except (ConfigError, FileError) as error:
            problems.append(str(error))
            continue
        first, _ = found.setdefault(experiment.name, (path, experiment))
        if first != path:
            problem = f"name: {experiment.name!r} is the name of {first.name} already"
            problems.append(f"{path}: {problem}; give it another")
    return Experiments(tuple(experiment for _, experiment in found.values()), tuple(problems))


def experiments_of(settings: Settings, product: str) -> list[Experiment]:
    """Return the experiments that trade `product`, by file name."""
    return [found for found in experiments(settings).usable if found.product == product]
