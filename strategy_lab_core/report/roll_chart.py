"""The chart of a product's rolls: the gap in ticks at each of them."""

import altair as alt
import polars as pl

from strategy_lab_core.report.charts import BLUE, ORANGE

__all__ = ["roll_chart"]


def roll_chart(rolls: pl.DataFrame) -> alt.Chart:
    """Draw ``gap_ticks`` over ``session``; rolls without a gap are left out.

    `rolls` is the audit table of `data.rolls`. Rolls for which sessions were missing have a colour
    of their own: they may have been due earlier.
    """
    shown = rolls.drop_nulls("gap_ticks").select(
        session=pl.col("session").dt.to_string("%Y-%m-%d"),
        roll=pl.format("{} to {}", "from_symbol", "to_symbol"),
        gap=pl.col("gap_ticks"),
        known=pl.when(pl.col("missing") > 0)
        .then(pl.lit("sessions missing"))
        .otherwise(pl.lit("known to the session")),
    )
    colours = alt.Scale(domain=["known to the session", "sessions missing"], range=[BLUE, ORANGE])
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=shown.to_dicts()))
        .mark_bar(size=8)
        .encode(
            x=alt.X("session:O", title=None, axis=alt.Axis(labelAngle=-45)),
            y=alt.Y("gap:Q", title="gap, ticks"),
            color=alt.Color("known:N", title=None, scale=colours, legend=alt.Legend(orient="top")),
            tooltip=["session:N", "roll:N", "gap:Q"],
        )
        .properties(width=860, height=180)
    )
    return chart
