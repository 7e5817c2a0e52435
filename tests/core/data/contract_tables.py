"""Tables of what is known of contracts, made for tests of rolls; times from the real calendar."""

from collections.abc import Sequence
from datetime import date
from random import Random
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


def markets() -> st.SearchStrategy[dict[str, Any]]:
    """Draw two weeks of a product from one seed: drawn one by one, drawing is most of the work."""
    return st.integers(0, 2**24 - 1).map(lambda seed: random_market(Random(seed)))


def random_market(roll: Random) -> dict[str, Any]:
    """Return two weeks of a product: volumes, missing sessions, quotes, open interest."""
    first = roll.randint(0, len(SESSIONS) - DRAWN)
    sessions, symbols = SESSIONS[first : first + DRAWN], sorted(EXPIRY)
    volumes: dict[date, dict[str, int]] = {}
    for session in sessions:
        listed = roll.sample(symbols, roll.randint(0, len(symbols)))
        listed = [s for s in sorted(listed) if EXPIRY[s] > session.previous_close_ns]
        if listed:
            volumes[session.key] = {s: roll.randint(0, 3) for s in listed}
    if not volumes:
        volumes[sessions[0].key] = {"MNQM5": 1}
    partial = set(
        roll.sample(sorted(volumes), roll.choice([0, 0, 1, roll.randint(0, len(volumes))]))
    )
    bids = {day: {s: roll.randint(80_000, 80_040) for s in mine} for day, mine in volumes.items()}
    times = {s.key: s.close_ns - roll.choice([1, HOUR, roll.randint(1, HOUR)]) for s in sessions}
    figures = {
        (_moment(roll, sessions), roll.choice(symbols)): roll.choice([None, *range(6)])
        for _ in range(roll.randint(0, 20))
    }
    return {
        "contract_sessions": contract_sessions(volumes, partial),
        "quote_pairs": quote_pairs(bids, times),
        "open_interest": open_interest([(*key, lots) for key, lots in figures.items()]),
    }


def _moment(roll: Random, sessions: list[Session]) -> int:
    """Return any time, or one at which a session opens or closes, or beside it."""
    if roll.random() < 0.5:
        return roll.randint(sessions[0].previous_close_ns, sessions[-1].close_ns)
    day = roll.choice(sessions)
    return roll.choice([day.open_ns, day.close_ns]) - roll.choice([0, 1])
