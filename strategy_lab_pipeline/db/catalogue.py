"""The catalogue of tick files: which deliveries came, which are whole, whose sessions they overlap.

For each path the newest whole delivery counts: a broken one that comes later never costs the data
of the one before.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import Select, distinct, func, select, update
from sqlalchemy.orm import Session

from strategy_lab_pipeline.db.deliveries import (
    Overlap,
    compare_bytes,
    compare_messages,
    newest_whole,
    orphans,
    overlaps,
)
from strategy_lab_pipeline.db.gap_records import FileChannel
from strategy_lab_pipeline.db.models import (
    FileChannelTable,
    FilePartitionTable,
    FileRangeTable,
    FileTable,
)
from strategy_lab_pipeline.db.queries import Queries
from strategy_lab_pipeline.db.records import FileRange, FileRow, from_row

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
        ranges: Sequence[FileRange] = (),
        channels: Sequence[FileChannel] = (),
        proven: Collection[tuple[str, str]] = (),
        remark: str = "",
    ) -> FileRow:
        """Record a file that was read to its end; the same bytes again are no new delivery.

        Parameters
        ----------
        first_ts, last_ts
            First and last index time, ns UTC, both inclusive.
        partitions
            (product, session) to the number of the file's rows in it.
        ranges
            One for each instrument and channel; a schema without sequence numbers has none.
        channels
            One for each channel that its messages name.
        proven
            (a, b): the file with hash a has all messages of the one with hash b.
        remark
            What is to be said of a file that counts.

        Returns
        -------
        The delivery: "duplicate" where another path has the same bytes, "covered" where it has all
        of the messages, "broken" where the two share some.
        """
        columns = {
            "size": size, "mtime_ns": mtime_ns, "sha256": sha256, "format": format,
            "schema": schema, "dataset": dataset, "rows": rows, "first_ts": first_ts,
            "last_ts": last_ts,
        }  # fmt: skip
        with self._database.writing() as session:
            row = _latest(session, path)
            known = row is not None and row.status != "broken" and row.sha256 == sha256
            is_new = row is None or not known or _is_open(session, row)
            if row is None or is_new:
                row = self._next_delivery(path, row)
            for name, value in columns.items():
                setattr(row, name, value)
            if is_new:
                compare_bytes(session, row)
            session.add(row)
            _replace_partitions(session, row, partitions)
            _replace_ranges(session, row, ranges)
            _replace_channels(session, row, channels)
            session.flush()
            if is_new and row.status == "whole":
                compare_messages(session, row, ranges, proven)
            if row.status == "whole":
                row.reason = remark
            return from_row(FileRow, row)

    def overlapping(
        self, path: str, *, sha256: str, schema: str, ranges: Sequence[FileRange]
    ) -> list[Overlap]:
        """Return the files that may share messages with a new one, older first."""
        with self._database.reading() as session:
            return overlaps(session, path, sha256, schema, ranges)

    def forget(self, paths: Collection[str]) -> list[str]:
        """Count the files at `paths` no more, all of their deliveries.

        Returns those that don't count now: where there are any, nothing is forgotten.
        """
        counting = (FileTable.path.in_(paths), ~FileTable.forgotten)
        with self._database.writing() as session:
            known = set(session.scalars(select(FileTable.path).where(*counting)))
            unknown = sorted(set(paths) - known)
            if not unknown:
                session.execute(update(FileTable).where(*counting).values(forgotten=True))
            return unknown

    def record_broken_file(
        self, path: str, *, size: int, mtime_ns: int, reason: str, sha256: str = ""
    ) -> FileRow:
        """Record a file that can't be used, with the reason; once for the same file."""
        with self._database.writing() as session:
            row = _latest(session, path)
            found = row and (row.status, row.size, row.mtime_ns, row.reason)
            if row is None or row.forgotten or found != ("broken", size, mtime_ns, reason):
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

    def knows_file(self, path: str, size: int, mtime_ns: int, *, broken: bool = True) -> bool:
        """Return whether the newest delivery of `path` has this size (bytes) and time of change.

        Not known is what has to be judged anew: what was forgotten, what was left out for another
        file that does not count any more, and without `broken` what could not be used.
        """
        with self._database.reading() as session:
            row = _latest(session, path)
            if row is None or (row.status == "broken" and not broken) or _is_open(session, row):
                return False
            return (row.size, row.mtime_ns) == (size, mtime_ns)

    def last_delivery(self, path: str) -> int:
        """Return the number of the newest delivery of `path`, whatever became of it; 0 for none."""
        with self._database.reading() as session:
            row = _latest(session, path)
            return 0 if row is None else row.delivery

    def orphans(self) -> list[FileRow]:
        """Return the files left out for another one that does not count any more, by path."""
        return self._files(orphans())

    def file_by_path(self, path: str) -> FileRow | None:
        """Return the newest delivery of `path`, whole or broken."""
        with self._database.reading() as session:
            row = _latest(session, path)
            return None if row is None or row.forgotten else from_row(FileRow, row)

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
            .where(FileTable.id.in_(newest_whole()), FileTable.status != "covered")
        )
        return self._once(query)

    def whole_files_before(self, product: str, schema: str, first_ts: int) -> list[FileRow]:
        """Return the files with messages of a product that begin before a time, in that order."""
        query = (
            select(FileTable)
            .where(FileTable.ranges.any(FileRangeTable.product == product))
            .where(FileTable.schema == schema, FileTable.first_ts < first_ts)
            .where(FileTable.id.in_(newest_whole()), FileTable.status != "covered")
        )
        return self._once(query)

    def restarts(self, file_id: int, product: str) -> dict[int, bool]:
        """Return for each instrument of a file whether it begins with a known book."""
        query = select(FileRangeTable.instrument_id, FileRangeTable.restarts).where(
            FileRangeTable.file_id == file_id, FileRangeTable.product == product
        )
        with self._database.reading() as session:
            found: dict[int, bool] = {}
            for instrument_id, restarts in session.execute(query):
                found[instrument_id] = found.get(instrument_id, True) and restarts
            return found

    def _once(self, query: Select[tuple[FileTable]]) -> list[FileRow]:
        by_hash: dict[str, FileRow] = {}
        for file in self._files(query.order_by(FileTable.id)):
            by_hash.setdefault(file.sha256, file)
        return sorted(by_hash.values(), key=lambda file: (file.first_ts, file.path))

    def all_partitions(self) -> list[tuple[str, str]]:
        """Return (product, session) of all partitions that some whole file has rows in."""
        columns = (FilePartitionTable.product, FilePartitionTable.session)
        query = select(*columns).distinct().order_by(*columns)
        with self._database.reading() as session:
            found = session.execute(
                query.join(FileTable).where(
                    FileTable.id.in_(newest_whole()), FileTable.status != "covered"
                )
            )
            return [(product, day) for product, day in found]

    def partition_rows(self, path: str) -> dict[tuple[str, str], int]:
        """Return the rows by (product, session) of the newest delivery of `path`."""
        with self._database.reading() as session:
            row = _latest(session, path)
            parts: Iterable[FilePartitionTable] = () if row is None else row.partitions
            return {(part.product, part.session): part.rows for part in parts}

    def broken_files(self) -> list[FileRow]:
        """Return the files whose newest delivery is broken, by path."""
        newest = select(func.max(FileTable.id)).where(~FileTable.forgotten).group_by(FileTable.path)
        query = select(FileTable).where(FileTable.id.in_(newest), FileTable.status == "broken")
        return self._files(query.order_by(FileTable.path))

    def count_files(self) -> int:
        """Return how many paths are known."""
        with self._database.reading() as session:
            query = select(func.count(distinct(FileTable.path))).where(~FileTable.forgotten)
            return session.scalar(query) or 0

    def remarks(self) -> list[str]:
        """Return what is to be said of files that count, by path."""
        newest = FileTable.id.in_(newest_whole())
        query = select(FileTable.reason).where(newest, FileTable.status == "whole")
        query = query.where(FileTable.reason != "").order_by(FileTable.path)
        with self._database.reading() as session:
            return list(session.scalars(query))

    def _files(self, query: Select[tuple[FileTable]]) -> list[FileRow]:
        with self._database.reading() as session:
            return [from_row(FileRow, row) for row in session.scalars(query)]


def _latest(session: Session, path: str) -> FileTable | None:
    query = select(FileTable).where(FileTable.path == path)
    return session.scalars(query.order_by(FileTable.delivery.desc()).limit(1)).first()


def _is_open(session: Session, row: FileTable) -> bool:
    """Whether a known delivery has to be judged anew."""
    left_out = orphans().where(FileTable.id == row.id)
    return row.forgotten or session.scalars(left_out).first() is not None


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


def _replace_ranges(session: Session, row: FileTable, ranges: Sequence[FileRange]) -> None:
    row.ranges.clear()
    session.flush()
    row.ranges.extend(FileRangeTable(**asdict(found)) for found in ranges)


def _replace_channels(session: Session, row: FileTable, channels: Sequence[FileChannel]) -> None:
    row.channels.clear()
    session.flush()
    for found in channels:
        columns = {name: value for name, value in asdict(found).items() if name != "path"}
        row.channels.append(FileChannelTable(**columns))
