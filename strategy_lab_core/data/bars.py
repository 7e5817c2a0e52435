"""Bars of outright trades by time, number, volume or money, from ticks of any schema.

What a bar is stands in docs/bars.md, its columns in `result_schemas`; the kernel is in
`bars_kernels`, the cells that bound bars in `bar_cells`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from strategy_lab_core.data.bar_cells import BarRule, Cells, bar_rule, session_cells
from strategy_lab_core.data.bars_kernels import (
    BAR,
    NO_CELL,
    BarRows,
    Limit,
    close_bar,
    count_bars,
)
from strategy_lab_core.data.calendar import Session, session_calendar, session_date
from strategy_lab_core.data.columns import column, int64
from strategy_lab_core.data.instruments import Instrument, Product, instruments
from strategy_lab_core.data.result_schemas import RESULT_TABLES
from strategy_lab_core.data.sessions import index_times
from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.types import EMPTY_PRICE, PRICE_SCALE, Action

__all__ = ["BAR_SCHEMA", "BarBuilder", "bars", "filled", "outrights", "sessions_of"]

BAR_SCHEMA = pl.Schema({column.name: column.dtype for column in RESULT_TABLES["bars"]})
_NOTIONAL = BAR_SCHEMA["notional"]
_MOST_POINTS = 2**62  # x lots, in one bar
_KEPT = (
    "start_ns", "end_ns", "open", "high", "low", "close", "volume", "auction_volume", "buy_volume",
    "sell_volume", "n_trades",
)  # fmt: skip


def bars(
    table: pl.DataFrame,
    /,
    *,
    every: str | None = None,
    ticks: int | None = None,
    volume: int | None = None,
    dollar: int | None = None,
    fill: bool = False,
    session: Session | None = None,
    status: pl.DataFrame | None = None,
    products: Mapping[str, Product] | None = None,
) -> pl.DataFrame:
    """Return the bars of every outright contract of a tick table, by instrument, then by time.

    Parameters
    ----------
    table
        Ticks of one schema (mbo, mbp-10, mbp-1, tbbo, trades or depth), in the order of
        `read_ticks`. Spreads are left out.
    every, ticks, volume, dollar
        The rule, at most one: a time from "1m" to "1d", trades, lots, or money in the product's
        currency (price x multiplier x lots). One minute by default.
    fill
        Also a row, without volume, for each cell without a trade between the first and the last
        bar of a session; time bars only.
    session
        By default those of the rows, by the product's calendar. Rows outside it are left out.
    status
        Records of halts; without them the calendar's.
    products
        Products by root where the package's own table is not meant.

    Returns
    -------
    The columns of `bars` in docs/vocabulary.md. A bar that is cut at a session's or halt's border
    is there with what it has.
    """
    rule = _rule(every, ticks, volume, dollar)
    if fill and rule.kind != "time":
        raise ConfigError("fill", fill, f"False for bars of {rule.text}: only time has empty bars")
    parts = [pl.DataFrame(schema=BAR_SCHEMA)]
    for instrument in outrights(table, products):
        mine = table.filter(pl.col("instrument_id") == instrument.instrument_id)
        sessions = [session] if session else sessions_of(mine, instrument)
        times = index_times(mine)
        begin, end = sessions[0].previous_close_ns, sessions[-1].close_ns
        inside = mine.filter((times >= begin) & (times < end))
        id_ = instrument.instrument_id
        cells = session_cells(sessions, rule, status=status, instrument_id=id_)
        builder = BarBuilder(instrument, rule, cells)
        made = pl.concat([builder.feed(inside), builder.finish()])
        parts.append(filled(made, cells) if fill else made)
    return pl.concat(parts)


def _rule(every: str | None, ticks: int | None, volume: int | None, dollar: int | None) -> BarRule:
    counts = {"ticks": ticks, "volume": volume, "dollar": dollar}
    given = {unit: size for unit, size in counts.items() if size is not None}
    if len(given) + (every is not None) > 1:
        names = ", ".join([*(["every"] if every is not None else []), *given])
        raise ConfigError("bars", names, "by one rule: every, ticks, volume or dollar")
    for unit, size in given.items():
        if type(size) is not int or not 0 < size < 10**18:
            raise ConfigError(unit, size, "a whole number above 0")
        return bar_rule(f"{size}{unit}")
    return bar_rule("1m" if every is None else every)


def outrights(
    ticks: pl.DataFrame, products: Mapping[str, Product] | None = None
) -> list[Instrument]:
    """Return the outright contracts that have rows, by id."""
    named = ticks.select("instrument_id", "symbol").drop_nulls().unique("instrument_id")
    known = instruments(dict(sorted(named.iter_rows())), table=products)
    return [one for one in known.values() if one.kind == "outright"]


def sessions_of(ticks: pl.DataFrame, instrument: Instrument) -> Sequence[Session]:
    """Return the sessions that rows of an instrument lie in, in order of time."""
    calendar = session_calendar(instrument.product.calendar)
    keys = np.unique(calendar.session_keys(index_times(ticks)))
    found = [calendar.session(session_date(int(key))) for key in keys if key >= 0]
    if not found:
        raise DataError(f"no row of {instrument.symbol} lies in a session of {calendar.name}")
    return found


class BarBuilder:
    """Makes the bars of one instrument batch by batch: `bars` for a file or a stream.

    Parameters
    ----------
    instrument
        Of the rows that will be fed.
    rule
        When a bar ends.
    cells
        Of its sessions under this rule.
    """

    def __init__(self, instrument: Instrument, rule: BarRule, cells: Cells) -> None:
        self._instrument, self._cells = instrument, cells
        self._limit = _limit(rule, instrument)
        self._bar = np.zeros(1, BAR)
        self._bar["cell"] = NO_CELL

    def feed(self, ticks: pl.DataFrame) -> pl.DataFrame:
        """Take rows of this instrument in feed order; return the bars that they closed."""
        rows = _rows(ticks)
        is_trade = rows.action == Action.TRADE
        self._require_room(rows.price[is_trade], rows.size[is_trade])
        out = np.empty(int(np.count_nonzero(is_trade)), BAR)
        n = count_bars(
            rows, self._cells.starts_ns, self._cells.ends_ns, self._limit, self._bar, out
        )
        return self._table(out[:n])

    def finish(self) -> pl.DataFrame:
        """Return the bar in progress, if there is one: nothing more will come."""
        if not self._bar["n_trades"][0]:
            return self._table(self._bar[:0])
        close_bar(self._bar)
        last = self._bar.copy()
        self._bar["n_trades"] = 0
        return self._table(last)

    def _require_room(self, price: Any, size: Any) -> None:
        """Refuse a trade without a price, and what the sums of a bar could not hold."""
        if not len(price):
            return
        low, high = int(price.min()), int(price.max())
        most = (max(-low, high) // PRICE_SCALE + 1) * int(size.sum(dtype=np.int64))
        if high == EMPTY_PRICE or int(self._bar["turnover"][0]) + most >= _MOST_POINTS:
            raise DataError(
                f"trades of {self._instrument.symbol} have prices from {low} to {high} (1e-9): "
                "undefined, or too far for a bar's sums; validate the ticks first"
            )

    def _table(self, made: Any) -> pl.DataFrame:
        columns = {name: np.ascontiguousarray(made[name]) for name in _KEPT}
        whole, nano = (pl.Series(made[name]) for name in ("notional", "notional_nano"))
        exact = pl.Decimal(38, 0)
        notional = whole.cast(exact) + nano.cast(exact) * pl.Series(["0.000000001"]).cast(_NOTIONAL)
        id_ = pl.lit(self._instrument.instrument_id, dtype=pl.UInt32)
        return pl.DataFrame(columns).with_columns(
            session=pl.Series(self._cells.keys[made["cell"]].astype("datetime64[D]")),
            instrument_id=id_,
            symbol=pl.lit(self._instrument.symbol),
            notional=notional.cast(_NOTIONAL),
            visible_ns=pl.Series(np.ascontiguousarray(made["visible_ns"])),
        ).select(BAR_SCHEMA.names())  # fmt: skip


def _limit(rule: BarRule, instrument: Instrument) -> Limit:
    """Return the rule as the kernel counts it; money becomes points x lots, rounded up."""
    if rule.kind == "ticks":
        return Limit(rule.size, 0, 0, 0)
    if rule.kind == "volume":
        return Limit(0, rule.size, 0, 0)
    if rule.kind == "dollar":
        nano = -(-rule.size * PRICE_SCALE**2 // instrument.multiplier)
        return Limit(0, 0, *divmod(nano, PRICE_SCALE))
    return Limit(0, 0, 0, 0)


def _rows(ticks: pl.DataFrame) -> BarRows:
    return BarRows(
        int64(ticks, "ts_event"), int64(ticks, "ts_recv"), column(ticks, "action"),
        column(ticks, "side"), int64(ticks, "price"), int64(ticks, "size"),
        column(ticks, "flags"),
    )  # fmt: skip


def filled(made: pl.DataFrame, cells: Cells) -> pl.DataFrame:
    """Return one instrument's time bars with a row for each cell between those of a session.

    Such a row has the last close for its prices and no volume, and is known as long after its end
    as the bar before it.
    """
    keys = pl.Series(cells.keys.astype("datetime64[D]"))
    grid = pl.DataFrame({"start_ns": cells.starts_ns, "end_ns": cells.ends_ns, "session": keys})
    first, last = pl.col("start_ns").min().over("session"), pl.col("start_ns").max().over("session")
    spans = made.select("session", first=first, last=last).unique()
    wanted = grid.join(spans, on="session", maintain_order="left").filter(
        pl.col("start_ns").is_between("first", "last")
    )
    lag = pl.col("visible_ns") - pl.col("end_ns")
    joined = wanted.select("session", "start_ns", "end_ns").join(
        made.with_columns(lag=lag), on=["session", "start_ns", "end_ns"], how="left",
        maintain_order="left",
    )  # fmt: skip
    close, nothing = pl.col("close").forward_fill(), pl.lit(0)
    counts = [name for name in _KEPT if "volume" in name or name == "n_trades"]
    prices = [pl.col(name).fill_null(close) for name in ("open", "high", "low", "close")]
    return joined.with_columns(
        *prices,
        *(pl.col(name).fill_null(nothing) for name in counts),
        pl.col("notional").fill_null(nothing.cast(_NOTIONAL)),
        pl.col("instrument_id", "symbol").forward_fill(),
        pl.col("visible_ns").fill_null(pl.col("end_ns") + pl.col("lag").forward_fill()),
    ).select(BAR_SCHEMA.names())
