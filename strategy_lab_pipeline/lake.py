"""The lake: every version of every partition as a folder of files, whole or not there at all.

`<root>/<asset>/<product>/<session>/<version>/` holds the version's files and its manifest. A draft
is written aside in `.drafts`, synced, and renamed into place. Which version is current, and what
the rows mean, is in the database.
"""

import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from strategy_lab_pipeline.drafts import (
    NAME_RULES,
    Draft,
    FileEntry,
    PublishedVersion,
    data_version_of,
    is_intact,
    read_version,
    require_name,
    sync,
)
from strategy_lab_pipeline.errors import UnsafePathError
from strategy_lab_pipeline.processes import exclusive, lives, process_token

__all__ = ["Draft", "Lake", "PublishedVersion", "VersionKey"]

VersionKey: TypeAlias = tuple[str, str, str, str]  # asset, product, session, version

DRAFTS = ".drafts"
LOCK = ".lock"
CLAIM = ".claim"
FOREIGN_DRAFT_AGE_S = 24 * 3600  # of another machine, which alone knows whether its writer lives
_KEY = ("asset", "product", "session", "version")
_SCRATCH = ("scratch", "-", "-", "-")


class Lake:
    """All versions below one root folder, shared by any number of processes."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._drafts = self.root / DRAFTS

    def version_path(self, asset: str, product: str, session: str, version: str) -> Path:
        """Return the folder of a version, whether it is there or not.

        Raises
        ------
        UnsafePathError
            A name, or a symbolic link on the way, could lead out of the lake.
        """
        key = (asset, product, session, version)
        for what, name in zip(_KEY, key, strict=True):
            require_name(what, name)
        path = self.root.joinpath(*key)
        if path.resolve() != self.root.resolve().joinpath(*key):
            raise UnsafePathError("folder", str(path), "free of symbolic links below the lake")
        return path

    def find(self, asset: str, product: str, session: str, version: str) -> PublishedVersion | None:
        """Return a version if it is there with all its files in their recorded sizes."""
        return read_version(self.version_path(asset, product, session, version))

    @contextmanager
    def publish(self, asset: str, product: str, session: str, version: str) -> Iterator[Draft]:
        """Write a version aside; it appears whole when the block ends, and not at all if it fails.

        Where the version is there already with the same bytes it stays; damaged or other bytes are
        replaced. Until its row is known to `sweep`, a claim of this process protects the version.
        """
        key = (asset, product, session, version)
        target = self.version_path(*key)
        _make_folder(self._drafts)
        folder = self._drafts / _draft_name(key)
        claim = folder.with_name(folder.name + CLAIM)
        claim.touch()
        draft = Draft(folder)
        try:
            folder.mkdir()
            yield draft
            files = draft.seal()
            with exclusive(self.root / LOCK):
                draft._published = self._place(folder, target, files)
        except BaseException:
            draft.abandon()
            claim.unlink(missing_ok=True)
            raise

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Make a folder for files on their way; it goes with the block, or when `sweep` comes."""
        _make_folder(self._drafts)
        folder = self._drafts / _draft_name(_SCRATCH)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _place(self, folder: Path, target: Path, files: tuple[FileEntry, ...]) -> PublishedVersion:
        published = PublishedVersion(target, files, data_version_of(files))
        if read_version(target) == published and is_intact(published):
            shutil.rmtree(folder)
            return published
        _make_folder(target.parent)
        with self._set_aside(target):
            folder.rename(target)
            sync(target.parent)
        return published

    @contextmanager
    def _set_aside(self, target: Path) -> Iterator[None]:
        """Rename a folder out of sight before removing it: no half of it is ever visible."""
        aside = self._drafts / _draft_name(self._key_of(target))
        if target.exists():
            target.rename(aside)
        try:
            yield
        except BaseException:
            if aside.exists():
                aside.rename(target)
            raise
        if aside.exists():
            shutil.rmtree(aside)

    def sweep(self, known_versions: Callable[[], Iterable[VersionKey]]) -> list[Path]:
        """Remove what dead processes left: drafts, and versions that the database does not know.

        Parameters
        ----------
        known_versions
            Reads the keys of all recorded versions; called after the lake has been listed, so that
            a row written meanwhile still counts.

        Returns
        -------
        The folders that were removed.
        """
        if not self.root.is_dir():
            return []
        _make_folder(self._drafts)
        with exclusive(self.root / LOCK):
            removed, claims = self._sweep_drafts()
            unclaimed = [path for path in self._versions() if self._key_of(path) not in claims]
            known = set(known_versions())
            for path in unclaimed:
                if self._key_of(path) not in known:
                    with self._set_aside(path):
                        removed.append(path)
            for key, paths in claims.items():
                for path in paths if key in known else ():
                    path.unlink(missing_ok=True)
        return removed

    def _sweep_drafts(self) -> tuple[list[Path], dict[VersionKey, list[Path]]]:
        """Remove the dead's drafts; return them, and the claims of the living by version."""
        removed: list[Path] = []
        claims: dict[VersionKey, list[Path]] = {}
        for path in sorted(self._drafts.iterdir()):
            *key, token, _ = [*path.name.split("~"), "", ""][:6]
            if _is_live(token, path):
                if path.name.endswith(CLAIM):
                    claims.setdefault((key[0], key[1], key[2], key[3]), []).append(path)
            elif path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
                removed.append(path)
            else:
                path.unlink()
        return removed, claims

    def _versions(self) -> list[Path]:
        """Return every version folder; other files and folders are not ours to judge."""
        return [
            path
            for path in sorted(self.root.glob("*/*/*/*"))
            if _well_named(self._key_of(path))
            and path.is_dir()
            and path.resolve() == self.root.resolve().joinpath(*self._key_of(path))
        ]

    def _key_of(self, path: Path) -> VersionKey:
        asset, product, session, version = path.relative_to(self.root).parts
        return asset, product, session, version


def _well_named(key: VersionKey) -> bool:
    return all(NAME_RULES[what].fullmatch(name) for what, name in zip(_KEY, key, strict=True))


def _draft_name(key: VersionKey) -> str:
    return "~".join((*key, process_token(), secrets.token_hex(4)))


def _is_live(token: str, path: Path) -> bool:
    known = lives(token)
    if known is not None:
        return known
    try:
        newest = max(file.lstat().st_mtime for file in (path, *path.glob("*")))
    except OSError:  # it is being published right now
        return True
    return time.time() - newest < FOREIGN_DRAFT_AGE_S


def _make_folder(path: Path) -> None:
    """Make a folder and those above it, each synced into its parent."""
    if not path.is_dir():
        _make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)
