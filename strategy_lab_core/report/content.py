"""What a report is made of: the experiment, its sessions, the assumptions, the provenance.

Filled by the caller from stored results; tables, charts and pages are computed from it elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from strategy_lab_core.errors import ConfigError

__all__ = ["AccountReport", "ReportData", "SessionReport"]

_NEEDED = {
    "fills": ("ts_exchange", "side", "price", "size", "liquidity", "fee", "position_after"),
    "equity": ("ts", "position", "equity"),
    "prices": ("ts", "bid", "ask"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReport:
    """One session's results, or those of a run that was carried over several.

    Attributes
    ----------
    key, product, symbol
        Session date as YYYY-MM-DD (of a carried run the last), product code, contract traded.
    instrument
        Of several instruments in one account, which one: the same in all sessions.
    label
        ``"complete"``, or ``"partial"`` where the data do not reach from open to close.
    multiplier
        Currency per point of price, in 1e-9.
    quality
        ``rows``, ``quarantined`` (rows), ``unreliable_share`` (of the session's time) and
        ``rules``: a list of ``rule``, ``severity``, ``applicable``, ``passed``, ``rows``,
        ``reason``.
    orders, fills, equity
        The engine's tables: times in ns UTC, prices in 1e-9, money in units of the report's scale.
    prices
        ``ts``, ``bid``, ``ask`` in ns and 1e-9, null where a side is empty.
    metrics
        The engine's own figures, shown as they are.
    carried
        Of a carried run each session: ``session``, ``position`` at its close (lots), and
        ``net_profit``; these add up to the run's. Else nothing.
    rolls
        Each change of its contract: the engine's rows.
    """

    key: str
    product: str
    symbol: str
    label: str
    multiplier: int
    quality: Mapping[str, Any]
    orders: pl.DataFrame
    fills: pl.DataFrame
    equity: pl.DataFrame
    prices: pl.DataFrame
    metrics: Mapping[str, int | float | str] = field(default_factory=dict)
    carried: Sequence[Mapping[str, Any]] = ()
    rolls: Sequence[Mapping[str, Any]] = ()
    instrument: str = ""

    def __post_init__(self) -> None:
        if self.label not in ("complete", "partial"):
            raise ConfigError("label", self.label, "'complete' or 'partial'")
        for name, columns in _NEEDED.items():
            missing = [column for column in columns if column not in getattr(self, name).columns]
            if missing:
                raise ConfigError(name, missing, f"a table with the columns {list(columns)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountReport:
    """What the runs of several instruments come to in one session, or carried over several.

    Attributes
    ----------
    key, label
        As of the sessions of its instruments; partial where one of them is.
    equity
        The account's ``ts`` and ``equity``, as of a session.
    metrics, carried
        The account's own.
    """

    key: str
    label: str
    equity: pl.DataFrame
    metrics: Mapping[str, int | float | str] = field(default_factory=dict)
    carried: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """Everything that a report shows; nothing in it may depend on the time of writing.

    Attributes
    ----------
    experiment
        The experiment's settings as they were given, nested as in its file.
    sessions
        In order of time, at least one; of several instruments one for each.
    accounts
        Of several instruments what they come to together, one for each session; else none.
    assumptions
        Sentences, one for each simplification that flatters or hurts the result.
    provenance
        One row per stored input: ``asset``, ``product``, ``session``, ``version``, ``inputs`` and
        ``files``, a list of ``name``, ``sha256``, ``rows``.
    completeness, gaps
        Rows of these tables with their product, from the first to the last session: what of the
        market's sessions is there, sessions without a run included.
    currency, money_scale
        Code of the currency, and units of money per unit of it.
    """

    experiment: Mapping[str, Any]
    sessions: Sequence[SessionReport]
    assumptions: Sequence[str]
    provenance: Sequence[Mapping[str, Any]]
    completeness: Sequence[Mapping[str, Any]] = ()
    gaps: Sequence[Mapping[str, Any]] = ()
    accounts: Sequence[AccountReport] = ()
    currency: str = "USD"
    money_scale: int = 1_000_000

    def __post_init__(self) -> None:
        if not self.sessions:
            raise ConfigError("sessions", self.sessions, "at least one session")
        keys = dict.fromkeys(each.key for each in self.sessions)
        if self.accounts and [each.key for each in self.accounts] != [*keys]:
            raise ConfigError("accounts", [*keys], "one for each session, in the same order")

    @property
    def account(self) -> Sequence[SessionReport | AccountReport]:
        """Whose equity is that of the whole account, session by session."""
        return self.accounts or self.sessions
