"""Checks of single settings: what is outside its domain raises `ConfigError` with its name."""

from strategy_lab_core.errors import ConfigError

__all__ = ["check_flag", "check_range"]


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Refuse what is not a whole number in [`low`, `high`]."""
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(name, value, f"a whole number in [{low}, {high}]")


def check_flag(name: str, value: object) -> None:
    """Refuse what is not true or false."""
    if not isinstance(value, bool):
        raise ConfigError(name, value, "true or false")
