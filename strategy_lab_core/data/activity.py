"""How busy a session was, second by second, and where nothing came: measured, not judged.

One pass over a session's rows leaves two small tables. Whether a stretch without rows is a gap is
decided in `silence`, against the product's other sessions.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.sessions import index_times
from strategy_lab_core.types import NS_PER_SECOND, Int1D, Phase, RecordFlag

__all__ = [
    "LEAST_STRETCH_NS",
    "MINUTES",
    "STRETCHES",
    "ActivityTally",
    "open_overlap",
    "open_spans",
]

LEAST_STRETCH_NS = 10 * NS_PER_SECOND  # shorter ones are a market's breath
MINUTE = 60
MINUTES = pl.Schema(
    {
        "minute": pl.Int32,  # since the open, from 0
        "open_seconds": pl.Float64,  # of the minute that lie in the open phase
        "active_seconds": pl.Int32,  # seconds with at least one row
        "rows": pl.Int64,
    }
)
STRETCHES = pl.Schema({"start_ns": pl.Int64, "end_ns": pl.Int64})

_NEVER = np.iinfo(np.int64).max


class ActivityTally:
    """Counts the live rows of one session's open phase, batch by batch in any order.

    Parameters
    ----------
    session
        Its rows are counted from the open (inclusive) to the close (exclusive).
    phases
        Starts and codes of its phases, as `phase_intervals` gives them: halts are no silence.
    """

    def __init__(self, session: Session, phases: tuple[Int1D, NDArray[np.uint8]]) -> None:
        self._open_ns, self._close_ns = session.open_ns, session.close_ns
        self._spans = open_spans(phases)
        seconds = -(-(session.close_ns - session.open_ns) // NS_PER_SECOND)
        self._rows = np.zeros(seconds, dtype=np.int64)
        self._first = np.full(seconds, _NEVER, dtype=np.int64)
        self._last = np.full(seconds, -1, dtype=np.int64)

    def feed(self, batch: pl.DataFrame) -> None:
        """Count a batch of ticks; snapshot rows restate what came before, and are left out."""
        live = batch.filter((pl.col("flags") & int(RecordFlag.SNAPSHOT)) == 0)
        times = index_times(live)
        times = times[(times >= self._open_ns) & (times < self._close_ns)]
        by_second = (
            pl.DataFrame({"ts": times, "second": (times - self._open_ns) // NS_PER_SECOND})
            .group_by("second")
            .agg(pl.len().alias("rows"), first=pl.col("ts").min(), last=pl.col("ts").max())
        )
        at = by_second["second"].to_numpy()
        self._rows[at] += by_second["rows"].to_numpy()
        self._first[at] = np.minimum(self._first[at], by_second["first"].to_numpy())
        self._last[at] = np.maximum(self._last[at], by_second["last"].to_numpy())

    def minutes(self) -> pl.DataFrame:
        """Return a row of `MINUTES` for each minute from the open to the close."""
        count = -(-len(self._rows) // MINUTE)
        padding = count * MINUTE - len(self._rows)
        rows = np.pad(self._rows, (0, padding)).reshape(count, MINUTE)
        starts = self._open_ns + np.arange(count, dtype=np.int64) * MINUTE * NS_PER_SECOND
        ends = starts + MINUTE * NS_PER_SECOND
        return pl.DataFrame(
            {
                "minute": np.arange(count),
                "open_seconds": open_overlap(starts, ends, self._spans) / NS_PER_SECOND,
                "active_seconds": (rows > 0).sum(axis=1),
                "rows": rows.sum(axis=1),
            },
            schema_overrides=MINUTES,
        )

    def stretches(self) -> pl.DataFrame:
        """Return the stretches of open phase without a row, `LEAST_STRETCH_NS` or longer, in order.

        From one row to the next, from the open to the first and from the last to the close, cut at
        the borders of halts: [start, end), ns UTC.
        """
        active = np.flatnonzero(self._rows)
        starts = np.concatenate([[self._open_ns], self._last[active]]).astype(np.int64)
        ends = np.concatenate([self._first[active], [self._close_ns]]).astype(np.int64)
        pieces = [
            np.stack([np.maximum(starts, begin), np.minimum(ends, end)])
            for begin, end in self._spans
        ]
        found = np.concatenate([np.zeros((2, 0), dtype=np.int64), *pieces], axis=1)
        found = found[:, found[1] - found[0] >= LEAST_STRETCH_NS]
        return pl.DataFrame({"start_ns": found[0], "end_ns": found[1]}, schema=STRETCHES).sort(
            "start_ns"
        )


def open_spans(phases: tuple[Int1D, NDArray[np.uint8]]) -> list[tuple[int, int]]:
    """Return where the open phase begins and ends, [start, end) in ns UTC, in order."""
    starts, codes = phases
    return [
        (int(starts[i]), int(starts[i + 1]))
        for i in range(len(starts) - 1)
        if codes[i] == Phase.OPEN
    ]


def open_overlap(starts: Int1D, ends: Int1D, spans: list[tuple[int, int]]) -> Int1D:
    """Return how many ns of each [start, end) lie in the spans, shape (n,)."""
    inside = np.zeros(len(starts), dtype=np.int64)
    for begin, end in spans:
        inside += np.maximum(np.minimum(ends, end) - np.maximum(starts, begin), 0)
    return inside
