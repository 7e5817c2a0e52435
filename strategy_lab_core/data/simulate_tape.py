"""Simulated records and the book they imply: who is alive at a row, and snapshots of it.

A tape is DBN's mbo record plus, for rows that change the book, where the order got its place in
the queue. Kernels are in `simulate_kernels`, sessions and files in `simulate`.
"""

from datetime import date

import numpy as np

from strategy_lab_core.data.dbn_writer import RECORD, Records, empty_records
from strategy_lab_core.data.simulate_market import NO_RANK
from strategy_lab_core.types import EMPTY_PRICE, Action, RecordFlag, Side

__all__ = ["TAPE", "live_orders", "new_tape", "plain", "simulated_name", "snapshot"]

TAPE = np.dtype(
    [
        *RECORD.descr,
        ("rank", "<i8"),  # order of arrival in the queues; NO_RANK: leaves the book alone
        ("born_ts", "<u8"),  # ts_event and sequence of the row that gave the rank
        ("born_sequence", "<u4"),
        ("gtc", "u1"),  # 1: good till cancelled
    ]
)
_RESTATED = RecordFlag.SNAPSHOT | RecordFlag.BAD_TS_RECV


def simulated_name(day: date) -> str:
    """Return the name of a UTC day's file: reports know by it that what they show is no market."""
    return f"simulated-{day:%Y%m%d}.mbo.dbn.zst"


def new_tape(count: int) -> Records:
    """Return `count` rows that leave the book alone."""
    tape = np.zeros(count, dtype=TAPE)
    for name in ("length", "rtype", "publisher_id"):
        tape[name] = empty_records(1)[name][0]
    tape["rank"] = NO_RANK
    return tape


def plain(tape: Records) -> Records:
    """Return the DBN records of a tape."""
    records = empty_records(len(tape))
    for name in RECORD.names or ():
        records[name] = tape[name]
    return records


def live_orders(tape: Records) -> Records:
    """Return one add row for each order alive after the last row: bids best first, then asks.

    Within a price the order is that of the queue.
    """
    book = tape[tape["rank"] != NO_RANK]
    # The first of the reversed rows is the order's last word.
    _, last = np.unique(book["order_id"][::-1], return_index=True)
    words = book[::-1][last]
    live = words[words["action"] != Action.CANCEL]
    live["action"] = Action.ADD
    away = np.where(live["side"] == Side.BID, -live["price"], live["price"])
    order = np.lexsort((live["rank"], away, live["side"] == Side.ASK))
    return np.asarray(live[order])


def snapshot(live: Records, ts_recv: int) -> Records:
    """Return a clear and the live orders restated, as the vendor does at midnight UTC.

    Flags are SNAPSHOT and BAD_TS_RECV, with LAST on the last row; `ts_event` is the orders' own.
    """
    rows = new_tape(len(live) + 1)
    rows[1:] = live
    rows["rank"] = NO_RANK
    rows["ts_event"][1:], rows["sequence"][1:] = live["born_ts"], live["born_sequence"]
    rows["ts_event"][0], rows["price"][0] = ts_recv, EMPTY_PRICE
    rows["action"][0], rows["side"][0] = Action.CLEAR, Side.NONE
    rows["ts_recv"], rows["ts_in_delta"] = ts_recv, 0
    rows["flags"] = _RESTATED
    rows["flags"][-1] |= RecordFlag.LAST
    return rows
