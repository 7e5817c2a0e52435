"""What the probing commands do: a probe of one experiment on one session, or of the queue models.

They read files or what ingestion has published, and publish nothing themselves.
"""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.exact_yaml import refuse_unknown
from strategy_lab_core.data.simulate import simulate
from strategy_lab_core.data.ticks import read_ticks
from strategy_lab_core.probes.lookahead import find_lookahead
from strategy_lab_core.probes.queue_calibration import calibrate_queue
from strategy_lab_core.probes.sensitivity import sensitivity
from strategy_lab_core.probes.warmup import find_warmup
from strategy_lab_core.strategies.experiment import Experiment
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.progress import steps
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages.experiments import experiments, read_experiment
from strategy_lab_pipeline.stages.outcome import Outcome
from strategy_lab_pipeline.stages.publish import current_outcome
from strategy_lab_pipeline.stages.raw import session_of
from strategy_lab_pipeline.stages.rolls import choice
from strategy_lab_pipeline.stages.runs import engine_tables
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace

__all__ = ["leaks_of", "queue_models_of", "readable_errors", "sensitivity_of", "warmup_of"]


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
    probe = _Probe(settings, experiment, session, contract, asset="raw_ticks")
    with steps("looking for leaks", total=2 * moments) as progress:
        found = find_lookahead(
            strategy=probe.experiment.strategy, moments=moments, repair_is_known=repair_is_known,
            on_progress=lambda done, _: progress.advance(count=1), **probe.inputs,
        )  # fmt: skip
    return probe.answer(found.table().to_dicts(), verdict=found.verdict)


def warmup_of(
    settings: Settings,
    experiment: str,
    session: str | None,
    contract: str | None,
    *,
    starts: int,
) -> dict[str, Any]:
    """Find the warm-up of an experiment's strategy."""
    probe = _Probe(settings, experiment, session, contract, asset="validated_ticks")
    with steps("starting later", total=starts) as progress:
        found = find_warmup(
            strategy=probe.experiment.strategy, starts=starts,
            on_progress=lambda done, _: progress.advance(count=1), **probe.inputs,
        )  # fmt: skip
    return probe.answer(found.table().to_dicts(), verdict=found.verdict)


def sensitivity_of(
    settings: Settings,
    experiment: str,
    session: str | None,
    contract: str | None,
    chart: Path | None,
) -> dict[str, Any]:
    """Run an experiment under other assumptions; draw the curves where a file is named."""
    probe = _Probe(settings, experiment, session, contract, asset="validated_ticks")
    with steps("running passes", total=1) as progress:
        found = sensitivity(strategy=probe.experiment.strategy, **probe.inputs)
        progress.advance()
    if chart is not None:
        from strategy_lab_core.report.charts import sensitivity_chart, to_svg

        drawn = sensitivity_chart(
            found.table(), currency=found.currency, money_scale=found.money_scale
        )
        chart.write_text(to_svg(drawn), encoding="utf-8")
    return probe.answer(found.table().to_dicts(), currency=found.currency, passes=found.passes)


def queue_models_of(
    files: list[Path] | None,
    contract: str | None,
    *,
    every_ms: int,
    hold_ms: int,
    seed: int,
    events: int,
    chart: Path | None,
) -> dict[str, Any]:
    """Compare the queue models on files, or on a simulated session where none is named."""
    with steps("comparing queue models", total=1) as progress:
        found = calibrate_queue(
            read_ticks(files) if files else _simulated(seed, events), instrument=contract,
            every_ms=every_ms, hold_ms=hold_ms, random_seed=seed,
        )  # fmt: skip
        progress.advance()
    if chart is not None:
        from strategy_lab_core.report.charts import to_svg
        from strategy_lab_core.report.queue_chart import queue_chart

        chart.write_text(to_svg(queue_chart(found.table())), encoding="utf-8")
    return {
        "symbol": found.symbol,
        "session": found.session,
        "is_simulated": not files,
        "orders": found.orders,
        "left_out": found.left_out,
        "verdict": found.verdict,
        "rows": list(found.rows),
    }


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


def _spread(row: dict[str, Any], name: str, unit: str, times: int) -> str:
    value, low, high = (_rounded(row[f"{name}{end}{unit}"], times) for end in ("", "_low", "_high"))
    return f"{value} ({low} to {high})" if low else value


def _rounded(value: float | None, times: int) -> str:
    return "" if value is None else f"{value * times:.2f}"


def _simulated(seed: int, events: int) -> pl.DataFrame:
    day = date(2025, 1, 14)
    sessions = session_calendar("CME Globex Equity").sessions(day, day)
    return simulate(sessions, seed=seed, events_per_session=events, faults=False).table()


class _Probe:
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
        self.experiment = _experiment(settings, experiment)
        self.session = session or _newest(workspace, self.experiment.product, asset)
        product = self.experiment.product
        ticks = current_outcome(workspace, asset, product, self.session)
        if ticks is None:
            raise PipelineError(
                f"{product} {self.session}: no {asset}; `strategy-lab status` shows what is there, "
                "`strategy-lab ingest FILES` makes it"
            )
        self.inputs: dict[str, Any] = {
            **_inputs(ticks, product, date.fromisoformat(self.session)),
            "config": self.experiment.config,
            "instrument": contract or self._choice(workspace),
        }

    def _choice(self, workspace: Workspace) -> str | None:
        """Return the contract that the experiment trades in the session."""
        experiment = self.experiment
        day = date.fromisoformat(self.session)
        return choice(workspace, experiment.product, day, experiment.contract).symbol

    def answer(self, rows: list[dict[str, Any]], **facts: Any) -> dict[str, Any]:
        """Return the answer of a command."""
        return {
            "experiment": self.experiment.name,
            "product": self.experiment.product,
            "session": self.session,
            **facts,
            "rows": rows,
        }


def _inputs(ticks: Outcome, product: str, session: date) -> dict[str, Any]:
    """Return what the engine reads of a session; raw ticks it validates itself."""
    paths = engine_tables(ticks)
    if paths["ticks"] is None:
        raise PipelineError(f"{product} {session}: no ticks with a book, which the engine needs")
    tables = {name: pl.read_parquet(path) for name, path in paths.items() if path}
    if "book_state" in tables["ticks"].columns:
        tables["ticks"] = tables["ticks"].drop("file_hash", "row")
    return {**tables, "session": session_of(product, session)}


def _experiment(settings: Settings, name: str) -> Experiment:
    if name.endswith((".yaml", ".yml")):
        return read_experiment(Path(name))
    known = {each.name: each for each in experiments(settings).usable}
    refuse_unknown("experiment", [name], tuple(known))
    return known[name]


def _newest(workspace: Workspace, product: str, asset: str) -> str:
    found = [
        session
        for of, session in workspace.store.all_partitions()
        if of == product and current_outcome(workspace, asset, of, session)
    ]
    if not found:
        raise PipelineError(f"{product}: no {asset} of any session; `strategy-lab ingest FILES`")
    return max(found)
