"""Trading sessions: which one a row belongs to, and the phase of it at any moment.

Hours come from `hours`, once for each calendar; from then on everything is integer arrays. A
session's window is [previous close, own close), so that every moment from 2000 to 2035 belongs to
exactly one session. Contracts and prices are not known here.
"""

from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from strategy_lab_core.data.hours import Hours, Override, hours_of, overrides_of
from strategy_lab_core.errors import CalendarError
from strategy_lab_core.types import NS_PER_SECOND, Int1D, IntAny, Phase

__all__ = [
    "NO_SESSION",
    "STATUS_PHASE",
    "Session",
    "SessionCalendar",
    "phase_intervals",
    "phases_at",
    "session_calendar",
    "session_date",
]

NO_SESSION = -1  # key of a moment that no session of the calendar holds
STATUS_PHASE = {  # DBN's StatusAction; 0 (none) and 14 (short sale rule) change no phase
    **dict.fromkeys((1, 2, 3, 4, 5, 6), Phase.PRE_OPEN),  # pre-open, crosses, quoting, rotation
    7: Phase.OPEN,
    **dict.fromkeys((8, 9, 10), Phase.HALT),  # halt, pause, suspend
    **dict.fromkeys((11, 12, 13, 15), Phase.CLOSED),  # pre-close, close, post-close, not available
}

_SATURDAY = 5
_EPOCH = date(1970, 1, 1).toordinal()
_MINUTE = 60 * NS_PER_SECOND
_SHORT_PRE_OPEN, _LONG_PRE_OPEN, _LONG_BREAK = 15 * _MINUTE, 60 * _MINUTE, 90 * _MINUTE


@dataclass(frozen=True, slots=True)
class Session:
    """One trading session; all times are ns UTC.

    Attributes
    ----------
    key
        Local date on which the last trading interval ends: the partition's key.
    trade_date
        Date under which the exchange clears it: the key, except for sessions cut short by a
        holiday, which clear with the next one.
    previous_close_ns, close_ns
        The window: rows from the previous close (inclusive) to the own close (exclusive).
    pre_open_ns, open_ns
        Begin of order entry and of trading. Order entry begins 15 minutes before the open, 60
        after a weekend or holiday (a break of more than 90 minutes).
    halts
        Scheduled breaks inside the session, [start, end).
    """

    key: date
    trade_date: date
    previous_close_ns: int
    pre_open_ns: int
    open_ns: int
    close_ns: int
    halts: tuple[tuple[int, int], ...] = ()


class SessionCalendar:
    """The sessions of one exchange's hours, from `session_calendar`.

    Attributes
    ----------
    name, zone
        Name of the calendar and of its time zone, such as America/Chicago.
    """

    def __init__(self, name: str, zone: str, hours: Hours) -> None:
        self.name = name
        self.zone = zone
        self._hours = hours

    def sessions(self, start: date, end: date) -> list[Session]:
        """Return the sessions whose keys lie between `start` and `end`, both inclusive."""
        first, last = (date_.toordinal() - _EPOCH for date_ in (start, end))
        keys = self._hours.keys[1:]  # the first only gives the second its previous close
        begin = int(np.searchsorted(keys, first)) + 1
        return [self._at(i) for i in range(begin, int(np.searchsorted(keys, last, "right")) + 1)]

    def session(self, key: date) -> Session:
        """Return the session with this key; `CalendarError` names the nearest ones."""
        keys = self._hours.keys
        day = key.toordinal() - _EPOCH
        place = int(np.searchsorted(keys, day))
        if 0 < place < len(keys) and keys[place] == day:
            return self._at(place)
        near = [str(session_date(int(k))) for k in keys[max(1, place - 1) : place + 1]]
        raise CalendarError(
            f"{key} is no session of {self.name!r}; the nearest: {', '.join(near) or 'none'}"
        )

    def session_keys(self, ts_ns: IntAny) -> Int1D:
        """Return the key of the session that holds each moment.

        Parameters
        ----------
        ts_ns
            Any shape (n,), ns UTC.

        Returns
        -------
        Shape (n,): days since 1970-01-01 (see `session_date`), `NO_SESSION` outside 2000 to 2035.
        """
        closes = self._hours.closes
        place = np.searchsorted(closes, ts_ns, side="right")
        inside = (place > 0) & (place < len(closes))
        return np.where(inside, self._hours.keys[np.where(inside, place, 0)], NO_SESSION)

    def clears_on(self, day: date) -> bool:
        """Return whether the exchange clears under this date: whether it is a business day.

        Outside the years of the calendar, where no holidays are known, every weekday is.
        """
        number, dates = day.toordinal() - _EPOCH, self._hours.trade_dates
        if not dates[0] <= number <= dates[-1]:
            return day.weekday() < _SATURDAY
        return bool(dates[np.searchsorted(dates, number)] == number)

    def phases(self, ts_ns: IntAny, session: Session) -> NDArray[np.uint8]:
        """Return the scheduled `Phase` at each moment, shape (n,); outside the window CLOSED."""
        return phases_at(*phase_intervals(session), ts_ns)

    def _at(self, place: int) -> Session:
        hours = self._hours
        previous_close, opening = int(hours.closes[place - 1]), int(hours.opens[place])
        lead = _LONG_PRE_OPEN if opening - previous_close > _LONG_BREAK else _SHORT_PRE_OPEN
        halt = (int(hours.halt_starts[place]), int(hours.halt_ends[place]))
        return Session(
            key=session_date(int(hours.keys[place])),
            trade_date=session_date(int(hours.trade_dates[place])),
            previous_close_ns=previous_close,
            pre_open_ns=max(previous_close, opening - lead),
            open_ns=opening,
            close_ns=int(hours.closes[place]),
            halts=(halt,) if halt[0] > 0 else (),
        )


def session_date(key: int) -> date:
    """Return the date of a session key (days since 1970-01-01)."""
    return date.fromordinal(_EPOCH + key)


def session_calendar(name: str, overrides: Path | None = None) -> SessionCalendar:
    """Return the calendar of this name in `pandas_market_calendars`, such as "CME Globex Equity".

    Where the library is known to be wrong, the package's table of overrides puts it right (see
    `hours`); `overrides` is a file of the same form whose rows come after those.
    """
    return _calendar(name, overrides_of(name, overrides))


@cache
def _calendar(name: str, overrides: tuple[Override, ...]) -> SessionCalendar:
    return SessionCalendar(name, *hours_of(name, overrides))


def phase_intervals(
    session: Session, status: pl.DataFrame | None = None, *, instrument_id: int | None = None
) -> tuple[Int1D, NDArray[np.uint8]]:
    """Return when each phase of a session begins.

    Parameters
    ----------
    session
        Gives the window and the scheduled phases.
    status
        A `status` table. From its first record in the window (by `ts_event`) the recorded phases
        replace the scheduled ones. Records of other sessions and codes that say nothing about the
        phase are skipped.
    instrument_id
        Take only this instrument's records; by default all are taken for the same instrument.

    Returns
    -------
    Starts (ns UTC, ascending; the first is the previous close, the last the close) and `Phase`
    codes, both of shape (n,). No two neighbours have the same phase, except the closing CLOSED.
    """
    changes = [
        (session.previous_close_ns, Phase.CLOSED),
        (session.pre_open_ns, Phase.PRE_OPEN),
        (session.open_ns, Phase.OPEN),
        *chain.from_iterable(((a, Phase.HALT), (b, Phase.OPEN)) for a, b in session.halts),
    ]
    recorded = [] if status is None else _recorded(session, status, instrument_id)
    if recorded:
        changes = [change for change in changes if change[0] < recorded[0][0]] + recorded
    by_start = dict(changes)  # of several changes at one time the last one holds
    starts = list(by_start)
    kept = [i for i, s in enumerate(starts) if i == 0 or by_start[s] != by_start[starts[i - 1]]]
    begins = [*(starts[i] for i in kept), session.close_ns]
    phases = [*(by_start[starts[i]] for i in kept), Phase.CLOSED]
    return np.array(begins, dtype=np.int64), np.array(phases, dtype=np.uint8)


def _recorded(
    session: Session, status: pl.DataFrame, instrument_id: int | None
) -> list[tuple[int, Phase]]:
    rows = status.filter(
        pl.col("ts_event").is_between(session.previous_close_ns, session.close_ns, closed="left"),
        pl.col("action").is_in(list(STATUS_PHASE)),
    )
    if instrument_id is not None:
        rows = rows.filter(pl.col("instrument_id") == instrument_id)
    rows = rows.sort("ts_event", maintain_order=True)
    codes = zip(rows["ts_event"].to_list(), rows["action"].to_list(), strict=True)
    return [(start, STATUS_PHASE[code]) for start, code in codes]


def phases_at(starts: Int1D, phases: NDArray[np.uint8], ts_ns: IntAny) -> NDArray[np.uint8]:
    """Return the `Phase` at each moment from the result of `phase_intervals`.

    Shape (n,); CLOSED before the first start.
    """
    place = np.searchsorted(starts, ts_ns, side="right") - 1
    return np.where(place >= 0, phases[np.maximum(place, 0)], np.uint8(Phase.CLOSED))
