"""The kinds of gaps, and the tables of gaps and of completeness: names, units, meanings.

How gaps are found is in `silence`, `sequence_gaps`, `clock_steps` and `completeness`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

import polars as pl

from strategy_lab_core.data.schemas import MAX_TS_NS, ColumnSpec

__all__ = [
    "COMPLETENESS_TABLES",
    "REASONS",
    "SEVERITIES",
    "TIME_KINDS",
    "Gap",
    "GapKind",
    "GapSeverity",
    "completeness_schema",
]

GapSeverity = Literal["error", "warning", "info"]


class GapKind(StrEnum):
    """What can be missing or wrong in a session's coverage."""

    MISSING_SESSION = "missing_session"
    LATE_START = "late_start"
    EARLY_END = "early_end"
    SILENT_STRETCH = "silent_stretch"
    SEQUENCE_GAP = "sequence_gap"
    OVERLAPPING_FILES = "overlapping_files"
    CLOCK_STEP = "clock_step"
    DUPLICATE_FILE = "duplicate_file"
    COVERED_FILE = "covered_file"


# These take time out of a session; no two of them overlap.
TIME_KINDS = frozenset(
    {GapKind.MISSING_SESSION, GapKind.LATE_START, GapKind.EARLY_END, GapKind.SILENT_STRETCH}
)
REASONS: Mapping[GapKind, str] = MappingProxyType(
    {
        GapKind.MISSING_SESSION: "every session between the first and the last has rows",
        GapKind.LATE_START: "a session's rows begin with its open",
        GapKind.EARLY_END: "a session's rows go on to its close",
        GapKind.SILENT_STRETCH: "no stretch is silent against the product's own pattern",
        GapKind.SEQUENCE_GAP: "no message of a whole channel is missing",
        GapKind.OVERLAPPING_FILES: "no file is refused for messages that it shares with another",
        GapKind.CLOCK_STEP: "the delay from event to receipt keeps its level, time goes on",
        GapKind.DUPLICATE_FILE: "no file came twice; a copy counts once",
        GapKind.COVERED_FILE: "no file's messages are all in another; they count once",
    }
)
SEVERITIES: Mapping[GapKind, GapSeverity] = MappingProxyType(
    {
        **dict.fromkeys(GapKind, "error"),
        GapKind.CLOCK_STEP: "warning",
        GapKind.DUPLICATE_FILE: "info",
        GapKind.COVERED_FILE: "info",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Gap:
    """One thing that is missing or wrong.

    Attributes
    ----------
    session
        Key of the session that it is in.
    where
        Schema, channel or file; "" where it is the whole session.
    start_ns, end_ns
        From when to when, ns UTC.
    size, unit
        How much: "ns", "messages" or "files"; of a clock step the change in "ns", with its sign.
    detail
        A sentence for people.
    """

    session: date
    start_ns: int
    end_ns: int
    kind: GapKind
    where: str
    size: int
    unit: Literal["ns", "messages", "files"]
    detail: str


def _text(name: str, meaning: str) -> ColumnSpec:
    return ColumnSpec(name, pl.String, "-", meaning)


def _share(name: str, meaning: str) -> ColumnSpec:
    return ColumnSpec(name, pl.Float64, "0 to 1", meaning, 0, 1)


_SESSION = ColumnSpec("session", pl.Date, "-", "key of the session")
_COMPLETENESS = (
    _SESSION,
    _text("label", "complete, partial, or missing"),
    _share("score", "activity x messages x rows"),
    _share("activity", "share of the usual activity that lies outside the gaps in time"),
    _share("messages", "share of the whole channels' messages that are there"),
    _share("rows", "share of the rows that are not in quarantine"),
    ColumnSpec("gaps", pl.Int64, "gaps", "that are errors", 0),
    _text("schema", "of the rows that were measured"),
    ColumnSpec(
        "pattern_sessions", pl.Int64, "sessions", "that the pattern rests on; judged from 5", 0
    ),
)
_GAPS = (
    _SESSION,
    _text("kind", "see docs/quality.md"),
    _text("severity", "error, warning, or info, which costs nothing"),
    _text("where", "schema, channel or file; empty where it is the whole session"),
    ColumnSpec("start_ns", pl.Int64, "ns UTC", "begin", 0, MAX_TS_NS),
    ColumnSpec("end_ns", pl.Int64, "ns UTC", "end", 0, MAX_TS_NS),
    ColumnSpec("size", pl.Int64, "see `unit`", "how much; of a clock step with its sign"),
    _text("unit", "ns, messages or files"),
    _text("detail", "a sentence"),
)

COMPLETENESS_TABLES: Mapping[str, tuple[ColumnSpec, ...]] = MappingProxyType(
    {"completeness": _COMPLETENESS, "gaps": _GAPS}
)


def completeness_schema(name: str) -> pl.Schema:
    """Return names and types of one of the tables."""
    return pl.Schema({column.name: column.dtype for column in COMPLETENESS_TABLES[name]})
