"""Charts keep what matters when they are thinned, and render without a browser."""

import xml.etree.ElementTree as ET
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.report.charts import (
    book_chart,
    drawdown_chart,
    equity_chart,
    fills_chart,
    position_chart,
    sensitivity_chart,
    thinned,
    to_svg,
)
from strategy_lab_core.report.roll_chart import roll_chart
from strategy_lab_core.report.tables import equity_curve
from tests.core.report.samples import session


@given(seed=st.integers(0, 1_000), rows=st.integers(1, 3_000), points=st.integers(8, 400))
def test_thinned__keeps_ends_lows_and_highs(seed: int, rows: int, points: int) -> None:
    """The extremes, the first and the last row stay; the rest is a subset in order."""
    rng = np.random.default_rng(seed)
    table = pl.DataFrame(
        {"ts": np.sort(rng.integers(0, 10**15, rows)), "value": rng.integers(-99, 99, rows)}
    ).with_row_index("row")
    few = thinned(table, "value", "value", points)
    assert few.height <= max(points, min(rows, points)) + 4
    assert few["row"].is_sorted()
    assert few["value"].min() == table["value"].min()
    assert few["value"].max() == table["value"].max()
    assert few["row"][0] == 0
    assert few["row"][-1] == rows - 1


def test_thinned__copes_with_empty_sides_and_equal_times() -> None:
    """Nulls are no extremes; rows at one time are thinned like others."""
    table = pl.DataFrame(
        {"ts": [5] * 50, "bid": [None] * 25 + [*range(25)], "ask": [None] * 50},
        schema_overrides={"ask": pl.Int64},
    )
    few = thinned(table, "bid", "ask", 8)
    assert few["bid"].to_list() == [None, 0, 24]


def test_charts__render_to_svg() -> None:
    """Every chart of a session is a well-formed SVG."""
    one = session()
    curve = equity_curve([one])
    for chart in (
        equity_chart(curve),
        drawdown_chart(curve),
        position_chart(one.equity),
        fills_chart(one.prices, one.fills),
    ):
        root = ET.fromstring(to_svg(chart))
        assert root.tag.endswith("svg")
        assert len(list(root.iter())) > 20


def test_fills_chart__shows_sides_and_prices() -> None:
    """A marker per fill, in points, bought or sold, made or taken."""
    one = session(trades=4)
    spec = fills_chart(one.prices, one.fills).to_dict()
    marks = spec["datasets"][spec["layer"][-1]["data"]["name"]]
    assert [mark["side"] for mark in marks] == [
        {"B": "buy", "A": "sell"}[side] for side in one.fills["side"]
    ]
    assert [mark["price"] for mark in marks] == pytest.approx(one.fills["price"] / 1e9)
    assert {mark["liquidity"] for mark in marks} == {"maker", "taker"}


def test_position_chart__has_whole_lots_on_its_axis() -> None:
    """Small positions get one tick a lot; an empty table still draws."""
    axis = position_chart(session().equity).to_dict()["encoding"]["y"]["axis"]
    assert axis["values"] == [-1, 0, 1]
    assert to_svg(position_chart(session().equity.clear()))


def test_book_chart__draws_the_levels_there_are() -> None:
    """One bar a level, best ask above best bid, none where no level is."""
    row = {
        f"{side}_{kind}_{level:02d}": value
        for level in range(2)
        for side, price in (("bid", 100 - level), ("ask", 101 + level))
        for kind, value in (("px", price * 10**9), ("sz", 5 + level), ("ct", 2))
    }
    row["ask_px_01"] = None  # type: ignore[assignment]
    spec = book_chart(pl.DataFrame([row]), depth=2).to_dict()
    assert [bar["price"] for bar in spec["datasets"][spec["data"]["name"]]] == [
        "100.00",
        "99.00",
        "101.00",
    ]
    assert spec["encoding"]["y"]["sort"] == ["101.00", "100.00", "99.00"]


def test_sensitivity__draws_curves_with_and_without_numbers() -> None:
    """A line where points have numbers, bars by name where they have none; failed ones are out."""
    points = pl.DataFrame(
        {
            "curve": ["latency, ms"] * 3 + ["queue model"] * 2,
            "point": ["0 ms", "5 ms", "10 ms", "first", "last"],
            "value": [0.0, 5.0, 10.0, None, None],
            "net_profit_e6": [3_000_000, 1_000_000, None, 2_000_000, -1_000_000],
            "n_fills": [9, 7, None, 8, 2],
        }
    )
    chart = sensitivity_chart(points, currency="EUR")
    svg = to_svg(chart)

    ET.fromstring(svg)
    for text in ("latency, ms", "queue model", "first", "net profit, EUR", "fills"):
        assert text in svg
    lines, bars = (each["hconcat"][0] for each in chart.to_dict()["vconcat"])
    assert lines["mark"]["type"] == "line"
    assert bars["mark"]["type"] == "bar"
    named = chart.to_dict()["datasets"].values()
    assert [[row["profit"] for row in rows] for rows in named] == [[3.0, 1.0], [2.0, -1.0]]


def test_roll_chart__has_a_bar_for_each_gap() -> None:
    """The first contract has none; a roll with sessions missing is in a colour of its own."""
    rows = {
        "session": [date(2025, 3, 3), date(2025, 3, 17), date(2025, 6, 16)],
        "from_symbol": [None, "MNQH5", "MNQM5"],
        "to_symbol": ["MNQH5", "MNQM5", "MNQU5"],
        "gap_ticks": [None, 801, -3],
        "missing": [0, 0, 2],
    }
    chart = roll_chart(pl.DataFrame(rows))
    (bars,) = chart.to_dict()["datasets"].values()
    assert [bar["known"] for bar in bars] == [
        "known to the session", "sessions missing",
    ]  # fmt: skip
    ET.fromstring(to_svg(chart))
