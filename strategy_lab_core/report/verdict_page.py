"""The page of a verdict: lights with their reasons, the figures, and what was not tested.

One file without scripts; charts are SVG inside it.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

__all__ = ["render_verdict"]


def render_verdict(evidence: Mapping[str, Any], charts: Mapping[str, str]) -> str:
    """Return the page.

    Parameters
    ----------
    evidence
        `stats.reality.Reality.to_dict`, with ``search``, ``kind``, ``product``, ``strategy`` and
        ``sessions`` (first, last, how many).
    charts
        SVG by title.
    """
    found = evidence["evidence"]
    page = _template().render(
        of=evidence,
        verdict=evidence["verdict"],
        figures=[
            (title, list(_flat(found[part])))
            for title, part in _PARTS
            if isinstance(found.get(part), Mapping)
        ],
        charts=[(title, Markup(svg)) for title, svg in charts.items()],
    )
    return page + "\n"


_PARTS = (
    ("Performance", "performance"),
    ("Sharpe ratio, per session", "sharpe"),
    ("Luck", "luck"),
    ("Overfitting", "overfitting"),
    ("The same search on simulated sessions", "null_search"),
)


def _flat(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return name and value of each figure that is one number."""
    rows = []
    for name, value in figures.items():
        if isinstance(value, bool | int | str) or value is None:
            rows.append((name, "unknown" if value is None else str(value)))
        elif isinstance(value, float):
            rows.append((name, f"{value:.4g}"))
    return [(name.replace("_", " "), value) for name, value in rows]


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = files("strategy_lab_core.report").joinpath("verdict.html.j2").read_text("utf-8")
    return environment.from_string(source)
