"""Seeded sessions of a futures market, as tables and as the vendor's daily DBN files.

For demonstrations and tests: the traits of real market-by-order data (pre-open, auction, bursts,
quiet hours, sweeps, partial fills, snapshots at midnight UTC, a few deliberate faults) without
anybody's data. The flow is invented: a backtest on it says nothing about a market. Simplified:
day orders are cancelled one millisecond before the close, so that they belong to their session.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from strategy_lab_core.data.contracts import contracts
from strategy_lab_core.data.dbn_writer import Records, write_dbn
from strategy_lab_core.data.instruments import products
from strategy_lab_core.data.schemas import LETTER, polars_schema
from strategy_lab_core.data.simulate_faults import Fault, add_row_faults, add_state_faults
from strategy_lab_core.data.simulate_session import SessionTape, Window, play_sessions
from strategy_lab_core.data.simulate_tape import live_orders, plain, simulated_name, snapshot
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.types import TickSchema

__all__ = [
    "Fault",
    "Simulation",
    "Window",
    "front_contract",
    "instrument_id_of",
    "session_table",
    "simulate",
    "stamped",
    "write_sessions",
]

_CHANNEL = 310
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Simulation:
    """Simulated sessions of one contract, and the faults hidden in them."""

    symbol: str
    instrument_id: int
    tapes: tuple[SessionTape, ...]
    faults: tuple[Fault, ...]

    def table(self, key: date | None = None, *, snapshot_first: bool = True) -> pl.DataFrame:
        """Return the canonical mbo table of one session, or of all, not cut at midnight.

        With `snapshot_first` it starts with a snapshot at the previous close (or, for all, that of
        the first session) of the orders from before.
        """
        chosen = [each for each in self.tapes if key is None or each.session.key == key]
        if not chosen:
            days = [each.session.key.isoformat() for each in self.tapes]
            raise ConfigError("key", key, f"one of {days}")
        parts = [each.rows for each in chosen]
        if snapshot_first:
            first = chosen[0]
            live = live_orders(first.tape[: first.seeds])
            parts.insert(0, snapshot(live, first.session.previous_close_ns))
        return _table(stamped(np.concatenate(parts), self.instrument_id), self.symbol)

    def write(self, folder: Path, *, snapshots: bool = True) -> list[Path]:
        """Write one file a UTC day (`simulated_name`); return their paths.

        Every file starts with the vendor's snapshot, unless `snapshots` is off: then only the
        first does.
        """
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for day, parts in self._days(snapshots=snapshots).items():
            path = folder / simulated_name(day)
            records = stamped(np.concatenate(parts), self.instrument_id)
            write_dbn(path, records, {self.instrument_id: self.symbol})
            paths.append(path)
        return paths

    def _days(self, *, snapshots: bool) -> dict[date, list[Records]]:
        days: dict[date, list[Records]] = {}
        for each in self.tapes:
            for day, restated, rows in each.days():
                if day not in days:
                    days[day] = [restated] if snapshots or not days else []
                days[day].append(rows)
        return days


def stamped(tape: Records, instrument_id: int) -> Records:
    """Return the DBN records of a tape with their instrument and channel."""
    records = plain(tape)
    records["instrument_id"], records["channel_id"] = instrument_id, _CHANNEL % 256
    return records


def _table(records: Records, symbol: str) -> pl.DataFrame:
    digest = hashlib.sha256(records.tobytes()).hexdigest()
    count = len(records)
    columns: dict[str, pl.Series] = {}
    for name, dtype in polars_schema(TickSchema.MBO).items():
        if name in (records.dtype.names or ()):
            series = pl.Series(name, np.ascontiguousarray(records[name]))
            columns[name] = series.cat.to(LETTER) if dtype == LETTER else series.cast(dtype)
    lineage = {"symbol": [symbol] * count, "file_hash": [digest] * count, "row": range(count)}
    table = pl.DataFrame([*columns.values()]).with_columns(
        pl.Series(name, values) for name, values in lineage.items()
    )
    return table.select(polars_schema(TickSchema.MBO).names()).cast({"row": pl.Int64})


def simulate(
    sessions: Sequence[Window], *, seed: int, events_per_session: int = 200_000, faults: bool = True
) -> Simulation:
    """Simulate consecutive sessions of the front contract.

    Parameters
    ----------
    sessions
        Sessions in order of time, at least one.
    seed
        The same seed, sessions and sizes give the same rows.
    events_per_session
        Events (not rows: trades write several) in each session, at least 200.
    faults
        Hide malformed rows in the first session and broken states in the last.
    """
    events = [events_per_session] * len(sessions)
    tapes, found = [], []
    for each in play_sessions(sessions, seed=seed, events=events):
        tape, key = each.tape, each.session.key
        if faults and each.session is sessions[0]:
            tape, some = add_row_faults(tape, key, each.seeds)
            found += some
        if faults and each.session is sessions[-1]:
            tape, some = add_state_faults(tape, key, each.seeds)
            found += some
        tapes.append(replace(each, tape=tape))
    symbol = front_contract(sessions[0].key)
    return Simulation(symbol, instrument_id_of(symbol), tuple(tapes), tuple(found))


def front_contract(day: date, root: str = "MNQ") -> str:
    """Return the contract traded on `day`: the next to expire in more than a week."""
    listed = contracts(products()[root], day, 3)
    return next(each.symbol for each in listed if each.expires - day > _WEEK)


def instrument_id_of(symbol: str) -> int:
    """Return the number that simulated files give a symbol."""
    return 42_000_000 + sum(map(ord, symbol))


def write_sessions(
    folder: Path,
    sessions: Sequence[Window],
    *,
    seed: int,
    events_per_session: int = 200_000,
    faults: bool = True,
    snapshots: bool = True,
) -> list[Path]:
    """Simulate sessions and write the vendor's files, one a UTC day; return their paths.

    `simulate` with the same arguments tells the faults.
    """
    market = simulate(sessions, seed=seed, events_per_session=events_per_session, faults=faults)
    return market.write(folder, snapshots=snapshots)


def session_table(
    session: Window, *, seed: int, events: int = 200_000, faults: bool = False
) -> pl.DataFrame:
    """Return one simulated session as a canonical mbo table, a snapshot of older orders first."""
    return simulate([session], seed=seed, events_per_session=events, faults=faults).table()
