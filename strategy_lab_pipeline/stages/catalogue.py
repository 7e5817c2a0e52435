"""The catalogue of files: what arrived, whether it is whole, which sessions it overlaps.

A file is read once, to its end; hash, schema and rows by product and session come out of that one
pass. A broken file is recorded by name with its reason, and nothing else waits for it.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from strategy_lab_core.data.files import inspect, is_tick_file
from strategy_lab_core.errors import DataError
from strategy_lab_pipeline.db.store import FileRow
from strategy_lab_pipeline.stages.tally import Tally
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = [
    "LandingFile",
    "catalogue_file",
    "landing_files",
    "readable_paths",
    "tick_files",
    "uncatalogued",
]


@dataclass(frozen=True, slots=True)
class LandingFile:
    """A file as it lies in a folder now."""

    path: Path
    size: int
    mtime_ns: int


def tick_files(paths: Iterable[Path]) -> list[Path]:
    """Return the tick files among `paths`, folders searched, by name; others are left alone."""
    found: set[Path] = set()
    for path in paths:
        inside = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
        found.update(file.resolve() for file in inside if is_tick_file(file))
    return sorted(found)


def readable_paths(paths: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """Return the paths that can be read, and a sentence for each that can't; the others go on."""
    readable, reasons = [], []
    for path in paths:
        if not path.exists():
            reasons.append(f"{path}: not there; check the path")
        elif not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
            reasons.append(f"{path}: no permission to read it; `chmod u+rX` it")
        else:
            readable.append(path)
    return readable, reasons


def landing_files(workspace: Workspace) -> list[LandingFile]:
    """Return the tick files of the landing folder with size and time of change."""
    return [_stamp(path) for path in tick_files([workspace.settings.landing])]


def uncatalogued(workspace: Workspace, paths: Iterable[Path]) -> list[LandingFile]:
    """Return the files that the catalogue does not know as they are now."""
    return [
        file
        for file in map(_stamp, paths)
        if not workspace.store.knows_file(str(file.path), file.size, file.mtime_ns)
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
