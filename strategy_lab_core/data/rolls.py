"""Which contract each session trades: decided before its open, for the whole of it, with reasons.

Never back to an older contract, never by what spreads traded. What the rules mean is in
`roll_rules`, prices across rolls are in `continuous`, the columns of all tables in `roll_schemas`.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import polars as pl

from strategy_lab_core.data.calendar import Session, SessionCalendar
from strategy_lab_core.data.roll_evidence import (
    Contract,
    Known,
    bounds_of,
    gap_of,
    known_by_session,
)
from strategy_lab_core.data.roll_rules import RollRule, leaving_date
from strategy_lab_core.data.roll_schemas import roll_schema

__all__ = ["Choice", "Rolls", "choice_of", "roll_decisions"]


class Rolls(NamedTuple):
    """Tables as `roll_schemas` describes them.

    Attributes
    ----------
    contracts
        A row for each session, whether its rows are there or not: what it trades, and since when.
    rolls
        A row for each change of the contract, the first choice included: the audit.
    """

    contracts: pl.DataFrame
    rolls: pl.DataFrame


def roll_decisions(
    contract_sessions: pl.DataFrame,
    calendar: SessionCalendar,
    rule: RollRule | None = None,
    *,
    tick_size: int,
    quote_pairs: pl.DataFrame | None = None,
    open_interest: pl.DataFrame | None = None,
    last: date | None = None,
) -> Rolls:
    """Decide the contract of each session from the first that has rows on.

    Parameters
    ----------
    contract_sessions, quote_pairs, open_interest
        As `roll_schemas` describes them. A session's own row says only that the contract is there
        to be traded in it; everything else is taken from before its open.
    calendar
        The product's: it says which sessions there should be.
    rule
        By default the volume rule.
    tick_size
        Of the outrights, in 1e-9.
    last
        Up to this session; by default the last that has rows.

    Notes
    -----
    A contract is left before the session in which it expires, whatever the rule says, and where it
    has no rows in a session that has others (its files are not there). Then, and at the start, the
    rule chooses among what is left; where it knows nothing, the nearest expiry.
    """
    rule = rule or RollRule()
    if not contract_sessions.height:
        return Rolls(_table("contracts", []), _table("rolls", []))
    days: list[date] = contract_sessions["session"].to_list()
    first = calendar.session(min(days)).key
    sessions = calendar.sessions(first, max(last or max(days), first))
    known = known_by_session(sessions, contract_sessions, open_interest)
    desk = _Desk(sessions, known, rule, calendar)
    changes = [desk.change(place) for place in range(len(sessions))]
    rolls = [
        _audit(change, desk, quote_pairs, tick_size) for change in changes if change is not None
    ]
    return Rolls(_table("contracts", desk.rows), _table("rolls", rolls))


class Choice(NamedTuple):
    """The contract of one session, None where none lasts it; why, as a sentence without its stop.

    A guess is one that nothing but the expiry spoke for.
    """

    symbol: str | None
    reason: str
    is_guess: bool


def choice_of(rolls: Rolls, session: date) -> Choice | None:
    """Return what was decided for a session; None where it is not among the decided ones."""
    found = rolls.contracts.filter(pl.col("session") == session)
    if not found.height:
        return None
    row = found.row(0, named=True)
    if row["symbol"] is None:
        return Choice(None, f"no contract is known that lasts the session {session}", False)
    roll = rolls.rolls.filter(pl.col("session") == row["since"]).row(0, named=True)
    text = f"{row['symbol']} since {row['since']} by the rule {row['rule']}: {_why(roll)}"
    if row["is_guess"]:
        text += "; a guess by its expiry, nothing earlier says which contract is traded"
    return Choice(row["symbol"], text, row["is_guess"])


def _why(roll: Mapping[str, Any]) -> str:
    """Say why a row of `rolls` is there, and what was missing."""
    old, new = roll["from_symbol"], roll["to_symbol"]
    causes = {
        "start": "the first session that there is",
        "expiry": f"{old} expires before the close",
        "listing": f"{old} has no rows in the session",
        "rule": f"{old} is left",
    }
    why = causes[roll["cause"]]
    if roll["cause"] == "rule" and roll["rule"].startswith("volume"):
        lots = f"{roll['to_volume'] or 0} lots against {roll['from_volume'] or 0} of {old}"
        why = f"{new} traded {lots} in {roll['volume_session']}"
    elif roll["cause"] == "rule" and roll["rule"] == "open_interest":
        lots = f"{roll['to_open_interest'] or 0} against {roll['from_open_interest'] or 0} of {old}"
        why = f"{new} had an open interest of {lots}"
    if roll["missing"]:
        span = f"{roll['earliest']} and {roll['latest']}"
        why += f" ({roll['missing']} sessions are missing or partial: due between {span})"
    return why


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=roll_schema(name), orient="row")


class _Change(NamedTuple):
    """A change of the contract for the session at `place`; `since` is the place of the old one."""

    place: int
    since: int
    old: Contract | None
    new: Contract
    cause: str


class _Desk:
    """Goes through the sessions in order and holds one contract after the other."""

    def __init__(
        self,
        sessions: Sequence[Session],
        known: Sequence[Known],
        rule: RollRule,
        calendar: SessionCalendar,
    ) -> None:
        self.sessions, self.known, self.rule = sessions, known, rule
        self.rows: list[dict[str, Any]] = []
        self._calendar = calendar
        self._held: Contract | None = None
        self._since = 0

    def change(self, place: int) -> _Change | None:
        """Decide a session, add its row, and return the change where there is one."""
        session, held, since = self.sessions[place], self._held, self._since
        lasting = [c for c in self.known[place].listed if c.expiration_ns >= session.close_ns]
        chosen, cause = self._choose(place, held, lasting)
        if chosen is not None and chosen != held:
            self._held, self._since = chosen, place
        is_guess = chosen is not None and len(lasting) > 1
        is_guess = is_guess and not self._has_evidence(place, lasting)
        self.rows.append(
            {
                "session": session.key,
                "symbol": chosen.symbol if chosen else None,
                "rule": str(self.rule),
                "cause": cause,
                "since": self.sessions[self._since].key if chosen else None,
                "is_guess": is_guess,
            }
        )
        if chosen is None or chosen == held:
            return None
        return _Change(place, since, held, chosen, cause)

    def _choose(
        self, place: int, held: Contract | None, lasting: Collection[Contract]
    ) -> tuple[Contract | None, str]:
        later = sorted(c for c in lasting if held is None or c > held)
        if held is not None and held in lasting:
            favourite = self._favourite(place, [held, *later])
            return favourite, "held" if favourite == held else "rule"
        if not later:
            return None, "none"
        if held is None:
            cause = "start"
        else:
            ends = held.expiration_ns < self.sessions[place].close_ns
            cause = "expiry" if ends else "listing"
        return self._favourite(place, later), cause

    def _favourite(self, place: int, candidates: Sequence[Contract]) -> Contract:
        """Return what the rule prefers among contracts in order of expiry."""
        if self.rule.by_date:
            session = self.sessions[place].key
            staying = (
                c for c in candidates
                if session < leaving_date(self.rule, c.expiration_ns, self._calendar)
            )  # fmt: skip
            return next(staying, candidates[-1])
        figures = self._figures(place)
        return max(candidates, key=lambda c: (figures.get(c, 0), -c.expiration_ns))

    def _figures(self, place: int) -> Mapping[Contract, int]:
        known = self.known[place]
        if self.rule.name == "open_interest":
            return {c: lots for c, (lots, _) in known.open_interest.items()}
        return self.volumes(place)[1]

    def volumes(self, place: int) -> tuple[date | None, Mapping[Contract, int]]:
        """Return the session whose volumes count before the open of another, and the volumes."""
        known = self.known[place]
        at = known.last_any if self.rule.allow_partial else known.last_complete
        return (None, {}) if at is None else (self.sessions[at].key, self.known[at].volumes)

    def _has_evidence(self, place: int, candidates: Collection[Contract]) -> bool:
        return self.rule.by_date or any(c in self._figures(place) for c in candidates)


def _audit(
    change: _Change, desk: _Desk, quote_pairs: pl.DataFrame | None, tick_size: int
) -> dict[str, Any]:
    session, known = desk.sessions[change.place], desk.known[change.place]
    day, volumes = desk.volumes(change.place)
    interest = known.open_interest
    contracts = [c for c in (change.old, change.new) if c is not None]
    published = [interest[c][1] for c in contracts if c in interest]
    earliest, latest, missing = change.place, change.place, 0
    if change.old is not None and not desk.rule.by_date:
        span = (change.since, change.place)
        earliest, latest, missing = bounds_of(desk.known, desk.rule, span, change.old, change.new)
    return {
        "session": session.key,
        "from_symbol": change.old.symbol if change.old else None,
        "to_symbol": change.new.symbol,
        "rule": str(desk.rule),
        "cause": change.cause,
        "volume_session": day,
        "from_volume": volumes.get(change.old) if change.old else None,
        "to_volume": volumes.get(change.new),
        "open_interest_ns": max(published, default=None),
        "from_open_interest": interest.get(change.old, (None, 0))[0] if change.old else None,
        "to_open_interest": interest.get(change.new, (None, 0))[0],
        **gap_of(quote_pairs, session, change.old, change.new, tick_size),
        "earliest": desk.sessions[earliest].key,
        "latest": desk.sessions[latest].key,
        "missing": missing,
    }
