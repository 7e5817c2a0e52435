"""The charts of a report as Altair charts; each stands alone, in a page or as an SVG.

Charts are for people: floats, milliseconds in UTC, and fewer points than the tables have. What a
chart leaves out it says in its caption; lows and highs always stay.
"""

from typing import Any

import altair as alt
import numpy as np
import polars as pl
import vl_convert
from altair.utils.schemapi import debug_mode

__all__ = [
    "BLUE",
    "GREY",
    "HEIGHT",
    "LOW",
    "ORANGE",
    "WIDTH",
    "book_chart",
    "drawdown_chart",
    "equity_chart",
    "fills_chart",
    "in_points",
    "inline_values",
    "position_chart",
    "sensitivity_chart",
    "thinned",
    "time_axis",
    "to_svg",
]

BLUE, ORANGE, GREY = "#3b76c4", "#d9772b", "#8a8f98"  # apart for every kind of colour vision
WIDTH, HEIGHT, LOW = 860, 240, 130
_NS_PER_MS = 1_000_000
_PRICE = 1e-9
_FEW_LOTS = 8


def thinned(table: pl.DataFrame, low: str, high: str, points: int) -> pl.DataFrame:
    """Return at most about `points` rows that look the same when drawn.

    Per interval of time: the first row, those with the least `low` and the greatest `high`, the
    last row. `table` has its time in ``ts``, ascending; short tables come back whole.
    """
    if table.height <= points:
        return table
    times = table["ts"].to_numpy()
    buckets = max(points // 4, 1)
    width = int(times[-1] - times[0]) // buckets + 1
    rows = pl.int_range(pl.len())
    marks = table.with_columns(
        rows.alias("_row"), pl.Series("_bucket", (times - times[0]) // width)
    )
    kept = marks.group_by("_bucket").agg(
        pl.col("_row").first().alias("first"),
        pl.col("_row").get(pl.col(low).arg_min().fill_null(0)).alias("low"),
        pl.col("_row").get(pl.col(high).arg_max().fill_null(0)).alias("high"),
        pl.col("_row").last().alias("last"),
    )
    places = np.unique(kept.select("first", "low", "high", "last").to_numpy())
    return table[places]


def inline_values(table: pl.DataFrame, **columns: pl.Expr) -> alt.InlineData:
    """Return inline data: ``t`` in ms UTC and the given columns, rounded for people."""
    time = (pl.col("ts") / _NS_PER_MS).round(3).alias("t")
    named = [expression.alias(name) for name, expression in columns.items()]
    with debug_mode(False):  # checking thousands of rows against a JSON schema takes a second
        # A tuple: rows in a list are copied, one by one, at each step that makes the chart.
        return alt.InlineData(values=tuple(table.select(time, *named).to_dicts()))


def _money(column: str, scale: int) -> pl.Expr:
    return (pl.col(column) / scale).round(6)


def in_points(column: str) -> pl.Expr:
    """Return a price column (1e-9) in points."""
    return (pl.col(column) * _PRICE).round(9)


def time_axis(span: tuple[int, int] | None = None) -> alt.X:
    """Return a UTC time axis on a 24-hour clock, over `span` (ns, both ends) where given."""
    label = "utchours(datum.value) + utcminutes(datum.value) == 0 ? '%a %d %b' : '%H:%M'"
    axis = alt.Axis(
        title=None, labelOverlap=True, tickCount=10, labelExpr=f"utcFormat(datum.value, {label})"
    )
    ends = [each / _NS_PER_MS for each in span] if span else alt.Undefined
    return alt.X("t:T", scale=alt.Scale(type="utc", domain=ends, nice=False), axis=axis)


def _whole_lots(positions: pl.Series) -> list[int] | Any:
    """Return the ticks of a small range of lots; larger ranges choose their own."""
    low, high = min(int(positions.min() or 0), 0), max(int(positions.max() or 0), 0)  # type: ignore[arg-type]
    return list(range(low, high + 1)) if high - low <= _FEW_LOTS else alt.Undefined


def _tip(*fields: tuple[str, str, str]) -> list[alt.Tooltip]:
    when = alt.Tooltip("t:T", title="UTC", format="%Y-%m-%d %H:%M:%S.%L", formatType="utc")
    return [when, *(alt.Tooltip(name, title=title, format=f) for name, title, f in fields)]


def equity_chart(
    equity: pl.DataFrame, *, currency: str = "USD", money_scale: int = 1_000_000, points: int = 2000
) -> alt.Chart:
    """Draw ``equity`` (money, after fees, marked at mid) over ``ts`` (ns UTC)."""
    table = thinned(equity, "equity", "equity", points)
    chart: alt.Chart = (
        alt.Chart(inline_values(table, equity=_money("equity", money_scale)))
        .mark_line(interpolate="step-after", color=BLUE, strokeWidth=1.3)
        .encode(
            x=time_axis(),
            y=alt.Y("equity:Q", title=f"equity, {currency}"),
            tooltip=_tip(("equity:Q", currency, ",.2f")),
        )
        .properties(width=WIDTH, height=HEIGHT)
    )
    return chart


def drawdown_chart(
    curve: pl.DataFrame, *, currency: str = "USD", money_scale: int = 1_000_000, points: int = 2000
) -> alt.Chart:
    """Draw ``drawdown`` (money below the highest equity so far) downwards over ``ts``."""
    table = thinned(curve, "drawdown", "drawdown", points)
    chart: alt.Chart = (
        alt.Chart(inline_values(table, drawdown=-_money("drawdown", money_scale)))
        .mark_area(interpolate="step-after", color=ORANGE, opacity=0.45, line={"color": ORANGE})
        .encode(
            x=time_axis(),
            y=alt.Y("drawdown:Q", title=f"drawdown, {currency}"),
            tooltip=_tip(("drawdown:Q", currency, ",.2f")),
        )
        .properties(width=WIDTH, height=LOW)
    )
    return chart


def position_chart(
    equity: pl.DataFrame, *, points: int = 2000, span: tuple[int, int] | None = None
) -> alt.Chart:
    """Draw ``position`` (lots, negative is short) over ``ts``; `span` in ns sets the axis."""
    table = thinned(equity, "position", "position", points)
    ticks = _whole_lots(equity["position"])
    chart: alt.Chart = (
        alt.Chart(inline_values(table, position=pl.col("position")))
        .mark_area(interpolate="step-after", color=GREY, opacity=0.35, line={"color": GREY})
        .encode(
            x=time_axis(span),
            y=alt.Y("position:Q", title="position, lots", axis=alt.Axis(values=ticks, format="d")),
            tooltip=_tip(("position:Q", "lots", "d")),
        )
        .properties(width=WIDTH, height=LOW)
    )
    return chart


def fills_chart(
    prices: pl.DataFrame,
    fills: pl.DataFrame,
    *,
    points: int = 2000,
    span: tuple[int, int] | None = None,
) -> alt.LayerChart:
    """Draw our fills on the best bid and ask; drag to move, shift and wheel to zoom.

    Parameters
    ----------
    prices
        ``ts``, ``bid``, ``ask``: ns UTC and 1e-9, null where a side is empty.
    fills
        ``ts_exchange``, ``side``, ``price``, ``size``, ``liquidity``. More than `points` are
        thinned evenly.
    points
        Most rows drawn of each.
    span
        Ends of the time axis in ns; those of the data where not given.
    """
    quotes = inline_values(
        thinned(prices, "bid", "ask", points),
        bid=in_points("bid"),
        ask=in_points("ask"),
    )
    price = alt.Scale(zero=False, nice=False, padding=8)
    lines = [
        alt.Chart(quotes)
        .mark_line(interpolate="step-after", color=GREY, strokeWidth=1, opacity=opacity)
        .encode(x=time_axis(span), y=alt.Y(f"{side}:Q", title="price", scale=price))
        for side, opacity in (("bid", 0.9), ("ask", 0.5))
    ]
    zoom = alt.selection_interval(bind="scales", encodings=["x"], zoom="wheel![event.shiftKey]")
    layers = alt.LayerChart(layer=[*lines, _marks(fills, points, span)])
    return layers.properties(width=WIDTH, height=300).add_params(zoom)


def _marks(fills: pl.DataFrame, points: int, span: tuple[int, int] | None) -> alt.Chart:
    """Return our fills as triangles: buys point up, sells down."""
    every = max(-(-fills.height // points), 1)
    data = inline_values(
        fills.gather_every(every).rename({"ts_exchange": "ts"}),
        price=in_points("price"),
        side=pl.when(pl.col("side") == "B").then(pl.lit("buy")).otherwise(pl.lit("sell")),
        size=pl.col("size"),
        liquidity=pl.col("liquidity").cast(pl.String).replace({"M": "maker", "T": "taker"}),
    )
    sides = ["buy", "sell"]
    colour = alt.Scale(domain=sides, range=[BLUE, ORANGE])
    shape = alt.Scale(domain=sides, range=["triangle-up", "triangle-down"])
    legend = alt.Legend(title=None, orient="top", symbolSize=70)
    chart: alt.Chart = (
        alt.Chart(data)
        .mark_point(filled=True, size=46, opacity=0.85)
        .encode(
            x=time_axis(span),
            y="price:Q",
            color=alt.Color("side:N", scale=colour, legend=legend),
            shape=alt.Shape("side:N", scale=shape, legend=legend),
            tooltip=_tip(
                ("side:N", "side", ""), ("price:Q", "price", ",.2f"), ("size:Q", "lots", "d"),
                ("liquidity:N", "liquidity", ""),
            ),
        )
    )  # fmt: skip
    return chart


def book_chart(levels: pl.DataFrame, *, depth: int = 10) -> alt.Chart:
    """Draw one book: sizes at each price.

    Parameters
    ----------
    levels
        The row to draw, with DBN's mbp-10 columns; prices in 1e-9, null where no level is.
    depth
        Levels a side.
    """
    row = levels.row(0, named=True)
    bars = [
        {"price": f"{row[f'{side}_px_{k:02d}'] * _PRICE:.2f}", "side": side,
         "size": row[f"{side}_sz_{k:02d}"], "orders": row[f"{side}_ct_{k:02d}"]}
        for side in ("bid", "ask")
        for k in range(depth)
        if row[f"{side}_px_{k:02d}"] is not None
    ]  # fmt: skip
    order = sorted({bar["price"] for bar in bars}, key=float, reverse=True)
    colour = alt.Scale(domain=["bid", "ask"], range=[BLUE, ORANGE])
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=bars))
        .mark_bar()
        .encode(
            x=alt.X("size:Q", title="lots", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("price:N", sort=order, title="price"),
            color=alt.Color("side:N", scale=colour, legend=alt.Legend(title=None)),
            tooltip=["price:N", "side:N", "size:Q", "orders:Q"],
        )
        .properties(width=420, height=20 * max(len(order), 1))
    )
    return chart


def sensitivity_chart(
    points: pl.DataFrame, *, currency: str = "USD", money_scale: int = 1_000_000
) -> alt.VConcatChart:
    """Draw net profit over each curve's points, a curve below the other, with the fills beside it.

    Parameters
    ----------
    points
        ``curve``, ``point``, ``value`` (null where a point has no number: it stands by its name),
        ``net_profit_e6``, ``n_fills``. Points whose run failed have no figures and are left out.
    currency, money_scale
        Of the profit.
    """
    done = points.filter(pl.col("net_profit_e6").is_not_null())
    curves = done["curve"].unique(maintain_order=True).to_list()
    rows = [_curve(done.filter(curve=curve), curve, currency, money_scale) for curve in curves]
    chart: alt.VConcatChart = alt.vconcat(*rows, spacing=18)
    return chart


def _curve(points: pl.DataFrame, curve: str, currency: str, money_scale: int) -> alt.HConcatChart:
    """Return one curve's two pictures."""
    data = points.select("point", "value", "n_fills", profit=_money("net_profit_e6", money_scale))
    numbered = not points["value"].has_nulls()
    x = alt.X("value:Q", title=curve) if numbered else alt.X("point:N", title=curve, sort=None)
    both = alt.Chart(alt.InlineData(values=data.to_dicts()))
    drawn = both.mark_line(point=True, color=BLUE) if numbered else both.mark_bar(color=BLUE)
    tip = [alt.Tooltip("point:N"), alt.Tooltip("profit:Q", format=",.2f"), alt.Tooltip("n_fills:Q")]
    pair: alt.HConcatChart = alt.hconcat(
        *(
            drawn.encode(x=x, y=alt.Y(f"{name}:Q", title=title), tooltip=tip).properties(
                width=WIDTH // 2 - 60, height=LOW
            )
            for name, title in (("profit", f"net profit, {currency}"), ("n_fills", "fills"))
        )
    )
    return pair


def to_svg(chart: alt.TopLevelMixin) -> str:
    """Return the chart as an SVG document, without a browser or a network."""
    return str(vl_convert.vegalite_to_svg(chart.to_dict()))
