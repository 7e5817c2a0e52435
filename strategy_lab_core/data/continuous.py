"""Prices of one contract after the other as one series, and back to the raw ones exactly.

Unadjusted, or adjusted as of a date by what was known then: for strategies. Back-adjusted to the
last roll: for display, because every later roll changes it. Which contract is when is in `rolls`.
"""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Literal, NamedTuple, get_args

import numpy as np
import polars as pl

from strategy_lab_core.data.rolls import Rolls
from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.types import EMPTY_PRICE, Int1D

__all__ = ["Adjustment", "Segment", "continuous", "raw_prices", "segments"]

Adjustment = Literal["unadjusted", "difference", "ratio"]


class Segment(NamedTuple):
    """A contract's stretch of sessions, and what its prices are adjusted by.

    Attributes
    ----------
    first
        First session; the stretch ends before the next segment's.
    ticks
        Added: the sum of the gaps of the later rolls.
    ratio
        Multiplied: the product of the later rolls' mids, new by old. 0 where a mid is not positive.
    """

    first: date
    symbol: str
    ticks: int
    ratio: Fraction


def segments(rolls: pl.DataFrame, as_of: date | None = None) -> list[Segment]:
    """Return the stretches of a `rolls` table with its adjustments as of a session.

    Parameters
    ----------
    rolls
        As `rolls.roll_decisions` returns it.
    as_of
        Rolls after this session are not known; by default all are.

    Raises
    ------
    DataError
        A roll has no gap: both contracts were never quoted at once before it.
    """
    known = rolls if as_of is None else rolls.filter(pl.col("session") <= as_of)
    found: list[Segment] = []
    ticks, ratio = 0, Fraction(1)
    for roll in reversed(known.to_dicts()):
        found.append(Segment(roll["session"], roll["to_symbol"], ticks, ratio))
        if roll["from_symbol"] is None:
            continue
        if roll["gap_ticks"] is None:
            raise DataError(
                f"the roll to {roll['to_symbol']} on {roll['session']} has no gap: no quotes of "
                f"both contracts before it; use the unadjusted series, or later sessions"
            )
        ticks += roll["gap_ticks"]
        positive = min(roll["from_mid"], roll["to_mid"]) > 0
        ratio *= Fraction(roll["to_mid"], roll["from_mid"]) if positive else 0
    return found[::-1]


def continuous(
    prices: pl.DataFrame,
    rolls: Rolls,
    columns: Sequence[str] = ("price",),
    *,
    adjustment: Adjustment = "unadjusted",
    tick_size: int,
    as_of: date | None = None,
) -> pl.DataFrame:
    """Return the rows of the contract that each session trades, with adjusted prices.

    Parameters
    ----------
    prices
        ``session``, ``symbol`` and price columns in 1e-9 (null or `EMPTY_PRICE` stay as they are),
        in any order of rows, which is kept.
    columns
        Which of them are prices.
    adjustment
        ``difference`` adds whole ticks; ``ratio`` multiplies, rounded half to even to 1e-9: needs
        positive prices on the tick grid.
    tick_size
        In 1e-9.
    as_of
        Sessions after it are left out, rolls after it are not known. By default the last: then the
        series is for display, a later roll changes all of it.
    """
    if adjustment not in get_args(Adjustment):
        raise ConfigError("adjustment", adjustment, f"one of {', '.join(get_args(Adjustment))}")
    traded = rolls.contracts.filter(pl.col("symbol").is_not_null()).select("session", "symbol")
    if as_of is not None:
        traded = traded.filter(pl.col("session") <= as_of)
    rows = prices.join(traded, on=["session", "symbol"], how="inner", maintain_order="left")
    if adjustment == "unadjusted":
        return rows
    return _with_prices(rows, columns, segments(rolls.rolls, as_of), adjustment, tick_size)


def raw_prices(
    series: pl.DataFrame,
    rolls: Rolls,
    columns: Sequence[str] = ("price",),
    *,
    adjustment: Adjustment,
    tick_size: int,
    as_of: date | None = None,
) -> pl.DataFrame:
    """Return the raw prices of an adjusted series, bit by bit; parameters as for `continuous`."""
    if adjustment == "unadjusted":
        return series
    stretches = segments(rolls.rolls, as_of)
    return _with_prices(series, columns, stretches, adjustment, tick_size, back=True)


def _with_prices(
    rows: pl.DataFrame,
    columns: Sequence[str],
    stretches: Sequence[Segment],
    adjustment: Adjustment,
    tick_size: int,
    *,
    back: bool = False,
) -> pl.DataFrame:
    starts = np.array([each.first for each in stretches], "datetime64[D]")
    days = rows["session"].to_numpy().astype("datetime64[D]")
    places = np.searchsorted(starts, days, side="right") - 1
    found = []
    for name in columns:
        values = rows[name].fill_null(EMPTY_PRICE).to_numpy(writable=True)
        for place in np.unique(places):
            mine = (places == place) & (values != EMPTY_PRICE)
            values[mine] = _moved(values[mine], stretches[place], adjustment, tick_size, back=back)
        found.append(pl.Series(name, values).set(rows[name].is_null(), None))
    return rows.with_columns(found)


def _moved(
    values: Int1D, segment: Segment, adjustment: Adjustment, tick_size: int, *, back: bool
) -> Int1D:
    if adjustment == "difference":
        shift = segment.ticks * tick_size
        return values - shift if back else values + shift
    distinct, where = np.unique(values, return_inverse=True)
    moved = [_scaled(int(value), segment, tick_size, back=back) for value in distinct]
    return np.array(moved, np.int64)[where]


def _scaled(value: int, segment: Segment, tick_size: int, *, back: bool) -> int:
    """Return a price times the ratio, or the tick that is nearest to where it came from.

    Rounding moves a price by at most 0.5e-9, divided by the ratio on the way back: far less than
    half a tick, so that the tick found is the one it was.
    """
    if back:
        return round(Fraction(value, tick_size) / segment.ratio) * tick_size
    if value <= 0 or segment.ratio <= 0:
        raise DataError(
            f"{segment.symbol} from {segment.first}: the ratio of prices that are not positive "
            "means nothing; use the difference"
        )
    if value % tick_size:
        raise DataError(
            f"{segment.symbol} from {segment.first}: {value} is off the tick grid of {tick_size}; "
            "give a finer tick_size"
        )
    scaled = round(value * segment.ratio)
    if scaled >= EMPTY_PRICE:
        raise DataError(f"{segment.symbol}: adjusted by {segment.ratio}, {value} is no price more")
    return scaled
