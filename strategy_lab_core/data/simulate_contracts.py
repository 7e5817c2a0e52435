"""A product's contracts side by side: as one expires, the next takes its trading over.

For rolls with a gap and two volumes. Each contract is a simulated market of its own around one
price, the later one a carry dearer: what one does says nothing about the other. Simplified: the
carry is the same at each roll, and a contract's last session is the one before its expiry. The
channel carries these contracts and nothing else, so its numbers have no gap.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.contracts import Contract, contracts
from strategy_lab_core.data.dbn_writer import Records, write_dbn
from strategy_lab_core.data.instruments import products
from strategy_lab_core.data.roll_schemas import roll_schema
from strategy_lab_core.data.simulate import instrument_id_of, stamped
from strategy_lab_core.data.simulate_session import MIN_EVENTS, SessionTape, play_sessions
from strategy_lab_core.data.simulate_tape import live_orders, simulated_name
from strategy_lab_core.types import EMPTY_PRICE, Action, RecordFlag, Side

__all__ = ["TRUTH", "write_contracts"]

TRUTH = pl.Schema(
    [
        *roll_schema("contract_sessions").items(),
        ("bid", pl.Int64()),  # 1e-9, behind the session's last row
        ("ask", pl.Int64()),
        ("rows", pl.Int64()),
    ]
)
_LISTED_DAYS = 18  # before the expiry of the contract in front: the Monday of two weeks before it
_HALF_DAYS = 6.0  # before that expiry half of the trading has gone over
_WIDTH_DAYS = 1.5  # of the logistic curve
_CARRY = 210 * 10**9  # 1e-9 points between a contract and the next
_ORDER_IDS = 10**9  # room for those of one contract


@dataclass(slots=True)
class _Listing:
    """A contract, the sessions in which it trades, and the events of each."""

    place: int
    contract: Contract
    sessions: list[Session] = field(default_factory=list)
    events: list[int] = field(default_factory=list)


def write_contracts(
    folder: Path,
    sessions: Sequence[Session],
    *,
    seed: int,
    events_per_session: Sequence[int],
    root: str = "MNQ",
    on_session: Callable[[date], None] | None = None,
) -> pl.DataFrame:
    """Simulate a product's contracts and write the vendor's files, one a UTC day.

    Parameters
    ----------
    folder
        Gets a file (`simulated_name`) for each day, with a snapshot of each contract.
    sessions
        Consecutive ones in order of time, the first on a Monday: a snapshot belongs to the session
        that it comes in.
    seed
        The same seed, sessions and events give the same files.
    events_per_session
        Of all contracts together; each has at least 200 where it trades.
    root
        A product with expiries.
    on_session
        Called with the key of each session once it is played.

    Returns
    -------
    What there is to be found, a row for each contract and session, by `TRUTH`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    listings = _listings(root, sessions, events_per_session)
    symbols = {instrument_id_of(each.contract.symbol): each.contract.symbol for each in listings}
    players = [play_sessions(each.sessions, seed=_seed(seed, each.place), events=each.events)
               for each in listings]  # fmt: skip
    writer, truth = _DayFiles(folder, symbols), []
    for session in sessions:
        for listing, player in zip(listings, players, strict=True):
            if session in listing.sessions:
                tape = next(player)
                truth.append(_truth(listing, tape))
                writer.add(listing, tape)
        writer.flush(before=session.key)
        if on_session is not None:
            on_session(session.key)
    writer.flush()
    return pl.DataFrame(truth, schema=TRUTH, orient="row")


def _listings(root: str, sessions: Sequence[Session], events: Sequence[int]) -> list[_Listing]:
    found: dict[Contract, _Listing] = {}
    for session, total in zip(sessions, events, strict=True):
        listed = contracts(products()[root], session.key, 3)
        near, later = [each for each in listed if each.expiration_ns >= session.close_ns][:2]
        days = (near.expires - session.key).days
        share = 1.0 / (1.0 + math.exp((days - _HALF_DAYS) / _WIDTH_DAYS))
        parts = {near: total}
        if days <= _LISTED_DAYS:
            parts = {near: round(total * (1.0 - share)), later: round(total * share)}
        for contract, count in parts.items():
            listing = found.setdefault(contract, _Listing(len(found), contract))
            listing.sessions.append(session)
            listing.events.append(max(count, MIN_EVENTS))
    return list(found.values())


def _seed(seed: int, place: int) -> int:
    return int(np.random.SeedSequence([seed, place]).generate_state(1)[0])


def _truth(listing: _Listing, tape: SessionTape) -> tuple[Any, ...]:
    rows, live, shift = tape.rows, live_orders(tape.tape), listing.place * _CARRY
    volume = int(rows["size"][rows["action"] == Action.TRADE].astype(np.int64).sum())
    bid = int(live["price"][live["side"] == Side.BID].max()) + shift
    ask = int(live["price"][live["side"] == Side.ASK].min()) + shift
    contract, key = listing.contract, tape.session.key
    return key, contract.symbol, contract.expiration_ns, volume, True, bid, ask, len(rows)


class _DayFiles:
    """Rows by UTC day, until the file of the day is written."""

    def __init__(self, folder: Path, symbols: dict[int, str]) -> None:
        self._folder, self._symbols = folder, symbols
        self._days: defaultdict[date, defaultdict[int, list[Records]]]
        self._days = defaultdict(lambda: defaultdict(list))
        self._reached = 0  # last number of the channel

    def add(self, listing: _Listing, tape: SessionTape) -> None:
        """Take one session of one contract."""
        id_ = instrument_id_of(listing.contract.symbol)
        for day, restated, rows in tape.days():
            parts = self._days[day][id_]
            for part in [rows] if parts else [restated, rows]:
                records = stamped(part, id_)
                priced = records["price"] != EMPTY_PRICE
                records["price"][priced] += listing.place * _CARRY
                records["order_id"][priced] += listing.place * _ORDER_IDS
                parts.append(records)

    def flush(self, before: date = date.max) -> None:
        """Write the files of the days before one."""
        for day in sorted(day for day in self._days if day < before):
            contracts_ = {id_: np.concatenate(parts) for id_, parts in self._days.pop(day).items()}
            path = self._folder / simulated_name(day)
            records = self._merged(contracts_)
            here = {id_: self._symbols[id_] for id_ in contracts_}
            write_dbn(path, records, here)

    def _merged(self, parts: dict[int, Records]) -> Records:
        """Return the rows of all contracts in order of capture, numbered as one whole channel."""
        records = np.concatenate([*parts.values()])
        captured = [np.maximum.accumulate(part["ts_recv"]) for part in parts.values()]
        records = records[np.argsort(np.concatenate(captured), kind="stable")]
        live = (records["flags"] & RecordFlag.SNAPSHOT) == 0
        own = records["sequence"][live], records["instrument_id"][live]
        is_new = np.any([np.diff(each, prepend=0) != 0 for each in own], axis=0)
        records["sequence"][live] = self._reached + np.cumsum(is_new)
        self._reached += int(is_new.sum())
        return np.asarray(records)
