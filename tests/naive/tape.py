"""The tape as the naive engine plays it: rows, the events that they make up, and their times."""

from dataclasses import dataclass

from strategy_lab_core.engine.config import BacktestConfig
from tests.naive.book import LAST, SNAPSHOT, Record

__all__ = ["BAD_TS_RECV", "Event", "Row", "events_of"]

BAD_TS_RECV = 0x08


@dataclass
class Row(Record):
    """A record with its exchange time and whether its book may be trusted; price in ticks."""

    ts_event: int = 0
    trusted: bool = True


@dataclass
class Event:
    """Rows that happen at once, with exchange time and local time."""

    rows: list[Row]
    ts: int = 0
    local: int = 0


def events_of(rows: list[Row], config: BacktestConfig) -> tuple[list[Event], int]:
    """Group rows into events, and give them their times; return the capture clock's repair too."""
    events: list[Event] = []
    for before, row in zip([None, *rows], rows, strict=False):
        if before is None or _ends_before(before, row):
            events.append(Event([]))
        events[-1].rows.append(row)
    lasts = [event.rows[-1] for event in events]
    clocked = [last for last in lasts if not last.flags & (SNAPSHOT | BAD_TS_RECV)]
    shortest = min((last.ts_recv - last.ts_event for last in clocked), default=0)
    repair = config.latency.base_feed_ns - shortest if shortest < 0 else 0
    now = local = 0
    for event, last in zip(events, lasts, strict=True):
        now = max(now, last.ts_recv if last.flags & SNAPSHOT else last.ts_event)
        is_clocked = not last.flags & (SNAPSHOT | BAD_TS_RECV)
        received = last.ts_recv + repair if is_clocked else now
        local = max(local, max(received, now) + config.latency.feed_offset_ns)
        event.ts, event.local = now, local
    return events, repair


def _ends_before(before: Row, row: Row) -> bool:
    """Say whether an event ends between two rows: a block of snapshot rows is one event."""
    if bool(before.flags & SNAPSHOT) != bool(row.flags & SNAPSHOT):
        return True
    return not row.flags & SNAPSHOT and bool(before.flags & LAST)
