"""Every exception that the pipeline raises on purpose.

* PipelineError             (a StrategyLabError of the core)
  - SettingsError           strategy_lab.yaml or the environment is not as it should be
  - LakeError               a table or file can't be published
    . UnsafePathError       a name that could lead out of its folder (also a ValueError)
  - EngineError             the engine did not bring a pass to its end
    . OverrunError          it was too much: time or memory ran out, or the process died
  - DatabaseError           the results database can't be used
    . MigrationError        its tables can't be brought to this version
"""

from strategy_lab_core.errors import StrategyLabError

__all__ = [
    "DatabaseError",
    "EngineError",
    "LakeError",
    "MigrationError",
    "OverrunError",
    "PipelineError",
    "SettingsError",
    "UnsafePathError",
]


class PipelineError(StrategyLabError):
    """Something around the data is wrong: a place, a setting, a run."""


class SettingsError(PipelineError, ValueError):
    """Settings are outside their domain.

    Parameters
    ----------
    problems
        One sentence for every setting that is wrong.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class LakeError(PipelineError):
    """A table or file can't be published."""


class UnsafePathError(LakeError, ValueError):
    """A name that could lead out of its folder."""

    def __init__(self, what: str, name: str, rule: str) -> None:
        self.what, self.name, self.rule = what, name, rule
        super().__init__(f"{what} must be {rule}, got {name!r}")


class EngineError(PipelineError):
    """The engine's process did not bring a pass to its end: nothing is known of its result."""


class OverrunError(EngineError):
    """A pass had no time or memory left, or its process died: fewer sets may come to their end."""


class DatabaseError(PipelineError):
    """The results database can't be used."""


class MigrationError(DatabaseError):
    """The database's tables can't be brought to this version."""
