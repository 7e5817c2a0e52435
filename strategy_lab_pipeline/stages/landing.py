"""Which tick files lie in a folder, and how they looked when they were last read."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR

from strategy_lab_core.data.files import is_tick_file, parts_of
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["LandingFile", "Search", "landing_files", "search", "search_landing", "stamp"]


@dataclass(frozen=True, slots=True)
class LandingFile:
    """A file as it lies in a folder now; a pair of LOBSTER's by its message file.

    Parameters
    ----------
    size
        Of all its parts, bytes.
    mtime_ns
        Of the part that changed last; 0 while one of them may not be read.
    """

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
        Each path that could not be looked into, and why.
    """

    files: tuple[Path, ...]
    unreadable: tuple[tuple[str, str], ...]


def search(paths: Iterable[Path]) -> Search:
    """Look for tick files: `paths` themselves, or in and under them where they are folders."""
    found: set[Path] = set()
    reasons: list[tuple[str, str]] = []

    def refuse(error: OSError) -> None:
        """Say why a path could not be looked into."""
        problem = "no permission to read it; `chmod u+rX` it"
        if isinstance(error, FileNotFoundError):
            problem = "not there; check the path"
        elif not isinstance(error, PermissionError):
            problem = f"not readable: {error.strerror}"
        reasons.append((str(error.filename), problem))

    for path in paths:
        try:
            is_folder = S_ISDIR(path.stat().st_mode)
        except OSError as error:
            refuse(error)
            continue
        if not is_folder and not is_tick_file(path):
            reasons.append(
                (str(path), "not the name of a tick file (.dbn, .csv, .parquet; .zst, .gz)")
            )
        inside = _files_under(path, refuse) if is_folder else [path]
        found.update(file.resolve() for file in inside if is_tick_file(file))
    return Search(tuple(sorted(found)), tuple(sorted(reasons)))


def _files_under(folder: Path, refuse: Callable[[OSError], None]) -> Iterator[Path]:
    for root, _, names in os.walk(folder, onerror=refuse):
        yield from (path for name in names if (path := Path(root, name)).is_file())


def landing_files(workspace: Workspace) -> list[LandingFile]:
    """Return the tick files of the landing folder as they are now."""
    found = (stamp(path) for path in search_landing(workspace).files)
    return [file for file in found if file is not None]


def stamp(path: Path) -> LandingFile | None:
    """Return the file as it is now; None where it is not there (any more)."""
    size = changed = 0
    readable = True
    for part in parts_of(path):
        try:
            status = part.stat()
        except OSError:
            if part == path:
                return None
            continue  # half of a pair: whoever reads it says so
        size, changed = size + status.st_size, max(changed, status.st_mtime_ns)
        readable = readable and os.access(part, os.R_OK)
    return LandingFile(path, size, changed if readable else 0)


def search_landing(workspace: Workspace) -> Search:
    """Look for tick files in the landing folder; links that lead out of it are not followed."""
    root = workspace.settings.landing.resolve()
    found = search([root])
    outside = [path for path in found.files if not path.is_relative_to(root)]
    problem = "a link in the landing folder leads there; copy the file, or ingest it by path"
    reasons = ((str(path), problem) for path in outside)
    inside = tuple(path for path in found.files if path not in outside)
    return Search(inside, (*found.unreadable, *reasons))
