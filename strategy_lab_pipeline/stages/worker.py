"""The engine's own process: takes passes from a connection, runs them, hands the results back.

A compiled loop hears no signal, so that it must run where it can be killed. Tables go through Arrow
files in the folder that the pass names, figures through the connection, which speaks only after
the files are whole. `stages.engine` starts this module and listens.
"""

import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal, TypeAlias

import polars as pl

from strategy_lab_core.engine.backtest import BacktestResult
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.sweep import ParameterSet, SweepRun, sweep
from strategy_lab_core.errors import ConfigError, DataError, StrategyLabError
from strategy_lab_core.strategies.loader import load_strategy
from strategy_lab_core.strategies.strategy import Strategy
from strategy_lab_pipeline.stages.raw import session_of

__all__ = ["TABLES", "Answer", "Pass", "table_path"]

TABLES = ("orders", "fills", "equity")
ORDERS_JUDGED = 20  # fewer are too few to call a habit
_NONSENSE = ("invalid", "unsupported", "price_distance")
_FLOOD = ("open_orders", "message_rate", "overflow")

# ("rows", (done, total)), then ("ended", a mapping for each set) or why not
Answer: TypeAlias = tuple[Literal["rows", "ended", "refused", "starved", "broke"], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One pass over one session, in plain types.

    Attributes
    ----------
    strategy, source
        As the experiment names it; the digest that it had when the experiment was read.
    sets
        Parameters and configuration of each set.
    ticks, seed, status
        Parquet files of validated rows; None where there are none.
    folder
        Where the tables of set k go, as ``<k>-<table>.arrow``; None keeps the figures alone.
    """

    strategy: str
    source: str
    sets: tuple[tuple[Mapping[str, float], BacktestConfig], ...]
    product: str
    session: date
    ticks: Path | None
    seed: Path | None
    status: Path | None
    folder: Path | None


def table_path(folder: Path, k: int, table: str) -> Path:
    """Return where a pass leaves a table of set `k`."""
    return folder / f"{k}-{table}.arrow"


def _serve(link: Connection) -> None:
    passes: SimpleQueue[Pass] = SimpleQueue()
    threading.Thread(target=_listen, args=(link, passes), daemon=True).start()
    while True:
        link.send(_answer(passes.get(), link))


def _listen(link: Connection, passes: "SimpleQueue[Pass]") -> None:
    """Queue what is asked for; with the one who asks this process ends, whatever it is doing."""
    try:
        while True:
            passes.put(link.recv())
    except (EOFError, OSError):
        os._exit(1)


def _answer(wanted: Pass, link: Connection) -> Answer:
    try:
        strategy = _strategy(wanted)
    except StrategyLabError as error:  # the next call may find another file
        return "refused", str(error)
    try:
        return "ended", _run(wanted, strategy, link)
    except DataError as error:  # this session is not for these sets
        return "ended", [{"label": "not run", "error": str(error)} for _ in wanted.sets]
    except StrategyLabError as error:
        return "ended", [{"label": "failed", "error": str(error)} for _ in wanted.sets]
    except MemoryError as error:
        return "starved", str(error) or "an array could not be made"
    except Exception as error:  # the one who asks raises it, and goes on without us
        return "broke", repr(error)


def _strategy(wanted: Pass) -> Strategy:
    strategy = load_strategy(wanted.strategy)
    if strategy.source != wanted.source:
        raise ConfigError("strategy", wanted.strategy, "the file that it was a moment ago")
    return strategy


def _run(wanted: Pass, strategy: Strategy, link: Connection) -> list[dict[str, Any]]:
    if wanted.ticks is None:
        raise DataError("the session has no ticks with a book: mbo, mbp-10, mbp-1 or tbbo")
    result = sweep(
        pl.scan_parquet(wanted.ticks).drop("file_hash", "row").collect(),
        strategy,
        [ParameterSet(parameters, config) for parameters, config in wanted.sets],
        keep_orders=wanted.folder is not None,
        on_progress=lambda done, total: link.send(("rows", (done, total))),
        session=session_of(wanted.product, wanted.session),
        seed=_table(wanted.seed),
        status=_table(wanted.status),
    )
    return [_kept(k, run, wanted.folder) for k, run in enumerate(result.runs)]


def _table(path: Path | None) -> pl.DataFrame | None:
    return None if path is None else pl.read_parquet(path)


def _kept(k: int, run: SweepRun, folder: Path | None) -> dict[str, Any]:
    """Write a set's tables, and return the rest of its result in plain types."""
    if run.result is None:
        return {"label": "failed", "error": str(run.error)}
    habit = _bad_habit(run.result.metrics)
    if habit:
        return {"label": "failed", "error": f"strategy {run.result.strategy!r} {habit}"}
    if folder is not None:
        for name in TABLES:
            getattr(run.result, name).write_ipc(table_path(folder, k, name))
    return _described(run.result)


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
        "metrics": dict(result.metrics),
        "assumptions": list(result.assumptions),
    }


def main(descriptor: int) -> None:
    """Serve the connection of this descriptor until its other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asked us decides
    _serve(Connection(descriptor))


if __name__ == "__main__":
    main(int(sys.argv[1]))
