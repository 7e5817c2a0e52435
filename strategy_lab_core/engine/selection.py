"""Which rows a backtest runs on: one instrument, one session, every row with its book's state."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from strategy_lab_core.book.l2 import book_depth, is_differences
from strategy_lab_core.data.calendar import Session, session_calendar, session_date
from strategy_lab_core.data.columns import Table, column
from strategy_lab_core.data.instruments import Instrument, Product, instruments
from strategy_lab_core.data.sessions import index_times
from strategy_lab_core.errors import ConfigError, DataError, InstrumentError
from strategy_lab_core.types import Action

__all__ = ["Selection", "select"]


class Selection(NamedTuple):
    """The rows of one instrument in one session, and how the instrument was chosen."""

    ticks: Table
    instrument: Instrument
    session: Session
    reason: str


def select(
    ticks: Table,
    *,
    session: Session | None = None,
    instrument: Instrument | str | None = None,
    products: Mapping[str, Product] | None = None,
) -> Selection:
    """Choose the instrument (by default the outright with the most traded volume) and its session.

    Parameters
    ----------
    ticks
        Rows of one session of any number of instruments, of any schema that has a book.
    session
        By default the one that all rows belong to, by the calendar of the product.
    instrument
        An instrument, or its symbol.
    products
        Products by root where the package's own table is not meant.
    """
    if len(ticks) == 0:
        raise DataError("a backtest needs ticks, got a table without rows")
    if not is_differences(ticks):
        book_depth(ticks)  # raises where there is no book
    chosen, reason = _chosen(ticks, instrument, products)
    mine = ticks.filter(column(ticks, "instrument_id") == chosen.instrument_id)
    if len(mine) == 0:
        raise DataError(f"no row of {chosen.symbol} among the ticks")
    return Selection(mine, chosen, session or _session_of(mine, chosen), reason)


def _symbols(ticks: Table) -> dict[int, str]:
    ids, first = np.unique(column(ticks, "instrument_id"), return_index=True)
    names = ticks.get_column("symbol")
    return {int(id_): str(names[int(row)]) for id_, row in zip(ids, first, strict=True)}


def _chosen(
    ticks: Table, wanted: Instrument | str | None, products: Mapping[str, Product] | None
) -> tuple[Instrument, str]:
    if isinstance(wanted, Instrument):
        return wanted, f"{wanted.symbol} was asked for"
    symbols = _symbols(ticks)
    if wanted is not None:
        symbols = {id_: symbol for id_, symbol in symbols.items() if symbol == wanted}
        if not symbols:
            raise InstrumentError(f"no row of {wanted!r} among the ticks")
    known = instruments(symbols, table=products)
    outrights = [one for one in known.values() if one.kind == "outright" or wanted is not None]
    if not outrights:
        raise InstrumentError(f"no outright contract among {', '.join(symbols.values())}")
    volume = _volumes(ticks)
    best = max(outrights, key=lambda one: (volume.get(one.instrument_id, 0), -one.instrument_id))
    if wanted is not None:
        return best, f"{best.symbol} was asked for"
    traded = volume.get(best.instrument_id, 0)
    reason = f"{best.symbol} traded most in the session itself ({traded} lots)"
    return best, f"{reason} of {len(outrights)} outright contract(s)"


def _volumes(ticks: Table) -> dict[int, int]:
    is_trade = column(ticks, "action") == Action.TRADE
    ids, where = np.unique(column(ticks, "instrument_id")[is_trade], return_inverse=True)
    lots = np.bincount(where, weights=column(ticks, "size")[is_trade], minlength=len(ids))
    return {int(id_): int(count) for id_, count in zip(ids, lots, strict=True)}


def _session_of(ticks: Table, instrument: Instrument) -> Session:
    calendar = session_calendar(instrument.product.calendar)
    keys = np.unique(calendar.session_keys(index_times(ticks)))
    if len(keys) != 1 or keys[0] < 0:
        dates = ", ".join(str(session_date(int(key))) for key in keys if key >= 0) or "none"
        raise ConfigError(
            "ticks", f"rows of the sessions {dates}", "rows of one session; or name the session"
        )
    return calendar.session(session_date(int(keys[0])))
