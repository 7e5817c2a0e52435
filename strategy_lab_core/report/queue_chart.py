"""The charts of the queue models' errors: over whole orders, and while they wait."""

import altair as alt
import polars as pl

from strategy_lab_core.report.charts import BLUE

__all__ = ["place_chart", "queue_chart"]

_FIGURES = (
    ("wait", "_s", "error of the time waited, s"),
    ("queue", "_lots", "lots traded between the two fills"),
)


def queue_chart(models: pl.DataFrame) -> alt.HConcatChart:
    """Draw two errors of each model with their 95 % intervals.

    Parameters
    ----------
    models
        The table of `probes.queue_calibration.QueueCalibration`.
    """
    chart: alt.HConcatChart = alt.hconcat(*(_errors(models, *figure) for figure in _FIGURES))
    return chart


def place_chart(places: pl.DataFrame) -> alt.FacetChart:
    """Draw how far each model's lots ahead are off, with 95 % intervals, by the order's age.

    Parameters
    ----------
    places
        The table of places of `probes.queue_calibration.QueueCalibration`.
    """
    base = alt.Chart().encode(x=alt.X("age_s:Q", title="age, s"))
    spans = base.mark_area(color=BLUE, opacity=0.25).encode(
        y=alt.Y("error_low_lots:Q", title="error of the lots ahead"), y2="error_high_lots:Q"
    )
    lines = base.mark_line(color=BLUE, point=True).encode(y="error_lots:Q")
    chart: alt.FacetChart = alt.layer(
        spans, lines, data=alt.InlineData(values=places.to_dicts()), width=120, height=100
    ).facet(facet=alt.Facet("model:N", sort=None, title=None), columns=5)
    return chart


def _errors(
    models: pl.DataFrame, name: str, unit: str, title: str
) -> alt.LayerChart | alt.FacetChart:
    shown = models.select(
        "model",
        value=pl.col(f"{name}{unit}"),
        low=pl.col(f"{name}_low{unit}"),
        high=pl.col(f"{name}_high{unit}"),
    )
    base = alt.Chart(alt.InlineData(values=shown.to_dicts())).encode(
        y=alt.Y("model:N", sort=None, title=None)
    )
    spans = base.mark_rule(color=BLUE).encode(x=alt.X("low:Q", title=title), x2="high:Q")
    points = base.mark_point(filled=True, color=BLUE).encode(x="value:Q")
    return alt.layer(spans, points, width=300, height=220)
