"""What one pass over a file adds up, batch by batch."""

from pathlib import Path

import polars as pl
import pytest

from strategy_lab_core.data.columns import concat
from strategy_lab_core.data.instruments import products
from strategy_lab_core.errors import InstrumentError
from strategy_lab_core.types import RecordFlag
from strategy_lab_pipeline.stages.tally import Tally
from tests.pipeline.test_cuts import DAYS, MARKET

TICKS = MARKET.table()


def _tally(*batches: pl.DataFrame) -> Tally:
    tally = Tally(products())
    for batch in batches:
        tally.add(batch)
    return tally


def test_partitions__hold_every_row_once() -> None:
    """By session, whatever the batches."""
    whole = _tally(TICKS)

    assert list(whole.partitions()) == [("MNQ", str(day)) for day in DAYS]
    assert sum(whole.partitions().values()) == TICKS.height
    parts = _tally(*TICKS.iter_slices(777))
    assert parts.partitions() == whole.partitions()
    assert parts.ranges() == whole.ranges()


def test_ranges__leave_snapshots_out() -> None:
    """From the first to the last numbered message; a snapshot says that the book is known."""
    (found,) = _tally(TICKS).ranges()
    live = TICKS.filter(pl.col("flags") & int(RecordFlag.SNAPSHOT) == 0)

    assert found.restarts
    assert (found.first_sequence, found.last_sequence) == (
        live["sequence"].min(), live["sequence"].max(),
    )  # fmt: skip
    assert found.rows == live.height
    assert not _tally(live).ranges()[0].restarts


@pytest.mark.parametrize(
    "column", ["flags", "sequence", "action", "channel_id", "instrument_id", "publisher_id"]
)
def test_add__takes_rows_with_empty_cells(column: str) -> None:
    """A malformed row is for validation: it is counted, and stands in no range."""
    bad = TICKS[:1].with_columns(pl.lit(None, TICKS.schema[column]).alias(column))
    found = _tally(concat([bad, TICKS[1:]]))

    assert sum(found.partitions().values()) == TICKS.height
    assert len(found.ranges()) == 1
    only = _tally(bad).ranges()
    assert [each.restarts for each in only] in ([], [True], [False])


def test_require_sessions__names_what_is_unknown() -> None:
    """Where nothing in a file is known, it is refused with the symbols."""
    strange = _tally(TICKS[:3].with_columns(symbol=pl.lit("XYZ")))
    with pytest.raises(InstrumentError, match=r"a\.dbn: no product is known for its symbols \(XYZ"):
        strange.require_sessions(Path("a.dbn"))
    _tally(TICKS[:3]).require_sessions(Path("a.dbn"))
