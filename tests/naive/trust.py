"""The state rules of one instrument, slow and obvious: every interval is found on its own."""

from dataclasses import dataclass

from tests.naive.book import LAST, SNAPSHOT, NaiveBook, Record

BAD_TS_RECV = 0x08
TRUSTED, UNSEEDED, UNRELIABLE = 0, 1, 2
MARKS = ("unknown_order", "over_cancel", "duplicate_order", "crossed_open", "time_order")


@dataclass
class Judged:
    """What one record breaks, and the book's state after it."""

    rules: list[str]
    state: int


def judge(tape: list[Record], *, started: bool, opened_ns: int) -> list[Judged]:
    """Judge a market-by-order tape; trading is open from `opened_ns` on."""
    book, found = NaiveBook(started=started), []
    for number, record in enumerate(tape):
        snapshot = bool(record.flags & SNAPSHOT)
        rules = book.apply(record)
        if not book.started:
            rules = ["unseeded"]
        elif not snapshot and _crossed(book, record) and _event(record) >= opened_ns:
            rules = [*rules, "crossed_open"]
        found.append(Judged([] if snapshot else rules + _times(tape[: number + 1]), TRUSTED))
    for number, judged in enumerate(found):
        judged.state = _state(tape[: number + 1], found[: number + 1], started=started)
    return found


def _event(record: Record) -> int:
    return record.ts_event or record.ts_recv


def _crossed(book: NaiveBook, record: Record) -> bool:
    bids, asks = book.levels("B"), book.levels("A")
    return bool(record.flags & LAST and bids and asks and bids[0][0] >= asks[0][0])


def _times(tape: list[Record]) -> list[str]:
    *before, record = tape
    if record.flags & BAD_TS_RECV:
        return []
    good = [other.ts_recv for other in before if not other.flags & (SNAPSHOT | BAD_TS_RECV)]
    late = ["time_order"] if good and record.ts_recv < good[-1] else []
    return late + (["negative_latency"] if record.ts_recv < _event(record) else [])


def _state(tape: list[Record], found: list[Judged], *, started: bool) -> int:
    """Look back to the last record that restated the book."""
    for record, judged in zip(reversed(tape), reversed(found), strict=True):
        if any(rule in MARKS for rule in judged.rules) and "unseeded" not in judged.rules:
            return UNRELIABLE
        if record.action == "R" or record.flags & SNAPSHOT:
            return TRUSTED
    return TRUSTED if started else UNSEEDED
