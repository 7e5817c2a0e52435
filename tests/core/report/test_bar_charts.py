"""The charts of bars and features draw, and joining candles loses nothing."""

from typing import Any

import polars as pl
import pytest

from strategy_lab_core.report.bar_charts import MOST_CANDLES, bars_chart, features_chart
from strategy_lab_core.report.charts import to_svg

POINT = 1_000_000_000


def bars_of(rows: int) -> pl.DataFrame:
    """Return so many bars, each one point above the last."""
    price = pl.int_range(rows, eager=True) * POINT
    return pl.DataFrame(
        {
            "start_ns": pl.int_range(rows, eager=True) * 60 * POINT,
            "open": price,
            "high": price + 2 * POINT,
            "low": price - POINT,
            "close": price + POINT,
            "buy_volume": [3] * rows,
            "sell_volume": [2] * rows,
            "auction_volume": [1] * rows,
        }
    )


@pytest.mark.parametrize("rows", [1, MOST_CANDLES, MOST_CANDLES + 1, 1_380])
def test_bars_chart__joins_what_is_too_many(rows: int) -> None:
    """Lots, the first open, the last close and the extremes stay."""
    chart: Any = bars_chart(bars_of(rows)).to_dict()
    drawn, lots = (chart["datasets"][part["data"]["name"]] for part in chart["vconcat"])

    assert len(drawn) <= MOST_CANDLES
    assert (drawn[0]["open"], drawn[-1]["close"]) == (0, rows)
    assert (drawn[0]["low"], drawn[-1]["high"]) == (-1, rows + 1)
    assert sum(each["lots"] for each in lots) == 6 * rows


def test_charts__are_pictures() -> None:
    """Both come out as SVG."""
    cells = pl.DataFrame(
        {"end_ns": [1, 2], "order_flow_imbalance": [5, -9], "weighted_mid": [20_000.0, None]}
    )

    assert to_svg(bars_chart(bars_of(3))).startswith("<svg")
    assert to_svg(features_chart(cells)).startswith("<svg")
