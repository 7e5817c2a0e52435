"""Versions: what a partition was made from decides whether it is up to date.

A version's key hashes the data versions of its inputs, the code that makes it and the
configuration. Dagster has no launch mode for this: the comparison is ours.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import strategy_lab_core
from strategy_lab_core._jit import source_digest

__all__ = ["code_version", "digest", "input_key"]

_CORE = Path(strategy_lab_core.__file__).parent
_STAGES = Path(__file__).parent
# The parts of core that a stage runs, by what it must not: later layers do not age earlier assets.
_AFTER_RUNS = ("probes", "report", "search", "stats")
_AFTER_BOOKS = ("features", "engine", "strategies", *_AFTER_RUNS)
_WITHOUT = {
    "raw_ticks": _AFTER_BOOKS,
    "validated_ticks": _AFTER_BOOKS,
    "quarantined_ticks": _AFTER_BOOKS,
    "order_books": _AFTER_BOOKS,
    "rolls": _AFTER_BOOKS,
    "coverage": ("book", *_AFTER_BOOKS),
    "completeness": ("book", *_AFTER_BOOKS),
    "bars": ("book", *_AFTER_BOOKS),
    "features": ("engine", "strategies", *_AFTER_RUNS),
    "run": _AFTER_RUNS,
    "account": _AFTER_RUNS,
    "backtest_runs": _AFTER_RUNS,
    "reports": (),
    "searches": ("probes", "report"),
    "walk_forwards": ("probes", "report"),
    "evidence": ("probes",),
}
_STAGE_FILES = {
    "raw_ticks": ("raw.py", "placement.py"),
    "validated_ticks": ("validated.py", "judge.py"),
    "quarantined_ticks": ("validated.py", "judge.py"),
    "order_books": ("books.py", "contracts.py"),
    "rolls": ("rolls.py",),
    "coverage": ("coverage.py",),
    "completeness": ("completeness.py", "channels.py", "coverage.py"),
    "bars": ("bars.py", "books.py"),
    "features": ("features.py", "bars.py"),
    "run": ("runs.py", "carried.py", "jobs.py", "worker.py"),
    "account": ("together.py",),
    "backtest_runs": (
        "backtests.py", "runs.py", "carried.py", "jobs.py", "worker.py", "together.py",
    ),
    "reports": ("reports.py",),
    "searches": ("searches.py", "trials.py", "worker.py"),
    "walk_forwards": ("walk_forwards.py", "searches.py", "trials.py", "worker.py"),
    "evidence": ("evidence.py", "evidence_charts.py", "crossed.py", "nulls.py", "tried.py"),
}  # fmt: skip


def digest(value: Any) -> str:
    """Return 16 hex digits of a JSON value, independent of the order of its keys."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def code_version(asset: str) -> str:
    """Return 16 hex digits that change when the code that makes `asset` does.

    What follows a point in the name says which one of a kind it is (`run.<digest>`).
    """
    kind = asset.partition(".")[0]
    stage = [(_STAGES / name).read_text(encoding="utf-8") for name in _STAGE_FILES[kind]]
    return digest([source_digest(_CORE, without=_WITHOUT[kind]), *stage])


def input_key(asset: str, inputs: Mapping[str, str], config: Any) -> str:
    """Return the version key of `asset` made from `inputs` (name to data version) and `config`."""
    return digest([asset, code_version(asset), dict(inputs), config])
