"""Seeded sessions of a futures market, as tables and as the vendor's daily DBN files.

For demonstrations and tests: the traits of real market-by-order data (pre-open, auction, bursts,
quiet hours, sweeps, partial fills, snapshots at midnight UTC, a few deliberate faults) without
anybody's data. The flow is invented: a backtest on it says nothing about a market. Simplified:
day orders are cancelled one millisecond before the close, so that they belong to their session.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from strategy_lab_core.data.dbn_writer import Records, utc_date, write_dbn
from strategy_lab_core.data.schemas import LETTER, polars_schema
from strategy_lab_core.data.simulate_faults import Fault, add_row_faults, add_state_faults
from strategy_lab_core.data.simulate_kernels import (
    DRAWS,
    carry_in,
    play_auction,
    play_open,
    play_pre_open,
    purge_day_orders,
)
from strategy_lab_core.data.simulate_market import (
    LEVELS,
    NO_RANK,
    ORDER,
    QUEUE,
    ROW,
    SIDE,
    Market,
)
from strategy_lab_core.data.simulate_tape import (
    live_orders,
    new_tape,
    plain,
    snapshot,
)
from strategy_lab_core.data.simulate_times import (
    Window,
    open_times,
    pre_open_times,
    receive_times,
    sequences,
)
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.types import NS_PER_SECOND, Action, Int1D, RecordFlag, Side, TickSchema

__all__ = [
    "Fault",
    "Simulation",
    "Window",
    "front_contract",
    "session_table",
    "simulate",
    "write_sessions",
]

_TICK = 250_000_000  # 0.25 index points in 1e-9
_START_TICK = 84_000  # 21,000 index points
_FIRST_ORDER_ID = 6_412_777_000_000
_CHANNEL = 310
_PURGE_NS = 1_000_000  # before the close
_GTC_A_SIDE = 60  # orders from the days before
_DAY_NS = 86_400 * NS_PER_SECOND
_MONTHS = {3: "H", 6: "M", 9: "U", 12: "Z"}
_MIN_EVENTS = 200


@dataclass(frozen=True, slots=True)
class SessionTape:
    """One simulated session: its first `seeds` rows are orders from before it."""

    session: Window
    seeds: int
    tape: Records

    @property
    def rows(self) -> Records:
        """The session's own rows."""
        return self.tape[self.seeds :]


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
        return _table(self._stamped(np.concatenate(parts)), self.symbol)

    def write(self, folder: Path, *, snapshots: bool = True) -> list[Path]:
        """Write one file a UTC day, ``glbx-mdp3-YYYYMMDD.mbo.dbn.zst``; return their paths.

        Every file starts with the vendor's snapshot, unless `snapshots` is off: then only the
        first does.
        """
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for day, parts in self._days(snapshots=snapshots).items():
            path = folder / f"glbx-mdp3-{day:%Y%m%d}.mbo.dbn.zst"
            records = self._stamped(np.concatenate(parts))
            write_dbn(path, records, {self.instrument_id: self.symbol})
            paths.append(path)
        return paths

    def _days(self, *, snapshots: bool) -> dict[date, list[Records]]:
        days: dict[date, list[Records]] = {}
        for each in self.tapes:
            cuts = [each.seeds, *_midnights(each), len(each.tape)]
            for start, stop in pairwise(cuts):
                day = utc_date(int(each.tape["ts_recv"][start]))
                if day not in days:
                    live = live_orders(each.tape[:start])
                    wanted = snapshots or not days
                    days[day] = [snapshot(live, _midnight(day))] if wanted else []
                days[day].append(each.tape[start:stop])
        return days

    def _stamped(self, tape: Records) -> Records:
        records = plain(tape)
        records["instrument_id"], records["channel_id"] = self.instrument_id, _CHANNEL % 256
        return records


def front_contract(day: date, root: str = "MNQ") -> str:
    """Return the quarterly contract traded on `day`: the next to expire in more than a week."""
    for year in (day.year, day.year + 1):
        for month, letter in _MONTHS.items():
            first = date(year, month, 1)
            third_friday = first + timedelta(days=(4 - first.weekday()) % 7 + 14)
            if third_friday - day > timedelta(days=7):
                return f"{root}{letter}{year % 10}"
    raise AssertionError("a year has four quarters")


def _midnight(day: date) -> int:
    return (day - date(1970, 1, 1)).days * _DAY_NS


def _midnights(each: SessionTape) -> list[int]:
    """Return the rows with which a new UTC day begins inside the session."""
    stamps = each.tape["ts_recv"]
    first, last = int(stamps[each.seeds]), int(stamps[-1])
    days = range(first // _DAY_NS + 1, last // _DAY_NS + 1)
    return [each.seeds + int(np.argmax(each.rows["ts_recv"] >= day * _DAY_NS)) for day in days]


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
    if not sessions:
        raise ConfigError("sessions", sessions, "at least one session")
    if events_per_session < _MIN_EVENTS:
        raise ConfigError("events_per_session", events_per_session, f"at least {_MIN_EVENTS}")
    symbol = front_contract(sessions[0].key)
    carried = _first_orders(sessions[0], np.random.default_rng([seed, 0]))
    fair, tapes, found = LEVELS / 2, [], []
    for number, session in enumerate(sessions):
        rng = np.random.default_rng([seed, number + 1])
        tape, fair = _play(session, carried, fair, rng, events_per_session)
        live = live_orders(tape)
        if faults and session is sessions[0]:
            tape, some = add_row_faults(tape, session.key, len(carried))
            found += some
        if faults and session is sessions[-1]:
            tape, some = add_state_faults(tape, session.key, len(carried))
            found += some
        tapes.append(SessionTape(session, len(carried), tape))
        carried = _seeds(live, int(tape["sequence"].max()))
    return Simulation(symbol, 42_000_000 + sum(map(ord, symbol)), tuple(tapes), tuple(found))


def _first_orders(session: Window, rng: np.random.Generator) -> Records:
    """Return good-till-cancelled orders from the days before, away from the market."""
    seeds = new_tape(2 * _GTC_A_SIDE)
    away = rng.integers(6, 80, len(seeds))
    bid = np.arange(len(seeds)) % 2 == 0
    seeds["side"] = np.where(bid, Side.BID, Side.ASK)
    seeds["price"] = _price(LEVELS // 2 + np.where(bid, -away, away))
    seeds["size"] = rng.integers(1, 6, len(seeds))
    seeds["order_id"] = _FIRST_ORDER_ID - len(seeds) + np.arange(len(seeds))
    seeds["action"], seeds["gtc"] = Action.ADD, 1
    seeds["rank"] = np.arange(len(seeds))
    age = np.sort(rng.integers(0, 3600, len(seeds)))[::-1]
    seeds["born_ts"] = session.previous_close_ns - (age + 60) * NS_PER_SECOND
    seeds["born_sequence"] = 1 + np.arange(len(seeds))
    return _seeds(seeds, len(seeds))


def _seeds(live: Records, sequence: int) -> Records:
    """Return live orders as the first rows of the next tape, in order of arrival."""
    seeds = live[np.argsort(live["rank"], kind="stable")]
    seeds["rank"] = np.arange(len(seeds))
    seeds["ts_event"], seeds["ts_recv"] = seeds["born_ts"], seeds["born_ts"]
    seeds["sequence"] = sequence
    seeds["flags"] = RecordFlag.LAST
    return seeds


def _price(level: Int1D) -> Int1D:
    return (level - LEVELS // 2 + _START_TICK) * _TICK


def _level(price: Int1D) -> Int1D:
    return price // _TICK - _START_TICK + LEVELS // 2


def _market(orders: int, rows: int) -> Market:
    queues = np.zeros((2, LEVELS), dtype=QUEUE)
    queues["head"], queues["tail"] = -1, -1
    return Market(
        orders=np.zeros(orders, dtype=ORDER),
        queues=queues,
        sides=np.array([(-1, 0), (LEVELS, 0)], dtype=SIDE),
        live=np.zeros(orders, dtype=np.int64),
        touched=np.zeros((2, orders), dtype=np.int64),
        counts=np.zeros(4, dtype=np.int64),
        rows=np.zeros(rows, dtype=ROW),
    )


def _play(
    session: Window, carried: Records, fair: float, rng: np.random.Generator, events: int
) -> tuple[Records, float]:
    """Play one session; return its tape, seeds first, and the fair value at its end."""
    pre_open = max(events // 40, 60)
    count = pre_open + 1 + events
    draws, noise = rng.random((count + 1, DRAWS)), rng.standard_normal(count + 1)
    market = _market(len(carried) + count + 2, len(carried) + 4 * count + 5_000)
    side = (carried["side"] == Side.ASK).astype(np.int64)
    sizes = carried["size"].astype(np.int64)
    order_ids = carried["order_id"].astype(np.int64)
    carry_in(market, order_ids, side, _level(carried["price"].astype(np.int64)), sizes)
    market.counts[2] = max(int(order_ids.max(initial=0)), _FIRST_ORDER_ID) + 1
    play_pre_open(market, 0, pre_open, fair, draws, noise)
    play_auction(market, pre_open, fair)
    fair = play_open(market, pre_open + 1, count, fair, draws, noise)
    purge_day_orders(market, count)
    times = np.concatenate(
        [
            pre_open_times(session, pre_open, rng),
            [session.open_ns],
            open_times(session, events, _PURGE_NS, rng),
            [session.close_ns - _PURGE_NS],
        ]
    )
    return _tape(carried, market, times, rng), fair


def _tape(carried: Records, market: Market, times: Int1D, rng: np.random.Generator) -> Records:
    """Return the rows that the kernels wrote as a tape with times and sequence numbers."""
    seeds, count = len(carried), int(market.counts[3])
    tape = new_tape(count)
    rows = market.rows[:count]
    for name in ("action", "side", "size", "order_id", "rank"):
        tape[name] = rows[name]
    tape["price"], tape["flags"] = _price(rows["level"]), rows["last"] * RecordFlag.LAST
    new = slice(seeds, None)
    step, action = rows["step"][seeds:], rows["action"][seeds:]
    start = int(carried["sequence"].max(initial=0))
    tape["sequence"][new] = start + sequences(step, action, rng)
    tape["ts_event"][new] = times[step]
    recv, delta = receive_times(times[step], tape["sequence"][new].astype(np.int64), rng)
    tape["ts_recv"][new], tape["ts_in_delta"][new] = recv, delta
    tape[:seeds] = carried
    book = tape["rank"] != NO_RANK
    birth = tape["rank"][book]
    tape["born_ts"][book] = tape["ts_event"][birth]
    tape["born_sequence"][book] = tape["sequence"][birth]
    return tape


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
