"""Where each row of a file belongs: its product, and the time that decides its session.

Cataloguing and reading use this one rule, so that every row is counted where it is read. A row
that lacks what it takes is put beside its neighbours, for validation to judge, and not left out.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from strategy_lab_core.data.instruments import Product, product_of
from strategy_lab_core.data.schemas import MAX_TS_NS
from strategy_lab_core.data.sessions import index_times
from strategy_lab_core.errors import DataError, InstrumentError
from strategy_lab_core.types import Int1D

__all__ = ["PRODUCT", "TIME", "Placement"]

PRODUCT, TIME = "_product", "_time"


class Placement:
    """Places the rows of one file, batch by batch in its order.

    Parameters
    ----------
    table
        The products by root.
    """

    def __init__(self, table: Mapping[str, Product]) -> None:
        self._table = table
        self._roots: dict[str, str | None] = {}  # by symbol
        self._products: dict[int, str] = {}  # by instrument
        self._time = 0

    def place(self, batch: pl.DataFrame) -> pl.DataFrame:
        """Return the batch with `PRODUCT` (a root, null where none is known) and `TIME` (ns UTC).

        A row without a symbol is of the product that its instrument has elsewhere in the file so
        far; a row without a possible time has that of the row before it.

        Raises
        ------
        DataError
            No row up to the end of this batch has a possible time.
        """
        symbols = batch["symbol"].unique().drop_nulls().to_list()
        roots = pl.DataFrame(
            {"symbol": symbols, PRODUCT: [self._root(symbol) for symbol in symbols]},
            schema={"symbol": pl.String, PRODUCT: pl.String},
        )
        placed = batch.join(roots, on="symbol", how="left", maintain_order="left")
        self._learn(placed)
        if placed[PRODUCT].null_count():
            known = pl.col("instrument_id").replace_strict(
                self._products, default=None, return_dtype=pl.String
            )
            unnamed = pl.col("symbol").is_null()
            placed = placed.with_columns(
                pl.when(unnamed).then(known).otherwise(PRODUCT).alias(PRODUCT)
            )
        return placed.with_columns(pl.Series(TIME, self._times(batch)))

    def _root(self, symbol: str) -> str | None:
        if symbol not in self._roots:
            try:
                self._roots[symbol] = product_of(symbol, table=self._table).root
            except InstrumentError:
                self._roots[symbol] = None
        return self._roots[symbol]

    def _learn(self, placed: pl.DataFrame) -> None:
        pairs = placed.select("instrument_id", PRODUCT).drop_nulls().unique("instrument_id")
        self._products.update(pairs.iter_rows())

    def _times(self, batch: pl.DataFrame) -> Int1D:
        times = index_times(batch)
        possible = (times > 0) & (times < MAX_TS_NS)
        if not possible.all():
            places = np.flatnonzero(possible)
            if not len(places) and not self._time:
                raise DataError("no row so far has a possible time; look at the file's clock")
            before = np.searchsorted(places, np.arange(len(times)), side="right") - 1
            first = self._time or int(times[places[0]])
            times = np.where(before >= 0, times[places[before]] if len(places) else first, first)
        if len(times):
            self._time = int(times[-1])
        return times
