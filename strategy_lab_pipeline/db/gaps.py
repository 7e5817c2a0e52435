"""The gaps of sessions and what became of them: found once, closed once, never deleted."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict

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
        self,
        product: str,
        found: Iterable[FoundGap],
        files: Files,
        *,
        waiting: Collection[str] = (),
        run_id: str,
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
        waiting
            Sessions that could not be judged now: their gaps stay as they are.
        """
        now = {_identity(gap): gap for gap in found}
        with self._database.writing() as transaction:
            query = select(GapTable).where(GapTable.product == product, GapTable.state == "open")
            known = {_identity(row): row for row in transaction.scalars(query)}
            new = [
                gap
                for identity, gap in now.items()
                if identity not in known and gap.session not in waiting
            ]
            for identity, row in known.items():
                if identity in now:
                    row.detail = now[identity].detail
                elif row.session not in waiting:
                    row.state, row.repair = _ending(row, new, files)
                    row.closed_at_ns = self._clock()
            transaction.add_all(self._opened(product, gap, files, run_id) for gap in new)

    def _opened(self, product: str, gap: FoundGap, files: Files, run_id: str) -> GapTable:
        return GapTable(
            **asdict(gap), product=product, state="open", found_at_ns=self._clock(),
            closed_at_ns=None, repair="", files=dict(files.get(gap.session, {})), run_id=run_id,
        )  # fmt: skip

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


def _ending(row: GapTable, found: Sequence[FoundGap], files: Files) -> tuple[str, str]:
    """Return what became of a gap that is found no more, and what did it."""
    files_now = files.get(row.session, {})
    by = ", ".join(sorted(name for sha, name in files_now.items() if sha not in row.files))
    for gap in found:
        alike = (gap.session, gap.kind) == (row.session, row.kind)
        if alike and gap.start_ns <= row.end_ns and row.start_ns <= gap.end_ns:
            return "replaced", f"{by or 'measured anew'}: {gap.detail}"
    return ("repaired", by) if by else ("withdrawn", WITHDRAWN)
