"""The page of a verdict: lights with their reasons, the figures, and what was not tested.

One file without scripts; charts are SVG inside it.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from strategy_lab_core.search.path_figures import QUANTILES, parameters_text

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
        crossed=_crossed(found.get("cross_validation")),
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


def _crossed(figures: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the rows of a cross-validation's tables, and its sentences."""
    if figures is None:
        return None
    paths = [(title, figures[name], digits) for title, name, digits in _OF_PATHS]
    sides = [(title, figures["sides"][name], digits) for title, name, digits in _OF_SIDES]
    return {
        "says": figures["says"],
        "caveats": figures["caveats"],
        "cut": f"{figures['groups']} groups of {figures['sessions']} sessions, "
               f"{figures['test_groups']} of them judge: {figures['splits']} splits, "
               f"{figures['paths']} paths; purge {figures['purge']}, embargo {figures['embargo']}",
        "paths": [
            (title, *(f"{spread[each]:,.{digits}f}" for each in QUANTILES),
             f"{spread['below_zero']:.0%}")
            for title, spread, digits in paths if spread is not None
        ],
        "sides": [
            (title, f"{side['in_sample']:,.{digits}f}", f"{side['out_of_sample']:,.{digits}f}",
             f"{side['share_worse']:.0%}")
            for title, side, digits in sides if side is not None
        ],
        "choices": [
            (parameters_text(each["parameters"]), each["splits"], f"{each['share']:.0%}")
            for each in figures["choices"][:_MOST_CHOICES]
        ],
        "others": max(len(figures["choices"]) - _MOST_CHOICES, 0),
    }  # fmt: skip


_MOST_CHOICES = 10
_OF_PATHS = (("Sharpe ratio, per session", "sharpe_ratio", 4), ("Net profit", "net_profit", 2))
_OF_SIDES = (
    ("Sharpe ratio, per session", "sharpe_ratio", 4), ("Profit a session", "mean_profit", 2),
)  # fmt: skip


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
