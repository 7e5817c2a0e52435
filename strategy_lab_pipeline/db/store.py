"""All that the database knows, in one object: files, lineage, results."""

from strategy_lab_pipeline.db.catalogue import FileCatalogue
from strategy_lab_pipeline.db.lineage import Lineage
from strategy_lab_pipeline.db.records import (
    FileRange,
    FileRow,
    Materialization,
    QualityRow,
    RunRow,
    SearchRow,
    SessionRow,
    TrialRow,
    VerdictRow,
    WindowRow,
)
from strategy_lab_pipeline.db.results import Results
from strategy_lab_pipeline.db.trials import Trials

__all__ = [
    "FileRange",
    "FileRow",
    "Materialization",
    "QualityRow",
    "RunRow",
    "SearchRow",
    "SessionRow",
    "Store",
    "TrialRow",
    "VerdictRow",
    "WindowRow",
]


class Store(FileCatalogue, Lineage, Results, Trials):
    """What stages and commands ask and tell the database; every method is one transaction."""
