"""Slow references of the gap detectors: one row, one second, one number at a time."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

__all__ = ["activity", "floors", "missing_numbers", "smoothed_rates", "stretches"]

SECOND = 1_000_000_000


def activity(
    times: Iterable[int], spans: Sequence[tuple[int, int]], open_ns: int, close_ns: int
) -> list[tuple[float, int, int]]:
    """Return open seconds, active seconds and rows of each minute from the open to the close."""
    seconds = [(at - open_ns) // SECOND for at in times if open_ns <= at < close_ns]
    minutes = -(-(close_ns - open_ns) // (60 * SECOND))
    rows = []
    for minute in range(minutes):
        start = open_ns + minute * 60 * SECOND
        opened = sum(max(min(start + 60 * SECOND, b) - max(start, a), 0) for a, b in spans)
        mine = [second for second in seconds if second // 60 == minute]
        rows.append((opened / SECOND, len(set(mine)), len(mine)))
    return rows


def stretches(
    times: Iterable[int], spans: Sequence[tuple[int, int]], open_ns: int, close_ns: int, least: int
) -> list[tuple[int, int]]:
    """Return the stretches of the spans without a row that are at least so long."""
    inside = sorted(at for at in times if open_ns <= at < close_ns)
    found = []
    for start, end in zip([open_ns, *inside], [*inside, close_ns], strict=True):
        for begin, stop in spans:
            a, b = max(start, begin), min(end, stop)
            if b - a >= least:
                found.append((a, b))
    return sorted(found)


def missing_numbers(numbers: Iterable[int]) -> set[int]:
    """Return the numbers between the first and the highest that are not there."""
    found = list(numbers)
    return set(range(found[0], max(found) + 1)) - set(found)


def smoothed_rates(
    sessions: Sequence[Sequence[tuple[float, int]]], window: int
) -> list[float | None]:
    """Return per minute the median over sessions of their smoothed share over their mean share.

    A session is open and active seconds by minute; None where no session is open.
    """
    longest = max(len(each) for each in sessions)
    rates: list[float | None] = []
    for minute in range(longest):
        values = []
        for each in sessions:
            if minute >= len(each) or not each[minute][0]:
                continue
            half = window // 2
            near = each[max(minute - half, 0) : minute + half + 1]
            share = sum(active for _, active in near) / sum(opened for opened, _ in near)
            mean = sum(active for _, active in each) / sum(opened for opened, _ in each)
            values.append(share / mean)
        rates.append(median(values) if values else None)
    return rates


def floors(
    rows: Sequence[Mapping[str, int]], block_rows: int, block_ns: int
) -> list[tuple[int, int]]:
    """Return first time and least delay of each full block of rows."""
    blocks, block = [], list[Mapping[str, int]]()
    for row in rows:
        full = len(block) >= block_rows and row["ts_event"] >= block[0]["ts_event"] + block_ns
        if full:
            least = min(each["ts_recv"] - each["ts_event"] for each in block)
            blocks.append((block[0]["ts_event"], least))
            block = []
        block.append(row)
    return blocks
