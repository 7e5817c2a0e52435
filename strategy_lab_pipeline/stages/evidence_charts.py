"""The pictures of evidence by title, each where there is something to draw."""

from collections.abc import Mapping
from typing import Any

from strategy_lab_core.report.charts import to_svg
from strategy_lab_core.report.search_charts import logit_chart, luck_chart, null_chart, path_chart
from strategy_lab_core.stats.null import best_by_luck
from strategy_lab_core.stats.reality import Reality
from strategy_lab_core.types import Float2D

__all__ = ["evidence_charts"]

LEAST_FOR_LUCK = 10  # sessions to draw from


def evidence_charts(
    found: Reality, returns: Float2D, null: Mapping[str, Any], crossed: Mapping[str, Any] | None
) -> dict[str, str]:
    """Return SVG by title.

    Parameters
    ----------
    found, returns
        The verdict's figures, and the series that they are of (shape: sessions x trials).
    null, crossed
        What null searches and the cross-validation found; empty and None where there are none.
    """
    return _overfitting(found) | _luck(found, returns) | _crossed(found, crossed) | _null(null)


def _overfitting(found: Reality) -> dict[str, str]:
    overfitting = found.evidence.overfitting
    if overfitting is None:
        return {}
    chart = logit_chart(overfitting.logits.tolist())
    return {"how the in-sample best ranks out of sample": to_svg(chart)}


def _luck(found: Reality, returns: Float2D) -> dict[str, str]:
    tested = found.evidence.superiority
    if tested is None or len(returns) < LEAST_FOR_LUCK:
        return {}
    seen = float(tested.statistics[found.evidence.chosen])
    chart = luck_chart(best_by_luck(returns).tolist(), seen)
    return {"what luck alone shows on these sessions": to_svg(chart)}


def _crossed(found: Reality, crossed: Mapping[str, Any] | None) -> dict[str, str]:
    sharpe = found.evidence.sharpe
    if crossed is None or crossed["sharpe_ratio"] is None or sharpe is None:
        return {}
    chart = path_chart(crossed["sharpe_ratio"]["values"], sharpe.value)
    return {"the paths of the cross-validation, and the chosen trial in sample": to_svg(chart)}


def _null(null: Mapping[str, Any]) -> dict[str, str]:
    bests = [value for value in null.get("bests", ()) if value is not None]
    if not bests:
        return {}
    chart = null_chart(bests, null["seen"], null["objective"])
    return {"what the same search finds on simulated sessions": to_svg(chart)}
