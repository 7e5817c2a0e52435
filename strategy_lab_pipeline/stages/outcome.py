"""What a stage reports of one partition: what it published, and what it found in the data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strategy_lab_core.types import TickSchema
from strategy_lab_pipeline.drafts import data_version_of

__all__ = ["STATISTICS", "Finding", "Outcome"]

STATISTICS = f"{TickSchema.STATISTICS}.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One published version of one partition of one asset.

    Parameters
    ----------
    built
        False where inputs, code and configuration were those of the version that was there.
    inputs
        Name of each input to its data version: file hashes, upstream versions.
    files
        Name, sha256, rows and bytes of every file of the version.
    details
        Figures for people: counts, notes.
    """

    asset: str
    product: str
    session: str
    version: str
    data_version: str
    path: Path
    rows: int
    built: bool
    inputs: Mapping[str, str]
    files: tuple[Mapping[str, Any], ...]
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def market_version(self) -> str:
        """The data version without statistics, which rolls alone are made from.

        Of a version that has none it is `data_version`.
        """
        return data_version_of(file for file in self.files if file["name"] != STATISTICS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule found in one partition.

    Parameters
    ----------
    severity
        "error" or "warning".
    applicable
        False where no schema of the partition can break the rule.
    rows
        How many rows (or events, for rules about books) broke it.
    share
        Of the rows that the rule looked at.
    first_rows
        The first rows that broke it, with file and row number.
    """

    rule: str
    severity: str
    reason: str
    passed: bool
    applicable: bool = True
    rows: int = 0
    share: float = 0.0
    first_rows: tuple[Mapping[str, Any], ...] = ()
