"""The cells of time that bars lie in: the open hours of sessions, cut at halts and on a grid.

The grid counts from the session's open, so that every session has the same cells whatever daylight
saving does to UTC. A day is the session itself, its halts inside.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from strategy_lab_core.data.calendar import Session, phase_intervals
from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.types import NS_PER_SECOND, Int1D, Phase

__all__ = ["BarRule", "Cells", "bar_rule", "session_cells"]

BarKind = Literal["time", "ticks", "volume", "dollar"]

_MINUTE_NS = 60 * NS_PER_SECOND
_DAY_NS = 24 * 60 * _MINUTE_NS
_UNITS = {"m": _MINUTE_NS, "h": 60 * _MINUTE_NS, "d": _DAY_NS}
_FORM = "a time from 1m to 1d (5m, 4h), or 500ticks, 1000volume, 1000000dollar"


@dataclass(frozen=True, slots=True)
class BarRule:
    """When a bar ends, besides the end of its session.

    Attributes
    ----------
    size
        ns for time bars, trades, lots, or units of the product's currency.
    text
        The rule as a word, such as 5m or 500ticks.
    """

    kind: BarKind
    size: int
    text: str


def bar_rule(text: str) -> BarRule:
    """Return the rule of a word: 1m to 1d, or a number before ticks, volume or dollar.

    Raises
    ------
    ConfigError
        It has another form, is 0, or a time longer than a day.
    """
    found = re.fullmatch(r"([1-9]\d{0,17})(m|h|d|ticks|volume|dollar)", text)
    if found is None:
        raise ConfigError("every", text, _FORM)
    count, unit = int(found[1]), found[2]
    if unit in _UNITS:
        if count * _UNITS[unit] > _DAY_NS:
            raise ConfigError("every", text, _FORM)
        return BarRule("time", count * _UNITS[unit], text)
    kinds: dict[str, BarKind] = {"ticks": "ticks", "volume": "volume", "dollar": "dollar"}
    return BarRule(kinds[unit], count, text)


class Cells(NamedTuple):
    """Cells in order of time, [start, end) in ns UTC, with days since 1970 of the session's key."""

    starts_ns: Int1D
    ends_ns: Int1D
    keys: Int1D


def session_cells(
    sessions: Sequence[Session],
    rule: BarRule,
    *,
    status: pl.DataFrame | None = None,
    instrument_id: int | None = None,
) -> Cells:
    """Return the cells of sessions, in their order.

    Parameters
    ----------
    sessions
        By time, at least one.
    rule
        Of a time bar the grid; the others have a cell from border to border.
    status, instrument_id
        Recorded halts, as for `calendar.phase_intervals`; without them the scheduled ones.
    """
    if not sessions:
        raise DataError("bars need a session: the ticks lie in none")
    starts: list[Int1D] = []
    ends: list[Int1D] = []
    keys: list[Int1D] = []
    for session in sessions:
        borders = _borders(session, rule, status, instrument_id)
        for start, end in zip(borders[::2], borders[1::2], strict=True):
            edges = _edges(start, end, session.open_ns, rule)
            starts.append(edges[:-1])
            ends.append(edges[1:])
            day = np.datetime64(session.key, "D").astype(np.int64)
            keys.append(np.full(len(edges) - 1, day))
    return Cells(np.concatenate(starts), np.concatenate(ends), np.concatenate(keys))


def _borders(
    session: Session, rule: BarRule, status: pl.DataFrame | None, instrument_id: int | None
) -> list[int]:
    """Return begin and end of each open stretch, one after the other."""
    if rule.kind == "time" and rule.size == _DAY_NS:
        return [session.open_ns, session.close_ns]
    begins, phases = phase_intervals(session, status, instrument_id=instrument_id)
    borders = [session.open_ns]
    for begin, end, phase in zip(begins[:-1], begins[1:], phases[:-1], strict=True):
        if phase == Phase.HALT and begin < session.close_ns and end > session.open_ns:
            borders += [int(begin), int(end)]
    borders.append(session.close_ns)
    pairs = zip(borders[::2], borders[1::2], strict=True)
    return [border for pair in pairs if pair[0] < pair[1] for border in pair]


def _edges(start: int, end: int, origin: int, rule: BarRule) -> Int1D:
    if rule.kind != "time":
        return np.array([start, end])
    first = start + -(start - origin) % rule.size  # of the grid, at or after the start
    inside = np.arange(first, end, rule.size)
    return np.concatenate([[start] if first > start else [], inside, [end]]).astype(np.int64)
