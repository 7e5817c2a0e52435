"""Contracts: from a symbol's month code to its month, year and expiry, and the chain in order.

Month codes mostly have a single digit for the year, so a symbol alone is no contract: the session
in which it traded decides. Expiries come from the definition record, else from the product's rule.
Which contract is traded is the roll's affair.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from itertools import count, islice
from zoneinfo import ZoneInfo

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.instruments import (
    MONTH_CODES,
    ExpiryDay,
    Instrument,
    Product,
    product_of,
)
from strategy_lab_core.errors import InstrumentError
from strategy_lab_core.types import NS_PER_SECOND

__all__ = ["AFTERWARDS", "Contract", "chain", "contract_of", "contracts", "expiration_ns"]

_EPOCH = date(1970, 1, 1).toordinal()
_DAY_NS = 24 * 3600 * NS_PER_SECOND
AFTERWARDS = timedelta(days=31)  # settlements and open interest still name an expired contract
_DAY = timedelta(days=1)
_FRIDAY = 4

IsBusinessDay = Callable[[date], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One outright futures contract.

    Attributes
    ----------
    symbol
        As in the files, such as MNQH5.
    root
        Its product.
    year, month
        The contract month, the year in full. Trading may end in the month before (crude oil).
    expiration_ns
        End of its trading, ns UTC.
    """

    symbol: str
    root: str
    year: int
    month: int
    expiration_ns: int

    @property
    def expires(self) -> date:
        """UTC date on which its trading ends."""
        return _date(self.expiration_ns)


def contract_of(
    symbol: str,
    on: date,
    table: Mapping[str, Product] | None = None,
    *,
    defined_ns: int | None = None,
) -> Contract:
    """Return the contract that a symbol meant in a session.

    Parameters
    ----------
    symbol
        An outright, such as MNQH5 or MNQH25.
    on
        Key of the session. A single digit means the first such year in which the contract had not
        expired more than 31 days before.
    table
        Products by root; those of the package by default.
    defined_ns
        Its expiry in ns UTC by a definition record, in place of the product's rule.

    Raises
    ------
    InstrumentError
        The symbol is a spread or of no product, or nothing says when the contract expires.
    """
    product = product_of(symbol, table=table)
    code = re.fullmatch(rf"([{MONTH_CODES}])(\d{{1,2}})", symbol.removeprefix(product.root))
    if code is None:
        raise InstrumentError(f"{symbol!r} is not an outright contract: it has no month and year")
    month, cycle = MONTH_CODES.index(code[1]) + 1, 10 ** len(code[2])
    if defined_ns is not None or cycle > 10:
        known = on if defined_ns is None else _date(defined_ns)
        year = _nearest(int(code[2]), known.year, cycle)
    else:
        year = _nearest(int(code[2]), on.year + 4, cycle)  # from the year before to 8 years ahead
        if _date(expiration_ns(product, year, month)) < on - AFTERWARDS:
            year += cycle
    return Contract(
        symbol=symbol,
        root=product.root,
        year=year,
        month=month,
        expiration_ns=expiration_ns(product, year, month) if defined_ns is None else defined_ns,
    )


def chain(
    instruments: Iterable[Instrument],
    on: date,
    table: Mapping[str, Product] | None = None,
) -> tuple[Contract, ...]:
    """Return the contracts among the instruments of a session, the first to expire in front.

    Spreads and products without months are left out; a definition's expiry counts where known.
    """
    found = (
        contract_of(one.symbol, on, table, defined_ns=one.expiration_ns)
        for one in instruments
        if one.kind == "outright" and one.product.dated
    )
    return tuple(sorted(found, key=lambda one: (one.expiration_ns, one.symbol)))


def contracts(product: Product, on: date, n: int = 4) -> tuple[Contract, ...]:
    """Return the next `n` listed contracts that still trade in a session, the front month first.

    A contract counts up to and including the day of its expiry. The symbols have a single digit
    for the year, as CME's.
    """
    return tuple(islice(_listed(product, on), n))


def _listed(product: Product, on: date) -> Iterator[Contract]:
    for place in count(on.year * 12 + on.month - 1):
        year, month = place // 12, place % 12 + 1
        code = MONTH_CODES[month - 1]
        if code not in product.contract_months:
            continue
        expires = expiration_ns(product, year, month)
        if _date(expires) >= on:
            yield Contract(
                symbol=f"{product.root}{code}{year % 10}",
                root=product.root,
                year=year,
                month=month,
                expiration_ns=expires,
            )


@cache
def expiration_ns(product: Product, year: int, month: int) -> int:
    """Return when trading in a contract ends by its product's rule, ns UTC.

    `third_friday` of the contract month or, where nothing clears then, the business day before;
    `three_days_before_25th`: three business days before the 25th of the month before, counted from
    the last business day up to it; `third_last_day`: third last business day of the contract
    month. Business days are the product's clearing dates; outside the calendar, weekdays.

    Raises
    ------
    InstrumentError
        The product has no such rule.
    """
    if product.expiry_day is None or product.expiry_time is None:
        raise InstrumentError(
            f"nothing says when {product.root} {year}-{month:02} expires: give the definition "
            "file, or expiry_day and expiry_time in the products file"
        )
    calendar = session_calendar(product.calendar)
    day = _RULES[product.expiry_day](date(year, month, 1), calendar.clears_on)
    end = datetime.combine(day, product.expiry_time, ZoneInfo(calendar.zone))
    return int(end.timestamp()) * NS_PER_SECOND


def _third_friday(first: date, is_business: IsBusinessDay) -> date:
    return _back(first + timedelta(days=14 + (_FRIDAY - first.weekday()) % 7), 0, is_business)


def _three_days_before_25th(first: date, is_business: IsBusinessDay) -> date:
    return _back((first - _DAY).replace(day=25), 3, is_business)


def _third_last_day(first: date, is_business: IsBusinessDay) -> date:
    return _back((first + timedelta(days=31)).replace(day=1) - _DAY, 2, is_business)


_RULES: dict[ExpiryDay, Callable[[date, IsBusinessDay], date]] = {
    "third_friday": _third_friday,
    "three_days_before_25th": _three_days_before_25th,
    "third_last_day": _third_last_day,
}


def _back(day: date, n: int, is_business: IsBusinessDay) -> date:
    """Return the last business day up to `day`, then the n-th business day before it."""
    while not is_business(day) or (n := n - 1) >= 0:
        day -= _DAY
    return day


def _nearest(digits: int, year: int, cycle: int) -> int:
    """Return the year with these last digits from `cycle` / 2 before `year` on."""
    first = year - cycle // 2
    return first + (digits - first) % cycle


def _date(ts_ns: int) -> date:
    return date.fromordinal(_EPOCH + ts_ns // _DAY_NS)
