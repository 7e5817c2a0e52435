"""Every exception that the core raises on purpose.

* StrategyLabError
  - ConfigError             a setting is outside its domain (also a ValueError)
  - DataError               input data break their contract (also a ValueError)
    . FileError             one file can't be used: names it, where it breaks, what to do
      + TruncatedFileError  the file ends in the middle
      + FormatError         not a format, version or layout that is read here
      + SchemaError         columns or types are not those of the schema
    . CalendarError         no such session or calendar
    . InstrumentError       a symbol that no definition and no product explains
  - SimulationError         the engine reached a state it forbids
"""

from pathlib import Path

__all__ = [
    "CalendarError",
    "ConfigError",
    "DataError",
    "FileError",
    "FormatError",
    "InstrumentError",
    "SchemaError",
    "SimulationError",
    "StrategyLabError",
    "TruncatedFileError",
]


class StrategyLabError(Exception):
    """Base class: ``except StrategyLabError`` catches all of ours and nothing else."""


class ConfigError(StrategyLabError, ValueError):
    """A setting is outside its domain."""

    def __init__(self, name: str, value: object, expected: str) -> None:
        self.name, self.value, self.expected = name, value, expected
        super().__init__(f"{name} must be {expected}, got {value!r}")


class DataError(StrategyLabError, ValueError):
    """Input data break their contract."""


class FileError(DataError):
    """One file can't be used.

    Parameters
    ----------
    path
        The file.
    problem
        What is wrong, with the byte or row where it breaks.
    remedy
        What the user can do about it.
    """

    def __init__(self, path: Path | str, problem: str, remedy: str) -> None:
        self.path, self.problem, self.remedy = Path(path), problem, remedy
        super().__init__(f"{self.path}: {problem}; {remedy}")


class TruncatedFileError(FileError):
    """The file ends in the middle of a frame, record or row."""


class FormatError(FileError):
    """Not a format, version or layout that is read here."""


class SchemaError(FileError):
    """The columns or types are not those of the schema."""


class CalendarError(DataError):
    """No such session or calendar."""


class InstrumentError(DataError):
    """A symbol that no definition and no product explains."""


class SimulationError(StrategyLabError):
    """The engine reached a state it forbids; always a bug in the engine or a strategy."""
