"""What the probing commands do: a probe of one experiment on one session, or of the queue models.

They read files or what ingestion has published, and publish nothing themselves. Whatever runs a
user's strategy does so in the engine's process, with its deadline.
"""

from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from strategy_lab_core.book.seeds import SeedBuilder
from strategy_lab_core.data.calendar import NO_SESSION, session_calendar, session_date
from strategy_lab_core.data.columns import column
from strategy_lab_core.data.exact_yaml import refuse_unknown
from strategy_lab_core.data.instruments import product_of
from strategy_lab_core.data.sessions import index_times
from strategy_lab_core.data.simulate import simulate
from strategy_lab_core.data.ticks import read_ticks
from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.probes.queue_calibration import QueueCalibration, calibrate_queue
from strategy_lab_core.strategies.experiment import Experiment
from strategy_lab_core.types import RecordFlag
from strategy_lab_pipeline.errors import EngineError, PipelineError
from strategy_lab_pipeline.progress import steps
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages.engine import engine
from strategy_lab_pipeline.stages.experiments import find_experiment, read_experiment
from strategy_lab_pipeline.stages.jobs import Probe
from strategy_lab_pipeline.stages.publish import current_outcome
from strategy_lab_pipeline.stages.rolls import choice
from strategy_lab_pipeline.stages.runs import engine_tables
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace

__all__ = ["leaks_of", "queue_models_of", "readable_errors", "sensitivity_of", "warmup_of"]

Kind = Literal["leaks", "warmup", "sensitivity"]


def leaks_of(
    settings: Settings,
    experiment: str,
    session: str | None,
    contract: str | None,
    *,
    moments: int,
    repair_is_known: bool,
) -> dict[str, Any]:
    """Look for lookahead in an experiment, from the raw ticks: validation is done anew too."""
    place = _Place(settings, experiment, session, contract, asset="raw_ticks")
    options = {"moments": moments, "repair_is_known": repair_is_known}
    return place.probe("leaks", "looking for leaks", options)


def warmup_of(
    settings: Settings,
    experiment: str,
    session: str | None,
    contract: str | None,
    *,
    starts: int,
) -> dict[str, Any]:
    """Find the warm-up of an experiment's strategy."""
    place = _Place(settings, experiment, session, contract, asset="validated_ticks")
    return place.probe("warmup", "starting later", {"starts": starts})


def sensitivity_of(
    settings: Settings,
    experiment: str,
    session: str | None,
    contract: str | None,
    chart: Path | None,
) -> dict[str, Any]:
    """Run an experiment under other assumptions; draw the curves where a file is named."""
    place = _Place(settings, experiment, session, contract, asset="validated_ticks")
    found = place.probe("sensitivity", "running passes", {})
    money_scale = found.pop("money_scale")
    if chart is not None:
        from strategy_lab_core.report.charts import sensitivity_chart, to_svg

        rows = pl.DataFrame(found["rows"], infer_schema_length=None)
        drawn = sensitivity_chart(rows, currency=found["currency"], money_scale=money_scale)
        chart.write_text(to_svg(drawn), encoding="utf-8")
    return found


def queue_models_of(
    files: list[Path] | None,
    session: str | None,
    contract: str | None,
    *,
    every_ms: int,
    hold_ms: int,
    seed: int,
    events: int,
    chart: Path | None,
    places_chart: Path | None = None,
) -> dict[str, Any]:
    """Compare the queue models on files, or on a simulated session where none is named."""
    ticks = read_ticks(files) if files else _simulated(seed, events)
    with steps("comparing queue models", total=1) as progress:
        found = calibrate_queue(
            instrument=contract, every_ms=every_ms, hold_ms=hold_ms, random_seed=seed,
            **_one_session(ticks, session, contract),
        )  # fmt: skip
        progress.advance()
    _draw_queue_models(found, chart, places_chart)
    return {
        "symbol": found.symbol,
        "session": found.session,
        "is_simulated": not files,
        "orders": found.orders,
        "left_out": found.left_out,
        "verdict": found.verdict,
        "rows": list(found.rows),
        "places": list(found.places),
    }


def _draw_queue_models(found: QueueCalibration, chart: Path | None, places: Path | None) -> None:
    if chart is None and places is None:
        return
    from strategy_lab_core.report.charts import to_svg
    from strategy_lab_core.report.queue_chart import place_chart, queue_chart

    if chart is not None:
        chart.write_text(to_svg(queue_chart(found.table())), encoding="utf-8")
    if places is not None:
        places.write_text(to_svg(place_chart(found.place_table())), encoding="utf-8")


def readable_errors(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of `queue_models_of` for people: each error with its 95 % interval."""
    return [
        {
            "model": row["model"],
            "filled": f"{row['filled']} of {row['filled_truth']}",
            "false fills, %": _spread(row, "false_fills", "", 100),
            "missed fills, %": _spread(row, "missed_fills", "", 100),
            "median time, ms": _rounded(row["median_time_s"], 1_000),
            "time, ms": _spread(row, "time", "_s", 1_000),
            "queue, lots": _spread(row, "queue", "_lots", 1),
            "wait, ms": _spread(row, "wait", "_s", 1_000),
            "against risk_averse, ms": _spread(row, "against_risk_averse", "_s", 1_000),
        }
        for row in rows
    ]


def readable_places(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the places of `queue_models_of` for people: a model's errors by age, in lots."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        shown = found.setdefault(row["model"], {"model": row["model"]})
        shown[f"after {row['age_s']:g} s"] = _spread(row, "error", "_lots", 1)
    for row in {each["model"]: each for each in rows}.values():
        found[row["model"]]["bias at last"] = _spread(row, "bias", "_lots", 1)
        found[row["model"]]["against risk_averse"] = _spread(row, "against_first", "_lots", 1)
    return list(found.values())


def _spread(row: dict[str, Any], name: str, unit: str, times: int) -> str:
    value, low, high = (_rounded(row[f"{name}{end}{unit}"], times) for end in ("", "_low", "_high"))
    return f"{value} ({low} to {high})" if low else value


def _rounded(value: float | None, times: int) -> str:
    return "" if value is None else f"{value * times:.2f}"


def _one_session(ticks: pl.DataFrame, session: str | None, contract: str | None) -> dict[str, Any]:
    """Return the rows of the session that is meant, its hours, and the orders from before it."""
    symbol = contract or ticks["symbol"].drop_nulls().mode().sort()[0]
    calendar = session_calendar(product_of(symbol).calendar)
    keys = calendar.session_keys(index_times(ticks))
    # A file's snapshot comes before its first session: it is none's rows.
    is_told = (column(ticks, "flags") & RecordFlag.SNAPSHOT) == 0
    days = [str(session_date(int(key))) for key in np.unique(keys[is_told]) if key != NO_SESSION]
    if not days:
        raise DataError("the files hold no row of a session")
    if len(days) > 1 and session is None:
        raise ConfigError("--session", session, f"one of those in the files: {', '.join(days)}")
    if session is not None:
        refuse_unknown("--session", [session], days)
    hours = calendar.session(date.fromisoformat(session or days[0]))
    mine = np.flatnonzero(keys == calendar.session_keys(np.array([hours.open_ns])))
    before = SeedBuilder(hours.previous_close_ns)
    before.feed(ticks[: mine[0]])
    return {"ticks": ticks[mine], "session": hours, "seed": before.table()}


def _simulated(seed: int, events: int) -> pl.DataFrame:
    day = date(2025, 1, 14)
    sessions = session_calendar("CME Globex Equity").sessions(day, day)
    return simulate(sessions, seed=seed, events_per_session=events, faults=False).table()


class _Place:
    """One experiment on one session, as the backtest stage would run it."""

    def __init__(
        self,
        settings: Settings,
        experiment: str,
        session: str | None,
        contract: str | None,
        *,
        asset: str,
    ) -> None:
        workspace = open_workspace(settings)
        self._deadline_seconds, self._contract = settings.deadline_seconds, contract
        self._workspace, self._products = workspace, workspace.products
        self._experiment = _experiment(settings, experiment)
        product = self._experiment.product
        self._session = session or _newest(workspace, product, asset)
        ticks = current_outcome(workspace, asset, product, self._session)
        if ticks is None:
            raise PipelineError(
                f"{product} {self._session}: no {asset}; `strategy-lab status` shows what is "
                "there, `strategy-lab ingest FILES` makes it"
            )
        self._tables = engine_tables(ticks)

    def probe(self, kind: Kind, title: str, options: dict[str, Any]) -> dict[str, Any]:
        """Run a probe in the engine's process, and return the answer of its command."""
        one = self._experiment
        wanted = Probe(
            kind=kind, strategy=one.reference, source=one.strategy.source,
            sets=((one.strategy.parameters, one.config),), product=one.product,
            products=dict(self._products),
            session=date.fromisoformat(self._session), **self._tables, folder=None, before=(),
            contract=self._contract or self._choice(), choice="", options=options,
        )  # fmt: skip
        place = f"experiment {one.name} on {one.product} {self._session}"
        with steps(title) as progress:
            try:
                (found,) = engine().run(
                    wanted, deadline_seconds=self._deadline_seconds, on_progress=progress.reach
                )
            except EngineError as error:
                raise type(error)(f"{place}: {error}") from error
        if found["error"]:
            raise PipelineError(f"{place}: {found['error']}")
        facts = {name: value for name, value in found.items() if name not in ("error", "label")}
        place_of = {"experiment": one.name, "product": one.product, "session": self._session}
        return {**place_of, **facts}

    def _choice(self) -> str | None:
        """Return the contract that the experiment trades in the session."""
        one, day = self._experiment, date.fromisoformat(self._session)
        return choice(self._workspace, one.product, day, one.contract).symbol


def _experiment(settings: Settings, name: str) -> Experiment:
    if name.endswith((".yaml", ".yml")):
        return read_experiment(Path(name))
    return find_experiment(settings, name)


def _newest(workspace: Workspace, product: str, asset: str) -> str:
    found = [
        session
        for of, session in workspace.store.all_partitions()
        if of == product and current_outcome(workspace, asset, of, session)
    ]
    if not found:
        raise PipelineError(f"{product}: no {asset} of any session; `strategy-lab ingest FILES`")
    return max(found)
