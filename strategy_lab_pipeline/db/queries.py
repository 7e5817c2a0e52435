"""What the parts of the store share: the database, and the clock of its records."""

import time
from collections.abc import Callable

from strategy_lab_pipeline.db.database import Database

__all__ = ["Queries"]


class Queries:
    """Questions to one database; every method is one transaction.

    Parameters
    ----------
    clock
        Returns the time of a record, ns UTC.
    """

    def __init__(self, database: Database, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._database, self._clock = database, clock

    def revision(self) -> str:
        """Return the migration that the tables are at."""
        return self._database.revision()
