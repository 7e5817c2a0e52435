"""Features on a grid of time: what the books and trades of each cell said, known at its end.

The kernels are those that strategies call. Everything looks backwards: a micro-price is fitted on
earlier sessions and given, and VPIN's buckets are sized by the caller.
"""

import math
from collections.abc import Mapping

import numpy as np
import polars as pl

from strategy_lab_core.book.changes import BookWriter
from strategy_lab_core.data.bar_cells import Cells, bar_rule, session_cells
from strategy_lab_core.data.bars import BarBuilder, outrights, sessions_of
from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.columns import column, int64
from strategy_lab_core.data.instruments import Instrument, Product
from strategy_lab_core.data.result_schemas import RESULT_TABLES
from strategy_lab_core.data.sessions import index_times
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.features.book import bid_share, weighted_mid
from strategy_lab_core.features.flow import VpinMeter
from strategy_lab_core.features.micro_price import MicroPrice
from strategy_lab_core.features.table_kernels import (
    CELL,
    NO_CELL,
    Clocks,
    Memory,
    Quotes,
    close_cell,
    watch_cells,
)
from strategy_lab_core.types import NS_PER_SECOND, PRICE_SCALE, Float1D, Records

__all__ = ["FEATURE_SCHEMA", "FeatureBuilder", "feature_table", "with_vpin"]

FEATURE_SCHEMA = pl.Schema({column.name: column.dtype for column in RESULT_TABLES["features"]})


def feature_table(
    table: pl.DataFrame,
    /,
    *,
    every: str = "1m",
    session: Session | None = None,
    seed: pl.DataFrame | None = None,
    products: Mapping[str, Product] | None = None,
    micro_price: MicroPrice | None = None,
    bucket_lots: float | None = None,
    n_buckets: int = 50,
) -> pl.DataFrame:
    """Return the features of every outright contract of a tick table, by instrument, then by time.

    Parameters
    ----------
    table
        Ticks of one schema with a book (mbo, mbp-10, mbp-1 or tbbo), in the order of `read_ticks`.
    every
        Time of a cell, "1m" to "1d".
    session
        By default those of the rows, by the product's calendar.
    seed
        Live orders before the first row, as for `replay`.
    products
        Products by root where the package's own table is not meant.
    micro_price
        Fitted on earlier sessions; without it the column is null.
    bucket_lots, n_buckets
        Of VPIN; null without `bucket_lots`, which is to come from earlier sessions too.

    Returns
    -------
    The columns of `features` in docs/vocabulary.md.
    """
    rule = bar_rule(every)
    if rule.kind != "time":
        raise ConfigError("every", every, "a time, as for `bars`")
    parts = [pl.DataFrame(schema=FEATURE_SCHEMA)]
    for instrument in outrights(table, products):
        id_ = instrument.instrument_id
        mine = table.filter(pl.col("instrument_id") == id_)
        sessions = [session] if session else sessions_of(mine, instrument)
        cells = session_cells(sessions, rule)
        builder = FeatureBuilder(instrument, cells, micro_price=micro_price)
        bbo, _ = BookWriter(id_, depth=1, seed=seed).feed(mine)
        made = pl.concat([builder.feed(bbo), builder.finish()])
        if bucket_lots is not None:
            bars = BarBuilder(instrument, rule, cells)
            times = index_times(mine)
            inside = (times >= sessions[0].previous_close_ns) & (times < sessions[-1].close_ns)
            traded = pl.concat([bars.feed(mine.filter(inside)), bars.finish()])
            meter = VpinMeter(bucket_lots=bucket_lots, n_buckets=n_buckets)
            made = with_vpin(made, traded, meter)
        parts.append(made)
    return pl.concat(parts)


class FeatureBuilder:
    """Makes the features of one instrument's books batch by batch.

    Parameters
    ----------
    instrument
        Of the books that will be fed.
    cells
        Of its sessions, under the rule of a time bar.
    micro_price
        Fitted on earlier sessions; without it there is none.
    half_life_s
        After which a change counts half in `volatility`.
    sample_ns
        Grid of `realised_volatility`.
    """

    def __init__(
        self,
        instrument: Instrument,
        cells: Cells,
        *,
        micro_price: MicroPrice | None = None,
        half_life_s: float = 60.0,
        sample_ns: int = NS_PER_SECOND,
    ) -> None:
        if not half_life_s > 0:
            raise ConfigError("half_life_s", half_life_s, "above 0")
        if sample_ns <= 0:
            raise ConfigError("sample_ns", sample_ns, "above 0")
        self._instrument, self._cells, self._micro_price = instrument, cells, micro_price
        self._clocks = Clocks(float(half_life_s), int(sample_ns))
        row = np.zeros(1, CELL)
        row["cell"], row["volatility"] = NO_CELL, -1.0
        self._memory = Memory(
            row, np.zeros(3, np.int64), np.zeros(2), np.zeros(2, np.int64), np.zeros(3)
        )

    def feed(self, bbo: pl.DataFrame) -> pl.DataFrame:
        """Take event ends, the table `bbo` of the books; return the cells that they closed."""
        out = np.empty(len(self._cells.ends_ns), CELL)
        quotes = _quotes(bbo, self._instrument.tick_size)
        cells = self._cells
        n = watch_cells(quotes, cells.starts_ns, cells.ends_ns, self._clocks, self._memory, out)
        return self._table(out[:n])

    def finish(self) -> pl.DataFrame:
        """Return the cell in progress, if there is one: nothing more will come."""
        row = self._memory.row
        if row["cell"][0] == NO_CELL:
            return self._table(row[:0])
        close_cell(self._memory, self._cells.ends_ns, self._clocks)
        return self._table(row.copy())

    def _table(self, made: Records) -> pl.DataFrame:
        values = {name: np.ascontiguousarray(made[name]) for name in CELL.names or ()}
        cell, tick = values["cell"], self._instrument.tick_size
        bid, ask = values["bid"], values["ask"]
        sizes = values["bid_size"], values["ask_size"]
        points = tick / PRICE_SCALE
        micro = np.full(len(made), np.nan)
        if self._micro_price is not None:
            micro = self._micro_price.price(bid, sizes[0], ask, sizes[1])
        weighted = weighted_mid(bid, sizes[0], ask, sizes[1])
        quoted = (values["is_known"] > 0) & (sizes[0] > 0) & (sizes[1] > 0)
        found = pl.DataFrame(
            {
                "session": self._cells.keys[cell].astype("datetime64[D]"),
                "start_ns": self._cells.starts_ns[cell],
                "end_ns": self._cells.ends_ns[cell],
                "bid_px": bid * tick,
                "ask_px": ask * tick,
                "n_events": values["n_events"],
                "order_flow_imbalance": values["flow"],
                "imbalance": bid_share(*sizes),
                "weighted_mid": weighted * points,
                "micro_price": micro * points,
                "volatility": _known(values["volatility"]) * points,
                "realised_volatility": _known(values["realised"]) * points,
                "visible_ns": values["visible_ns"],
            }
        )
        of_the_book = pl.col("bid_px", "ask_px", "imbalance", "weighted_mid", "micro_price")
        return (
            found.with_columns(
                pl.when(pl.Series(quoted)).then(of_the_book).name.keep(),
                instrument_id=pl.lit(self._instrument.instrument_id, dtype=pl.UInt32),
                symbol=pl.lit(self._instrument.symbol),
                vpin=pl.lit(None, dtype=pl.Float64),
            )
            .select(FEATURE_SCHEMA.names())
            .with_columns(pl.col(pl.Float64).fill_nan(None))
        )


def _known(values: Float1D) -> Float1D:
    return np.where(values >= 0, values, np.nan)


def _quotes(bbo: pl.DataFrame, tick_size: int) -> Quotes:
    empty = pl.col("bid_px", "ask_px").fill_null(0)
    prices = bbo.select(empty)
    return Quotes(
        int64(bbo, "ts_event"), int64(bbo, "ts_recv"), column(bbo, "flags"),
        column(bbo, "book_state"), int64(prices, "bid_px") // tick_size, int64(bbo, "bid_sz"),
        int64(prices, "ask_px") // tick_size, int64(bbo, "ask_sz"),
    )  # fmt: skip


def with_vpin(features: pl.DataFrame, bars: pl.DataFrame, meter: VpinMeter) -> pl.DataFrame:
    """Return the features with the VPIN that was known at the end of each cell.

    Parameters
    ----------
    features
        Of one instrument.
    bars
        Its bars of the same cells, the next ones after those that the meter has seen: what their
        aggressors bought and sold. Auctions have none.
    meter
        Changed in place.
    """
    before = None if math.isnan(meter.value) else meter.value
    found = meter.feed(bars["buy_volume"].to_numpy(), bars["sell_volume"].to_numpy())
    last = dict(zip(found.row.tolist(), found.value.tolist(), strict=True))
    known = bars.select(
        "start_ns",
        bar_visible_ns="visible_ns",
        bar_vpin=pl.Series([last.get(row) for row in range(bars.height)], dtype=pl.Float64),
    )
    joined = features.join(known, on="start_ns", how="left", maintain_order="left")
    return joined.with_columns(
        vpin=pl.col("bar_vpin").forward_fill().fill_null(pl.lit(before, dtype=pl.Float64)),
        visible_ns=pl.max_horizontal("visible_ns", "bar_visible_ns"),
    ).select(FEATURE_SCHEMA.names())
