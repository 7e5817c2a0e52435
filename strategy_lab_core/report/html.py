"""A report as one HTML file for people and one JSON document for programs.

Both come from the same figures. The page needs no network: the chart library is inside, and so is
every number. Neither holds a clock's time, a run id or a machine's name.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import altair as alt
import jinja2
import polars as pl
import vl_convert

from strategy_lab_core.report import charts, tables
from strategy_lab_core.report.completeness_chart import completeness_chart
from strategy_lab_core.report.content import ReportData, SessionReport
from strategy_lab_core.types import NS_PER_SECOND, PRICE_SCALE

__all__ = ["render_html", "render_json", "report_figures"]

_TRADES_SHOWN = 200
_SESSIONS_DRAWN = 12
_POINTS = 12_000  # of all session charts together: keeps the page under 3 MB
_LEAST_PLACES = 2
_MINUS = "\N{MINUS SIGN}"


def report_figures(data: ReportData) -> dict[str, Any]:
    """Return every figure of the report: plain values, money and prices as scaled integers."""
    sessions = [
        {
            **row,
            "metrics": dict(each.metrics),
            "quality": dict(each.quality),
            "trades": _trips(data, each).to_dicts(),
            "carried": [dict(part) for part in each.carried],
            "rolls": [dict(roll) for roll in each.rolls],
        }
        for row, each in zip(tables.session_rows(data), data.sessions, strict=True)
    ]
    accounts = [
        {**row, "metrics": dict(each.metrics), "carried": [dict(part) for part in each.carried]}
        for row, each in zip(tables.account_rows(data), data.accounts, strict=True)
    ]
    return {
        "experiment": dict(data.experiment),
        "currency": data.currency,
        "money_scale": data.money_scale,
        "price_scale": PRICE_SCALE,
        "summary": tables.summary(data),
        "costs": tables.cost_rows(data),
        "quality": tables.quality_rows(data),
        "completeness": [dict(row) for row in data.completeness],
        "gaps": [dict(row) for row in data.gaps],
        "sessions": sessions,
        "accounts": accounts,
        "instruments": tables.instrument_rows(data),
        "assumptions": list(data.assumptions),
        "provenance": [dict(row) for row in data.provenance],
    }


def render_json(data: ReportData) -> str:
    """Return the figures as JSON with sorted keys; dates and other values as text."""
    return json.dumps(report_figures(data), indent=1, sort_keys=True, default=str) + "\n"


def render_html(data: ReportData) -> str:
    """Return the report as one self-contained page."""
    figures = report_figures(data)
    trades = [
        {"session": session["session"], "symbol": session["symbol"], **trade}
        for session in figures["sessions"]
        for trade in session["trades"]
    ]
    drawn = data.sessions[:_SESSIONS_DRAWN]
    points = min(_POINTS // (3 * len(drawn)), 1_500)
    page = _template().render(
        figures=figures,
        title=_title(data.experiment),
        settings=list(_flat(data.experiment)),
        trades=trades[:_TRADES_SHOWN],
        trade_count=len(trades),
        run_charts=_run_charts(data),
        heat_maps=_heat_maps(data),
        session_charts=[(each, _session_charts(each, points)) for each in drawn],
        vega=_vega(),
        money=lambda value: _decimal(value, data.money_scale),
        price=lambda value: _decimal(value, PRICE_SCALE),
    )
    return page + "\n"


def _trips(data: ReportData, session: SessionReport) -> pl.DataFrame:
    return tables.round_trips(session.fills, session.multiplier, money_scale=data.money_scale)


def _title(experiment: Mapping[str, Any]) -> str:
    for name in ("name", "experiment", "strategy"):
        if isinstance(experiment.get(name), str):
            return str(experiment[name])
    return "Backtest"


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested settings as (dotted name, value), in the order given."""
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            rows.append((f"{prefix}{name}", ", ".join(map(str, value))))
        else:
            rows.append((f"{prefix}{name}", str(value)))
    return rows


def _run_charts(data: ReportData) -> list[dict[str, Any]]:
    curve = tables.equity_curve(data.account)
    options: dict[str, Any] = {"currency": data.currency, "money_scale": data.money_scale}
    equity = charts.equity_chart(curve, **options)
    return [_spec(equity), _spec(charts.drawdown_chart(curve, **options))]


def _heat_maps(data: ReportData) -> list[dict[str, Any]]:
    """Return the heat map of each product's completeness, in its own size."""
    products = dict.fromkeys(row["product"] for row in data.completeness)
    rows = {name: [r for r in data.completeness if r["product"] == name] for name in products}
    return [
        {**completeness_chart(mine, title=name).to_dict(), "background": None}
        for name, mine in rows.items()
    ]


def _session_charts(session: SessionReport, points: int) -> list[dict[str, Any]]:
    times = [table["ts"] for table in (session.prices, session.equity) if table.height]
    span = (min(int(ts[0]) for ts in times), max(int(ts[-1]) for ts in times)) if times else None
    prices = charts.fills_chart(session.prices, session.fills, points=points, span=span)
    position = charts.position_chart(session.equity, points=points, span=span)
    return [_spec(prices), _spec(position)]


def _spec(chart: alt.Chart | alt.LayerChart) -> dict[str, Any]:
    """Return a chart's specification that takes the width of the page."""
    return {**chart.to_dict(), "width": "container", "background": None}


@cache
def _vega() -> str:
    bundle = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    # Inside a script element only these two could end it early or hide its end.
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(utc=_utc, share=_share, count=_count, duration=_duration)
    source = files("strategy_lab_core.report").joinpath("report.html.j2").read_text("utf-8")
    return environment.from_string(source)


def _decimal(value: int, scale: int) -> str:
    """Return a scaled integer as an exact decimal: at least two places, more where they count."""
    places = len(str(scale)) - 1
    whole, part = divmod(abs(value), scale)
    digits = f"{part:0{places}d}".rstrip("0").ljust(_LEAST_PLACES, "0")
    return f"{_MINUS if value < 0 else ''}{whole:,}.{digits}"


def _utc(ts_ns: int) -> str:
    second = datetime.fromtimestamp(ts_ns // NS_PER_SECOND, UTC)
    return f"{second:%Y-%m-%d %H:%M:%S}.{ts_ns % NS_PER_SECOND // 1_000_000:03d}"


def _duration(ns: int) -> str:
    """Return a time span to the second, or in milliseconds where it is shorter."""
    if ns < NS_PER_SECOND:
        return f"{ns / 1e6:.1f} ms"
    minutes, seconds = divmod(ns // NS_PER_SECOND, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"


def _share(value: float) -> str:
    return f"{100 * value:.4f} %"


def _count(value: int) -> str:
    return f"{value:,}"
