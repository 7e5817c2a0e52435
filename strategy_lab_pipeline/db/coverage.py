"""What the files say about coverage: their whole channels, and the files that do not count."""

from sqlalchemy import Select, exists, func, select

from strategy_lab_pipeline.db.catalogue import FileCatalogue
from strategy_lab_pipeline.db.deliveries import newest_whole
from strategy_lab_pipeline.db.gap_records import DoubtfulFile, FileChannel
from strategy_lab_pipeline.db.models import (
    FileChannelTable,
    FilePartitionTable,
    FileRangeTable,
    FileTable,
)
from strategy_lab_pipeline.db.records import FileRow, from_row

__all__ = ["Coverage"]


class Coverage(FileCatalogue):
    """Queries about one product's files."""

    def whole_channels(self, product: str) -> list[FileChannel]:
        """Return the whole channels of a product in the files that count, by first time and path.

        Equal bytes count once.
        """
        counts = {file.id: file for file in self._once(_counting(product))}
        mine = exists().where(
            FileRangeTable.file_id == FileChannelTable.file_id,
            FileRangeTable.product == product,
            FileRangeTable.publisher_id == FileChannelTable.publisher_id,
            FileRangeTable.channel_id == FileChannelTable.channel_id,
        )
        query = select(FileChannelTable).where(mine, FileChannelTable.is_whole)
        with self._database.reading() as session:
            rows = [row for row in session.scalars(query) if row.file_id in counts]
            found = [from_row(FileChannel, row, path=counts[row.file_id].path) for row in rows]
        return sorted(found, key=lambda each: (each.first_ts, each.path))

    def doubtful_files(self, product: str) -> list[DoubtfulFile]:
        """Return the files of a product that do not count beside another one, by path.

        Copies, those whose messages another one has, and those that were refused for some.
        """
        newest = select(func.max(FileTable.id)).where(~FileTable.forgotten).group_by(FileTable.path)
        query = select(FileTable).where(
            FileTable.id.in_(newest),
            FileTable.duplicate_of.is_not(None),
            FileTable.status.in_(("duplicate", "covered", "broken")),
            FileTable.partitions.any(FilePartitionTable.product == product),
        )
        with self._database.reading() as session:
            return [
                DoubtfulFile(
                    from_row(FileRow, row),
                    session.get_one(FileTable, row.duplicate_of).path,
                    {part.session: part.rows for part in row.partitions if part.product == product},
                )
                for row in session.scalars(query.order_by(FileTable.path))
            ]


def _counting(product: str) -> Select[tuple[FileTable]]:
    return (
        select(FileTable)
        .where(FileTable.partitions.any(FilePartitionTable.product == product))
        .where(FileTable.id.in_(newest_whole()), FileTable.status != "covered")
    )
