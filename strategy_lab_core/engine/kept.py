"""Sets of a sweep that are done, in a folder: after an interrupt they are not run again.

A set is a file named by the digest of what decides its result: rows, session, contract, products,
parameters, configuration, and the code of the package and of the strategy's file. It is written
aside and renamed, so that it is whole or not there. What other inputs left beside it is not looked
at, and a set whose strategy raised is no result: it is run again.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from strategy_lab_core._jit import source_digest
from strategy_lab_core.data.columns import Table, from_bytes, rows_digest, to_bytes
from strategy_lab_core.data.instruments import Product, products
from strategy_lab_core.engine.backtest import BacktestResult
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.run import RunnableStrategy
from strategy_lab_core.engine.stage import SessionTicks, Stage, Ticks

__all__ = ["inputs_digest", "keep", "kept", "set_name"]

_TABLES = ("orders", "fills", "equity", "sessions", "rolls")
_FACTS = "facts.json"
# What reading an archive with any byte changed can raise: then the set is run again.
_DAMAGES = (BadZipFile, KeyError, ValueError, RuntimeError, OSError, EOFError, zlib.error)
_CORE = Path(__file__).parents[1]
_AFTER_RUNS = ("probes", "report", "search", "stats", "strategies")  # a strategy names its own code


def inputs_digest(ticks: Ticks, table: Mapping[str, Product] | None, *options: object) -> str:
    """Return the digest of what all sets of a sweep share: code, rows, products and options.

    Rows that a function reads are read for it, a session at a time.
    """
    known = sorted((products() if table is None else table).items())
    parts = [ticks] if isinstance(ticks, Table) else ticks
    said = [_said(each) for each in (source_digest(_CORE, without=_AFTER_RUNS), known)]
    said += [_said(each) for each in (*parts, *options)]
    return _digest(said)


def _said(value: object) -> str:
    """Return a text that says all of a value."""
    if isinstance(value, Table):
        return rows_digest(value)
    if isinstance(value, SessionTicks):
        rows = value.ticks if isinstance(value.ticks, Table) else value.ticks()
        rest = (value.session, rows, value.seed, value.status, value.instrument)
        return _digest([_said(each) for each in rest])
    return repr(value)


def _digest(said: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def set_name(inputs: str, *said: object) -> str:
    """Return the name of a set's file; `inputs` is `inputs_digest`."""
    return f"{_digest([inputs, *map(repr, said)])[:32]}.zip"


def keep(path: Path, result: BacktestResult) -> None:
    """Write a result; it appears whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {"metrics": result.metrics, "assumptions": result.assumptions, "flags": result.flags}
    draft = path.with_suffix(f".{uuid4().hex}.tmp")
    try:
        with draft.open("wb") as file:
            with ZipFile(file, "w", ZIP_DEFLATED) as parts:
                for name in _TABLES:
                    parts.writestr(name, to_bytes(getattr(result, name)))
                parts.writestr(_FACTS, json.dumps(facts))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def kept(
    path: Path, stage: Stage, config: BacktestConfig, strategy: RunnableStrategy
) -> BacktestResult | None:
    """Return the result in a file, None where it is none.

    Parameters
    ----------
    stage
        The run's last session.
    config, strategy
        The set's.
    """
    try:
        with ZipFile(path) as parts:
            tables = {name: from_bytes(parts.read(name)) for name in _TABLES}
            facts = json.loads(parts.read(_FACTS))
    except _DAMAGES:
        return None
    return BacktestResult(
        **tables,
        metrics=facts["metrics"],
        assumptions=tuple(facts["assumptions"]),
        flags=tuple(facts["flags"]),
        instrument=stage.instrument,
        session=stage.session,
        config=config,
        strategy=strategy.name,
        parameters=strategy.parameters,
    )
