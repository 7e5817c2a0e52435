"""Columns cross the border between tables and kernels without changing a value."""

import numpy as np
import polars as pl
import pytest

from strategy_lab_core.data.columns import column, concat, int64, table
from strategy_lab_core.data.schemas import LETTER
from strategy_lab_core.errors import DataError
from strategy_lab_core.types import EMPTY_PRICE, IntAny

CODES = np.arange(256, dtype=np.uint8)


def test_column__returns_every_letter_as_its_byte() -> None:
    """All 256 codes survive the way into a table and back."""
    made = table({"action": CODES})
    assert made.schema["action"] == LETTER
    assert made["action"][65] == "A"
    found = column(made, "action")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, CODES)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64, np.int32, np.int64])
def test_column__keeps_width_and_is_writable(dtype: type) -> None:
    """A kernel sees one form per column: its own width, contiguous, writable."""
    values: IntAny = np.array([0, 1, np.iinfo(dtype).max], dtype=dtype)
    found = column(table({"size": values}), "size")
    assert found.dtype == dtype
    assert found.flags.c_contiguous
    assert found.flags.writeable
    np.testing.assert_array_equal(found, values)


def test_column__writing_leaves_the_table_alone() -> None:
    """The array belongs to the caller."""
    made = table({"size": np.array([1, 2])})
    column(made, "size")[0] = 9
    assert made["size"].to_list() == [1, 2]


def test_int64__widens() -> None:
    """Letters and narrow integers come as int64."""
    assert int64(table({"side": CODES[65:67]}), "side").tolist() == [65, 66]
    assert int64(table({"side": CODES[65:67]}), "side").dtype == np.int64


def test_column__null_is_an_error_or_the_given_value() -> None:
    """No null ever turns an integer column into floats."""
    made = pl.DataFrame({"price": [1, None]})
    with pytest.raises(DataError, match="column price has no value in row 1"):
        column(made, "price")
    assert column(made, "price", null=EMPTY_PRICE).tolist() == [1, EMPTY_PRICE]


def test_column__unknown_name_lists_the_columns() -> None:
    """The message names what there is."""
    with pytest.raises(DataError, match="no column prize; it has price, size"):
        column(pl.DataFrame({"price": [1], "size": [1]}), "prize")


def test_table__undefined_prices_become_null_where_asked() -> None:
    """`EMPTY_PRICE` is null for people, in the named columns only."""
    prices = np.array([1, EMPTY_PRICE])
    made = table({"bid_px_00": prices, "price": prices}, empty_as_null=["bid_px_00"])
    assert made["bid_px_00"].to_list() == [1, None]
    assert made["price"].to_list() == [1, EMPTY_PRICE]


def test_table__an_action_that_is_not_a_byte_is_no_letter() -> None:
    """A status record's action is a number of its own."""
    made = table({"action": np.array([7], dtype=np.uint16), "symbol": ["ESH4"]})
    assert made.schema == {"action": pl.UInt16, "symbol": pl.String}


def test_concat__keeps_order_in_one_chunk() -> None:
    """Rows follow one another; the columns are contiguous again."""
    made = concat([table({"size": np.array([1])}), table({"size": np.array([2])})])
    assert made["size"].to_list() == [1, 2]
    assert made.n_chunks() == 1
