"""Contracts: what a month code means in a session, when it expires, and the chain in order."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core import read_ticks
from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.contracts import chain, contract_of, contracts, expiration_ns
from strategy_lab_core.data.instruments import instruments, load_products, products
from strategy_lab_core.errors import InstrumentError

ROOTS = ("MNQ", "ES", "CL", "GC")
days = st.dates(date(2001, 1, 1), date(2034, 12, 31))
NO_RULE = """
HO:
  name: Heating oil
  exchange: XNYM
  currency: USD
  calendar: CMEGlobex_CL
  tick_size: 0.0001
  multiplier: 42000
  fee_maker: 1.50
  fee_taker: 1.50
  order_types: [limit]
"""


@pytest.mark.parametrize(
    ("symbol", "on", "year", "month"),
    [
        ("MNQH5", "2025-01-15", 2025, 3),
        ("ESZ3", "2013-12-20", 2013, 12),  # its last day
        ("ESZ3", "2023-06-01", 2023, 12),
        ("ESZ4", "2025-01-10", 2024, 12),  # settled three weeks before
        ("ESZ4", "2025-06-02", 2034, 12),
        ("ESM7", "2026-11-02", 2027, 6),
        ("CLF0", "2019-12-02", 2020, 1),  # expires in the month before
        ("CLZ9", "2020-02-03", 2029, 12),
        ("MESZ25", "2025-06-02", 2025, 12),
        ("CLZ35", "2025-12-01", 2035, 12),
    ],
)
def test_contract_of__year_by_the_session(symbol: str, on: str, year: int, month: int) -> None:
    """A single digit means the contract that was listed then, just expired ones included."""
    found = contract_of(symbol, date.fromisoformat(on))
    assert (found.year, found.month) == (year, month)
    assert symbol.startswith(found.root)


@pytest.mark.parametrize(
    ("root", "year", "month", "expires"),
    [
        ("ES", 2013, 12, "2013-12-20 14:30"),  # the minute file of that day ends 14:29
        ("ES", 2008, 3, "2008-03-20 13:30"),  # Good Friday is the third Friday
        ("ES", 2026, 6, "2026-06-18 13:30"),  # Juneteenth is
        ("MNQ", 2027, 6, "2027-06-17 13:30"),  # CME's list: Juneteenth is observed on the 18th
        ("CL", 2020, 5, "2020-04-21 18:30"),  # the day after the negative settlement
        ("CL", 2025, 2, "2025-01-21 19:30"),  # the 25th is a Saturday, the 20th a holiday
        ("GC", 2024, 12, "2024-12-27 18:30"),
    ],
)
def test_expiration__known_days(root: str, year: int, month: int, expires: str) -> None:
    """The exchange's termination rules, around holidays too; UTC in both halves of the year."""
    expected = int(date_ns(expires))
    assert expiration_ns(products()[root], year, month) == expected


def date_ns(text: str) -> int:
    """Return ns UTC of a UTC time such as "2013-12-20 14:30"."""
    day, clock = text.split()
    hour, minute = map(int, clock.split(":"))
    days_since = (date.fromisoformat(day) - date(1970, 1, 1)).days
    return (days_since * 1440 + hour * 60 + minute) * 60 * 10**9


@pytest.mark.real_data
def test_expiration__as_the_definition_records(real_data: Path) -> None:
    """The rule gives what CME's own records of eight index futures say, to the nanosecond."""
    checked = set()
    for path in sorted((real_data / "cme_es_small").glob("*definition*.dbn.zst")):
        table = read_ticks(path)
        for row in table.iter_rows(named=True):
            if row["instrument_class"] != "F":
                continue
            on = date(1970, 1, 1) + timedelta(days=row["expiration"] // (86400 * 10**9) - 30)
            found = contract_of(row["symbol"], on)
            assert found.expiration_ns == row["expiration"], row["symbol"]
            checked.add(found.symbol)
    assert {"ESM3", "ESM4", "NQM4", "ESU4", "NQU4", "ESZ5", "ESH6"} <= checked


@pytest.mark.parametrize("root", ROOTS)
@given(on=days)
def test_contracts__listed_in_order_and_found_again(root: str, on: date) -> None:
    """The front month is the first that has not expired, and each symbol means its contract."""
    product = products()[root]
    front, *later = contracts(product, on, 3)
    assert front.expires >= on
    before = contracts(product, on - timedelta(days=100), 8)
    assert not [one for one in before if on <= one.expires < front.expires]
    for first, second in zip([front, *later], later, strict=False):
        assert first.expiration_ns < second.expiration_ns
    for one in (front, *later):
        assert contract_of(one.symbol, on) == one
        assert session_calendar(product.calendar).clears_on(one.expires)


def test_contracts__front_month_up_to_its_last_day() -> None:
    """The expiring contract is in front on the day it expires, the next one the day after."""
    es = products()["ES"]
    assert [one.symbol for one in contracts(es, date(2026, 6, 18), 2)] == ["ESM6", "ESU6"]
    assert contracts(es, date(2026, 6, 19))[0].symbol == "ESU6"


def test_chain__spreads_apart_and_definitions_first() -> None:
    """A partition's outrights by expiry; a definition's expiry counts before the rule's."""
    known = instruments({1: "NQU5", 2: "NQM5-NQU5", 3: "NQM5"})
    found = chain(known.values(), date(2025, 5, 5))
    assert [one.symbol for one in found] == ["NQM5", "NQU5"]
    defined = contract_of("NQM5", date(2025, 5, 5), defined_ns=date_ns("2025-06-20 13:31"))
    assert (defined.year, defined.expires) == (2025, date(2025, 6, 20))
    assert defined.expiration_ns == found[0].expiration_ns + 60 * 10**9


@pytest.mark.parametrize("symbol", ["NQM5-NQU5", "ES:BF M5-U5-Z5"])
def test_contract_of__spreads_are_no_contracts(symbol: str) -> None:
    """A spread has no month of its own, and the message says so."""
    with pytest.raises(InstrumentError, match="not an outright contract"):
        contract_of(symbol, date(2025, 5, 5))


def test_contract_of__product_without_a_rule(tmp_path: Path) -> None:
    """Without rule or definition the expiry is unknown: an error that says what to add."""
    path = tmp_path / "mine.yaml"
    path.write_text(NO_RULE, encoding="utf-8")
    table = load_products(path)
    with pytest.raises(InstrumentError, match=r"HO 2025-07 .* definition file, or expiry_day"):
        contract_of("HON5", date(2025, 5, 5), table)
    defined = contract_of("HON5", date(2025, 5, 5), table, defined_ns=date_ns("2025-06-30 18:30"))
    assert (defined.year, defined.month) == (2025, 7)
