"""The heat map of completeness: a cell a session, a row a month."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from strategy_lab_core.report.charts import BLUE

__all__ = ["MISSING", "completeness_chart"]

MISSING = "#3d3f45"
# From which score on, and its colour: light and hue both tell, for every kind of colour vision.
_CLASSES = ((0.999, BLUE), (0.99, "#a9c9ee"), (0.9, "#fbe3bd"), (0.5, "#eda24a"), (0.0, "#b4550c"))
_CELL = 22


def completeness_chart(sessions: Sequence[Mapping[str, Any]], *, title: str = "") -> alt.Chart:
    """Draw the score of each session: blue where nothing is missing, to brown where most is.

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
            "shade": _shade(row["label"], float(row["score"])),
        }
        for row in sessions
    ]
    months = sorted({row["month"] for row in rows})
    shades = {f"from {least}": colour for least, colour in _CLASSES} | {"missing": MISSING}
    colours = alt.Scale(domain=list(shades), range=list(shades.values()))
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rect(stroke="white", strokeWidth=1)
        .encode(
            x=alt.X("day:O", title=None, scale=alt.Scale(domain=list(range(1, 32))),
                    axis=alt.Axis(labelAngle=0)),
            y=alt.Y("month:O", title=None, scale=alt.Scale(domain=months)),
            color=alt.Color("shade:N", title="score", scale=colours),
            tooltip=["session:N", "label:N", alt.Tooltip("score:Q", format=".4f")],
        )
        .properties(width=31 * _CELL, height=max(len(months), 1) * _CELL)
    )  # fmt: skip
    return chart.properties(title=title) if title else chart


def _shade(label: str, score: float) -> str:
    if label == "missing":
        return label
    return next(f"from {least}" for least, _ in _CLASSES if score >= least)
