"""A session that begins later: the rows from a moment on, with the book of that moment.

Orders come as a seed; records that restate their levels bring their book; of depth differences the
levels are put before the rows as a snapshot.
"""

import polars as pl

from strategy_lab_core.book.l2 import is_differences
from strategy_lab_core.book.seeds import SeedBuilder
from strategy_lab_core.data.columns import Table, column, concat
from strategy_lab_core.types import Action, RecordFlag

__all__ = ["begun_at"]

_SNAPSHOT = int(RecordFlag.SNAPSHOT) | int(RecordFlag.BAD_TS_RECV)


def begun_at(
    rows: Table, first: int, moment_ns: int, seed: Table | None
) -> tuple[Table, Table | None]:
    """Return the rows from `first` on, which begins an event at `moment_ns`, and their seed.

    Parameters
    ----------
    rows
        Validated rows of one instrument, those of depth differences without `Action.NONE`.
    seed
        Of the whole session.
    """
    if is_differences(rows):
        return concat([_levels_before(rows[:first], moment_ns), rows[first:]]), None
    if "order_id" not in rows.columns:
        return rows[first:], None
    builder = SeedBuilder(moment_ns)
    if seed is not None:
        builder.feed(seed)
    builder.feed(rows[:first])
    return rows[first:], builder.table()


def _levels_before(rows: Table, moment_ns: int) -> Table:
    """Return the last size of every level since the book was last cleared, as a snapshot."""
    cleared = (column(rows, "action") == Action.CLEAR).nonzero()[0]
    since = rows[int(cleared[-1]) + 1 :] if len(cleared) else rows
    changes = since.filter(column(since, "action") == Action.MODIFY)
    levels = changes.unique(("side", "price"), keep="last", maintain_order=True)
    return levels.filter(pl.col("size") > 0).with_columns(
        ts_event=pl.lit(moment_ns, pl.Int64),
        ts_recv=pl.lit(moment_ns, pl.Int64),
        flags=pl.lit(_SNAPSHOT, rows.schema["flags"]),
    )
