"""Which version of which partition is current, what it was made from, and what was before."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, select, update

from strategy_lab_pipeline.db.models import MaterializationTable as Row
from strategy_lab_pipeline.db.queries import Queries
from strategy_lab_pipeline.db.records import Materialization, from_row

__all__ = ["Lineage"]


class Lineage(Queries):
    """Queries and records about materializations; reports have product and session "-"."""

    def record_materialization(
        self,
        *,
        asset: str,
        product: str,
        session: str,
        version: str,
        code_version: str,
        config_hash: str,
        data_version: str,
        rows: int,
        inputs: Mapping[str, str],
        files: Sequence[Mapping[str, Any]],
        details: Mapping[str, Any],
        run_id: str,
    ) -> Materialization:
        """Make a version the current one of its partition; the one before stays as history.

        The version that is current already, with the same data, is no new row.
        """
        key = (Row.asset == asset, Row.product == product, Row.session == session)
        with self._database.writing() as transaction:
            row = transaction.scalars(select(Row).where(*key, Row.current)).first()
            if row is None or (row.version, row.data_version) != (version, data_version):
                transaction.execute(update(Row).where(*key, Row.current).values(current=False))
                row = Row(
                    asset=asset, product=product, session=session, version=version,
                    code_version=code_version, config_hash=config_hash, data_version=data_version,
                    rows=rows, inputs=dict(inputs), files=[dict(file) for file in files],
                    details=dict(details), run_id=run_id,
                    current=True, created_at_ns=self._clock(),
                )  # fmt: skip
                transaction.add(row)
                transaction.flush()
            return from_row(Materialization, row)

    def current(self, asset: str, product: str, session: str) -> Materialization | None:
        """Return the current version of a partition."""
        query = select(Row).where(Row.asset == asset, Row.current)
        found = self._materializations(query.where(Row.product == product, Row.session == session))
        return found[0] if found else None

    def materializations(
        self, asset: str | None = None, product: str | None = None, *, history: bool = False
    ) -> list[Materialization]:
        """Return current versions by asset, product, session; with `history` all, older first."""
        query = select(Row).order_by(Row.asset, Row.product, Row.session, Row.id)
        if asset is not None:
            query = query.where(Row.asset == asset)
        if product is not None:
            query = query.where(Row.product == product)
        return self._materializations(query if history else query.where(Row.current))

    def sessions_with(self, asset: str, product: str) -> set[str]:
        """Return the sessions of which an asset has a current version."""
        query = select(Row.session).where(Row.asset == asset, Row.product == product, Row.current)
        with self._database.reading() as transaction:
            return set(transaction.scalars(query))

    def known_versions(self) -> set[tuple[str, str, str, str]]:
        """Return (asset, product, session, version) of everything recorded, history included."""
        query = select(Row.asset, Row.product, Row.session, Row.version).distinct()
        with self._database.reading() as transaction:
            return {(row[0], row[1], row[2], row[3]) for row in transaction.execute(query)}

    def _materializations(self, query: Select[tuple[Row]]) -> list[Materialization]:
        with self._database.reading() as transaction:
            return [from_row(Materialization, row) for row in transaction.scalars(query)]
