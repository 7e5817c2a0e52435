"""A version's files: written aside as a draft, sealed with their hashes, read back.

Where versions lie, and when one appears, is the lake's business.
"""

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, TypedDict

import polars as pl

from strategy_lab_pipeline.errors import LakeError, UnsafePathError
from strategy_lab_pipeline.tables import TableWriter

__all__ = [
    "MANIFEST",
    "NAME_RULES",
    "Draft",
    "FileEntry",
    "PublishedVersion",
    "data_version_of",
    "is_intact",
    "read_version",
    "require_name",
    "sync",
]

MANIFEST = "manifest.json"
NAME_RULES = {
    "asset": re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}", re.ASCII),
    "product": re.compile(r"-|[A-Za-z0-9][A-Za-z0-9_.-]{0,15}", re.ASCII),
    "session": re.compile(r"-|[A-Za-z0-9][A-Za-z0-9_.-]{0,31}", re.ASCII),
    "version": re.compile(r"[0-9a-f]{16}", re.ASCII),
    "file name": re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", re.ASCII),
}


class FileEntry(TypedDict):
    """One file of a version; `rows` is None where it is not a table."""

    name: str
    sha256: str
    bytes: int
    rows: int | None


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """A whole version.

    Parameters
    ----------
    data_version
        sha256 over the names and hashes of its files, by name.
    """

    path: Path
    files: tuple[FileEntry, ...]
    data_version: str


class Draft:
    """The files of a version before they are published."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tables: dict[str, TableWriter] = {}
        self._published: PublishedVersion | None = None

    @property
    def published(self) -> PublishedVersion:
        """The version in its place; there once the `with` block has ended."""
        if self._published is None:
            raise LakeError(f"{self.folder.name} is not published yet: leave the `with` block")
        return self._published

    def path(self, name: str) -> Path:
        """Return where to write the file `name`."""
        require_name("file name", name)
        if name == MANIFEST:
            raise UnsafePathError("file name", name, "another one: the lake writes this file")
        return self.folder / name

    def table(self, name: str, schema: pl.Schema) -> TableWriter:
        """Open the table `name`, a file `<name>.parquet`; closed with the draft at the latest."""
        path = self.path(f"{name}.parquet")
        if path.name in self._tables:
            raise LakeError(f"table {name} is written twice in one version")
        self._tables[path.name] = TableWriter(path, schema)
        return self._tables[path.name]

    def json(self, name: str, value: Any) -> None:
        """Write `value` as JSON with sorted keys."""
        text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
        self.text(name, text + "\n")

    def text(self, name: str, text: str) -> None:
        """Write a text file in UTF-8."""
        self.path(name).write_text(text, encoding="utf-8", newline="\n")

    def seal(self) -> tuple[FileEntry, ...]:
        """Close and sync every file and the manifest; return the files by name."""
        for table in self._tables.values():
            table.close()
        files = tuple(self._entry(path) for path in sorted(self.folder.iterdir()))
        manifest = self.folder / MANIFEST
        manifest.write_text(json.dumps(files, sort_keys=True, indent=1) + "\n", encoding="utf-8")
        sync(manifest)
        sync(self.folder)
        return files

    def _entry(self, path: Path) -> FileEntry:
        self.path(path.name)
        if path.is_symlink() or not path.is_file():
            raise UnsafePathError("every entry of a version", path.name, "a plain file")
        sync(path)
        table = self._tables.get(path.name)
        return FileEntry(
            name=path.name,
            sha256=_hash(path),
            bytes=path.stat().st_size,
            rows=None if table is None else table.rows,
        )

    def abandon(self) -> None:
        """Remove everything."""
        for table in self._tables.values():
            with suppress(OSError):
                table.abandon()
        shutil.rmtree(self.folder, ignore_errors=True)


def require_name(what: str, name: str) -> None:
    """Raise an `UnsafePathError` for a name that could lead out of its folder."""
    rule = NAME_RULES[what]
    if not rule.fullmatch(name):
        raise UnsafePathError(what, name, f"like {rule.pattern}")


def read_version(path: Path) -> PublishedVersion | None:
    """Return the version in a folder if its files are there in their recorded sizes."""
    try:
        files: tuple[FileEntry, ...] = tuple(json.loads((path / MANIFEST).read_bytes()))
        sizes = [(path / file["name"]).stat().st_size for file in files]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if sizes != [file["bytes"] for file in files]:
        return None
    return PublishedVersion(path, files, data_version_of(files))


def is_intact(version: PublishedVersion) -> bool:
    """Return whether every file still has its recorded hash."""
    return all(_hash(version.path / file["name"]) == file["sha256"] for file in version.files)


def data_version_of(files: Iterable[Mapping[str, Any]]) -> str:
    """Return the sha256 over the names and hashes of files, by name."""
    pairs = sorted((file["name"], file["sha256"]) for file in files)
    return sha256(json.dumps(pairs).encode()).hexdigest()


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Write a file, or what a folder holds, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
