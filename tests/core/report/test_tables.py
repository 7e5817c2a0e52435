"""The figures of a report add up, against a lot-by-lot reference."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.report.tables import (
    account_rows,
    cost_rows,
    drawdown,
    equity_curve,
    instrument_rows,
    quality_rows,
    round_trips,
    session_rows,
    summary,
)
from tests.core.report.samples import POINT_VALUE, TICK, fills_table, report, session, several
from tests.naive.round_trips import closed_lots

SCALE = 1_000_000
Fill = tuple[int, str, int, int, int]


@st.composite
def fill_lists(draw: st.DrawFn) -> list[Fill]:
    """Return fills with ascending times; fees may be rebates."""
    each = st.tuples(
        st.sampled_from("BA"), st.integers(-400, 400), st.integers(1, 5), st.integers(-9, 99)
    )
    rows = draw(st.lists(each, max_size=25))
    return [
        (10 * number, side, ticks * TICK, size, fee)
        for number, (side, ticks, size, fee) in enumerate(rows)
    ]


@given(fills=fill_lists())
def test_round_trips__equal_the_lots_matched_one_by_one(fills: list[Fill]) -> None:
    """Same pairs, same sizes, same gross profit as lots matched singly."""
    trips = round_trips(fills_table(fills), POINT_VALUE, money_scale=SCALE)
    pairs: dict[tuple[int, int], list[Any]] = {}
    for entry, leaving, profit in closed_lots(fills, POINT_VALUE):
        pair = pairs.setdefault((entry, leaving), [0, 0])
        pair[0] += 1
        pair[1] += profit
    rows = trips.select("ts_entry", "ts_exit", "size", "gross").rows()
    assert rows == [(*key, size, gross) for key, (size, gross) in pairs.items()]


@given(fills=fill_lists())
def test_round_trips__share_out_every_fee_exactly(fills: list[Fill]) -> None:
    """When flat, the trips' fees are the fills' fees, and net is gross less fees."""
    position = sum(size if side == "B" else -size for _, side, _, size, _ in fills)
    if position:
        side = "A" if position > 0 else "B"
        fills = [*fills, (1_000, side, 0, abs(position), 7)]
    trips = round_trips(fills_table(fills), POINT_VALUE, money_scale=SCALE)
    assert trips["fees"].sum() == sum(fee for *_, fee in fills)
    assert (trips["net"] == trips["gross"] - trips["fees"]).all()


def test_round_trips__of_a_reversal_are_two() -> None:
    """Buy 2, sell 3, buy 1: a long of two lots and a short of one, in MNQ's money."""
    fills: list[Fill] = [
        (1, "B", 21_000 * 10**9, 2, 20),
        (2, "A", 21_001 * 10**9, 3, 31),
        (3, "B", 20_999 * 10**9, 1, 10),
    ]
    trips = round_trips(fills_table(fills), POINT_VALUE, money_scale=SCALE).to_dicts()
    assert [(t["side"], t["size"], t["gross"], t["fees"]) for t in trips] == [
        ("long", 2, 4_000_000, 40),
        ("short", 1, 4_000_000, 21),
    ]


def test_round_trips__of_nothing_are_none() -> None:
    """No fills, no rows, the same columns."""
    trips = round_trips(fills_table([]), POINT_VALUE, money_scale=SCALE)
    assert trips.height == 0
    assert "net" in trips.columns


def test_drawdown__starts_from_zero_and_from_each_high() -> None:
    """A loss at the start is a drawdown; a new high ends one."""
    equity = np.array([-5, 0, 10, 4, 12, 3], dtype=np.int64)
    assert drawdown(equity).tolist() == [5, 0, 0, 6, 0, 9]
    assert drawdown(np.array([], dtype=np.int64)).tolist() == []


def test_equity_curve__continues_where_the_session_before_ended() -> None:
    """The last value is the sum of the sessions' profits; the drawdown spans sessions."""
    sessions = [session(day) for day in range(3)]
    curve = equity_curve(sessions)
    assert curve["equity"][-1] == sum(each.equity["equity"][-1] for each in sessions)
    assert curve["ts"].is_sorted()
    peak = curve["equity"].cum_max().clip(lower_bound=0)
    assert (curve["drawdown"] == peak - curve["equity"]).all()


def test_sessions__agree_with_their_round_trips() -> None:
    """Equity at the end is the trips' net, and gross is net plus fees."""
    for row in session_rows(report()):
        assert row["difference"] == 0
        assert row["gross_profit"] == row["net_profit"] + row["fees"]


def test_sessions__tell_when_equity_and_fills_disagree() -> None:
    """One micro-dollar more in the equity is seen; an open position is not compared."""
    wrong = session(0).equity.with_columns(pl.col("equity") + 1)
    fine = session(1)
    open_end = session(2, fills=session(2).fills.head(1))
    data = report(sessions=[session(0, equity=wrong), fine, open_end])
    assert [row["difference"] for row in session_rows(data)] == [1, 0, None]
    assert summary(data)["disagreeing_sessions"] == ["2025-01-13"]
    assert summary(data)["open_sessions"] == ["2025-01-15"]


def test_summary__adds_up_the_sessions() -> None:
    """Totals are sums, the drawdown is that of the joined curve, partial sessions are named."""
    data = report()
    rows, total = session_rows(data), summary(data)
    for name in ("net_profit", "gross_profit", "fees", "fills", "lots", "round_trips"):
        assert total[name] == sum(row[name] for row in rows)
    assert total["max_drawdown"] == equity_curve(data.sessions)["drawdown"].max()
    assert total["partial_sessions"] == ["2025-01-15"]


def test_account__is_what_its_instruments_add_up_to() -> None:
    """Profits add up by instrument and by session; a session counts once, as do its drawdowns."""
    data = several()
    total, parts, accounts = summary(data), instrument_rows(data), account_rows(data)

    assert [row["instrument"] for row in parts] == ["MES", "MNQ"]
    for name in ("net_profit", "fees", "orders", "fills", "lots", "round_trips"):
        assert total[name] == sum(row[name] for row in parts)
    assert total["net_profit"] == sum(row["net_profit"] for row in accounts)
    assert total["sessions"] == len(accounts) == 2
    assert total["max_margin"] == 3_740_000_001
    joined = pl.concat([each.equity for each in data.accounts])["equity"].to_list()
    first = len(data.accounts[0].equity)
    whole = [*joined[:first], *(joined[first - 1] + value for value in joined[first:])]
    highest = [max(0, *whole[: place + 1]) for place in range(len(whole))]
    assert total["max_drawdown"] == max(np.subtract(highest, whole))
    one, other = (drawdown(each.equity["equity"].to_numpy()).max() for each in data.sessions[:2])
    assert accounts[0]["max_drawdown"] < one + other


def test_account__of_one_instrument_is_its_sessions() -> None:
    """Then there is no account beside them, and nothing to take apart."""
    data = report()

    assert data.account is data.sessions
    assert (account_rows(data), instrument_rows(data)) == ([], [])


def test_costs__are_split_by_liquidity_and_add_up() -> None:
    """Maker and taker fees together are all fees."""
    data = report()
    rows = cost_rows(data)
    assert [row["liquidity"] for row in rows] == ["M", "T"]
    assert sum(row["fees"] for row in rows) == summary(data)["fees"]
    assert sum(row["fills"] for row in rows) == summary(data)["fills"]


def test_quality__adds_up_rules_over_sessions() -> None:
    """Rows of a rule are summed; a rule that applies nowhere says so."""
    rows = {row["rule"]: row for row in quality_rows(report())}
    assert rows["off_grid_price"]["rows"] == 9
    assert rows["off_grid_price"]["sessions"] == ["2025-01-13", "2025-01-14", "2025-01-15"]
    assert rows["crossed_open"]["sessions"] == []
    assert not rows["negative_latency"]["applicable"]


def test_quality__a_share_within_its_limit_is_not_broken() -> None:
    """Its rows are shown; the rule is marked only where it did not pass."""
    share = {"rule": "quarantined_share", "severity": "error", "rows": 4, "passed": True}
    data = report()
    for each in data.sessions:
        each.quality["rules"].append(share)
    rows = {row["rule"]: row for row in quality_rows(data)}

    assert (rows["quarantined_share"]["rows"], rows["quarantined_share"]["sessions"]) == (12, [])
    assert not rows["quarantined_share"]["is_broken"]
    assert rows["off_grid_price"]["is_broken"]


def test_summary__names_simulated_files() -> None:
    """The simulator's files are known by their names."""
    data = report()
    assert summary(data)["simulated_files"] == []

    made = {"name": "simulated-20250113.mbo.dbn.zst", "sha256": "", "rows": 1}
    rows = [*data.provenance, {**data.provenance[0], "files": [made, made]}]
    assert summary(replace(data, provenance=rows))["simulated_files"] == [made["name"]]


def test_report__refuses_tables_that_it_cannot_read() -> None:
    """A missing column, an unknown label and no session are named."""
    with pytest.raises(ConfigError, match=r"fills must be a table .* got \['fee'\]"):
        session(0, fills=session(0).fills.drop("fee"))
    with pytest.raises(ConfigError, match="label must be 'complete' or 'partial', got 'whole'"):
        session(0, label="whole")
    with pytest.raises(ConfigError, match="at least one session"):
        report(sessions=[])
    with pytest.raises(ConfigError, match="accounts must be one for each session"):
        report(accounts=several().accounts)
