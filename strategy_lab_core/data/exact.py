"""Text cells to exact integers: decimals to 1e-9, ISO times to nanoseconds, letters to codes.

Expressions over String columns. A cell that can't be read exactly becomes null; no value passes
through a float.
"""

import polars as pl

from strategy_lab_core.data.schemas import LETTER
from strategy_lab_core.types import NS_PER_SECOND, PRICE_SCALE

__all__ = ["decimal_e9", "integer", "letter", "timestamp_ns"]

_DECIMAL = r"^(-?)([0-9]{1,10})(?:\.([0-9]{1,9})0*)?$"
_DAY, _CLOCK = r"([0-9]{4}-[0-9]{2}-[0-9]{2})", r"([0-9]{2}:[0-9]{2}:[0-9]{2})"
_INSTANT = rf"^{_DAY}[T ]{_CLOCK}(?:\.([0-9]{{1,9}}))?(?:Z|\+00:?00)$"  # a time zone that is UTC
_LARGEST_WHOLE = (2**63 - 1) // PRICE_SCALE - 1  # times 1e9 still fits int64 with any fraction


def integer(cell: pl.Expr, dtype: type[pl.DataType] = pl.Int64) -> pl.Expr:
    """Return plain decimal digits as an integer of `dtype`; null where they don't fit."""
    return pl.when(cell.str.contains(r"^-?[0-9]+$")).then(cell).cast(dtype, strict=False)


def decimal_e9(cell: pl.Expr) -> pl.Expr:
    """Return a decimal such as ``20181.25`` as int64 in 1e-9; null beyond nine decimals."""
    sign = pl.when(cell.str.starts_with("-")).then(-1).otherwise(1)
    whole = cell.str.extract(_DECIMAL, 2).cast(pl.Int64, strict=False)
    whole = pl.when(whole <= _LARGEST_WHOLE).then(whole)
    return sign * (whole * PRICE_SCALE + _fraction(cell.str.extract(_DECIMAL, 3)))


def timestamp_ns(cell: pl.Expr) -> pl.Expr:
    """Return int64 ns since 1970 UTC from digits or ISO 8601 with ``Z`` or ``+00:00``."""
    clock = pl.concat_str(
        cell.str.extract(_INSTANT, 1), cell.str.extract(_INSTANT, 2), separator=" "
    )
    moment = clock.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="ms", strict=False)
    seconds = moment.dt.epoch("s")
    in_range = seconds.is_between(-_LARGEST_WHOLE, _LARGEST_WHOLE)
    seconds = pl.when(in_range).then(seconds)
    spelled = seconds * NS_PER_SECOND + _fraction(cell.str.extract(_INSTANT, 3))
    return pl.coalesce(integer(cell), spelled)


def letter(cell: pl.Expr) -> pl.Expr:
    """Return a single character as its code; null for none or several."""
    return cell.cast(LETTER, strict=False)


def _fraction(digits: pl.Expr) -> pl.Expr:
    return digits.fill_null("0").str.pad_end(9, "0").cast(pl.Int64)
