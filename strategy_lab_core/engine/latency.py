"""How long a message takes between us and the exchange. Feed latency is the tape's (`tape`).

A new model is a member of `LatencyModel`, its numbers in `rules.RULE` and a branch in `_varying`.
What it reads besides is in the pass's `line` (shape: rows, 2). Row 0: the feed latency known to us
and to the exchange, by `Leg`. Below it, from `curve_at` on, the curves of `LatencyRows`.
"""

import math
from enum import IntEnum

from strategy_lab_core._jit import inlined, part
from strategy_lab_core.engine.draws import normal_draw
from strategy_lab_core.types import Int2D, Records

__all__ = ["LatencyModel", "Leg", "arrival", "delay", "interpolated", "rejected_after", "times_e6"]

_DAY_NS = 86_400_000_000_000


class LatencyModel(IntEnum):
    """Where a delay comes from; each adds to a constant."""

    CONSTANT = 0
    FEED = 1  # in proportion to the feed latency
    RECORDED = 2  # interpolated between measurements
    LOGNORMAL = 3  # drawn


class Leg(IntEnum):
    """Direction of a message."""

    ENTRY = 0  # from us to the exchange
    RESPONSE = 1  # from the exchange to us


@inlined
def delay(rules: Records, line: Int2D, k: int, leg: int, number: int, now_ns: int) -> int:
    """Return the delay in ns of message `number` of set `k` on a leg, sent at `now_ns`."""
    fixed_ns = rules[k]["order_ns"] if leg == Leg.ENTRY else rules[k]["response_ns"]
    if rules[k]["latency_model"] != LatencyModel.CONSTANT:
        fixed_ns += _varying(rules, line, k, leg, number, now_ns)
    return int(fixed_ns)


@part
def _varying(rules: Records, line: Int2D, k: int, leg: int, number: int, now_ns: int) -> int:
    """Return what the model adds to the constant."""
    rule, is_entry = rules[k], leg == Leg.ENTRY
    if rule["latency_model"] == LatencyModel.FEED:
        multiplier = rule["entry_multiplier"] if is_entry else rule["response_multiplier"]
        return times_e6(line[0, leg], multiplier)
    if rule["latency_model"] == LatencyModel.RECORDED:
        n = rule["n_matched"]
        return interpolated(line, rule["curve_at"] + (0 if is_entry else n), n, now_ns)
    median_ns = rule["entry_median_ns"] if is_entry else rule["response_median_ns"]
    sigma = (rule["entry_sigma"] if is_entry else rule["response_sigma"]) / 1e6
    stream = 0 if is_entry else 1  # of the two legs; `leg` is an enum here, not a number
    normal = normal_draw(rule["stream_low"], rule["stream_high"], number, stream)
    drawn_ns = min(median_ns * math.exp(sigma * normal), _DAY_NS)
    return int(drawn_ns + 0.5)


@inlined
def rejected_after(rules: Records, line: Int2D, k: int, now_ns: int) -> int:
    """Return after how many ns set `k` hears that the gateway rejected what it sends now, or -1.

    The last measurement at or before `now_ns` decides, the first where there is none.
    """
    if rules[k]["latency_model"] != LatencyModel.RECORDED:
        return -1
    first = rules[k]["curve_at"] + 2 * rules[k]["n_matched"]
    last = _last_at(line, first, rules[k]["n_recorded"], now_ns)
    wait_ns = line[max(last, first), 1]
    return int(wait_ns + rules[k]["order_ns"] + rules[k]["response_ns"]) if wait_ns >= 0 else -1


@inlined
def arrival(sent_ns: int, delay_ns: int, previous_arrival_ns: int) -> int:
    """Return when a message arrives: messages of one line never overtake each other."""
    return max(sent_ns + delay_ns, previous_arrival_ns)


@inlined
def times_e6(time_ns: int, multiplier_e6: int) -> int:
    """Return `time_ns` x `multiplier_e6` / 1e6 rounded down; whole parts first, so that it fits."""
    rest = (time_ns % 1_000_000) * multiplier_e6
    return int(time_ns // 1_000_000 * multiplier_e6 + rest // 1_000_000)


@inlined
def _last_at(line: Int2D, first: int, n: int, now_ns: int) -> int:
    """Return the last of `n` rows at or before a time, `first` - 1 where there is none."""
    low, high = first, first + n
    while low < high:
        middle = (low + high) // 2
        if line[middle, 0] <= now_ns:
            low = middle + 1
        else:
            high = middle
    return int(low - 1)


@inlined
def _share(amount: int, part: int, whole: int) -> int:
    """Return `amount` x `part` / `whole` rounded down, digit by digit, so that it fits."""
    share, rest = 0, 0
    for shift in range(40, -10, -10):
        rest = rest * 1024 + ((amount >> shift) & 1023) * part
        share = share * 1024 + rest // whole
        rest %= whole
    return share


@part
def interpolated(line: Int2D, first: int, n: int, now_ns: int) -> int:
    """Return a curve's delay at a time: linear between rows, rounded down, clamped at the ends."""
    before = _last_at(line, first, n, now_ns)
    if before < first or before == first + n - 1:
        return int(line[max(before, first), 1])
    whole = line[before + 1, 0] - line[before, 0]
    gone = now_ns - line[before, 0]
    rise = line[before + 1, 1] - line[before, 1]
    if rise >= 0:
        return int(line[before, 1] + _share(rise, gone, whole))
    return int(line[before + 1, 1] + _share(-rise, whole - gone, whole))
