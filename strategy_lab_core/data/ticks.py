"""Several files as one table in memory, for a notebook, or in order of time."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from strategy_lab_core.data.files import is_folder, is_tick_file, open_ticks
from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.data.tick_file import Source, TickFile, unreadable
from strategy_lab_core.errors import ConfigError, FileError

__all__ = ["read_ticks", "tick_files"]

_EMPTY = pl.DataFrame(schema={"ts_recv": pl.Int64})


def read_ticks(paths: Path | str | Iterable[Path | str]) -> pl.DataFrame:
    """Return all rows of files of one schema: file after file, by first `ts_recv`, then by name.

    Parameters
    ----------
    paths
        A file, a folder (every tick file directly in it), or several of both. A file that is named
        twice is read once.
    """
    files = _distinct(paths)
    schemas = {file.schema: file.path.name for file in files.values()}
    if len(schemas) != 1:
        found = ", ".join(f"{schema.value} ({name})" for schema, name in sorted(schemas.items()))
        raise ConfigError("paths", found or "no file", "files of one schema: read each by itself")
    empty = pl.DataFrame(schema=polars_schema(next(iter(schemas))))
    tables = {path: pl.concat([empty, *file.batches()]) for path, file in files.items()}
    ordered = sorted(tables, key=lambda path: (_first_ts(tables[path]), path.name, path))
    return pl.concat([tables[path] for path in ordered], rechunk=True)


def tick_files(paths: Path | str | Iterable[Path | str]) -> list[TickFile]:
    """Return the opened files of any schemas, by first `ts_recv`, then by name.

    Parameters are those of `read_ticks`; only the first rows of each file are read.
    """
    files = _distinct(paths).values()
    first = {file.path: _first_ts(_first_rows(file)) for file in files}
    return sorted(files, key=lambda file: (first[file.path], file.path.name, file.path))


def _distinct(paths: Path | str | Iterable[Path | str]) -> dict[Path, TickFile]:
    named = [paths] if isinstance(paths, str | Path) else list(paths)
    return {file.path: file for path in named for file in _opened(Path(path))}


def _opened(path: Path) -> list[TickFile]:
    if not is_folder(path):
        return [open_ticks(path)]
    try:
        found = sorted(file for file in path.iterdir() if file.is_file() and is_tick_file(file))
    except OSError as error:
        raise unreadable(path, error) from error
    if not found:
        remedy = "name a folder with .dbn, .dbn.zst, .csv or .parquet files"
        raise FileError(path, "holds no tick file", remedy)
    return [open_ticks(file) for file in found]


def _first_rows(file: TickFile) -> pl.DataFrame:
    with Source(file.paths) as source:
        return next(file.batches_of(source, 1024, file_hash=None), _EMPTY)


def _first_ts(ticks: pl.DataFrame) -> int:
    first = ticks.get_column("ts_recv").drop_nulls().head(1)
    return int(first.item()) if len(first) else 0
