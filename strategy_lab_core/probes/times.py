"""When each row of a table happened, and when it could be known: what "before" means to a probe.

Row by row the times of its event, as the engine's tape has them, for any number of instruments. A
row that the row rules quarantine, or that leaves the book alone in a feed of differences, is in no
event and goes by its own times.
"""

from typing import NamedTuple

import numpy as np

from strategy_lab_core.book.l2 import is_differences
from strategy_lab_core.book.replay import by_instrument
from strategy_lab_core.book.validate import schema_of
from strategy_lab_core.data.checks import apply_row_rules
from strategy_lab_core.data.columns import Table, column, int64
from strategy_lab_core.data.instruments import Instrument
from strategy_lab_core.data.sessions import index_times
from strategy_lab_core.engine.config import LatencyConfig
from strategy_lab_core.engine.tape import clocks, event_ends
from strategy_lab_core.types import Action, Bool1D, Int1D, RecordFlag

__all__ = ["RowTimes", "row_times", "with_repaired_clock"]

_UNCLOCKED = int(RecordFlag.SNAPSHOT) | int(RecordFlag.BAD_TS_RECV)
_PLACE = "place_in_table"


class RowTimes(NamedTuple):
    """Times of every row's event in ns, shape (rows), and the clock's repair by instrument."""

    exchange_ns: Int1D
    local_ns: Int1D
    repair_ns: dict[int, int]


def row_times(ticks: Table, instrument: Instrument, latency: LatencyConfig) -> RowTimes:
    """Return when the rows of a table happened and reached us.

    Parameters
    ----------
    ticks
        Rows of a schema with a book, in source order; raw ones are judged by the row rules, those
        of `instrument` by its price grid too.
    instrument
        The one that is traded.
    latency
        Offset of the feed and base of the clock's repair.
    """
    exchange_ns = index_times(ticks).copy()
    offset = latency.feed_offset_ns
    local_ns = np.maximum(exchange_ns, int64(ticks, "ts_recv", null=0)) + offset
    is_good, repairs = _well_formed(ticks, instrument), {}
    for instrument_id, where in by_instrument(ticks):
        mine = where[is_good[where]]
        if len(mine):
            rows = ticks[mine]
            found = clocks(rows, event_ends(column(rows, "flags")), latency)
            exchange_ns[mine], local_ns[mine], repairs[instrument_id] = found
    return RowTimes(exchange_ns, local_ns, repairs)


def _well_formed(ticks: Table, instrument: Instrument) -> Bool1D:
    good: Bool1D = np.ones(len(ticks), np.bool_)
    if is_differences(ticks):  # what leaves the book alone is not on the engine's tape
        good = column(ticks, "action", null=0) != Action.NONE
    if "book_state" in ticks.columns:
        return good
    schema = schema_of(ticks)
    numbered = ticks.with_row_index(_PLACE)
    is_ours = column(ticks, "instrument_id") == instrument.instrument_id
    for rows, known in ((numbered.filter(is_ours), {instrument.instrument_id: instrument}),
                        (numbered.filter(~is_ours), {})):  # fmt: skip
        _, bad = apply_row_rules(rows, schema, known, {})
        if len(bad):
            good[column(bad, _PLACE)] = False
    return good


def with_repaired_clock(ticks: Table, times: RowTimes) -> Table:
    """Return the rows with every instrument's repair added to `ts_recv`: none is left to find."""
    ts_recv = int64(ticks, "ts_recv", null=0)
    is_clocked = (column(ticks, "flags", null=0) & _UNCLOCKED) == 0
    ids = column(ticks, "instrument_id")
    for instrument_id, repair_ns in times.repair_ns.items():
        ts_recv[is_clocked & (ids == instrument_id)] += repair_ns
    return ticks.with_columns(ts_recv=ts_recv)
