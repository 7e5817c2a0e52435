"""The charts of searches and evidence."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from strategy_lab_core.report.charts import BLUE, GREY, ORANGE

__all__ = [
    "heat_map",
    "logit_chart",
    "luck_chart",
    "null_chart",
    "path_chart",
    "progress_chart",
]

_WIDTH, _HEIGHT = 520, 240
_BINS = 12  # of an axis with more values than that


def progress_chart(best_so_far: Sequence[float], name: str) -> alt.Chart:
    """Draw the best value of an objective after each trial."""
    points = [{"trial": number + 1, "best": value} for number, value in enumerate(best_so_far)
              if not math.isnan(value)]  # fmt: skip
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=points), width=_WIDTH, height=_HEIGHT)
        .mark_line(interpolate="step-after", color=BLUE)
        .encode(
            x=alt.X("trial:Q", title="trials"),
            y=alt.Y("best:Q", title=f"best {name}", scale=alt.Scale(zero=False)),
        )
    )
    return chart


def heat_map(trials: pl.DataFrame, x: str, y: str, name: str) -> alt.Chart:
    """Draw the mean objective over two parameters; trials without a value are left out.

    Parameters
    ----------
    trials
        A row for each trial, with the columns `x`, `y` and `name`.
    """
    shown = trials.select(x=pl.col(x).cast(pl.Float64), y=pl.col(y).cast(pl.Float64), value=name)
    shown = shown.drop_nulls()
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=shown.to_dicts()), width=_WIDTH, height=_HEIGHT)
        .mark_rect()
        .encode(
            x=_cells("x", x, shown["x"].n_unique()),
            y=_cells("y", y, shown["y"].n_unique()),
            color=alt.Color(
                "mean(value):Q", title=name, scale=alt.Scale(scheme="blueorange", domainMid=0)
            ),
        )
    )
    return chart


def _cells(column: str, title: str, n_values: int) -> Any:
    """Return an axis of cells: one for each value where they are few, else bins."""
    kind = alt.X if column == "x" else alt.Y
    if n_values > _BINS:
        return kind(f"{column}:Q", title=title, bin=alt.Bin(maxbins=_BINS))
    return kind(f"{column}:O", title=title, sort="ascending" if column == "x" else "descending")


def logit_chart(logits: Sequence[float]) -> alt.Chart:
    """Draw the logits of the in-sample best; at or below 0 the choice was overfit."""
    points = [{"logit": float(value), "overfit": bool(value <= 0)} for value in logits]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=points), width=_WIDTH, height=_HEIGHT)
        .mark_bar()
        .encode(
            x=alt.X("logit:Q", title="logit of the out-of-sample rank", bin=alt.Bin(maxbins=40)),
            y=alt.Y("count():Q", title="splits"),
            color=alt.Color(
                "overfit:N", title="at or below 0", scale=alt.Scale(range=[BLUE, ORANGE])
            ),
        )
    )
    return chart


def luck_chart(best_by_luck: Sequence[float], seen: float) -> alt.LayerChart | alt.FacetChart:
    """Draw what the best of the same trials shows without any edge, and what was seen.

    Parameters
    ----------
    best_by_luck
        The best trial's statistic in each resample without an edge.
    seen
        The chosen trial's, on the sessions as they were.
    """
    return _beside(best_by_luck, seen, "mean over its standard error", "resamples without an edge")


def null_chart(bests: Sequence[float], seen: float, name: str) -> alt.LayerChart | alt.FacetChart:
    """Draw the best value of an objective in each null search, and what was seen."""
    return _beside(bests, seen, f"best {name}", "searches on simulated sessions")


def path_chart(ratios: Sequence[float], seen: float) -> alt.LayerChart | alt.FacetChart:
    """Draw which share of cross-validated paths stays at or below each Sharpe ratio.

    Five paths are usual, too few for bars.

    Parameters
    ----------
    ratios
        Of each path.
    seen
        The chosen trial's on all sessions, in sample: the orange line. The grey one is zero.
    """
    ordered = sorted(ratios)
    steps = [{"ratio": value, "share": (place + 1) / len(ordered)}
             for place, value in enumerate(ordered)]  # fmt: skip
    drawn = alt.Chart(alt.InlineData(values=steps)).encode(
        x=alt.X("ratio:Q", title="Sharpe ratio, per session"),
        y=alt.Y("share:Q", title="paths at or below", axis=alt.Axis(format="%"),
                scale=alt.Scale(domain=[0, 1])),
    )  # fmt: skip
    marks = (
        alt.Chart(alt.InlineData(values=[{"at": value}]))
        .mark_rule(color=colour, strokeWidth=width)
        .encode(x="at:Q")
        for value, colour, width in ((0.0, GREY, 1), (seen, ORANGE, 3))
    )
    line = drawn.mark_line(interpolate="step-after", color=BLUE)
    return alt.layer(*marks, line, drawn.mark_circle(color=BLUE), width=_WIDTH, height=_HEIGHT)


def _beside(
    values: Sequence[float], seen: float, title: str, what: str
) -> alt.LayerChart | alt.FacetChart:
    """Draw how often values came, and a line where the seen one is."""
    drawn = alt.InlineData(values=[{"value": value} for value in values])
    bars = (
        alt.Chart(drawn)
        .mark_bar(color=GREY)
        .encode(
            x=alt.X("value:Q", title=title, bin=alt.Bin(maxbins=40)),
            y=alt.Y("count():Q", title=what),
        )
    )
    mark = alt.InlineData(values=[{"seen": seen}])
    line = alt.Chart(mark).mark_rule(color=ORANGE, strokeWidth=3).encode(x="seen:Q")
    return alt.layer(bars, line, width=_WIDTH, height=_HEIGHT)
