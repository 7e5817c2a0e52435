"""What is known of the contracts before each open: volumes, open interest, gaps, and what lacks.

No decision is made here; `rolls` makes them, and asks nothing else.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

import polars as pl

from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.roll_rules import RollRule
from strategy_lab_core.errors import DataError

__all__ = ["Contract", "Known", "bounds_of", "gap_of", "known_by_session"]


class Contract(NamedTuple):
    """An outright contract; in order of expiry."""

    expiration_ns: int
    symbol: str


class Known(NamedTuple):
    """What is known of one session, and what was known before its open.

    Attributes
    ----------
    volumes, is_complete
        Of the session itself: for the decisions of later ones.
    has_rows
        Whether anything is there of it.
    listed
        Contracts that can be traded in it: those that have rows in it, else all seen before.
    last_complete, last_any
        Places of the last complete session, and of the last with rows, before it.
    open_interest
        Lots and time of publication of the last figure published before the open that stands.
    published
        Contracts whose figure was published since the open before.
    """

    volumes: Mapping[Contract, int]
    is_complete: bool
    has_rows: bool
    listed: frozenset[Contract]
    last_complete: int | None
    last_any: int | None
    open_interest: Mapping[Contract, tuple[int, int]]
    published: frozenset[Contract]


def known_by_session(
    sessions: Sequence[Session],
    contract_sessions: pl.DataFrame,
    open_interest: pl.DataFrame | None,
) -> list[Known]:
    """Return what is known, a row a session; the tables are those of `roll_schemas`."""
    rows = _rows_by_session(contract_sessions)
    strangers = rows.keys() - {session.key for session in sessions}
    strangers = {day for day in strangers if day <= sessions[-1].key}
    if strangers:
        raise DataError(f"contract_sessions has {min(strangers)}, which is no session")
    figures = _figures(open_interest)
    found: list[Known] = []
    seen: frozenset[Contract] = frozenset()
    complete = any_ = None
    at, interest = 0, dict[Contract, tuple[int, int]]()
    for place, session in enumerate(sessions):
        new = at
        while new < len(figures) and figures[new][0] < session.open_ns:
            published_ns, contract, lots = figures[new]
            interest.pop(contract, None)
            if lots is not None:
                interest[contract] = (lots, published_ns)
            new += 1
        mine = rows.get(session.key, {})
        volumes = {contract: volume for contract, (volume, _) in mine.items()}
        is_complete = bool(mine) and all(whole for _, whole in mine.values())
        found.append(
            Known(
                volumes=volumes,
                is_complete=is_complete,
                has_rows=bool(mine),
                listed=frozenset(volumes) or seen,
                last_complete=complete,
                last_any=any_,
                open_interest=dict(interest),
                published=frozenset(c for _, c, _ in figures[at:new] if c in interest),
            )
        )
        seen, at = seen | volumes.keys(), new
        complete = place if is_complete else complete
        any_ = place if mine else any_
    return found


def _rows_by_session(table: pl.DataFrame) -> dict[date, dict[Contract, tuple[int, bool]]]:
    rows: dict[date, dict[Contract, tuple[int, bool]]] = {}
    columns = ("session", "symbol", "expiration_ns", "volume", "is_complete")
    for session, symbol, expiration_ns, volume, whole in table.select(columns).iter_rows():
        mine = rows.setdefault(session, {})
        if Contract(expiration_ns, symbol) in mine:
            raise DataError(f"contract_sessions has {symbol} twice in the session {session}")
        mine[Contract(expiration_ns, symbol)] = (volume, whole)
    return rows


def _figures(table: pl.DataFrame | None) -> list[tuple[int, Contract, int | None]]:
    if table is None:
        return []
    columns = ("published_ns", "symbol", "expiration_ns", "open_interest")
    return [
        (published_ns, Contract(expiration_ns, symbol), lots)
        for published_ns, symbol, expiration_ns, lots in (
            table.select(columns).sort(columns, nulls_last=False).iter_rows()
        )
    ]


def bounds_of(
    known: Sequence[Known],
    rule: RollRule,
    span: tuple[int, int],
    old: Contract,
    new: Contract,
) -> tuple[int, int, int]:
    """Return the first and the last session that the rule could have rolled for, as places.

    The third number says how many of them lack complete evidence. `span` has the first session
    that trades `old` and the one that trades `new`. Partial sessions count here: they say little
    about how far, but which of the two was ahead.
    """
    since, place = span
    earliest, latest = since + 1, place
    whole = set()
    for decided in range(since + 1, place + 1):
        figures = _comparable(known, rule, decided, old, new)
        if figures is None:
            continue
        if rule.name == "open_interest" or known[decided - 1].is_complete or rule.allow_partial:
            whole.add(decided)
        if figures[1] > figures[0]:
            latest = decided
            break
        earliest = min(decided + 1, place)
    return earliest, latest, sum(at not in whole for at in range(earliest, latest + 1))


def _comparable(
    known: Sequence[Known], rule: RollRule, decided: int, old: Contract, new: Contract
) -> tuple[int, int] | None:
    """Return the figures of both contracts that were new at a decision; None without both."""
    if rule.name == "open_interest":
        now = known[decided]
        if not {old, new} <= now.published:
            return None
        return now.open_interest[old][0], now.open_interest[new][0]
    before = known[decided - 1].volumes
    return (before[old], before[new]) if old in before and new in before else None


def gap_of(
    quote_pairs: pl.DataFrame | None,
    session: Session,
    old: Contract | None,
    new: Contract,
    tick_size: int,
) -> dict[str, int | None]:
    """Return mids and gap from the last quotes of both contracts before the open."""
    nothing = dict.fromkeys(("gap_ticks", "from_mid", "to_mid", "gap_ns"))
    if quote_pairs is None or old is None:
        return dict(nothing)
    found = quote_pairs.filter(
        pl.col("from_symbol") == old.symbol,
        pl.col("to_symbol") == new.symbol,
        pl.col("session") < session.key,
        pl.col("ts") < session.open_ns,
    ).sort("ts")
    if not found.height:
        return dict(nothing)
    row = found.row(-1, named=True)
    from_mid = _half_ticks(row["from_bid"] + row["from_ask"], tick_size, old)
    to_mid = _half_ticks(row["to_bid"] + row["to_ask"], tick_size, new)
    gap = round_half_even(to_mid - from_mid, 2)
    return {"gap_ticks": gap, "from_mid": from_mid, "to_mid": to_mid, "gap_ns": row["ts"]}


def _half_ticks(total: int, tick_size: int, contract: Contract) -> int:
    ticks, rest = divmod(total, tick_size)
    if rest:
        raise DataError(f"quotes of {contract.symbol} are off the tick grid of {tick_size} 1e-9")
    return ticks


def round_half_even(value: int, divisor: int) -> int:
    """Return an exact quotient rounded to the nearest integer, ties to the even one."""
    whole, rest = divmod(value, divisor)
    up = 2 * rest > divisor or (2 * rest == divisor and whole % 2 == 1)
    return whole + up
