"""The catalogue of tick files: which deliveries came, which are whole, whose sessions they overlap.

For each path the newest whole delivery counts: a broken one that comes later never costs the data
of the one before.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Select, distinct, func, select
from sqlalchemy.orm import Session

from strategy_lab_pipeline.db.models import FilePartitionTable, FileTable
from strategy_lab_pipeline.db.queries import Queries
from strategy_lab_pipeline.db.records import FileRow, from_row

__all__ = ["FileCatalogue"]


class FileCatalogue(Queries):
    """Queries and records about tick files."""

    def record_file(
        self,
        path: str,
        *,
        size: int,
        mtime_ns: int,
        sha256: str,
        format: str,
        schema: str,
        dataset: str,
        rows: int,
        first_ts: int,
        last_ts: int,
        partitions: Mapping[tuple[str, str], int],
    ) -> FileRow:
        """Record a file that was read to its end; the same bytes again are no new delivery.

        Parameters
        ----------
        first_ts, last_ts
            First and last index time, ns UTC, both inclusive.
        partitions
            (product, session) to the number of the file's rows in it.

        Returns
        -------
        The delivery: "duplicate" where the newest delivery of another path has the same bytes.
        """
        columns = {
            "size": size, "mtime_ns": mtime_ns, "sha256": sha256, "format": format,
            "schema": schema, "dataset": dataset, "rows": rows, "first_ts": first_ts,
            "last_ts": last_ts,
        }  # fmt: skip
        with self._database.writing() as session:
            row = _latest(session, path)
            if row is None or row.status == "broken" or row.sha256 != sha256:
                row = self._next_delivery(path, row)
                _compare(row, _original(session, path, sha256))
            for name, value in columns.items():
                setattr(row, name, value)
            session.add(row)
            _replace_partitions(session, row, partitions)
            session.flush()
            return from_row(FileRow, row)

    def record_broken_file(
        self, path: str, *, size: int, mtime_ns: int, reason: str, sha256: str = ""
    ) -> FileRow:
        """Record a file that can't be used, with the reason; once for the same file."""
        with self._database.writing() as session:
            row = _latest(session, path)
            found = row and (row.status, row.size, row.mtime_ns, row.reason)
            if row is None or found != ("broken", size, mtime_ns, reason):
                row = self._next_delivery(path, row)
                row.status, row.reason, row.sha256 = "broken", reason, sha256
                row.size, row.mtime_ns = size, mtime_ns
                row.format = row.schema = row.dataset = ""
                row.rows = row.first_ts = row.last_ts = 0
                session.add(row)
                session.flush()
            return from_row(FileRow, row)

    def _next_delivery(self, path: str, latest: FileTable | None) -> FileTable:
        delivery = 1 if latest is None else latest.delivery + 1
        return FileTable(path=path, delivery=delivery, seen_at_ns=self._clock())

    def knows_file(self, path: str, size: int, mtime_ns: int) -> bool:
        """Return whether the newest delivery of `path` has this size (bytes) and time of change."""
        found = self.file_by_path(path)
        return found is not None and (found.size, found.mtime_ns) == (size, mtime_ns)

    def file_by_path(self, path: str) -> FileRow | None:
        """Return the newest delivery of `path`, whole or broken."""
        with self._database.reading() as session:
            row = _latest(session, path)
            return None if row is None else from_row(FileRow, row)

    def files_by_hash(self, sha256: str) -> list[FileRow]:
        """Return every delivery with these bytes, older first."""
        query = select(FileTable).where(FileTable.sha256 == sha256).order_by(FileTable.id)
        return self._files(query)

    def whole_files_for(self, product: str, session: str) -> list[FileRow]:
        """Return the files with rows in a partition, by first time, then path; equal bytes once."""
        query = (
            select(FileTable)
            .join(FilePartitionTable)
            .where(FilePartitionTable.product == product, FilePartitionTable.session == session)
            .where(FileTable.id.in_(_newest_whole()))
            .order_by(FileTable.id)
        )
        by_hash: dict[str, FileRow] = {}
        for file in self._files(query):
            by_hash.setdefault(file.sha256, file)
        return sorted(by_hash.values(), key=lambda file: (file.first_ts, file.path))

    def all_partitions(self) -> list[tuple[str, str]]:
        """Return (product, session) of all partitions that some whole file has rows in."""
        columns = (FilePartitionTable.product, FilePartitionTable.session)
        query = select(*columns).distinct().order_by(*columns)
        with self._database.reading() as session:
            found = session.execute(query.where(FilePartitionTable.file_id.in_(_newest_whole())))
            return [(product, day) for product, day in found]

    def partition_rows(self, path: str) -> dict[tuple[str, str], int]:
        """Return the rows by (product, session) of the newest delivery of `path`."""
        with self._database.reading() as session:
            row = _latest(session, path)
            parts: Iterable[FilePartitionTable] = () if row is None else row.partitions
            return {(part.product, part.session): part.rows for part in parts}

    def broken_files(self) -> list[FileRow]:
        """Return the files whose newest delivery is broken, by path."""
        newest = select(func.max(FileTable.id)).group_by(FileTable.path)
        query = select(FileTable).where(FileTable.id.in_(newest), FileTable.status == "broken")
        return self._files(query.order_by(FileTable.path))

    def count_files(self) -> int:
        """Return how many paths are known."""
        with self._database.reading() as session:
            return session.scalar(select(func.count(distinct(FileTable.path)))) or 0

    def _files(self, query: Select[tuple[FileTable]]) -> list[FileRow]:
        with self._database.reading() as session:
            return [from_row(FileRow, row) for row in session.scalars(query)]


def _newest_whole() -> Any:
    """Return the ids of the newest delivery of each path that is not broken."""
    whole = FileTable.status != "broken"
    return select(func.max(FileTable.id)).where(whole).group_by(FileTable.path)


def _latest(session: Session, path: str) -> FileTable | None:
    query = select(FileTable).where(FileTable.path == path)
    return session.scalars(query.order_by(FileTable.delivery.desc()).limit(1)).first()


def _original(session: Session, path: str, sha256: str) -> FileTable | None:
    query = select(FileTable).where(FileTable.id.in_(_newest_whole()))
    query = query.where(FileTable.sha256 == sha256, FileTable.path != path)
    return session.scalars(query.order_by(FileTable.id).limit(1)).first()


def _compare(row: FileTable, original: FileTable | None) -> None:
    """Say whether a new delivery repeats the bytes of another path."""
    row.status = "whole" if original is None else "duplicate"
    row.duplicate_of = None if original is None else original.id
    row.reason = "" if original is None else f"{row.path}: same bytes as {original.path}"


def _replace_partitions(
    session: Session, row: FileTable, partitions: Mapping[tuple[str, str], int]
) -> None:
    there = {(part.product, part.session): part.rows for part in row.partitions}
    if there == dict(partitions):
        return
    row.partitions.clear()
    session.flush()
    row.partitions.extend(
        FilePartitionTable(product=product, session=day, rows=rows)
        for (product, day), rows in partitions.items()
    )
