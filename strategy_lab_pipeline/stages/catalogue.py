"""The catalogue of files: what arrived, whether it is whole, which sessions it overlaps.

A file is read once, to its end; hash, schema and rows by product and session come out of that one
pass. A broken file is recorded by name with its reason, and nothing else waits for it.
"""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.files import inspect, is_tick_file
from strategy_lab_core.data.instruments import Product, product_of
from strategy_lab_core.data.sessions import index_times
from strategy_lab_core.errors import DataError, InstrumentError
from strategy_lab_pipeline.db.store import FileRow
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = [
    "LandingFile",
    "catalogue_file",
    "landing_files",
    "readable_paths",
    "tick_files",
    "uncatalogued",
]

EPOCH = date(1970, 1, 1)


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
    """Read `path` to its end and record it: whole, duplicate or broken (with the reason)."""
    stamp = _stamp(path)
    tally = _Tally()
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
    )


class _Tally:
    """Rows by product and session, added up batch by batch."""

    def __init__(self) -> None:
        self.rows: Counter[tuple[str, int]] = Counter()
        self.unknown: Counter[str] = Counter()

    def add(self, batch: pl.DataFrame) -> None:
        for (symbol,), rows in batch.group_by("symbol", maintain_order=True):
            product = _product_or_none(str(symbol))
            if product is None:
                self.unknown[str(symbol)] += rows.height
            else:
                days = session_calendar(product.calendar).session_keys(index_times(rows))
                for day, count in zip(*np.unique(days, return_counts=True), strict=True):
                    self.rows[product.root, int(day)] += int(count)

    def require_products(self, path: Path) -> None:
        if self.unknown and not self.rows:
            names = ", ".join(sorted(self.unknown)[:5])
            raise InstrumentError(
                f"{path}: no product is known for its symbols ({names}); "
                "add the product to strategy_lab.yaml, or leave the file out"
            )

    def partitions(self) -> dict[tuple[str, str], int]:
        return {
            (product, str(EPOCH + timedelta(days=day))): count
            for (product, day), count in sorted(self.rows.items())
        }


def _product_or_none(symbol: str) -> Product | None:
    try:
        return product_of(symbol)
    except InstrumentError:
        return None
