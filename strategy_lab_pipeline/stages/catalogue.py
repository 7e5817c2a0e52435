"""The catalogue of files: what arrived, whether it is whole, which sessions it overlaps.

A file is read once, to its end; hash, schema and rows by product and session come out of that one
pass. A broken file is recorded by name with its reason, and nothing else waits for it.
"""

from collections.abc import Iterable
from pathlib import Path

from strategy_lab_core.data.files import FileSummary, TickFile, inspect, open_ticks
from strategy_lab_core.errors import DataError
from strategy_lab_pipeline.db.deliveries import within
from strategy_lab_pipeline.db.store import FileRange, FileRow
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.stages.containment import has_messages
from strategy_lab_pipeline.stages.landing import LandingFile, stamp
from strategy_lab_pipeline.stages.sources import readable_path
from strategy_lab_pipeline.stages.tally import Tally
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["catalogue_file", "forget", "uncatalogued"]


def uncatalogued(
    workspace: Workspace, paths: Iterable[Path], *, retry_broken: bool = False
) -> list[LandingFile]:
    """Return the files that have to be read: new, changed, or left out for one that is no more.

    With `retry_broken` also those that could not be used: what was in the way may be gone.
    """
    left_out = (Path(file.path) for file in workspace.store.orphans())
    found = (stamp(path) for path in sorted({*paths, *left_out}))
    return [
        file
        for file in found
        if file is not None
        and not workspace.store.knows_file(
            str(file.path), file.size, file.mtime_ns, broken=not retry_broken
        )
    ]


def catalogue_file(workspace: Workspace, path: Path) -> FileRow:
    """Read `path` to its end and record it: whole, repeated or broken (with the reason)."""
    file = stamp(path)
    if file is None:
        return workspace.store.record_broken_file(
            str(path), size=0, mtime_ns=0, reason=f"{path}: went away while it was to be read"
        )
    tally = Tally(workspace.products)
    try:
        summary = inspect(path, on_batch=tally.add)
        tally.require_sessions(path)
    except DataError as error:
        return workspace.store.record_broken_file(
            str(path), size=file.size, mtime_ns=file.mtime_ns, reason=str(error)
        )
    except OSError as error:  # unlike a fault of its content, this may pass: time 0 is no file's
        problem = f"{path}: {error.strerror or error} while it was read; ingest it again"
        return workspace.store.record_broken_file(
            str(path), size=file.size, mtime_ns=0, reason=problem
        )
    ranges = tally.ranges()
    return workspace.store.record_file(
        str(path),
        size=file.size,
        mtime_ns=file.mtime_ns,
        sha256=summary.sha256,
        format=summary.format,
        schema=summary.schema.value,
        dataset=summary.dataset,
        rows=summary.rows,
        first_ts=summary.first_ts or 0,
        last_ts=summary.last_ts or 0,
        partitions=tally.partitions(),
        ranges=ranges,
        channels=tally.channels(path),
        proven=_proven(workspace, summary, ranges),
        remark=tally.remark(path),
    )


def _proven(
    workspace: Workspace, summary: FileSummary, mine: list[FileRange]
) -> set[tuple[str, str]]:
    """Return (a, b) where the file with hash a has all messages of the one with hash b.

    One of the two is the new file.
    """
    found = set()
    path, schema, new = summary.path, summary.schema.value, summary.sha256
    for other in workspace.store.overlapping(
        str(path), sha256=summary.sha256, schema=schema, ranges=mine
    ):
        theirs, old = _open_again(workspace, other.file), other.file.sha256
        try:
            mine_again = open_ticks(path)
            if within(other.ranges, mine) and has_messages(mine_again, theirs, other.ranges):
                found.add((new, old))
            if theirs and within(mine, other.ranges) and has_messages(theirs, mine_again, mine):
                found.add((old, new))
        except (DataError, OSError):
            continue  # one of them can't be read to its end any more: nothing is proven
    return found


def _open_again(workspace: Workspace, file: FileRow) -> TickFile | None:
    try:
        return open_ticks(readable_path(workspace, file))
    except (PipelineError, DataError, OSError):
        return None  # it is gone, or not what it was


def forget(workspace: Workspace, *paths: Path) -> None:
    """Count files that were taken away no more, all of them or none; sessions go on without them.

    Raises
    ------
    PipelineError
        A file lies in the landing folder, or was never catalogued.
    """
    landing = workspace.settings.landing.resolve()
    for path in paths:
        if path.is_relative_to(landing) and path.exists():
            problem = "is still in the landing folder, it would be read again; take it away first"
            raise PipelineError(f"{path}: {problem}")
    unknown = workspace.store.forget([str(path) for path in paths])
    if unknown:
        named = ", ".join(unknown)
        raise PipelineError(f"{named}: is in no catalogue; `strategy-lab status` names what counts")
