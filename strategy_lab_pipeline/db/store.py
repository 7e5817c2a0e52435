"""All that the database knows, in one object: files, lineage, results."""

from strategy_lab_pipeline.db.catalogue import FileCatalogue
from strategy_lab_pipeline.db.lineage import Lineage
from strategy_lab_pipeline.db.records import (
    FileRange,
    FileRow,
    Materialization,
    QualityRow,
    RunRow,
    SessionRow,
)
from strategy_lab_pipeline.db.results import Results

__all__ = ["FileRange", "FileRow", "Materialization", "QualityRow", "RunRow", "SessionRow", "Store"]


class Store(FileCatalogue, Lineage, Results):
    """What stages and commands ask and tell the database; every method is one transaction."""
