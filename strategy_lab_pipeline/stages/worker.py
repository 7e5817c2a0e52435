"""The engine's own process: takes jobs from a connection, runs them, hands the results back.

A compiled loop hears no signal, so that it must run where it can be killed. Tables go through Arrow
files in the folder that the pass names, figures through the connection, which speaks only after
the files are whole. `stages.engine` starts this module and listens.
"""

import os
import signal
import sys
import threading
from collections.abc import Mapping
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import polars as pl

from strategy_lab_core.data.sessions import session_of
from strategy_lab_core.engine.backtest import BacktestResult, Progress
from strategy_lab_core.engine.stage import SessionTicks
from strategy_lab_core.engine.sweep import ParameterSet, SweepRun, sweep
from strategy_lab_core.errors import ConfigError, DataError, StrategyLabError
from strategy_lab_core.probes.lookahead import find_lookahead
from strategy_lab_core.probes.sensitivity import sensitivity
from strategy_lab_core.probes.warmup import find_warmup
from strategy_lab_core.strategies.loader import load_strategy
from strategy_lab_core.strategies.strategy import Strategy
from strategy_lab_pipeline.stages.jobs import (
    TABLES,
    Answer,
    Day,
    Import,
    Job,
    Pass,
    Probe,
    table_path,
)

__all__ = ["main"]

ORDERS_JUDGED = 20  # fewer are too few to call a habit
_NONSENSE = ("invalid", "unsupported", "price_distance")
_FLOOD = ("open_orders", "message_rate", "overflow")


def _serve(link: Connection) -> None:
    jobs: SimpleQueue[Job] = SimpleQueue()
    threading.Thread(target=_listen, args=(link, jobs), daemon=True).start()
    while True:
        link.send(_answer(jobs.get(), link))


def _listen(link: Connection, jobs: "SimpleQueue[Job]") -> None:
    """Queue what is asked for; with the one who asks this process ends, whatever it is doing."""
    try:
        while True:
            jobs.put(link.recv())
    except (EOFError, OSError):
        os._exit(1)


def _answer(wanted: Job, link: Connection) -> Answer:
    try:
        if isinstance(wanted, Import):
            link.send(("rows", (0, 1)))
            load_strategy(wanted.strategy)
            return "ended", []
        strategy = _strategy(wanted)
    except StrategyLabError as error:  # the next call may find another file
        return "refused", str(error)
    try:
        return "ended", _run(wanted, strategy, _Teller(link))
    except DataError as error:  # this session is not for these sets
        return "ended", [{"label": "not run", "error": str(error)} for _ in wanted.sets]
    except StrategyLabError as error:
        return "ended", [{"label": "failed", "error": str(error)} for _ in wanted.sets]
    except MemoryError as error:
        return "starved", str(error) or "an array could not be made"
    except Exception as error:  # the one who asks raises it, and goes on without us
        return "broke", repr(error)


class _Teller:
    """Tells how far a job is, each step once."""

    def __init__(self, link: Connection) -> None:
        self._link, self._told = link, -1

    def __call__(self, done: int, total: int) -> None:
        if done != self._told:
            self._told = done
            self._link.send(("rows", (done, total)))


def _strategy(wanted: Pass) -> Strategy:
    strategy = load_strategy(wanted.strategy)
    if strategy.source != wanted.source:
        raise ConfigError("strategy", wanted.strategy, "the file that it was a moment ago")
    return strategy


def _run(wanted: Pass, strategy: Strategy, tell: Progress) -> list[dict[str, Any]]:
    if wanted.ticks is None:
        raise DataError("the session has no ticks with a book: mbo, mbp-10, mbp-1 or tbbo")
    if wanted.contract is None and wanted.choice:
        raise DataError(f"{wanted.choice}; name one with the key `contract`")
    options: dict[str, Any] = {
        "products": wanted.products,
        "instrument": wanted.contract,
        "on_progress": tell,
    }
    last = Day(wanted.session, wanted.contract, wanted.ticks, wanted.seed, wanted.status)
    ticks: Any = [_part(wanted, day) for day in (*wanted.before, last)]
    if isinstance(wanted, Probe) or not wanted.sets[0][1].carry:
        (one,) = ticks
        options |= {"session": one.session, "seed": one.seed, "status": one.status}
        ticks = one.ticks()
    if isinstance(wanted, Probe):
        return [_probed(wanted, ticks, strategy, options)]
    sets = [ParameterSet(parameters, config) for parameters, config in wanted.sets]
    result = sweep(ticks, strategy, sets, keep_orders=wanted.folder is not None, **options)
    return [_kept(k, run, wanted) for k, run in enumerate(result.runs)]


def _part(wanted: Pass, day: Day) -> SessionTicks:
    """Return a session whose rows are read when their turn comes."""
    session = session_of(wanted.products[wanted.product], day.session)
    if session is None or day.ticks is None:
        raise DataError(f"the session {day.session} has no ticks with a book")
    return SessionTicks(
        session,
        partial(_rows, day.ticks),
        _table(day.seed),
        _table(day.status),
        instrument=day.contract,
    )


def _rows(path: Path) -> pl.DataFrame:
    ticks = pl.read_parquet(path)
    # What the validation of raw ticks needs to name them.
    return ticks.drop("file_hash", "row") if "book_state" in ticks.columns else ticks


def _probed(
    wanted: Probe, ticks: pl.DataFrame, strategy: Strategy, options: dict[str, Any]
) -> dict[str, Any]:
    """Return the rows of a probe's table, and what it says of them."""
    ((parameters, config),) = wanted.sets
    options |= {"strategy": strategy(**parameters), "config": config}
    options |= wanted.options
    if wanted.kind == "sensitivity":
        curves = sensitivity(ticks, **options)
        facts = {name: getattr(curves, name) for name in ("currency", "money_scale", "passes")}
        return {"error": None, "rows": curves.table().to_dicts(), **facts}
    probe: Any = {"leaks": find_lookahead, "warmup": find_warmup}[wanted.kind]
    found = probe(ticks, **options)
    return {"error": None, "rows": found.table().to_dicts(), "verdict": found.verdict}


def _table(path: Path | None) -> pl.DataFrame | None:
    return None if path is None else pl.read_parquet(path)


def _kept(k: int, run: SweepRun, wanted: Pass) -> dict[str, Any]:
    """Write a set's tables, and return the rest of its result in plain types."""
    if run.result is None:
        return {"label": "failed", "error": str(run.error)}
    habit = _bad_habit(run.result.metrics)
    if habit:
        return {"label": "failed", "error": f"strategy {run.result.strategy!r} {habit}"}
    if wanted.folder is not None:
        for name in TABLES:
            getattr(run.result, name).write_ipc(table_path(wanted.folder, k, name))
    described = _described(run.result)
    if wanted.choice:
        # Which contract was settled before the engine: to it the contract was asked for by name.
        kept = [text for text in described["assumptions"] if not text.startswith("Contract: ")]
        described["assumptions"] = [*kept, f"The contract is {wanted.choice}."]
    return described


def _bad_habit(metrics: Mapping[str, float]) -> str:
    """Say what is wrong with a strategy most of whose orders its own limits refuse, "" for none."""
    asked = metrics["n_orders"] + sum(
        count for name, count in metrics.items() if name.startswith("n_refused_")
    )
    remedies = {
        _NONSENSE: "made no sense (price, size or kind): correct what it asks for",
        _FLOOD: "were too many: have it ask less often, or raise the limits that refuse them",
    }
    for reasons, remedy in remedies.items():
        refused = {name: int(metrics[f"n_refused_{name}"]) for name in reasons}
        if asked >= ORDERS_JUDGED and 2 * sum(refused.values()) > asked:
            counts = ", ".join(f"{name} {count}" for name, count in refused.items() if count)
            return f"asked for {asked:.0f} orders, most of which {remedy} (refused: {counts})"
    return ""


def _described(result: BacktestResult) -> dict[str, Any]:
    return {
        "symbol": result.instrument.symbol,
        "label": "partial" if "partial" in result.flags else "complete",
        "error": None,
        "multiplier": result.instrument.multiplier,
        "currency": result.instrument.product.currency,
        "money_scale": result.instrument.product.money_scale,
        "flags": list(result.flags),
        "sessions": result.sessions.to_dicts(),
        "rolls": result.rolls.to_dicts(),
        "metrics": dict(result.metrics),
        "assumptions": list(result.assumptions),
    }


def main(descriptor: int) -> None:
    """Serve the connection of this descriptor until its other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asked us decides
    _serve(Connection(descriptor))


if __name__ == "__main__":
    main(int(sys.argv[1]))
