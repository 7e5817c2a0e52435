"""Roll rules: when a contract gives way to a later one, by name.

A rule by evidence (volume, open interest) prefers the contract with the larger figure; a rule by
date lets a contract go on a day that the calendar and its expiry give. Deciding is in `rolls`.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Literal, get_args

import numpy as np

from strategy_lab_core.data.calendar import (
    NO_SESSION,
    SessionCalendar,
    session_calendar,
    session_date,
)
from strategy_lab_core.errors import CalendarError, ConfigError

__all__ = ["RollRule", "leaving_date", "roll_rule"]

RuleName = Literal["volume", "open_interest", "expiry", "monday", "thursday"]
_MAX_SESSIONS = 250
_MARGIN = timedelta(days=30)  # more than holidays and weekends can add to a range of sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class RollRule:
    """When a contract gives way to a later one.

    Attributes
    ----------
    name
        ``volume``: a later contract traded more in the last complete session before the open.
        ``open_interest``: it has more by what was published before the open.
        ``expiry``: `sessions` sessions before the one in which the contract expires.
        ``monday``: Monday of the week of expiry, the lead month of CME's equity indices since
        June 2022. ``thursday``: eight days before a Friday's expiry, their roll date before
        (cmegroup.com/trading/equity-index/rolldates.html).
    sessions
        Of the rule `expiry`, at least 1; else 0.
    allow_partial
        Of the rule `volume`: the last session counts whether it is complete or not.
    """

    name: RuleName = "volume"
    sessions: int = 0
    allow_partial: bool = False

    def __post_init__(self) -> None:
        if self.name not in get_args(RuleName):
            raise ConfigError("rule", self.name, f"one of {', '.join(get_args(RuleName))}")
        least = 1 if self.name == "expiry" else 0
        if not least <= self.sessions <= (_MAX_SESSIONS if least else 0):
            raise ConfigError(
                "sessions", self.sessions, f"in [1, {_MAX_SESSIONS}] for the rule expiry, else 0"
            )
        if self.allow_partial and self.name != "volume":
            raise ConfigError("allow_partial", True, f"left out for the rule {self.name}")

    @property
    def by_date(self) -> bool:
        """Whether calendar and expiry decide alone."""
        return self.name not in ("volume", "open_interest")

    def __str__(self) -> str:
        if self.name == "expiry":
            return f"expiry-{self.sessions}"
        return f"{self.name}-partial" if self.allow_partial else self.name


def roll_rule(text: str) -> RollRule:
    """Return the rule that a text names, as `str` of a rule gives it: volume, expiry-5, monday."""
    if text == "volume-partial":
        return RollRule(allow_partial=True)
    by_expiry = re.fullmatch(r"expiry-(\d{1,4})", text)
    if by_expiry:
        return RollRule(name="expiry", sessions=int(by_expiry[1]))
    if text == "expiry" or text not in get_args(RuleName):
        names = "volume, volume-partial, open_interest, expiry-N, monday, thursday"
        raise ConfigError("roll rule", text, f"one of {names}")
    return RollRule(name=text)  # type: ignore[arg-type]


def leaving_date(rule: RollRule, expiration_ns: int, calendar: SessionCalendar) -> date:
    """Return from which session on a rule by date has left the contract of this expiry."""
    return _leaving_date(rule, expiration_ns, calendar.name)


@cache
def _leaving_date(rule: RollRule, expiration_ns: int, calendar_name: str) -> date:
    calendar = session_calendar(calendar_name)
    key = int(calendar.session_keys(np.array([expiration_ns]))[0])
    if key == NO_SESSION:
        raise CalendarError(f"no session of {calendar_name!r} holds the expiry {expiration_ns}")
    last = session_date(key)
    if rule.name == "expiry":
        before = calendar.sessions(last - 2 * timedelta(days=rule.sessions) - _MARGIN, last)
        return before[-1 - rule.sessions].key
    monday = last - timedelta(days=last.weekday())
    return monday if rule.name == "monday" else monday - timedelta(days=4)
