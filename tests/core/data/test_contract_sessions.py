"""Volumes and quote pairs of one session: the last moment at which both contracts were quoted."""

from datetime import date

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.contract_sessions import (
    Quotes,
    contract_rows,
    pair_rows,
    two_sided,
)
from strategy_lab_core.data.contracts import Contract, contract_of
from strategy_lab_core.data.roll_schemas import ROLL_TABLES
from strategy_lab_core.data.schemas import pandera_schema

DAY = date(2025, 3, 17)
SESSION = session_calendar("CME Globex Equity").session(DAY)
NEAR, FAR = contract_of("MNQH5", DAY), contract_of("MNQM5", DAY)


def quotes_of(rows: list[tuple[int, int, int]]) -> Quotes:
    """Return quotes from rows of (start, end, bid)."""
    columns = np.array(rows, np.int64).reshape(-1, 3).T
    return Quotes(columns[0], columns[1], columns[2], columns[2] + 1)


def stretches() -> st.SearchStrategy[list[tuple[int, int, int]]]:
    """Draw stretches in order, with holes between them."""
    times = st.lists(st.integers(0, 40), unique=True, max_size=12).map(sorted)
    return times.map(
        lambda found: [(a, b, a * 10) for a, b in zip(found[::2], found[1::2], strict=False)]
    )


@given(stretches(), stretches())
def test_pairs__are_of_the_last_common_moment(
    near: list[tuple[int, int, int]], far: list[tuple[int, int, int]]
) -> None:
    """As found by trying every moment."""
    common = [
        (moment, a, b)
        for moment in range(41)
        for a in near
        for b in far
        if a[0] <= moment < a[1] and b[0] <= moment < b[1]
    ]
    found = pair_rows(SESSION, {FAR: quotes_of(far), NEAR: quotes_of(near)})
    pandera_schema("quote_pairs", ROLL_TABLES["quote_pairs"]).validate(found)
    if not common:
        assert found.height == 0
        return
    _, a, b = common[-1]
    expected = (DAY, "MNQH5", "MNQM5", max(a[0], b[0]), a[2], a[2] + 1, b[2], b[2] + 1)
    assert found.rows() == [expected]


def test_two_sided__leaves_out_what_is_no_quote() -> None:
    """Before the open, without a side, crossed, not trusted, of no duration."""
    opens = SESSION.open_ns
    rows = [
        (opens - 1, 10, 11, 0), (opens, 10, 11, 0), (opens + 1, None, 11, 0),
        (opens + 2, 12, 11, 0), (opens + 3, 10, 12, 2), (opens + 4, 9, 12, 0),
        (opens + 4, 8, 12, 0),
    ]  # fmt: skip
    names = ("ts_event", "bid_px", "ask_px", "book_state")
    bbo = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.Int64), orient="row")
    found = two_sided(bbo.lazy(), SESSION)
    assert found.start_ns.tolist() == [opens, opens + 4]
    assert found.end_ns.tolist() == [opens + 1, SESSION.close_ns]
    assert list(zip(found.bids.tolist(), found.asks.tolist(), strict=True)) == [(10, 11), (8, 12)]


def test_contract_rows__are_in_order_of_expiry() -> None:
    """A contract that traded nothing has a row too; one that has two ids has a single row."""
    contracts: dict[int, Contract] = {3: FAR, 8: NEAR, 9: FAR}
    found = contract_rows(SESSION, contracts, {3: 4, 9: 1}, is_complete=True)
    pandera_schema("contract_sessions", ROLL_TABLES["contract_sessions"]).validate(found)
    assert found.select("symbol", "volume").rows() == [("MNQH5", 0), ("MNQM5", 5)]
    assert found["expiration_ns"].to_list() == [NEAR.expiration_ns, FAR.expiration_ns]
