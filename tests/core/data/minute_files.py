"""The ES minute files as tables for rolls: `python -m tests.core.data.minute_files FOLDER`.

Zip files of CSV, one a UTC date and kind, one member a contract; ms since midnight UTC. They are
minute bars and no ticks: a contract is quoted on both sides in a minute where bid and ask have a
close, and two contracts at once where that is so in the same minute.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property, partial
from pathlib import Path
from zipfile import ZipFile

import polars as pl

from strategy_lab_core.data.calendar import Session, SessionCalendar, session_calendar
from strategy_lab_core.data.contracts import contract_of
from strategy_lab_core.data.instruments import MONTH_CODES, product_of
from strategy_lab_core.data.roll_rules import roll_rule
from strategy_lab_core.data.roll_schemas import roll_schema
from strategy_lab_core.data.rolls import Rolls, roll_decisions
from strategy_lab_core.types import PRICE_SCALE, Phase

TICK = 250_000_000
MINUTE_NS = 60 * 10**9
RULES = ("volume", "volume-partial", "open_interest", "expiry-5", "monday", "thursday")
Quotes = dict[int, tuple[int, int]]  # end of a minute to bid and ask, 1e-9


def calendar() -> SessionCalendar:
    """Return the hours of ES."""
    return session_calendar(product_of("ESZ3").calendar)


def midnight_ns(day: date) -> int:
    """Return the start of a UTC date."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 10**9


class MinuteFiles:
    """The files of one folder, up to a UTC date."""

    def __init__(self, folder: Path, last: date) -> None:
        self._paths = {
            (day, kind): path
            for path in sorted(folder.glob("*.zip"))
            for text, _, kind in [path.stem.partition("_")]
            if (day := datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()) <= last
        }
        self.dates = sorted({day for day, _ in self._paths})
        self._read: dict[tuple[date, str], dict[str, list[list[str]]]] = {}

    def rows(self, day: date, kind: str) -> dict[str, list[list[str]]]:
        """Return the cells of each contract's rows, by symbol; {} where there is no such file."""
        path = self._paths.get((day, kind))
        if path is None or (day, kind) in self._read:
            return self._read.get((day, kind), {})
        found = self._read[day, kind] = {}
        with ZipFile(path) as archive:
            for name in archive.namelist():
                month = name.removesuffix(".csv")[-6:]
                symbol = f"ES{MONTH_CODES[int(month[4:]) - 1]}{month[3]}"
                lines = archive.read(name).decode().split()
                found[symbol] = [line.split(",") for line in lines]
        return found

    def volumes(self, day: date) -> dict[str, int]:
        """Return what each contract traded on a UTC date."""
        return {
            symbol: sum(int(row[5]) for row in rows)
            for symbol, rows in self.rows(day, "trade").items()
        }

    @cached_property
    def _sessions(self) -> list[tuple[Session, list[date], list[str], bool]]:
        """Each session that has files: its UTC dates, its contracts, whether all files are there.

        A contract counts where every one of these files has it: the others can't be compared.
        """
        found = []
        for session in calendar().sessions(self.dates[0], self.dates[-1] + timedelta(days=1)):
            ends = (session.open_ns, session.close_ns - 1)
            first, last = (datetime.fromtimestamp(ns // 10**9, UTC).date() for ns in ends)
            wanted = [first + timedelta(days=n) for n in range((last - first).days + 1)]
            there = [day for day in wanted if day in self.dates]
            if there:
                symbols = set.intersection(*(set(self.rows(day, "quote")) for day in there))
                found.append((session, there, sorted(symbols), there == wanted))
        return found

    @cached_property
    def contract_sessions(self) -> pl.DataFrame:
        """Return volumes by session and contract."""
        rows = [
            (session.key, symbol, _expires(symbol, session.key),
             sum(int(row[5]) for _, row in self._inside(session, days, "trade", symbol)), whole)
            for session, days, symbols, whole in self._sessions
            for symbol in symbols
        ]  # fmt: skip
        return pl.DataFrame(rows, schema=roll_schema("contract_sessions"), orient="row")

    @cached_property
    def quote_pairs(self) -> pl.DataFrame:
        """Return the last minute of each session in which two contracts are both quoted."""
        rows = []
        for session, days, symbols, _ in self._sessions:
            quotes = {s: self._quotes(session, days, s) for s in symbols}
            in_order = sorted(symbols, key=partial(_expires, on=session.key))
            for place, old in enumerate(in_order):
                for new in in_order[place + 1 :]:
                    common = quotes[old].keys() & quotes[new].keys()
                    if common:
                        ts = max(common)
                        rows.append((session.key, old, new, ts, *quotes[old][ts], *quotes[new][ts]))
        return pl.DataFrame(rows, schema=roll_schema("quote_pairs"), orient="row")

    @cached_property
    def open_interest(self) -> pl.DataFrame:
        """Return every published figure."""
        rows = [
            (midnight_ns(day) + int(row[0]) * 10**6, symbol, _expires(symbol, day), int(row[1]))
            for day in self.dates
            for symbol, mine in self.rows(day, "openinterest").items()
            for row in mine
        ]
        return pl.DataFrame(rows, schema=roll_schema("open_interest"), orient="row")

    def decisions(self, rule: str) -> Rolls:
        """Return what a rule makes of all of them."""
        return roll_decisions(
            self.contract_sessions, calendar(), roll_rule(rule), tick_size=TICK,
            quote_pairs=self.quote_pairs, open_interest=self.open_interest,
        )  # fmt: skip

    def _inside(
        self, session: Session, days: list[date], kind: str, symbol: str
    ) -> Iterator[tuple[int, list[str]]]:
        for day in days:
            for row in self.rows(day, kind).get(symbol, []):
                ts = midnight_ns(day) + int(row[0]) * 10**6
                if session.previous_close_ns <= ts < session.close_ns:
                    yield ts, row

    def _quotes(self, session: Session, days: list[date], symbol: str) -> Quotes:
        found = [
            (ts, row)
            for ts, row in self._inside(session, days, "quote", symbol)
            if row[4] and row[9]
        ]
        phases = calendar().phases(pl.Series([ts for ts, _ in found]).to_numpy(), session)
        return {
            ts + MINUTE_NS: (_price(row[4]), _price(row[9]))
            for (ts, row), phase in zip(found, phases, strict=True)
            if phase == Phase.OPEN
        }


def _price(text: str) -> int:
    return int(Decimal(text) * PRICE_SCALE)


def _expires(symbol: str, on: date) -> int:
    return contract_of(symbol, on).expiration_ns


def main(folder: str) -> None:
    """Print the audit tables of all rules for the files of 2013."""
    files = MinuteFiles(Path(folder), date(2013, 12, 31))
    rolls = pl.concat([files.decisions(rule).rolls for rule in RULES])
    times = ("open_interest_ns", "gap_ns")
    shown = rolls.with_columns(pl.col(times).cast(pl.Datetime("ns")).dt.to_string("%m-%d %H:%M"))
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=320, tbl_hide_column_data_types=True):
        sys.stdout.write(f"{files.contract_sessions}\n{shown}\n")


if __name__ == "__main__":
    main(sys.argv[1])
