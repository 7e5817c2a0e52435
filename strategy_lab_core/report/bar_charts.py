"""Charts of bars and features: prices as candles, volume below, order flow beside the price."""

import altair as alt
import polars as pl

from strategy_lab_core.report.charts import (
    BLUE,
    GREY,
    HEIGHT,
    LOW,
    ORANGE,
    WIDTH,
    in_points,
    inline_values,
    time_axis,
)

__all__ = ["bars_chart", "features_chart"]

MOST_CANDLES = 400


def bars_chart(bars: pl.DataFrame) -> alt.VConcatChart:
    """Draw the candles of one contract and its volume by side; more than 400 are joined.

    `bars` has the columns of `bars` in docs/vocabulary.md.
    """
    table = _joined(bars)
    data = inline_values(
        table,
        **{name: in_points(name) for name in ("open", "high", "low", "close")},
        rises=pl.col("close") >= pl.col("open"),
    )
    colour = alt.condition("datum.rises", alt.value(BLUE), alt.value(ORANGE))
    price = alt.Scale(zero=False, nice=False, padding=8)
    tip = [alt.Tooltip(f"{name}:Q", format=",.2f") for name in ("open", "high", "low", "close")]
    candles = alt.Chart(data).encode(x=time_axis(), color=colour, tooltip=tip)
    wicks = candles.mark_rule().encode(y=alt.Y("low:Q", title="price", scale=price), y2="high:Q")
    bodies = candles.mark_bar(size=max(1, min(8, WIDTH // (2 * table.height)))).encode(
        y=alt.Y("open:Q", scale=price), y2="close:Q"
    )
    chart: alt.VConcatChart = alt.vconcat(
        alt.LayerChart(layer=[wicks, bodies]).properties(width=WIDTH, height=HEIGHT),
        _volume(table),
        spacing=8,
    )
    return chart


def _joined(bars: pl.DataFrame) -> pl.DataFrame:
    """Return at most 400 rows with `ts`: neighbours joined as one bar of them all."""
    every = -(-bars.height // MOST_CANDLES)
    sides = ("auction_volume", "buy_volume", "sell_volume")
    groups = bars.group_by(pl.int_range(pl.len()).alias("group") // every, maintain_order=True)
    return groups.agg(
        pl.col("start_ns").first().alias("ts"),
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        *(pl.col(side).sum() for side in sides),
    )


def _volume(table: pl.DataFrame) -> alt.Chart:
    names = {"buy_volume": "buy", "sell_volume": "sell", "auction_volume": "auction"}
    long = (
        table.select("ts", *names)
        .unpivot(index="ts", variable_name="side")
        .with_columns(pl.col("side").replace(names))
    )
    domain = list(names.values())
    colour = alt.Scale(domain=domain, range=[BLUE, ORANGE, GREY])
    chart: alt.Chart = (
        alt.Chart(inline_values(long, side=pl.col("side"), lots=pl.col("value")))
        .mark_bar(size=max(1, min(8, WIDTH // (2 * table.height))))
        .encode(
            x=time_axis(),
            y=alt.Y("sum(lots):Q", title="lots"),
            color=alt.Color("side:N", scale=colour, legend=alt.Legend(title=None, orient="top")),
        )
        .properties(width=WIDTH, height=LOW)
    )
    return chart


def features_chart(features: pl.DataFrame) -> alt.VConcatChart:
    """Draw one contract's weighted mid over the sum of its order flow imbalance so far."""
    table = features.rename({"end_ns": "ts"}).with_columns(
        flow=pl.col("order_flow_imbalance").cum_sum()
    )
    data = inline_values(table, mid=pl.col("weighted_mid"), flow=pl.col("flow"))
    lines = [
        alt.Chart(data)
        .mark_line(interpolate="step-after", color=colour, strokeWidth=1.3)
        .encode(
            x=time_axis(), y=alt.Y(f"{name}:Q", title=title, scale=alt.Scale(zero=False))
        )
        .properties(width=WIDTH, height=LOW)
        for name, title, colour in (
            ("mid", "weighted mid", BLUE), ("flow", "order flow, lots", ORANGE),
        )
    ]  # fmt: skip
    chart: alt.VConcatChart = alt.vconcat(*lines, spacing=8)
    return chart
