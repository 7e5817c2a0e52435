"""The figures of a report, exact: round trips, costs, drawdown, one row per session.

Money stays integer in the report's scale (1e-6 of the currency by default), prices in 1e-9.
Formatting is in `html`.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from strategy_lab_core.report.content import AccountReport, ReportData, SessionReport
from strategy_lab_core.types import PRICE_SCALE, Int1D

__all__ = [
    "account_rows",
    "cost_rows",
    "drawdown",
    "equity_curve",
    "instrument_rows",
    "quality_rows",
    "round_trips",
    "session_rows",
    "summary",
]

ROUND_TRIPS = pl.Schema(
    {
        "side": pl.String,  # long or short
        "size": pl.Int64,  # lots
        "ts_entry": pl.Int64,  # ns UTC, exchange
        "entry_price": pl.Int64,  # 1e-9
        "ts_exit": pl.Int64,
        "exit_price": pl.Int64,
        "gross": pl.Int64,  # money
        "fees": pl.Int64,
        "net": pl.Int64,
    }
)
_TOTALS = ("net_profit", "gross_profit", "fees", "orders", "fills", "lots", "round_trips")


class _Lots(NamedTuple):
    """Lots of one fill that are not matched yet."""

    ts: int
    price: int
    size: int
    fee: int  # of these lots


def round_trips(fills: pl.DataFrame, multiplier: int, *, money_scale: int) -> pl.DataFrame:
    """Match fills first in, first out; one row per pair of entry and exit.

    Parameters
    ----------
    fills
        In order of time: ``ts_exchange``, ``side`` ("B" or "A"), ``price``, ``size``, ``fee``.
    multiplier
        Currency per point of price, in 1e-9.
    money_scale
        Units of money per unit of currency.

    Returns
    -------
    pl.DataFrame
        In order of exit. A fill's fee is shared out over its lots in whole units of money that add
        up to the fee. Lots still open at the end are in no row.
    """
    trips: list[tuple[Any, ...]] = []
    waiting: deque[_Lots] = deque()
    sign = 0
    columns = ("ts_exchange", "side", "price", "size", "fee")
    for ts, letter, price, size, fee in fills.select(columns).iter_rows():
        side = 1 if letter == "B" else -1
        rest = _Lots(ts, price, size, fee)
        while rest.size > 0 and waiting and side != sign:
            entry, rest, left = _pair(waiting.popleft(), rest)
            if left.size > 0:
                waiting.appendleft(left)
            trips.append(_trip(sign, entry, (ts, price), multiplier, money_scale))
        if rest.size > 0:
            sign = side
            waiting.append(rest)
    return pl.DataFrame(trips, schema=ROUND_TRIPS, orient="row")


def _pair(entry: _Lots, leaving: _Lots) -> tuple[_Lots, _Lots, _Lots]:
    """Return the matched lots with both fees, what is left to exit, and what stays open."""
    size = min(entry.size, leaving.size)
    entry_fee, exit_fee = entry.fee * size // entry.size, leaving.fee * size // leaving.size
    matched = entry._replace(size=size, fee=entry_fee + exit_fee)
    rest = leaving._replace(size=leaving.size - size, fee=leaving.fee - exit_fee)
    left = entry._replace(size=entry.size - size, fee=entry.fee - entry_fee)
    return matched, rest, left


def _trip(
    sign: int, entry: _Lots, leaving: tuple[int, int], multiplier: int, money_scale: int
) -> tuple[Any, ...]:
    ts, price = leaving
    points = sign * entry.size * (price - entry.price)
    gross = points * multiplier * money_scale // PRICE_SCALE**2
    side = "long" if sign > 0 else "short"
    return (
        side, entry.size, entry.ts, entry.price, ts, price, gross, entry.fee, gross - entry.fee
    )  # fmt: skip


def drawdown(equity: Int1D) -> Int1D:
    """Return how far each value is below the highest so far, or below zero at the start."""
    return np.asarray(np.maximum(np.maximum.accumulate(equity), 0) - equity)


def equity_curve(sessions: Sequence[SessionReport | AccountReport]) -> pl.DataFrame:
    """Return ``ts``, ``equity``, ``drawdown``: the sessions one after the other.

    Each session starts where the one before ended.
    """
    ends = [_final(each) for each in sessions]
    starts = [0, *accumulate(ends)][:-1]
    parts = [
        each.equity.select(pl.col("ts"), pl.col("equity") + start)
        for each, start in zip(sessions, starts, strict=True)
    ]
    curve = pl.concat(parts)
    falls = drawdown(curve["equity"].to_numpy())
    return curve.with_columns(pl.Series("drawdown", falls, dtype=pl.Int64))


def _final(session: SessionReport | AccountReport) -> int:
    """Return the session's net profit: its last equity, fees included."""
    return int(session.equity["equity"][-1]) if session.equity.height else 0


def _fees(session: SessionReport) -> int:
    return int(session.fills["fee"].sum())


def _position(session: SessionReport) -> int:
    return int(session.fills["position_after"][-1]) if session.fills.height else 0


def session_rows(data: ReportData) -> list[dict[str, Any]]:
    """Return one row per session: its label, result, activity and whether the figures agree.

    ``difference`` is net profit less the round trips' net; None where a position stays open, which
    the equity marks and the round trips leave out.
    """
    rows = []
    for each in data.sessions:
        trips = round_trips(each.fills, each.multiplier, money_scale=data.money_scale)
        net, position = _final(each), _position(each)
        falls = drawdown(each.equity["equity"].to_numpy())
        rows.append(
            {
                "session": each.key,
                "product": each.product,
                "symbol": each.symbol,
                "label": each.label,
                "net_profit": net,
                "gross_profit": net + _fees(each),
                "fees": _fees(each),
                "max_drawdown": int(falls.max(initial=0)),
                "orders": each.orders.height,
                "fills": each.fills.height,
                "lots": int(each.fills["size"].sum()),
                "round_trips": trips.height,
                "position_at_end": position,
                "difference": None if position else net - int(trips["net"].sum()),
            }
        )
    return rows


def account_rows(data: ReportData) -> list[dict[str, Any]]:
    """Return one row per session of an account of several instruments."""
    return [
        {
            "session": each.key,
            "label": each.label,
            "net_profit": _final(each),
            "max_drawdown": int(drawdown(each.equity["equity"].to_numpy()).max(initial=0)),
        }
        for each in data.accounts
    ]


def instrument_rows(data: ReportData) -> list[dict[str, Any]]:
    """Return what each of several instruments adds to the account over all sessions."""
    found: dict[str, dict[str, Any]] = {}
    for each, row in zip(data.sessions, session_rows(data), strict=True):
        mine = found.setdefault(each.instrument, dict.fromkeys(_TOTALS, 0))
        for name in _TOTALS:
            mine[name] += row[name]
    return [{"instrument": name, **mine} for name, mine in found.items() if data.accounts]


def cost_rows(data: ReportData) -> list[dict[str, Any]]:
    """Return fills, lots and fees by liquidity: "M" our order rested, "T" it took."""
    fills = pl.concat(
        [
            each.fills.select(
                pl.col("liquidity").cast(pl.String),
                pl.col("size").cast(pl.Int64),
                pl.col("fee").cast(pl.Int64),
            )
            for each in data.sessions
        ]
    )
    by_kind = fills.group_by("liquidity").agg(
        pl.len().alias("fills"), pl.col("size").sum().alias("lots"), pl.col("fee").sum()
    )
    return by_kind.rename({"fee": "fees"}).sort("liquidity").to_dicts()


def quality_rows(data: ReportData) -> list[dict[str, Any]]:
    """Return the rules of all sessions: rows that broke each, where it applies, and the total.

    In the rules' order of first appearance.
    """
    rules: dict[str, dict[str, Any]] = {}
    for each in data.sessions:
        for rule in each.quality.get("rules", ()):
            row = rules.setdefault(
                rule["rule"],
                {
                    "rule": rule["rule"],
                    "severity": rule.get("severity", ""),
                    "reason": rule.get("reason", ""),
                    "applicable": False,
                    "is_broken": False,
                    "rows": 0,
                    "sessions": [],
                },
            )
            row["applicable"] = row["applicable"] or bool(rule.get("applicable", True))
            row["rows"] += int(rule.get("rows") or 0)
            is_broken = not rule.get("passed", not rule.get("rows"))  # a share may be within limits
            row["is_broken"] = row["is_broken"] or is_broken
            if is_broken and each.key not in row["sessions"]:
                row["sessions"].append(each.key)
    return list(rules.values())


def summary(data: ReportData) -> dict[str, Any]:
    """Return the head figures; no verdict, and nothing annualised.

    A session counts once, however many instruments it has; drawdown and margin are the account's.
    """
    rows = session_rows(data)
    trips = [
        round_trips(each.fills, each.multiplier, money_scale=data.money_scale)["net"]
        for each in data.sessions
    ]
    nets = np.concatenate([trip.to_numpy() for trip in trips])
    falls = equity_curve(data.account)["drawdown"].to_numpy()
    return {
        **{name: sum(row[name] for row in rows) for name in _TOTALS},
        "max_drawdown": int(falls.max(initial=0)),
        "max_margin": max(int(each.metrics.get("max_margin_e6", 0)) for each in data.account),
        "sessions": len(data.account),
        "simulated_files": _simulated(data),
        "partial_sessions": [each.key for each in data.account if each.label == "partial"],
        "open_sessions": _once(row["session"] for row in rows if row["position_at_end"]),
        "winning_round_trips": int((nets > 0).sum()),
        "best_round_trip": int(nets.max(initial=0)),
        "worst_round_trip": int(nets.min(initial=0)),
        "disagreeing_sessions": _once(row["session"] for row in rows if row["difference"]),
    }


def _simulated(data: ReportData) -> list[str]:
    names = (str(file["name"]) for row in data.provenance for file in row["files"])
    return sorted({name for name in names if name.startswith("simulated-")})


def _once(sessions: Iterable[str]) -> list[str]:
    return [*dict.fromkeys(sessions)]
