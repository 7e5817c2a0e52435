"""The gaps of sessions and what became of them: found once, closed once, never deleted."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select

from strategy_lab_pipeline.db.gap_records import FoundGap, GapRow
from strategy_lab_pipeline.db.models import GapTable
from strategy_lab_pipeline.db.queries import Queries
from strategy_lab_pipeline.db.records import from_row

__all__ = ["Gaps"]

WITHDRAWN = "no longer found, and no new file: a pattern, a rule or what counts has changed"
Files = Mapping[str, Mapping[str, str]]


class Gaps(Queries):
    """Queries and records about gaps."""

    def record_gaps(
        self, product: str, found: Iterable[FoundGap], files: Files, *, run_id: str
    ) -> None:
        """Open the gaps that are new, and close the open ones that are found no more.

        Parameters
        ----------
        found
            All gaps of the product as they are now.
        files
            Session to the files that it is made from now: hash to name. A gap that is gone is
            "repaired" where the session has files that it had not when the gap was found,
            "replaced" where another one of its kind is in its place, else "withdrawn".
        """
        now = {_identity(gap): gap for gap in found}
        with self._database.writing() as transaction:
            query = select(GapTable).where(GapTable.product == product, GapTable.state == "open")
            for row in transaction.scalars(query):
                same = now.pop(_identity(row), None)
                if same is not None:
                    row.detail = same.detail
                    continue
                row.state, row.repair = _ending(row, tuple(now.values()), files)
                row.closed_at_ns = self._clock()
            for gap in now.values():
                columns = {name: getattr(gap, name) for name in FoundGap.__dataclass_fields__}
                row = GapTable(
                    product=product, **columns, state="open", found_at_ns=self._clock(),
                    closed_at_ns=None, repair="", files=dict(files.get(gap.session, {})),
                    run_id=run_id,
                )  # fmt: skip
                transaction.add(row)

    def gaps(
        self, product: str | None = None, session: str | None = None, *, state: str | None = None
    ) -> list[GapRow]:
        """Return gaps by product, session and time; open and closed ones."""
        query = select(GapTable).order_by(
            GapTable.product, GapTable.session, GapTable.start_ns, GapTable.id
        )
        wanted = {"product": product, "session": session, "state": state}
        query = query.filter_by(**{name: v for name, v in wanted.items() if v is not None})
        with self._database.reading() as transaction:
            return [from_row(GapRow, row) for row in transaction.scalars(query)]


def _identity(gap: FoundGap | GapTable) -> tuple[str | int, ...]:
    return gap.session, gap.kind, gap.place, gap.start_ns, gap.end_ns, gap.size


def _ending(row: GapTable, now: Sequence[FoundGap], files: Files) -> tuple[str, str]:
    """Return what became of a gap that is found no more, and what did it."""
    new = {sha: name for sha, name in files.get(row.session, {}).items() if sha not in row.files}
    by = ", ".join(sorted(new.values()))
    for gap in now:
        alike = (gap.session, gap.kind) == (row.session, row.kind)
        if alike and gap.start_ns <= row.end_ns and row.start_ns <= gap.end_ns:
            return "replaced", f"{by or 'measured anew'}: {gap.detail}"
    return ("repaired", by) if new else ("withdrawn", WITHDRAWN)
