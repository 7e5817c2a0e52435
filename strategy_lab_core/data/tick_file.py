"""What every reader has in common: the tick file, its hashed bytes, lineage columns, batch sizes.

What is special to one format is in the file of its name; which of them reads a file is decided in
`files`.
"""

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TypeAlias, TypeVar

import polars as pl
import pyarrow as pa

from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.errors import ConfigError, FileError, TruncatedFileError
from strategy_lab_core.types import TickSchema

__all__ = [
    "BATCH_ROWS",
    "COPY_AGAIN",
    "ByteStream",
    "Decode",
    "Source",
    "TickFile",
    "ahead",
    "regrouped",
    "unreadable",
]

BATCH_ROWS = 1 << 18
COPY_AGAIN = "copy or download the file again"
_READ_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 18  # a larger read would lose more rows before a cut

T = TypeVar("T")


class Source:
    """The files behind one `TickFile`, with a running SHA-256 of the bytes handed out.

    One file's hash is that of its bytes. Of several files it is the hash of their hex digests in
    order.
    """

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self.paths = paths
        self._opened: dict[Path, _HashedFile] = {}

    def __enter__(self) -> "Source":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._opened.values():
            file.release()

    def open(self, path: Path) -> "_HashedFile":
        """Open one of the files for one reading from its start."""
        try:
            self._opened[path] = _HashedFile(path)
        except OSError as error:
            raise unreadable(path, error) from error
        return self._opened[path]

    def sha256(self) -> str:
        """Return the hash of all bytes, reading what is not read yet."""
        digests = [self._finished(path).digest.hexdigest() for path in self.paths]
        return (
            digests[0]
            if len(digests) == 1
            else hashlib.sha256("".join(digests).encode()).hexdigest()
        )

    def size(self) -> int:
        """Return the bytes handed out so far; after `sha256` all of them."""
        return sum(file.count for file in self._opened.values())

    def _finished(self, path: Path) -> "_HashedFile":
        file = self._opened.get(path) or self.open(path)
        while file.read(_CHUNK_BYTES):
            pass
        return file


def unreadable(path: Path, error: OSError) -> FileError:
    """Return the error for a file or folder that the operating system refuses to open."""
    if isinstance(error, PermissionError):
        remedy = "give this user the permission (chmod u+r; of a folder chmod u+rx)"
        return FileError(path, "may not be read by this user", remedy)
    if isinstance(error, FileNotFoundError):
        return FileError(path, "there is no such file", "check the name")
    return FileError(path, f"can't be opened: {error.strerror}", "name a file that can be read")


class _HashedFile:
    """A file that hashes and counts what is read from it.

    `close` is for PyArrow, whose streams close what they read from; only its `Source` does.
    """

    closed = False

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._ahead, self._used = b"", 0
        self.digest, self.count = hashlib.sha256(), 0

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`, having hashed them; none at the end."""
        if self._used == len(self._ahead):
            self._ahead, self._used = self._file.read(_READ_BYTES) or b"", 0
            self.digest.update(self._ahead)
            self.count += len(self._ahead)
        part = self._ahead[self._used : self._used + size]
        self._used += len(part)
        return part

    def close(self) -> None:
        """Do nothing."""

    def release(self) -> None:
        """Close the file."""
        self._file.close()


class ByteStream:
    """The content of a file, decompressed on the way, read in small chunks.

    A cut inside a compressed frame is found; a cut exactly between two frames looks whole. A frame
    with a checksum (the vendor's) is checked against it; in a frame without (PyArrow writes such)
    a changed byte can pass unseen.

    Parameters
    ----------
    source
        Opens the file and hashes its bytes.
    path
        The file.
    compression
        "zstd", "gzip" or None.
    """

    def __init__(self, source: Source, path: Path, compression: str | None) -> None:
        self.path, self.offset = path, 0
        file = source.open(path)
        self._compression = compression
        self._stream = (
            file
            if compression is None
            else pa.CompressedInputStream(pa.PythonFile(file, mode="r"), compression)
        )

    def read(self, size: int) -> bytes:
        """Return the next bytes of the content, at least one unless it ends, at most `size`."""
        try:
            data: bytes = self._stream.read(min(size, _CHUNK_BYTES))
        except OSError as error:
            raise self._broken(error) from error
        self.offset += len(data)
        return data

    def read_whole(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only where the content ends."""
        parts = []
        while size and (part := self.read(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _broken(self, error: OSError) -> FileError:
        where = f"after byte {self.offset} of its content"
        if "Truncated" in str(error):
            return TruncatedFileError(
                self.path, f"the {self._compression} frame ends in the middle, {where}", COPY_AGAIN
            )
        return FileError(self.path, f"can't be read {where}: {error}", COPY_AGAIN)


def ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """Yield the same items, each made by a second thread while the one before it is in use."""
    with ThreadPoolExecutor(1) as maker:
        made = maker.submit(_some, items)
        while found := made.result():
            made = maker.submit(_some, items)
            yield from found


def _some(items: Iterator[T]) -> list[T]:
    return list(islice(items, 1))


Decode: TypeAlias = Callable[[Source, int], Iterable[pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class TickFile:
    """One file of ticks, or a LOBSTER pair: what its header says, and its rows in batches.

    `symbols` maps instrument id to symbol where the header knows them (DBN), else it is empty.
    `decode` gives tables of the schema's columns up to `symbol`, in source order.
    """

    path: Path
    format: str
    schema: TickSchema
    dataset: str
    symbols: Mapping[int, str]
    decode: Decode = field(repr=False)
    partners: tuple[Path, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files, `path` first."""
        return (self.path, *self.partners)

    def file_hash(self) -> str:
        """Return the SHA-256 that stands in the rows: one pass over the bytes."""
        with Source(self.paths) as source:
            return source.sha256()

    def batches(
        self, batch_rows: int = BATCH_ROWS, *, file_hash: str | None = None
    ) -> Iterator[pl.DataFrame]:
        """Yield tables of `polars_schema(schema)`, each of `batch_rows` rows but the last.

        The bytes read are compared with `file_hash` at the end (hashed first where it is not
        given): a file that changed in between is an error, not a table of two versions.
        """
        expected = file_hash or self.file_hash()
        with Source(self.paths) as source:
            yield from self.batches_of(source, batch_rows, file_hash=expected)
            if source.sha256() != expected:
                raise FileError(self.path, "changed while it was read", "read it again when whole")

    def batches_of(
        self, source: Source, batch_rows: int = BATCH_ROWS, *, file_hash: str | None
    ) -> Iterator[pl.DataFrame]:
        """Yield the batches of an opened source; `file_hash` stands in the rows unchecked."""
        if batch_rows < 1:
            raise ConfigError("batch_rows", batch_rows, "at least 1")
        names, row = list(polars_schema(self.schema)), 0
        for batch in regrouped(self.decode(source, batch_rows), batch_rows):
            yield batch.with_columns(
                pl.lit(file_hash, dtype=pl.String).alias("file_hash"),
                pl.int_range(row, row + batch.height, dtype=pl.Int64).alias("row"),
            ).select(names)
            row += batch.height


def regrouped(tables: Iterable[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """Yield the same rows in tables of `rows` rows, the last one shorter."""
    pending: list[pl.DataFrame] = []
    for table in tables:
        pending.append(table)
        while sum(part.height for part in pending) >= rows:
            joined = pl.concat(pending)
            yield joined[:rows]
            pending = [joined[rows:]] if joined.height > rows else []
    joined = pl.concat(pending) if pending else pl.DataFrame()
    if joined.height:
        yield joined
