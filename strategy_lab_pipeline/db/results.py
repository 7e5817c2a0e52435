"""What came out: sessions and their labels, what the rules found, runs and their metrics."""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from strategy_lab_pipeline.db.models import MetricTable, QualityTable, RunTable, SessionTable
from strategy_lab_pipeline.db.queries import Queries
from strategy_lab_pipeline.db.records import FindingLike, QualityRow, RunRow, SessionRow, from_row

__all__ = ["Results"]

MAX_IDS = 500  # in one query


class Results(Queries):
    """Queries and records about sessions, quality and runs."""

    def record_session(
        self,
        product: str,
        session: str,
        *,
        label: Literal["partial", "complete"],
        open_ns: int,
        close_ns: int,
        first_ts: int,
        last_ts: int,
        instruments: Mapping[str, str],
    ) -> None:
        """Record how far the rows of a session reach, in place of what was known before."""
        row = SessionTable(
            product=product, session=session, label=label, open_ns=open_ns, close_ns=close_ns,
            first_ts=first_ts, last_ts=last_ts, instruments=dict(instruments),
        )  # fmt: skip
        with self._database.writing() as transaction:
            transaction.merge(row)

    def session(self, product: str, session: str) -> SessionRow | None:
        """Return a session, None where no rows of it were seen."""
        with self._database.reading() as transaction:
            row = transaction.get(SessionTable, (product, session))
            return None if row is None else from_row(SessionRow, row)

    def session_label(self, product: str, session: str) -> str:
        """Return "partial" or "complete"; "" where no rows of the session were seen."""
        row = self.session(product, session)
        return "" if row is None else row.label

    def record_quality(
        self, asset: str, product: str, session: str, findings: Iterable[FindingLike]
    ) -> None:
        """Record what the rules found in a partition, in place of all that they found before."""
        key = {"asset": asset, "product": product, "session": session}
        rows = [
            QualityTable(
                **key, rule=finding.rule, severity=finding.severity, reason=finding.reason,
                applicable=finding.applicable, passed=finding.passed, rows=finding.rows,
                share=finding.share, first_rows=[dict(row) for row in finding.first_rows],
            )
            for finding in findings
        ]  # fmt: skip
        with self._database.writing() as transaction:
            transaction.execute(delete(QualityTable).filter_by(**key))
            transaction.add_all(rows)

    def quality(
        self, *, product: str | None = None, session: str | None = None, asset: str | None = None
    ) -> list[QualityRow]:
        """Return findings by product and session; inside a partition the worst first."""
        wanted = {"product": product, "session": session, "asset": asset}
        query = select(QualityTable).filter_by(
            **{name: value for name, value in wanted.items() if value is not None}
        )
        with self._database.reading() as transaction:
            rows = [from_row(QualityRow, row) for row in transaction.scalars(query)]
        return sorted(rows, key=_worst_first)

    def record_run(
        self,
        *,
        experiment: str,
        experiment_id: str,
        product: str,
        session: str,
        version: str,
        label: str,
        config: Mapping[str, Any],
        metrics: Mapping[str, int | float | str],
        run_id: str,
    ) -> None:
        """Make a run the current one of its experiment and session; the one before stays.

        Recorded again with the same version it is no new row.
        """
        run = {
            "experiment": experiment, "experiment_id": experiment_id, "product": product,
            "session": session, "version": version, "label": label, "config": config,
            "metrics": metrics, "run_id": run_id,
        }  # fmt: skip
        self.record_runs([run])

    def record_runs(self, runs: Iterable[Mapping[str, Any]]) -> None:
        """Record runs, each with the keywords of `record_run`: all of them or none."""
        with self._database.writing() as transaction:
            for run in runs:
                self._record(transaction, run)

    def _record(self, transaction: Session, run: Mapping[str, Any]) -> None:
        key = (
            RunTable.experiment_id == run["experiment_id"],
            RunTable.product == run["product"],
            RunTable.session == run["session"],
            RunTable.current,
        )
        there = transaction.scalars(select(RunTable).where(*key)).first()
        if there is not None and there.version == run["version"]:
            return
        transaction.execute(update(RunTable).where(*key).values(current=False))
        rest = {name: value for name, value in run.items() if name != "metrics"}
        rest |= {"config": dict(run["config"]), "current": True, "created_at_ns": self._clock()}
        figures = [_metric(name, value) for name, value in run["metrics"].items()]
        transaction.add(RunTable(**rest, figures=figures))

    def figures(
        self,
        product: str,
        experiment_ids: Collection[str],
        names: Collection[str],
        *,
        session: str | None = None,
    ) -> dict[tuple[str, str, str], dict[str, int | float | str]]:
        """Return figures of current runs by experiment id, session and version.

        Parameters
        ----------
        experiment_ids
            Any number; a run without any of `names` is not there.
        names
            Of the figures.
        session
            One only; all of them by default.
        """
        found: dict[tuple[str, str, str], dict[str, int | float | str]] = {}
        with self._database.reading() as transaction:
            wanted = sorted(experiment_ids)
            for first in range(0, len(wanted), MAX_IDS):
                ids = wanted[first : first + MAX_IDS]
                query = (
                    select(RunTable.experiment_id, RunTable.session, RunTable.version, MetricTable)
                    .join(MetricTable, MetricTable.run == RunTable.id)
                    .where(
                        RunTable.current, RunTable.product == product,
                        RunTable.experiment_id.in_(ids), MetricTable.name.in_(names),
                    )
                )  # fmt: skip
                if session is not None:
                    query = query.where(RunTable.session == session)
                for experiment_id, session, version, metric in transaction.execute(query):
                    place = found.setdefault((experiment_id, session, version), {})
                    place[metric.name] = _value(metric)
        return found

    def runs(
        self,
        experiment: str | None = None,
        *,
        experiment_id: str | None = None,
        history: bool = False,
    ) -> list[RunRow]:
        """Return current runs by experiment, product and session; with `history` all of them."""
        query = select(RunTable).order_by(
            RunTable.experiment, RunTable.product, RunTable.session, RunTable.id
        )
        if experiment is not None:
            query = query.where(RunTable.experiment == experiment)
        if experiment_id is not None:
            query = query.where(RunTable.experiment_id == experiment_id)
        if not history:
            query = query.where(RunTable.current)
        with self._database.reading() as transaction:
            return [
                from_row(RunRow, row, metrics={m.name: _value(m) for m in row.figures})
                for row in transaction.scalars(query)
            ]


def _worst_first(row: QualityRow) -> tuple[Any, ...]:
    good = row.passed or not row.applicable
    return (row.product, row.session, good, row.severity != "error", -row.rows, row.asset, row.rule)


def _metric(name: str, value: float | str) -> MetricTable:
    if isinstance(value, str):
        return MetricTable(name=name, text=value)
    if isinstance(value, int):
        return MetricTable(name=name, integer=value)
    return MetricTable(name=name, real=None if math.isnan(value) else value)


def _value(metric: MetricTable) -> int | float | str:
    if metric.text is not None:
        return metric.text
    if metric.integer is not None:
        return metric.integer
    return math.nan if metric.real is None else metric.real
