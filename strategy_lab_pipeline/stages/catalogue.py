"""The catalogue of files: what arrived, whether it is whole, which sessions it overlaps.

A file is read once, to its end; hash, schema and rows by product and session come out of that one
pass. A broken file is recorded by name with its reason, and nothing else waits for it.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR

from strategy_lab_core.data.files import inspect, is_tick_file
from strategy_lab_core.errors import DataError
from strategy_lab_pipeline.db.store import FileRow
from strategy_lab_pipeline.stages.tally import Tally
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = [
    "LandingFile",
    "Search",
    "catalogue_file",
    "landing_files",
    "search",
    "search_landing",
    "uncatalogued",
]


@dataclass(frozen=True, slots=True)
class LandingFile:
    """A file as it lies in a folder now."""

    path: Path
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Search:
    """What lies under some paths.

    Parameters
    ----------
    files
        Tick files by name; others are left alone.
    unreadable
        A sentence for each path that could not be looked into.
    """

    files: tuple[Path, ...]
    unreadable: tuple[str, ...]


def search(paths: Iterable[Path]) -> Search:
    """Look for tick files: `paths` themselves, or in and under them where they are folders."""
    found: set[Path] = set()
    reasons: list[str] = []

    def refuse(error: OSError) -> None:
        """Say why a path could not be looked into."""
        problem = "no permission to read it; `chmod u+rX` it"
        if isinstance(error, FileNotFoundError):
            problem = "not there; check the path"
        elif not isinstance(error, PermissionError):
            problem = f"not readable: {error.strerror}"
        reasons.append(f"{error.filename}: {problem}")

    for path in paths:
        try:
            is_folder = S_ISDIR(path.stat().st_mode)
        except OSError as error:
            refuse(error)
            continue
        if not is_folder and not is_tick_file(path):
            reasons.append(f"{path}: not the name of a tick file (.dbn, .csv, .parquet; .zst, .gz)")
        inside = _files_under(path, refuse) if is_folder else [path]
        found.update(file.resolve() for file in inside if is_tick_file(file))
    return Search(tuple(sorted(found)), tuple(sorted(reasons)))


def _files_under(folder: Path, refuse: Callable[[OSError], None]) -> Iterator[Path]:
    for root, _, names in os.walk(folder, onerror=refuse):
        yield from (path for name in names if (path := Path(root, name)).is_file())


def landing_files(workspace: Workspace) -> list[LandingFile]:
    """Return the tick files of the landing folder with size and time of change."""
    return [_stamp(path) for path in search_landing(workspace).files]


def search_landing(workspace: Workspace) -> Search:
    """Look for tick files in the landing folder; links that lead out of it are not followed."""
    root = workspace.settings.landing.resolve()
    found = search([root])
    outside = [path for path in found.files if not path.is_relative_to(root)]
    reasons = (
        f"{path}: a link in the landing folder leads there; copy the file, or ingest it by path"
        for path in outside
    )
    inside = tuple(path for path in found.files if path not in outside)
    return Search(inside, (*found.unreadable, *reasons))


def uncatalogued(
    workspace: Workspace, paths: Iterable[Path], *, retry_broken: bool = False
) -> list[LandingFile]:
    """Return the files that the catalogue does not know as they are now.

    With `retry_broken` also those that could not be used: what was in the way may be gone.
    """
    return [
        file
        for file in map(_stamp, paths)
        if not workspace.store.knows_file(
            str(file.path), file.size, file.mtime_ns, broken=not retry_broken
        )
    ]


def _stamp(path: Path) -> LandingFile:
    status = path.stat()
    return LandingFile(path, status.st_size, status.st_mtime_ns)


def catalogue_file(workspace: Workspace, path: Path) -> FileRow:
    """Read `path` to its end and record it: whole, repeated or broken (with the reason)."""
    stamp = _stamp(path)
    tally = Tally()
    try:
        summary = inspect(path, on_batch=tally.add)
        tally.require_products(path)
    except DataError as error:
        return workspace.store.record_broken_file(
            str(path), size=stamp.size, mtime_ns=stamp.mtime_ns, reason=str(error)
        )
    return workspace.store.record_file(
        str(path),
        size=stamp.size,
        mtime_ns=stamp.mtime_ns,
        sha256=summary.sha256,
        format=summary.format,
        schema=summary.schema.value,
        dataset=summary.dataset,
        rows=summary.rows,
        first_ts=summary.first_ts or 0,
        last_ts=summary.last_ts or 0,
        partitions=tally.partitions(),
        ranges=tally.ranges(),
    )
