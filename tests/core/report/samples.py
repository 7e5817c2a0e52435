"""A made-up report: a few sessions of invented fills around an invented price."""

from typing import Any

import numpy as np
import polars as pl

from strategy_lab_core.report.content import AccountReport, ReportData, SessionReport

OPEN_NS = 1_736_722_800_000_000_000  # Sunday, 2025-01-12, 23:00 UTC
DAY_NS = 86_400_000_000_000
TICK = 250_000_000
POINT_VALUE = 2_000_000_000  # 2 USD a point in 1e-9
FEE = 740_000  # per lot in 1e-6 USD


def fills_table(rows: list[tuple[int, str, int, int, int]]) -> pl.DataFrame:
    """Return fills from (ts, side, price, size, fee), with the position after each."""
    position, after = 0, []
    for _, side, _, size, _ in rows:
        position += size if side == "B" else -size
        after.append(position)
    columns = ("ts_exchange", "side", "price", "size", "fee")
    table = pl.DataFrame(rows, schema=columns, orient="row")
    liquidity = ["M" if number % 3 else "T" for number in range(len(rows))]
    return table.with_columns(
        pl.Series("liquidity", liquidity, dtype=pl.String),
        pl.Series("position_after", after, dtype=pl.Int64),
    ).cast({"ts_exchange": pl.Int64, "price": pl.Int64, "size": pl.Int64, "fee": pl.Int64})


def session(day: int = 0, *, seed: int = 0, trades: int = 120, **changes: Any) -> SessionReport:
    """Return one session: a random walk of quotes, `trades` fills at them, equity after each."""
    rng = np.random.default_rng([seed, day])
    count = 20_000
    ts = OPEN_NS + day * DAY_NS + np.sort(rng.integers(0, 82_000_000_000_000, count))
    bid = (84_000 + np.cumsum(rng.integers(-1, 2, count))) * TICK
    rows, cash, position = [], 0, 0
    equity: list[tuple[int, int, int]] = [(int(ts[0]), 0, 0)]
    for row in np.sort(rng.choice(count, trades, replace=False)):
        buys = position < 0 or (position == 0 and rng.random() < 0.5)
        price, side = (int(bid[row]), 1) if buys else (int(bid[row]) + TICK, -1)
        rows.append((int(ts[row]), "B" if buys else "A", price, 1, FEE))
        position += side
        cash -= side * price * POINT_VALUE // 10**12 + FEE
        mark = int(bid[row]) + TICK // 2
        equity.append((int(ts[row]), position, cash + position * mark * POINT_VALUE // 10**12))
    values: dict[str, Any] = {
        "key": f"2025-01-{13 + day}",
        "product": "MNQ",
        "symbol": "MNQH5",
        "label": "complete",
        "multiplier": POINT_VALUE,
        "quality": quality(),
        "orders": pl.DataFrame({"order_id": range(2 * trades)}),
        "fills": fills_table(rows),
        "equity": pl.DataFrame(equity, schema=["ts", "position", "equity"], orient="row"),
        "prices": pl.DataFrame({"ts": ts, "bid": bid, "ask": bid + TICK}),
        "metrics": {"net_profit_e6": equity[-1][2]},
    }
    return SessionReport(**{**values, **changes})


def several(count: int = 2) -> ReportData:
    """Return a report of two instruments in one account, on a few sessions."""
    mine = [
        session(day, seed=seed, symbol=f"{name}H5", product=name, instrument=name)
        for day in range(count)
        for seed, name in enumerate(("MES", "MNQ"))
    ]
    pairs = zip(mine[::2], mine[1::2], strict=True)
    accounts = [
        AccountReport(
            key=one.key, label="complete", equity=_sum(one.equity, other.equity),
            metrics={"max_margin_e6": 3_740_000_000 + day},
        )
        for day, (one, other) in enumerate(pairs)
    ]  # fmt: skip
    return report(sessions=mine, accounts=accounts)


def _sum(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Return the sum of two equities at the times of either, each as it was last."""
    times = pl.concat([one["ts"], other["ts"]]).unique().sort().to_frame()
    joined = [times.join_asof(each, on="ts").fill_null(0)["equity"] for each in (one, other)]
    return times.with_columns((joined[0] + joined[1]).alias("equity"))


def quality() -> dict[str, Any]:
    """Return what validation says of a session."""
    rules = [
        ("off_grid_price", "error", True, 3, "a price between two ticks can't be traded"),
        ("crossed_open", "warning", True, 0, "bids at or above asks while the market is open"),
        ("negative_latency", "info", False, None, "received before it happened"),
    ]
    names = ("rule", "severity", "applicable", "rows", "reason")
    return {
        "rows": 344_865,
        "quarantined": 3,
        "unreliable_share": 0.00021,
        "rules": [dict(zip(names, rule, strict=True)) for rule in rules],
    }


def report(count: int = 3, **changes: Any) -> ReportData:
    """Return a report of a few sessions, the last one partial."""
    days = [session(day) for day in range(count - 1)]
    values: dict[str, Any] = {
        "experiment": {
            "name": "imbalance on MNQ",
            "strategy": "imbalance",
            "parameters": {"threshold": 0.6, "lots": 1},
            "latency": {"order_ns": 2_000_000, "feed_offset_ns": 500_000},
        },
        "sessions": [*days, session(count - 1, label="partial")],
        "assumptions": [
            "Our orders do not change the recorded market: no impact.",
            "Order latency is constant; real latency grows when the market is busy.",
        ],
        "provenance": [
            {
                "asset": "validated_ticks",
                "product": "MNQ",
                "session": "2025-01-13",
                "version": "0123456789abcdef",
                "inputs": ["raw_ticks 89ab"],
                "files": [{"name": "mbo.parquet", "sha256": "ab" * 32, "rows": 344_865}],
            }
        ],
    }
    return ReportData(**{**values, **changes})
