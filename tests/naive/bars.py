"""Bars the slow way: which bar each trade belongs to first, then each bar from its own trades."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

Row = Mapping[str, Any]


def bars(
    rows: Sequence[Row],
    cells: Sequence[tuple[int, int]],
    *,
    ticks: int = 0,
    volume: int = 0,
    turnover: Fraction | None = None,
) -> list[dict[str, Any]]:
    """Return the bars of one instrument's rows in feed order.

    `turnover` is in points x lots. Rows have ts_event, ts_recv, action, side, price (1e-9), size,
    and `clocked`, false where the receipt is not to be trusted.
    """
    limited = bool(ticks or volume or turnover)
    groups: list[tuple[int, list[int]]] = []
    for i, row in enumerate(rows):
        if row["action"] != "T" or row["size"] == 0:
            continue
        open_cell = groups[-1][0] if groups else 0
        later = [k for k, (_, end) in enumerate(cells) if k >= open_cell and row["ts_event"] < end]
        cell = later[0] if later else len(cells) - 1
        full = bool(groups) and _full([rows[j] for j in groups[-1][1]], ticks, volume, turnover)
        if not groups or cell != open_cell or full:
            groups.append((cell, []))
        groups[-1][1].append(i)
    clocks: dict[int, int] = {}
    clock = 0
    for cell, mine in groups:
        for i in mine:
            start, end = cells[cell]
            clock = max(clock, start, min(rows[i]["ts_event"], end - 1))
            clocks[i] = clock

    def end_after(cell: int, mine: list[int]) -> int:
        """Return the end of a bar after these of its trades."""
        full = _full([rows[i] for i in mine], ticks, volume, turnover)
        return clocks[mine[-1]] + 1 if full else cells[cell][1]

    found = []
    for number, (cell, mine) in enumerate(groups):
        start = clocks[mine[0]] if limited else cells[cell][0]
        heard = _heard(rows, groups, number, end_after)
        found.append(_bar([rows[i] for i in mine], start, end_after(cell, mine), heard))
    return found


def _full(trades: Sequence[Row], ticks: int, volume: int, turnover: Fraction | None) -> bool:
    if ticks:
        return len(trades) >= ticks
    if volume:
        return bool(sum(trade["size"] for trade in trades) >= volume)
    money = sum((Fraction(abs(t["price"]), 10**9) * t["size"] for t in trades), Fraction(0))
    return turnover is not None and money >= turnover


def _heard(
    rows: Sequence[Row],
    groups: Sequence[tuple[int, list[int]]],
    number: int,
    end_after: Callable[[int, list[int]], int],
) -> list[Row]:
    """Return the clocked rows of this bar and those before it: while a bar is open, what it knows.

    Its trades, and other rows before its end as it was known then.
    """
    heard = []
    for n, (cell, mine) in enumerate(groups[: number + 1]):
        stop = groups[n + 1][1][0] if n + 1 < len(groups) else len(rows)
        for i in range(mine[0], stop):
            end = end_after(cell, [j for j in mine if j <= i])
            if rows[i]["clocked"] and (i in mine or rows[i]["ts_event"] < end):
                heard.append(rows[i])
    return heard


def _bar(trades: Sequence[Row], start: int, end: int, heard_rows: Sequence[Row]) -> dict[str, Any]:
    prices = [trade["price"] for trade in trades]
    lots = {side: sum(trade["size"] for trade in trades if trade["side"] == side) for side in "BAN"}
    heard = max((row["ts_recv"] for row in heard_rows), default=0)
    last = heard_rows[-1] if heard_rows else None
    lag = max(last["ts_recv"] - last["ts_event"], 0) if last else 0
    return {
        "start_ns": start,
        "end_ns": end,
        "open": prices[0],
        "high": max(prices),
        "low": min(prices),
        "close": prices[-1],
        "volume": sum(lots.values()),
        "auction_volume": lots["N"],
        "buy_volume": lots["B"],
        "sell_volume": lots["A"],
        "n_trades": len(trades),
        "notional": sum(Fraction(trade["price"], 10**9) * trade["size"] for trade in trades),
        "visible_ns": max(heard, end - 1 + lag),
    }
