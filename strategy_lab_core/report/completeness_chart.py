"""The heat map of completeness: a cell a session, a row a month."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from strategy_lab_core.report.charts import BLUE, ORANGE

__all__ = ["completeness_chart"]

MISSING = "#3d3f45"  # apart from every shade between the two colours
_CELL = 22


def completeness_chart(sessions: Sequence[Mapping[str, Any]], *, title: str = "") -> alt.Chart:
    """Draw the score of each session: blue where nothing is missing, to orange where all is.

    Parameters
    ----------
    sessions
        Rows with ``session`` (a date or its ISO form), ``label`` and ``score`` (0 to 1) of one
        product; sessions without a row in any file have the label "missing" and are dark.
    title
        Above the picture.
    """
    rows = [
        {
            "month": str(row["session"])[:7],
            "day": int(str(row["session"])[8:10]),
            "session": str(row["session"]),
            "score": round(float(row["score"]), 6),
            "label": row["label"],
        }
        for row in sessions
    ]
    months = sorted({row["month"] for row in rows})
    colour = alt.Color(
        "score:Q",
        title="score",
        scale=alt.Scale(domain=[0, 1], range=[ORANGE, "#e9e4d8", BLUE]),
        legend=alt.Legend(orient="right", gradientLength=90, format=".1f"),
    )
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rect(stroke="white", strokeWidth=1)
        .encode(
            x=alt.X("day:O", title=None, scale=alt.Scale(domain=list(range(1, 32))),
                    axis=alt.Axis(labelAngle=0)),
            y=alt.Y("month:O", title=None, scale=alt.Scale(domain=months)),
            color=alt.condition("datum.label == 'missing'", alt.value(MISSING), colour),
            tooltip=["session:N", "label:N", alt.Tooltip("score:Q", format=".4f")],
        )
        .properties(
            width=31 * _CELL, height=max(len(months), 1) * _CELL, title=title or alt.Undefined
        )
    )  # fmt: skip
    return chart
