"""Searches and their trials, windows of walk-forwards, verdicts.

Nothing here is ever deleted: a trial that is forgotten makes the ones that are left look better
than they are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import select, union

from strategy_lab_pipeline.db.models import (
    RunTable,
    SearchTable,
    TrialTable,
    VerdictTable,
    WindowTable,
)
from strategy_lab_pipeline.db.queries import Queries
from strategy_lab_pipeline.db.records import SearchRow, TrialRow, VerdictRow, WindowRow, from_row

__all__ = ["Trials"]


class Trials(Queries):
    """Queries and records about what was tried, and what it proves."""

    def record_search(self, search: SearchRow, *, run_id: str) -> None:
        """Record a search; one that is there already stays as it is."""
        with self._database.writing() as transaction:
            if transaction.get(SearchTable, search.digest) is None:
                made = {"run_id": run_id, "created_at_ns": self._clock()}
                transaction.add(SearchTable(**asdict(search), **made))

    def searches(self, name: str | None = None) -> list[SearchRow]:
        """Return the searches, those of one name or all, older first."""
        query = select(SearchTable).order_by(SearchTable.created_at_ns, SearchTable.digest)
        if name is not None:
            query = query.where(SearchTable.name == name)
        with self._database.reading() as transaction:
            return [from_row(SearchRow, row) for row in transaction.scalars(query)]

    def record_trials(self, search: str, trials: Iterable[TrialRow]) -> None:
        """Record trials of a search, all or none; one with a number that is there replaces it."""
        with self._database.writing() as transaction:
            for trial in trials:
                transaction.merge(TrialTable(search=search, **asdict(trial)))

    def trials(self, search: str) -> list[TrialRow]:
        """Return the trials of a search by number."""
        query = select(TrialTable).where(TrialTable.search == search).order_by(TrialTable.number)
        with self._database.reading() as transaction:
            return [from_row(TrialRow, row) for row in transaction.scalars(query)]

    def tried(self, product: str, strategy: str, first: str, last: str) -> set[str]:
        """Return the experiment id of everything ever tried on sessions that overlap.

        Runs of experiments, sets of sweeps and trials of searches alike: complete, failed, pruned,
        of every version of the strategy's code.

        Parameters
        ----------
        first, last
            Sessions as ISO dates, both inclusive.
        """
        runs = select(RunTable.experiment_id).where(
            RunTable.product == product,
            RunTable.session.between(first, last),
            RunTable.config["strategy"].as_string() == strategy,
        )
        trials = (
            select(TrialTable.experiment_id)
            .join(SearchTable, SearchTable.digest == TrialTable.search)
            .where(
                SearchTable.product == product,
                SearchTable.strategy == strategy,
                SearchTable.first_session <= last,
                SearchTable.last_session >= first,
            )
        )
        with self._database.reading() as transaction:
            return set(transaction.scalars(union(runs, trials)))

    def record_window(self, window: WindowRow, *, run_id: str) -> None:
        """Record a window, in place of what its key had before."""
        self._replace(WindowTable, asdict(window), run_id)

    def windows(self, name: str | None = None) -> list[WindowRow]:
        """Return the windows of one walk-forward or of all, by key."""
        query = select(WindowTable).order_by(WindowTable.key)
        if name is not None:
            query = query.where(WindowTable.name == name)
        with self._database.reading() as transaction:
            return [from_row(WindowRow, row) for row in transaction.scalars(query)]

    def record_verdict(self, verdict: VerdictRow, *, run_id: str) -> None:
        """Record a verdict, in place of the one that its subject had before."""
        self._replace(VerdictTable, asdict(verdict), run_id)

    def verdicts(self) -> list[VerdictRow]:
        """Return the verdicts by subject."""
        query = select(VerdictTable).order_by(VerdictTable.subject)
        with self._database.reading() as transaction:
            return [from_row(VerdictRow, row) for row in transaction.scalars(query)]

    def _replace(self, kind: type[Any], values: Mapping[str, Any], run_id: str) -> None:
        with self._database.writing() as transaction:
            transaction.merge(kind(**values, run_id=run_id, created_at_ns=self._clock()))
