"""Tables of what is known of contracts, made for tests of rolls; times from the real calendar."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl
from hypothesis import strategies as st

from strategy_lab_core.data.calendar import Session, SessionCalendar, session_calendar
from strategy_lab_core.data.roll_schemas import roll_schema

TICK = 250_000_000
CALENDAR: SessionCalendar = session_calendar("CME Globex Equity")
FIRST, LAST = date(2025, 3, 3), date(2025, 3, 28)
SESSIONS: list[Session] = CALENDAR.sessions(FIRST, LAST)
HOUR = 3600 * 10**9
DRAWN = 10  # sessions of a random market, the expiry among them or not


def expires(day: date) -> int:
    """Return when a contract ends that expires in a session: nine hours before its close."""
    return CALENDAR.session(day).close_ns - 9 * HOUR


EXPIRY = {
    "MNQH5": expires(date(2025, 3, 21)),
    "MNQM5": expires(date(2025, 6, 20)),
    "MNQU5": expires(date(2025, 9, 19)),
}


def contract_sessions(volumes: dict[date, dict[str, int]], partial: set[date]) -> pl.DataFrame:
    """Return the table of these volumes."""
    rows = [
        (day, symbol, EXPIRY[symbol], volume, day not in partial)
        for day, mine in sorted(volumes.items())
        for symbol, volume in mine.items()
    ]
    return pl.DataFrame(rows, schema=roll_schema("contract_sessions"), orient="row")


def quote_pairs(mids: dict[date, dict[str, int]], ts: dict[date, int]) -> pl.DataFrame:
    """Return pairs of quotes a tick wide; `mids` are best bids in ticks."""
    rows = []
    for day, mine in sorted(mids.items()):
        symbols = sorted(mine, key=lambda symbol: EXPIRY[symbol])
        for place, old in enumerate(symbols):
            for new in symbols[place + 1 :]:
                prices = [(mine[s] + side) * TICK for s in (old, new) for side in (0, 1)]
                rows.append((day, old, new, ts[day], *prices))
    return pl.DataFrame(rows, schema=roll_schema("quote_pairs"), orient="row")


def open_interest(figures: Sequence[tuple[int, str, int | None]]) -> pl.DataFrame:
    """Return the table of (published_ns, symbol, lots), without lots where none stand."""
    rows = [(ts, symbol, EXPIRY[symbol], lots) for ts, symbol, lots in figures]
    return pl.DataFrame(rows, schema=roll_schema("open_interest"), orient="row")


@st.composite
def markets(draw: st.DrawFn) -> dict[str, Any]:
    """Draw two weeks of a product: volumes, missing sessions, quotes, open interest."""
    first = draw(st.integers(0, len(SESSIONS) - DRAWN))
    sessions = SESSIONS[first : first + DRAWN]
    volumes: dict[date, dict[str, int]] = {}
    for session in sessions:
        listed = draw(st.sets(st.sampled_from(sorted(EXPIRY))))
        listed = {s for s in listed if EXPIRY[s] > session.previous_close_ns}
        if listed:
            volumes[session.key] = {s: draw(st.integers(0, 3)) for s in sorted(listed)}
    if not volumes:
        volumes[sessions[0].key] = {"MNQM5": 1}
    partial = draw(st.sets(st.sampled_from(sorted(volumes))))
    bids = {day: {s: draw(st.integers(80_000, 80_040)) for s in mine}
            for day, mine in volumes.items()}  # fmt: skip
    times = {s.key: s.close_ns - draw(st.integers(1, HOUR)) for s in sessions}
    figures = draw(
        st.lists(
            st.tuples(
                st.integers(sessions[0].previous_close_ns, sessions[-1].close_ns),
                st.sampled_from(sorted(EXPIRY)),
                st.none() | st.integers(0, 5),
            ),
            max_size=20,
            unique_by=lambda row: row[:2],
        )
    )
    return {
        "contract_sessions": contract_sessions(volumes, partial),
        "quote_pairs": quote_pairs(bids, times),
        "open_interest": open_interest(figures),
    }
