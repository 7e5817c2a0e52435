"""All that the database knows, in one object: files, lineage, results."""

from strategy_lab_pipeline.db.coverage import Coverage
from strategy_lab_pipeline.db.gap_records import DoubtfulFile, FileChannel, FoundGap, GapRow
from strategy_lab_pipeline.db.gaps import Gaps
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
    "DoubtfulFile",
    "FileChannel",
    "FileRange",
    "FileRow",
    "FoundGap",
    "GapRow",
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


class Store(Coverage, Gaps, Lineage, Results, Trials):
    """What stages and commands ask and tell the database; every method is one transaction."""
