"""Where each row of a file belongs, also rows that do not say it themselves."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data.columns import concat
from strategy_lab_core.data.instruments import products
from strategy_lab_core.data.schemas import MAX_TS_NS, polars_schema
from strategy_lab_core.errors import DataError
from strategy_lab_core.types import TickSchema
from strategy_lab_pipeline.stages.placement import PRODUCT, TIME, Placement

Row = tuple[str | None, int | None, int]


def _ticks(*rows: Row) -> pl.DataFrame:
    """Return trades with these symbols, instruments and times."""
    table = pl.DataFrame(rows, schema=["symbol", "instrument_id", "ts_event"], orient="row")
    table = table.with_columns(ts_recv="ts_event", flags=pl.lit(0))
    schema = polars_schema(TickSchema.TRADES)
    missing = [pl.lit(None, dtype=schema[n]).alias(n) for n in schema if n not in table.columns]
    return table.with_columns(missing).select(
        pl.col(name).cast(dtype) for name, dtype in schema.items()
    )


def _place(*batches: pl.DataFrame) -> list[tuple[str | None, int]]:
    placement = Placement(products())
    placed = [placement.place(batch).select(PRODUCT, TIME) for batch in batches]
    return concat(placed).rows()


def test_place__a_row_without_a_symbol_is_of_its_instrument() -> None:
    """As far as the file has named it; a symbol of no product stays of none."""
    first = _ticks((None, 2, 5), ("MNQH5", 1, 5), ("XYZ", 3, 5))
    second = _ticks((None, 1, 6), (None, 2, 6), (None, None, 6), ("ESH5", 2, 6), (None, 3, 6))

    assert [product for product, _ in _place(first, second)] == [
        None, "MNQ", None, "MNQ", "ES", None, "ES", None,
    ]  # fmt: skip


@pytest.mark.parametrize("impossible", [0, -1, MAX_TS_NS])
def test_place__a_row_without_a_time_is_beside_its_neighbour(impossible: int) -> None:
    """After the row before it, over batches; before the first time with the first."""
    rows = [("MNQH5", 1, ts) for ts in (impossible, 7, impossible, 9, impossible, impossible)]
    expected = [7, 7, 7, 9, 9, 9]

    assert [time for _, time in _place(_ticks(*rows))] == expected
    assert [time for _, time in _place(_ticks(*rows[:4]), _ticks(*rows[4:]))] == expected


def test_place__refuses_a_file_without_times() -> None:
    """There is nothing to put it beside."""
    with pytest.raises(DataError, match="no row so far has a possible time"):
        _place(_ticks(("MNQH5", 1, 0), ("MNQH5", 1, 0)))


@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["MNQH5", "ESH5", "XYZ"]), st.just(1), st.integers(0, 4)),
        min_size=2,
    ),
    cut=st.integers(1, 50),
)
def test_place__is_the_same_whatever_the_batches(rows: list[Row], cut: int) -> None:
    """What a row gets depends on the rows before it, not on where a batch ends."""
    rows = [("MNQH5", 1, 3), *rows]
    cut = min(cut, len(rows) - 1)

    assert _place(_ticks(*rows[:cut]), _ticks(*rows[cut:])) == _place(_ticks(*rows))
