"""The heat map of completeness, alone and in a report's page."""

import json
from dataclasses import replace
from typing import Any

from strategy_lab_core.report.charts import to_svg
from strategy_lab_core.report.completeness_chart import MISSING, completeness_chart
from strategy_lab_core.report.html import render_html, render_json
from tests.core.report.samples import report


def row(session: str, label: str = "complete", score: float = 1.0) -> dict[str, Any]:
    """Return a session's row of the table, with its product."""
    return {
        "product": "MNQ", "session": session, "label": label, "score": score, "activity": score,
        "messages": 1.0, "rows": 1.0, "gaps": int(label != "complete"), "schema": "mbo",
        "pattern_sessions": 0,
    }  # fmt: skip


ROWS = [
    row("2025-01-13"), row("2025-01-31", "partial", 0.25), row("2025-02-03", "missing", 0.0),
    row("2025-02-04", score=0.999),
]  # fmt: skip
GAP = {
    "product": "MNQ", "session": "2025-01-31", "kind": "early_end", "severity": "error",
    "where": "<mbo>", "start_ns": 1_738_340_000_000_000_000, "end_ns": 1_738_360_000_000_000_000,
    "size": 20_000_000_000_000, "unit": "ns", "detail": "rows end early",
}  # fmt: skip


def test_chart__has_a_cell_a_session() -> None:
    """In the row of its month and the column of its day; what is missing is dark."""
    (values,) = completeness_chart(ROWS).to_dict()["datasets"].values()
    assert [(v["month"], v["day"]) for v in values] == [
        ("2025-01", 13), ("2025-01", 31), ("2025-02", 3), ("2025-02", 4),
    ]  # fmt: skip
    assert [v["shade"] for v in values] == ["from 0.999", "from 0.0", "missing", "from 0.999"]
    svg = to_svg(completeness_chart(ROWS, title="MNQ"))
    assert svg.count(MISSING) == 2  # the cell and the legend
    assert ">MNQ<" in svg
    assert "NaN" not in svg


def test_chart__of_nothing_is_drawn() -> None:
    """A product without a session has an empty picture, not an error."""
    assert to_svg(completeness_chart([])).startswith("<svg")


def test_page__shows_completeness_and_gaps() -> None:
    """Heat map, table and gaps, escaped; programs get the rows as they are."""
    data = replace(report(), completeness=ROWS, gaps=[GAP])
    page = render_html(data)
    assert 'data-spec="heat-1"' in page
    assert (
        '<td class="whole">2025-02-03</td><td>MNQ</td><td><span class="tag partial">missing' in page
    )
    assert "25.0000 %" in page
    assert "rows end early" in page
    assert "<mbo>" not in page
    figures = json.loads(render_json(data))
    assert figures["completeness"] == ROWS
    assert figures["gaps"] == [GAP]


def test_page__without_completeness_has_no_such_section() -> None:
    """As for results that were made before it was judged."""
    assert 'id="completeness"' not in render_html(report())
