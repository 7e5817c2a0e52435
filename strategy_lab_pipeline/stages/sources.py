"""The files that a partition is read from: those with rows in its session, and those before them.

A book that begins in the middle of things needs its past. Where no clear and no snapshot opens
the first file of an instrument, the files before it are read too, back to one that does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from strategy_lab_core.types import TickSchema
from strategy_lab_pipeline.db.store import FileRow
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.stages.landing import stamp
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["Sources", "readable_path", "sources_of"]


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of a partition.

    Parameters
    ----------
    session
        With rows in the session, by schema, first time and path.
    earlier
        Market-by-order files before them that its book begins with, by first time and path.
    """

    session: tuple[FileRow, ...]
    earlier: tuple[FileRow, ...]

    def __iter__(self) -> Iterator[FileRow]:
        """Return all files in reading order."""
        return iter((*self.earlier, *self.session))


def sources_of(workspace: Workspace, product: str, session: date) -> Sources:
    """Return the files that the partition's raw ticks and seeds are read from."""
    found = workspace.store.whole_files_for(product, str(session))
    found.sort(key=lambda file: (file.schema, file.first_ts, file.path))
    by_order = [file for file in found if file.schema == TickSchema.MBO]
    return Sources(tuple(found), tuple(_earlier(workspace, product, by_order)))


def _earlier(workspace: Workspace, product: str, files: list[FileRow]) -> list[FileRow]:
    opened = dict[int, bool]()
    for file in files:
        opened = workspace.store.restarts(file.id, product) | opened
    unknown = {instrument_id for instrument_id, restarts in opened.items() if not restarts}
    chain: list[FileRow] = []
    if not unknown:
        return chain
    before = workspace.store.whole_files_before(product, TickSchema.MBO, files[0].first_ts)
    for file in reversed(before):
        restarts = workspace.store.restarts(file.id, product)
        if unknown & restarts.keys():
            chain.insert(0, file)
            unknown -= {instrument_id for instrument_id, known in restarts.items() if known}
        if not unknown:
            break
    return chain


def readable_path(workspace: Workspace, file: FileRow) -> Path:
    """Return where the file's bytes still are as they were catalogued, or raise."""
    copies = workspace.store.files_by_hash(file.sha256)
    for copy in (file, *copies):
        found = stamp(Path(copy.path))
        if found is not None and (found.size, found.mtime_ns) == (copy.size, copy.mtime_ns):
            return found.path
    if Path(file.path).is_file():
        problem = "has changed since it was catalogued; run `strategy-lab ingest` on it"
    else:
        problem = "is gone; put it back, or tell `strategy-lab forget` to count it no more"
    raise PipelineError(f"{file.path}: {problem}")
