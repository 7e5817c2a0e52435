"""Which reader reads a file, by content and name; the whole file in one pass; tick file names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from strategy_lab_core.data.binance import is_capture, open_binance
from strategy_lab_core.data.databento_csv import open_csv
from strategy_lab_core.data.dbn import open_dbn
from strategy_lab_core.data.lobster import (
    is_order_book_name,
    message_path,
    open_lobster,
    order_book_path,
)
from strategy_lab_core.data.parquet import open_parquet
from strategy_lab_core.data.tick_file import BATCH_ROWS, ByteStream, Source, TickFile, unreadable
from strategy_lab_core.errors import FileError, FormatError, TruncatedFileError
from strategy_lab_core.types import TickSchema

__all__ = [
    "FileSummary",
    "TickFile",
    "inspect",
    "is_folder",
    "is_tick_file",
    "open_ticks",
    "parts_of",
]

_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"
_ENDINGS = (".dbn", ".csv", ".parquet", ".dbz", ".frag")
_COMPRESSED = (".zst", ".gz")
_TEMPORARY = (".tmp", ".part", ".partial", ".crdownload", ".download", ".filepart", "~")
_REMEDY = "Strategy Lab reads DBN, Databento CSV, Parquet, LOBSTER pairs and Binance captures"


@dataclass(frozen=True, slots=True)
class FileSummary:
    """What one pass over a whole file found.

    `symbols` maps instrument id to symbol for the ids in the rows (the last one where an id had
    several). `first_ts` and `last_ts` are the lowest and highest `ts_recv` above 0, ns UTC, None
    where there is none.
    """

    path: Path
    sha256: str
    bytes: int
    format: str
    schema: TickSchema
    dataset: str
    rows: int
    symbols: Mapping[int, str]
    first_ts: int | None
    last_ts: int | None
    whole: bool = True

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.name


def is_tick_file(path: Path) -> bool:
    """Return whether a file's name says that it should be read.

    True also for ``.dbz`` and ``.frag``, so that they are refused aloud. Hidden and temporary names
    and the second file of a LOBSTER pair are not.
    """
    name = path.name.lower()
    if name.startswith(".") or name.endswith(_TEMPORARY) or is_order_book_name(path.name):
        return False
    for ending in _COMPRESSED:
        name = name.removesuffix(ending)
    return name.endswith(_ENDINGS)


def parts_of(path: Path) -> tuple[Path, ...]:
    """Return the files that are read as one: both of a LOBSTER pair, else `path` alone."""
    messages = message_path(path)
    return (path,) if messages is None else (messages, order_book_path(messages))


def is_folder(path: Path) -> bool:
    """Return whether this is a folder; raise a `FileError` where this user may not even ask."""
    try:
        return path.is_dir()
    except OSError as error:
        raise unreadable(path, error) from error


def open_ticks(path: Path | str) -> TickFile:
    """Return the file with its format and schema known, or raise a `FileError` that says why not.

    Parameters
    ----------
    path
        One file; of a LOBSTER pair either file.
    """
    path = Path(path)
    _refuse_by_name(path)
    content, compression = _start(path)
    if content.startswith(b"DBN"):
        return open_dbn(path, compression=compression)
    if content.startswith(b"PAR1"):
        return open_parquet(path)
    _refuse_by_content(path, content)
    if is_capture(content):
        return open_binance(path, compression=compression)
    messages = message_path(path)
    if messages:
        return open_lobster(messages)
    return open_csv(path, compression=compression)


def inspect(
    path: Path | str,
    *,
    on_batch: Callable[[pl.DataFrame], None] | None = None,
    batch_rows: int = BATCH_ROWS,
) -> FileSummary:
    """Read a file to its end, hashing the bytes in the same pass; a broken file raises.

    Parameters
    ----------
    path
        One file; of a LOBSTER pair either file.
    on_batch
        Called with every batch; its `file_hash` is null, because it is known at the end only.
    batch_rows
        Rows a batch.
    """
    file = open_ticks(path)
    rows, symbols, times = 0, dict[int, str](), list[int]()
    with Source(file.paths) as source:
        for batch in file.batches_of(source, batch_rows, file_hash=None):
            rows += batch.height
            symbols |= _symbols(batch)
            times = _extremes(batch, times)
            if on_batch:
                on_batch(batch)
        digest, size = source.sha256(), source.size()
    first, last = (times[0], times[-1]) if times else (None, None)
    return FileSummary(
        file.path, digest, size, file.format, file.schema, file.dataset, rows,
        dict(sorted(symbols.items())), first, last,
    )  # fmt: skip


def _refuse_by_name(path: Path) -> None:
    if is_folder(path):
        raise FileError(path, "is a folder", "name the files in it")
    if ".dbz" in path.suffixes:
        _refuse_dbz(path)
    if ".frag" in path.suffixes:
        problem = "is a fragment of DBN: records without the header that says what they are"
        raise FormatError(path, problem, "join it to its header, or download the whole file")


def _refuse_by_content(path: Path, content: bytes) -> None:
    if content.startswith(b"PK\x03\x04"):
        raise FormatError(path, "is a zip archive", "unpack it first")
    if b"\0" in content:
        raise FormatError(path, "is in no known format: its first bytes are binary", _REMEDY)


def _refuse_dbz(path: Path) -> None:
    remedy = "convert it with Databento's `dbn` command line tool, or download it again as DBN"
    raise FormatError(path, "is in the legacy DBZ format, before DBN version 1", remedy)


def _start(path: Path) -> tuple[bytes, str | None]:
    """Return the first bytes of the content, and how it is compressed."""
    with Source((path,)) as source:
        raw = ByteStream(source, path, None).read_whole(64)
    if not raw:
        raise TruncatedFileError(path, "is empty (0 bytes)", "copy or download it again")
    if 0x50 <= raw[0] <= 0x5F and raw[1:4] == b"\x2a\x4d\x18":
        _refuse_dbz(path)
    compression = "zstd" if raw.startswith(_ZSTD) else "gzip" if raw.startswith(_GZIP) else None
    if compression is None:
        return raw, None
    with Source((path,)) as source:
        content = ByteStream(source, path, compression).read_whole(64)
    if not content:
        raise TruncatedFileError(path, "is empty inside its compression", "download it again")
    return content, compression


def _symbols(batch: pl.DataFrame) -> dict[int, str]:
    named = batch.select("instrument_id", "symbol").drop_nulls()
    if named["instrument_id"].min() == named["instrument_id"].max():  # no need to look at all rows
        named = named.tail(1)
    return dict(named.unique(subset="instrument_id", keep="last", maintain_order=True).iter_rows())


def _extremes(batch: pl.DataFrame, times: list[int]) -> list[int]:
    ts_recv = batch.get_column("ts_recv")
    valid = ts_recv.filter(ts_recv > 0)
    ends = [int(end) for end in (valid.min(), valid.max()) if isinstance(end, int)]
    return sorted(times + ends)[:: max(len(times + ends) - 1, 1)]
