"""The row rules once more, one row at a time and without a dataframe."""

from collections.abc import Iterable, Mapping
from typing import Any

DAY = 86_400_000_000_000
MAX_TIME = 2**62
UNDEFINED = 2**63 - 1
TICKS = ("mbo", "mbp-1", "mbp-10", "tbbo", "trades", "depth")
ORDERS = ("mbo", "mbp-1", "mbp-10")


def broken_rule(row: Mapping[str, Any], schema: str, ticks: Mapping[int, int]) -> str | None:
    """Return the first rule that a row breaks by itself; `ticks` is the tick of each instrument."""
    if any(value is None for value in row.values()):
        return "missing_value"
    if schema in TICKS and row["action"] not in "ACMRTFN":
        return "unknown_action"
    if schema in TICKS and row["side"] not in "BAN":
        return "unknown_side"
    if schema in ("mbo", "depth") and row["side"] == "N" and row["action"] in "AM":
        return "unknown_side"
    if schema == "status":
        flags = ("is_trading", "is_quoting", "is_short_sell_restricted")
        if any(row[flag] not in "YN~" for flag in flags):
            return "unknown_flag"
    if time_is_impossible(row, schema):
        return "impossible_time"
    if ticks and schema != "definition" and row["instrument_id"] not in ticks:
        return "wrong_instrument"
    return broken_order(row, schema, ticks) if schema in TICKS else None


def time_is_impossible(row: Mapping[str, Any], schema: str) -> bool:
    """Return whether a time is undefined, or a live tick came days from its event."""
    for time in (row["ts_event"], row["ts_recv"]):
        if time <= 0 or time > MAX_TIME:
            return True
    live = schema in TICKS and not row["flags"] & 32
    return live and abs(row["ts_event"] - row["ts_recv"]) > DAY


def broken_order(row: Mapping[str, Any], schema: str, ticks: Mapping[int, int]) -> str | None:
    """Return the first rule about size and price that a tick breaks."""
    if row["size"] == 0 and (row["action"] in "TF" or (schema in ORDERS and row["action"] in "AM")):
        return "size_not_positive"
    if row["price"] == UNDEFINED and row["action"] not in "RN":
        return "undefined_price"
    for name, price in row.items():
        is_price = "_px_" in name or (name == "price" and row["action"] not in "RN")
        if ticks and is_price and price != UNDEFINED and price % ticks[row["instrument_id"]] != 0:
            return "off_grid_price"
    return None


def judge(
    rows: Iterable[Mapping[str, Any]], schema: str, ticks: Mapping[int, int]
) -> list[tuple[str | None, str | None]]:
    """Return each row's broken rule, and for a follower the rule that its order's add broke."""
    tainted: dict[tuple[int, int], str] = {}
    judged: list[tuple[str | None, str | None]] = []
    for row in rows:
        rule, cause = broken_rule(row, schema, ticks), None
        if schema == "mbo":
            key = (row["instrument_id"], row["order_id"])
            if rule is not None and row["action"] == "A" and row["order_id"] is not None:
                tainted[key] = rule
            elif rule is None and row["action"] == "R":
                tainted = {k: r for k, r in tainted.items() if k[0] != key[0]}
            elif rule is None and row["action"] == "A":
                tainted.pop(key, None)
            elif rule is None and row["action"] in "CMF" and key in tainted:
                rule, cause = "order_of_quarantined_add", tainted[key]
        judged.append((rule, cause))
    return judged
