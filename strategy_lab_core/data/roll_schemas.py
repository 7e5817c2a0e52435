"""Every column of the tables that rolls are decided from and leave: name, type, unit, meaning.

`contract_sessions`, `quote_pairs` and `open_interest` are what is known of the contracts;
`contracts` and `rolls` what `data.rolls` makes of it. Contracts are told apart by their expiry: a
symbol such as MNQH5 comes back after ten years.
"""

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from strategy_lab_core.data.schemas import MAX_TS_NS, ColumnSpec

__all__ = ["ROLL_TABLES", "roll_schema"]


def _symbol(name: str, meaning: str, *, nullable: bool = False) -> ColumnSpec:
    return ColumnSpec(name, pl.String, "-", meaning, nullable=nullable)


def _day(name: str, meaning: str, *, nullable: bool = False) -> ColumnSpec:
    return ColumnSpec(name, pl.Date, "-", meaning, nullable=nullable)


def _time(name: str, meaning: str, *, nullable: bool = False) -> ColumnSpec:
    return ColumnSpec(name, pl.Int64, "ns UTC", meaning, 0, MAX_TS_NS, nullable=nullable)


def _lots(name: str, meaning: str, *, nullable: bool = False) -> ColumnSpec:
    return ColumnSpec(name, pl.Int64, "lots", meaning, 0, nullable=nullable)


def _price(name: str, meaning: str) -> ColumnSpec:
    return ColumnSpec(name, pl.Int64, "1e-9", meaning)


def _half_ticks(name: str, meaning: str) -> ColumnSpec:
    return ColumnSpec(name, pl.Int64, "half ticks", meaning, nullable=True)


_SESSION = _day("session", "key of the session")
_EXPIRES = _time("expiration_ns", "end of the contract's trading")
_CONTRACT_SESSIONS = (
    _SESSION,
    _symbol("symbol", "raw symbol of an outright contract"),
    _EXPIRES,
    _lots("volume", "traded in it in the session, without what spreads traded"),
    ColumnSpec(
        "is_complete", pl.Boolean, "-", "whether the session's rows reach from open to close"
    ),
)
_QUOTE_PAIRS = (
    _SESSION,
    _symbol("from_symbol", "the contract that expires first"),
    _symbol("to_symbol", "the one that expires later"),
    _time("ts", "from when on both were quoted like that, the last such time of the session"),
    _price("from_bid", "best bid of the first"),
    _price("from_ask", "best ask of the first"),
    _price("to_bid", "best bid of the later one"),
    _price("to_ask", "best ask of the later one"),
)
_OPEN_INTEREST = (
    _time("published_ns", "when it was published, or a newer one withdrawn"),
    _symbol("symbol", "raw symbol of an outright contract"),
    _EXPIRES,
    _lots("open_interest", "open contracts; null from when no figure stands", nullable=True),
)
_CONTRACTS = (
    _SESSION,
    _symbol("symbol", "contract traded; null where none is known to last it", nullable=True),
    _symbol("rule", "the roll rule"),
    _symbol("cause", "start, held, rule, expiry, listing, or none"),
    _day("since", "first session that trades the contract", nullable=True),
    ColumnSpec("is_guess", pl.Boolean, "-", "whether nothing but the expiry spoke for it"),
)
_ROLLS = (
    _day("session", "first session that trades the new contract, decided before its open"),
    _symbol("from_symbol", "contract before; null for the first", nullable=True),
    _symbol("to_symbol", "contract from this session on"),
    _symbol("rule", "the roll rule"),
    _symbol(
        "cause",
        "rule; expiry: the old one ends before the close; listing: it has no rows; start",
    ),
    _day("volume_session", "session of the volumes", nullable=True),
    _lots("from_volume", "traded then in the old contract, null where not known", nullable=True),
    _lots("to_volume", "traded then in the new one", nullable=True),
    _time("open_interest_ns", "when the newer open interest was published", nullable=True),
    _lots("from_open_interest", "of the old contract, as known at the open", nullable=True),
    _lots("to_open_interest", "of the new one", nullable=True),
    ColumnSpec(
        "gap_ticks", pl.Int64, "ticks", "mid of the new less mid of the old, half to even",
        nullable=True,
    ),
    _half_ticks("from_mid", "bid + ask of the old contract"),
    _half_ticks("to_mid", "bid + ask of the new one"),
    _time("gap_ns", "when both were last quoted on both sides before the open", nullable=True),
    _day("earliest", "first session the rule could have chosen, had none been missing"),
    _day("latest", "last such session"),
    ColumnSpec("missing", pl.Int64, "sessions", "missing or partial evidence between them", 0),
)  # fmt: skip

ROLL_TABLES: Mapping[str, tuple[ColumnSpec, ...]] = MappingProxyType(
    {
        "contract_sessions": _CONTRACT_SESSIONS,
        "quote_pairs": _QUOTE_PAIRS,
        "open_interest": _OPEN_INTEREST,
        "contracts": _CONTRACTS,
        "rolls": _ROLLS,
    }
)


def roll_schema(name: str) -> pl.Schema:
    """Return names and types of one of the tables."""
    return pl.Schema({column.name: column.dtype for column in ROLL_TABLES[name]})
