"""Experiment files of the home folder: YAML, one experiment each, unknown keys refused."""

from pathlib import Path

from strategy_lab_core.data.exact_yaml import read_yaml
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.strategies.experiment import Experiment, experiment_from_dict
from strategy_lab_pipeline.settings import Settings

__all__ = ["experiment_files", "experiments_of", "read_experiment"]


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


def experiments_of(settings: Settings, product: str) -> list[Experiment]:
    """Return the experiments that trade `product`, by file name."""
    found = (read_experiment(path) for path in experiment_files(settings))
    return [experiment for experiment in found if experiment.product == product]
