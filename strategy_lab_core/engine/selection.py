"""Which rows a backtest runs on: one instrument, one session, every row with its book's state."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from strategy_lab_core.book.l2 import book_depth, is_differences
from strategy_lab_core.data.calendar import (
    NO_SESSION,
    Session,
    session_calendar,
    session_date,
)
from strategy_lab_core.data.columns import Table, column
from strategy_lab_core.data.contracts import chain
from strategy_lab_core.data.instruments import Instrument, Product, instruments
from strategy_lab_core.data.sessions import index_times
from strategy_lab_core.errors import ConfigError, DataError, InstrumentError

__all__ = ["Selection", "by_session", "select"]


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
    """Choose the instrument (by default the outright that expires first) and its session.

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
    if wanted is not None:
        return outrights[0], f"{outrights[0].symbol} was asked for"
    if len(outrights) == 1:
        return outrights[0], f"{outrights[0].symbol} is the only outright contract among the rows"
    return _first_to_expire(ticks, outrights, products)


def _first_to_expire(
    ticks: Table, outrights: Sequence[Instrument], products: Mapping[str, Product] | None
) -> tuple[Instrument, str]:
    """Return the contract that expires first after the session: volumes come too late to decide."""
    names = sorted(one.symbol for one in outrights)
    calendar = session_calendar(outrights[0].product.calendar)
    middle = np.median(index_times(ticks)).astype(np.int64)  # a broken clock moves no median
    key = int(calendar.session_keys(np.array([middle]))[0])
    if key == NO_SESSION or not all(one.product.dated for one in outrights):
        raise ConfigError("instrument", None, f"one of {', '.join(names)}")
    session = calendar.session(session_date(key))
    contracts = chain(outrights, session.key, products)
    lasting = [one for one in contracts if one.expiration_ns >= session.close_ns] or contracts
    symbol = lasting[0].symbol
    chosen = next(one for one in outrights if one.symbol == symbol)
    reason = f"{symbol} expires first of {len(names)} outright contracts ({', '.join(names)}): a"
    return chosen, f"{reason} guess, no earlier session says which of them is traded"


def by_session(
    ticks: Table, instrument: Instrument | str | None, products: Mapping[str, Product] | None
) -> list[tuple[Session, Table]]:
    """Return every session from the first to the last that has rows, with its rows, if any.

    By the calendar of the product that `select` would choose; `DataError` where there are no rows.
    """
    if len(ticks) == 0:
        raise DataError("a backtest needs ticks, got a table without rows")
    calendar = session_calendar(_chosen(ticks, instrument, products)[0].product.calendar)
    keys = calendar.session_keys(index_times(ticks))
    dates = [session_date(int(key)) for key in np.unique(keys[keys != NO_SESSION])]
    if not dates:
        raise DataError(f"no row belongs to a session of {calendar.name!r}")
    days = calendar.sessions(dates[0], dates[-1])
    codes = calendar.session_keys(np.array([day.close_ns - 1 for day in days]))
    return [(day, ticks.filter(keys == code)) for day, code in zip(days, codes, strict=True)]


def _session_of(ticks: Table, instrument: Instrument) -> Session:
    calendar = session_calendar(instrument.product.calendar)
    keys = np.unique(calendar.session_keys(index_times(ticks)))
    if len(keys) != 1 or keys[0] < 0:
        dates = ", ".join(str(session_date(int(key))) for key in keys if key >= 0) or "none"
        raise ConfigError(
            "ticks", f"rows of the sessions {dates}", "rows of one session; or name the session"
        )
    return calendar.session(session_date(int(keys[0])))
