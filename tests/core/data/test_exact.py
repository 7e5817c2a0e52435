"""Text cells become exact integers, or null."""

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data import exact
from tests.naive.tick_tables import PRICE_LIMIT, decimal_text


def evaluated(expression: pl.Expr, *cells: str | None) -> list[int | str | None]:
    """Return what an expression over column `x` gives for these cells."""
    return pl.DataFrame({"x": cells}, schema={"x": pl.String}).select(y=expression)["y"].to_list()


@given(st.lists(st.integers(-PRICE_LIMIT, PRICE_LIMIT), min_size=1, max_size=20))
def test_decimal_e9__is_exact(values: list[int]) -> None:
    """Nine decimals come back as the integer they are, with or without trailing zeros."""
    texts = [decimal_text(value) for value in values]
    assert evaluated(exact.decimal_e9(pl.col("x")), *texts) == values
    short = [format(Decimal(text).normalize(), "f") for text in texts]
    assert evaluated(exact.decimal_e9(pl.col("x")), *short) == values


@pytest.mark.parametrize(
    "cell",
    ["", "abc", "1e5", "1.0000000001", "+1", ".5", "5.", "-", "9223372036.9", "\u0661", " 1", None],
)
def test_decimal_e9__what_is_not_exact_is_null(cell: str | None) -> None:
    """Exponents, a tenth decimal, spaces and values beyond int64 are refused, not rounded."""
    assert evaluated(exact.decimal_e9(pl.col("x")), cell) == [None]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2025-05-04T22:00:00.051457985Z", 1746396000051457985),
        ("2025-05-04 22:00:00.051457985+00:00", 1746396000051457985),
        ("2025-05-04T22:00:00.5Z", 1746396000500000000),
        ("2025-05-04T22:00:00Z", 1746396000000000000),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("1746396000051457985", 1746396000051457985),
        ("2025-05-04T22:00:00", None),
        ("2025-05-04T22:00:00-05:00", None),
        ("2025-13-04T22:00:00Z", None),
        ("9999-01-01T00:00:00Z", None),
        ("18446744073709551615", None),
        ("", None),
        (None, None),
    ],
)
def test_timestamp_ns__utc_or_null(cell: str | None, expected: int | None) -> None:
    """Every nanosecond survives; times without a zone or of another one are refused."""
    assert evaluated(exact.timestamp_ns(pl.col("x")), cell) == [expected]


def test_integer__fits_or_is_null() -> None:
    """Only plain digits that fit the type are integers."""
    cells = ("255", "256", "-1", "1.0", " 1", "")
    found = evaluated(exact.integer(pl.col("x"), pl.UInt8), *cells)
    assert found == [255, None, None, None, None, None]


def test_letter__one_character_or_null() -> None:
    """Any of the 256 codes; nothing longer."""
    assert evaluated(exact.letter(pl.col("x")), "A", "é", "AB", "", None) == ["A", "é", *[None] * 3]
