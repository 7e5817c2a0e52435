"""The charts of searches and the page of a verdict: drawn from figures as they come."""

import math
from typing import Any

import numpy as np
import polars as pl
import pytest

from strategy_lab_core.report.charts import to_svg
from strategy_lab_core.report.search_charts import (
    heat_map,
    logit_chart,
    luck_chart,
    null_chart,
    path_chart,
    progress_chart,
)
from strategy_lab_core.report.verdict_page import render_verdict
from strategy_lab_core.stats.null import best_by_luck
from strategy_lab_core.stats.reality import reality


def drawn(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a chart's one table."""
    (rows,) = spec["datasets"].values()
    return list(rows)


def test_progress_chart__leaves_out_what_is_not_there_yet() -> None:
    """Trials before the first value have no point."""
    chart = progress_chart([math.nan, 0.5, 0.5, 0.7], "sharpe_ratio")
    assert drawn(chart.to_dict()) == [
        {"trial": 2, "best": 0.5}, {"trial": 3, "best": 0.5}, {"trial": 4, "best": 0.7},
    ]  # fmt: skip
    assert "best sharpe_ratio" in to_svg(chart)


def test_null_chart__draws_each_search_and_what_was_seen() -> None:
    """A row for each null search, a line for the one on the real sessions."""
    chart = null_chart([1.0, 2.5, 2.5], 4.0, "net_profit")
    bars, line = chart.to_dict()["datasets"].values()
    assert [row["value"] for row in bars] == [1.0, 2.5, 2.5]
    assert line == [{"seen": 4.0}]
    assert "best net_profit" in to_svg(chart)


def test_path_chart__is_the_share_of_paths_at_or_below() -> None:
    """A step for each path in order, a line at zero and one for the chosen trial in sample."""
    chart = path_chart([0.3, -0.1, 0.3, 0.2], 0.5)
    zero, seen, *steps = chart.to_dict()["datasets"].values()
    assert (zero, seen) == ([{"at": 0.0}], [{"at": 0.5}])
    assert steps == [
        [{"ratio": -0.1, "share": 0.25}, {"ratio": 0.2, "share": 0.5},
         {"ratio": 0.3, "share": 0.75}, {"ratio": 0.3, "share": 1.0}]
    ]  # fmt: skip
    assert "paths at or below" in to_svg(chart)


@pytest.mark.parametrize("n", [3, 40])
def test_heat_map__has_a_cell_a_value_or_bins(n: int) -> None:
    """Few values are cells of their own; trials without a value are left out."""
    trials = pl.DataFrame({"a": range(n), "b": [0.5] * n, "net": [None, *(1.0,) * (n - 1)]})
    spec = heat_map(trials, "a", "b", "net").to_dict()
    assert len(drawn(spec)) == n - 1
    assert ("bin" in spec["encoding"]["x"]) == (n > 12)
    assert "<svg" in to_svg(heat_map(trials, "a", "b", "net"))


def test_verdict_page__shows_every_light_and_sentence() -> None:
    """On enough sessions for all figures, with both of its charts."""
    trials = np.random.default_rng(3).standard_normal((64, 6)) * 0.01
    found = reality(trials, chosen=2, n_trials=9)
    tested, overfitting = found.evidence.superiority, found.evidence.overfitting
    assert tested is not None
    assert overfitting is not None
    luck = luck_chart(best_by_luck(trials).tolist(), float(tested.statistics[2]))
    charts = {
        "luck & chance": to_svg(luck),
        "logits": to_svg(logit_chart(overfitting.logits.tolist())),
    }
    head = {"search": "<mine>", "kind": "search", "product": "MNQ", "strategy": "imbalance",
            "sessions": ["2025-01-06", "2025-04-04", 64]}  # fmt: skip

    page = render_verdict({**head, **found.to_dict()}, charts)

    assert page.count("<svg") == 2
    assert "luck &amp; chance" in page.lower()
    assert "<mine>" not in page
    assert "9 trials" in page
    for light in found.verdict.lights:
        assert f"<td>{light.name}</td>" in page
    assert page.count("<li>") == len(found.verdict.not_tested)
