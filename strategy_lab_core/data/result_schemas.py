"""Every column of the tables that are made from ticks: name, type, unit, meaning, range.

The tables themselves are made in `data.bars`, `book.changes`, `book.trust`, `features.table` and
`engine.results`; tests hold them to these columns. Money is in the product's money units, 1e-6 of
the currency unless it says otherwise.
"""

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from strategy_lab_core.data.schemas import (
    ACTION,
    FLAGS,
    INSTRUMENT_ID,
    LETTER,
    MAX_TS_NS,
    SEQUENCE,
    ColumnSpec,
)

__all__ = ["RESULT_TABLES"]

_SIDE = "AB"
_NOWHERE = -1


def _time(name: str, meaning: str, low: int = 0) -> ColumnSpec:
    return ColumnSpec(name, pl.Int64, "ns UTC", meaning, low, MAX_TS_NS)


def _count(name: str, unit: str, meaning: str, low: int = 0) -> ColumnSpec:
    return ColumnSpec(name, pl.Int64, unit, meaning, low)


def _money(name: str, meaning: str) -> ColumnSpec:
    return ColumnSpec(name, pl.Int64, "money", meaning)


def _best(side: str) -> tuple[ColumnSpec, ...]:
    return (
        ColumnSpec(f"{side}_px", pl.Int64, "1e-9", f"best {side}, null where none", nullable=True),
        ColumnSpec(f"{side}_sz", pl.UInt32, "lots", f"displayed at the best {side}"),
        ColumnSpec(f"{side}_ct", pl.UInt32, "orders", f"displayed at the best {side}"),
    )


_BBO = (
    _count("event", "-", "number of the event in the session, from 0"),
    _time("ts_event", "matching engine's time of the event's last row"),
    _time("ts_recv", "capture server's receive time of that row"),
    INSTRUMENT_ID,
    ColumnSpec("symbol", pl.String, "-", "raw symbol", nullable=True),
    SEQUENCE,
    ACTION,
    ColumnSpec("side", LETTER, "-", "side of the event's last row", letters="ABN"),
    FLAGS,
    ColumnSpec("book_state", pl.UInt8, "-", "whether the book can be trusted: see Codes", 0, 2),
    *_best("bid"),
    *_best("ask"),
    ColumnSpec("full", pl.Boolean, "-", "whether `levels` holds the whole book at this event"),
)
_LEVELS = (
    _count("event", "-", "number of the event that changed the level"),
    ColumnSpec("side", LETTER, "-", "B bid, A ask", letters=_SIDE),
    ColumnSpec("price", pl.Int64, "1e-9", "price of the level"),
    ColumnSpec("size", pl.UInt32, "lots", "displayed after the event; 0 where the level left"),
    ColumnSpec("count", pl.UInt32, "orders", "displayed after the event"),
)
_INTERVALS = (
    INSTRUMENT_ID,
    _time("start_ns", "receive time of the row that broke the rule first"),
    _time("end_ns", "receive time of the row that ended it, or of the last"),
    ColumnSpec("rule", pl.String, "-", "the state rule, or why the book is not known"),
    _count("rows", "rows", "of the stretch"),
)
_CELL = (
    ColumnSpec("session", pl.Date, "-", "key of the session"),
    INSTRUMENT_ID,
    ColumnSpec("symbol", pl.String, "-", "raw symbol"),
    _time("start_ns", "first moment, by the matching engine's time"),
    _time("end_ns", "first moment after it"),
)
_VISIBLE = _time(
    "visible_ns", "capture clock when all before `end_ns` could have come: add your line to it"
)
_BARS = (
    *_CELL,
    *(
        ColumnSpec(name, pl.Int64, "1e-9", f"{which} trade's price")
        for name, which in (
            ("open", "first"), ("high", "highest"), ("low", "lowest"), ("close", "last"),
        )
    ),
    _count("volume", "lots", "traded"),
    _count("auction_volume", "lots", "of it without an aggressor: auctions"),
    _count("buy_volume", "lots", "of it bought by aggressors"),
    _count("sell_volume", "lots", "of it sold by aggressors"),
    _count("n_trades", "trades", "counted; 0 where an empty bar was filled in"),
    ColumnSpec(
        "notional", pl.Decimal(38, 9), "price x lots", "exact sum; by `volume` it is the VWAP"
    ),
    _VISIBLE,
)  # fmt: skip


def _float(name: str, unit: str, meaning: str) -> ColumnSpec:
    return ColumnSpec(name, pl.Float64, unit, f"{meaning}; null where not known", nullable=True)


_FEATURES = (
    *_CELL,
    ColumnSpec("bid_px", pl.Int64, "1e-9", "best bid at the end, null where none", nullable=True),
    ColumnSpec("ask_px", pl.Int64, "1e-9", "best ask at the end, null where none", nullable=True),
    _count("n_events", "events", "of the cell"),
    ColumnSpec("order_flow_imbalance", pl.Int64, "lots", "sum of e_n over the cell's events"),
    _float("imbalance", "-", "bid size / (bid size + ask size) at the end"),
    _float("weighted_mid", "points", "mid weighted by the other side's size"),
    _float("micro_price", "points", "Stoikov's, fitted on the session before"),
    _float("vpin", "-", "of the last buckets of equal volume"),
    _float("volatility", "points / sqrt(s)", "of the mid, old changes fading"),
    _float("realised_volatility", "points / sqrt(s)", "of the mid, in the cell"),
    _VISIBLE,
)
_TRADED = ColumnSpec("symbol", pl.String, "-", "contract")
_ORDERS = (
    _count("order_id", "-", "number of our order in the run"),
    ColumnSpec("side", LETTER, "-", "B buy, A sell", letters=_SIDE),
    ColumnSpec("type", pl.String, "-", "limit, market, ioc, fok, post_only, stop or stop_limit"),
    ColumnSpec("tag", pl.Int64, "-", "the strategy's own mark"),
    ColumnSpec(
        "price",
        pl.Int64,
        "1e-9",
        "limit, after modifies; of a market order or stop its protection limit, once it has one",
        nullable=True,
    ),
    ColumnSpec("trigger_price", pl.Int64, "1e-9", "of a stop", nullable=True),
    _count("size", "lots", "ordered, after modifies", 1),
    _count("filled", "lots", "filled"),
    ColumnSpec("average_price", pl.Int64, "1e-9", "of its fills, rounded", nullable=True),
    _time("ts_submit", "our clock when it was sent"),
    _time("ts_exchange", "its arrival at the exchange; -1 where it never arrived", _NOWHERE),
    _time("ts_end", "its end at the exchange; -1 where it was still open", _NOWHERE),
    ColumnSpec("end_reason", pl.String, "-", "why it ended"),
    _count("queue_ahead", "lots", "ahead of it when it came to rest; -1: it never did", _NOWHERE),
    _TRADED,
)
_FILLS = (
    _count("fill_id", "-", "number of the fill in the run"),
    _count("order_id", "-", "our order"),
    _time("ts_exchange", "when it traded"),
    _time("ts_local", "when we knew"),
    ColumnSpec("side", LETTER, "-", "B bought, A sold", letters=_SIDE),
    ColumnSpec("price", pl.Int64, "1e-9", "of the trade"),
    _count("size", "lots", "traded", 1),
    ColumnSpec("liquidity", LETTER, "-", "M maker, T taker", letters="MT"),
    _money("fee", "paid; negative where the exchange pays"),
    ColumnSpec("position_after", pl.Int64, "lots", "position after the fill"),
    _count("queue_ahead", "lots", "ahead of the order when it came to rest", _NOWHERE),
    _TRADED,
)
_EQUITY = (
    _time("ts", "exchange time of the sample"),
    ColumnSpec("position", pl.Int64, "lots", "held"),
    _money("cash", "after fees"),
    ColumnSpec("mark", pl.Int64, "half ticks", "bid + ask of the exchange's book; 0 before one"),
    _money("equity", "cash and the position at the mark"),
    _money("liquidation_value", "cash and the position at the far side"),
)
_ACCOUNT_EQUITY = (
    _time("ts", "exchange time at which one of the instruments was sampled"),
    _money("cash", "of all instruments, after fees"),
    _money("equity", "cash and all positions at their marks, each as it was last sampled"),
    _money("liquidation_value", "cash and all positions at the far side"),
    _money("margin", "initial margin in use, the sum of all positions'"),
)

# By the name of the file in the lake, without the instrument's id or the experiment's name.
RESULT_TABLES: Mapping[str, tuple[ColumnSpec, ...]] = MappingProxyType(
    {
        "bars": _BARS,
        "bbo": _BBO,
        "levels": _LEVELS,
        "features": _FEATURES,
        "intervals": _INTERVALS,
        "orders": _ORDERS,
        "fills": _FILLS,
        "equity": _EQUITY,
        "account_equity": _ACCOUNT_EQUITY,
    }
)
