"""Open interest from statistics: the figure that stands at each moment, and of which contract."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data.open_interest import open_interest_rows
from strategy_lab_core.data.roll_schemas import ROLL_TABLES, roll_schema
from strategy_lab_core.data.schemas import pandera_schema, polars_schema
from strategy_lab_core.types import TickSchema
from tests.core.data.contract_tables import EXPIRY
from tests.naive.rolls import Statistic, open_interest_at

NOW = EXPIRY["MNQH5"] - 10**15
OPEN_INTEREST, SETTLEMENT = 9, 3
CONTRACTS = pl.DataFrame(list(EXPIRY.items()), schema=["symbol", "expiration_ns"], orient="row")


def statistic(ts_recv: int, lots: int | None, **values: Any) -> dict[str, Any]:
    """Return a row of statistics: by default a new open interest of MNQH5 for time 1."""
    row: dict[str, Any] = dict.fromkeys(polars_schema(TickSchema.STATISTICS), 0)
    row |= {"ts_recv": ts_recv, "quantity": lots, "ts_ref": 1, "update_action": 1}
    return row | {"symbol": "MNQH5", "stat_type": OPEN_INTEREST, "file_hash": ""} | values


def table(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return the statistics table of these rows, numbered."""
    numbered = [row | {"row": place} for place, row in enumerate(rows)]
    return pl.DataFrame(numbered, schema=polars_schema(TickSchema.STATISTICS), orient="row")


def changes(*rows: dict[str, Any]) -> list[tuple[int, int | None]]:
    """Return what becomes of the open interest of one contract: after which ns, and to what."""
    found = open_interest_rows(table(*rows), CONTRACTS)
    pandera_schema("open_interest", ROLL_TABLES["open_interest"]).validate(found)
    return [(ts - NOW, lots) for ts, lots in found.select("published_ns", "open_interest").rows()]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 9),
            st.integers(0, 2),
            st.none() | st.integers(1, 3),
            st.booleans(),
            st.none() | st.integers(0, 9),
        ),
        max_size=12,
        unique_by=lambda record: record[:2],
    )
)
def test_open_interest_rows__is_what_stands_at_each_moment(records: list[Statistic]) -> None:
    """Whatever the order of figures, corrections and withdrawals: as plain loops find it."""
    rows = [
        statistic(NOW + ts, lots, sequence=number, ts_ref=ref, update_action=1 + withdrawn)
        for ts, number, ref, withdrawn, lots in records
    ]
    found = changes(*rows)
    assert len({ts for ts, _ in found}) == len(found)
    for moment in range(11):
        last = [lots for ts, lots in found if ts <= moment][-1:]
        assert (last or [None])[0] == open_interest_at(records, moment)


def test_open_interest_rows__a_withdrawal_brings_back_the_figure_before() -> None:
    """That of the newest reference time that is left; without any there is none."""
    first, second = statistic(NOW, 5), statistic(NOW + 1, 8, ts_ref=2)
    corrected = statistic(NOW + 2, 7, ts_ref=2)
    withdrawn = statistic(NOW + 3, None, ts_ref=2, update_action=2)
    last = statistic(NOW + 4, None, update_action=2)
    found = changes(first, second, corrected, withdrawn, last)
    assert found == [(0, 5), (1, 8), (2, 7), (3, 5), (4, None)]


def test_open_interest_rows__a_late_word_on_an_older_figure_changes_nothing() -> None:
    """Nor does an undefined quantity, or another statistic."""
    rows = [
        statistic(NOW, 5, ts_ref=2),
        statistic(NOW + 1, 9, ts_ref=1),
        statistic(NOW + 2, None, ts_ref=3),
        statistic(NOW + 3, 99, ts_ref=3, stat_type=SETTLEMENT),
        statistic(NOW + 4, None, ts_ref=2),
    ]
    assert changes(*rows) == [(0, 5)]


def test_open_interest_rows__at_one_moment_the_last_counts() -> None:
    """By sequence, then by place in the file, in whatever order the rows come."""
    rows = [statistic(NOW, 1, sequence=2), statistic(NOW, 2, sequence=1),
            statistic(NOW, 3, sequence=2)]  # fmt: skip
    assert changes(*rows) == [(0, 3)]
    again = open_interest_rows(table(*rows).reverse(), CONTRACTS)
    assert again["open_interest"].to_list() == [3]


@pytest.mark.parametrize(
    ("symbol", "days", "year"),
    [
        ("MNQH5", -10, 0),
        ("MNQH5", 31, 0),  # settlements still name it
        ("MNQH5", 32, 10),
        ("MNQH5-MNQM5", -10, None),
    ],
)
def test_open_interest_rows__contract_of_the_symbol(
    symbol: str, days: int, year: int | None
) -> None:
    """The one that had not expired 31 days before; spreads are left out."""
    expires, day = EXPIRY["MNQH5"], 86_400 * 10**9
    later = expires + 3652 * day
    known = pl.DataFrame({"symbol": ["MNQH5"] * 2, "expiration_ns": [later, expires]})
    found = open_interest_rows(table(statistic(expires + days * day, 5, symbol=symbol)), known)
    expected = {0: [expires], 10: [later], None: []}[year]
    assert found["expiration_ns"].to_list() == expected


def test_open_interest_rows__of_nothing() -> None:
    """An empty table of the right columns."""
    assert open_interest_rows(table(), CONTRACTS).schema == roll_schema("open_interest")
