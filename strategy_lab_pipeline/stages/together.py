"""Several instruments in one account: each has its own run, kept as ever; here they are added up.

An account is kept under `account.<digest>`, the tables of its runs together. It is listed with the
runs of its last product by name that has files of the session: plans make the others before. Where
one has no books it is "not run" there, and out of date as soon as they come.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from strategy_lab_core.data.instruments import instruments
from strategy_lab_core.data.sessions import session_of
from strategy_lab_core.engine.backtest import BacktestResult
from strategy_lab_core.engine.together import combine
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.strategies.experiment import Experiment
from strategy_lab_core.strategies.together import Together
from strategy_lab_pipeline.lake import Draft
from strategy_lab_pipeline.stages import carried, runs
from strategy_lab_pipeline.stages.engine import Progress
from strategy_lab_pipeline.stages.jobs import TABLES
from strategy_lab_pipeline.stages.publish import publish, write_table
from strategy_lab_pipeline.stages.scope import why_no_partition
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["EQUITY", "build", "home", "inputs_of"]

NOWHERE = "-"  # product of what is of several
EQUITY = "account_equity"
MISSING = "missing"  # instead of a data version
ASSUMED = (
    "Each instrument's strategy sees its own book and keeps its own limits, the loss limit "
    "included; margin is the sum, without credit for what offsets."
)


def home(workspace: Workspace, together: Together, session: date) -> str | None:
    """Return the product whose partition lists the account; None where none has a partition."""
    known = workspace.once("partitions", workspace.store.all_partitions)
    there = [
        each
        for each in together.products
        if (each, str(session)) in known and not why_no_partition(workspace.settings, each, session)
    ]
    return max(there, default=None)


def _has_books(workspace: Workspace, product: str, session: date) -> bool:
    return runs.inputs_of(workspace, product, session, ()) is not None


def inputs_of(workspace: Workspace, wanted: Iterable[Together], session: date) -> dict[str, str]:
    """Return what accounts are made from: the inputs of each instrument's run."""
    found: dict[str, str] = {}
    for part in (part for each in wanted for part in each.parts):
        mine = runs.inputs_of(workspace, part.product, session, [part.contract])
        mine = {"order_books": MISSING} if mine is None else mine
        mine |= carried.inputs_of(workspace, [part])
        found |= {f"{part.product}:{name}": version for name, version in mine.items()}
    return found


def build(
    workspace: Workspace,
    together: Together,
    session: date,
    *,
    run_id: str,
    on_progress: Progress,
) -> dict[str, Any]:
    """Run each instrument where that is not kept yet, add them up, and return what came out.

    Raises
    ------
    EngineError
        A run did not come to its end; those before it are kept.
    """
    lacking = [each for each in together.products if not _has_books(workspace, each, session)]
    parts = [
        runs.build(workspace, part, session, run_id=run_id, on_progress=on_progress)
        | {"instrument": part.instrument}
        for part in (() if lacking else together.parts)
    ]
    versions = {f"{run['asset']}:{run['product']}": run["data_version"] for run in parts}
    outcome = publish(
        workspace,
        f"account.{together.digest()}",
        NOWHERE,
        str(session),
        inputs=versions or dict.fromkeys(lacking, MISSING),
        config=[runs.config_of(workspace, part) for part in together.parts],
        build=lambda draft: _write(workspace, draft, together, session, parts, lacking),
        run_id=run_id,
    )
    run = runs.recorded(workspace, together, outcome, session, run_id=run_id)
    return run | {"parts": parts}


def _write(
    workspace: Workspace,
    draft: Draft,
    together: Together,
    session: date,
    parts: Sequence[Mapping[str, Any]],
    lacking: Sequence[str],
) -> dict[str, Any]:
    run = _why_not(together, session, parts, lacking)
    if run is None:
        run = _added_up(workspace, draft, together, session, parts)
    draft.json("run.json", run)
    return {"rows": 0 if run["error"] else 1}


def _why_not(
    together: Together,
    session: date,
    parts: Sequence[Mapping[str, Any]],
    lacking: Sequence[str],
) -> dict[str, Any] | None:
    """Return the label and the reason where there is nothing to add up."""
    if lacking:
        gone, wanted = ", ".join(lacking), ", ".join(together.products)
        reason = f"{gone} {session}: no order books; the account needs all of {wanted}"
        return {"label": "not run", "error": f"{reason}: ingest the files of {gone}"}
    prefix = f"experiment {together.name}: "
    broken = [
        (run["label"], f"{run['instrument']}: {run['error'].removeprefix(prefix)}")
        for run in parts
        if run["error"]
    ]
    if not broken:
        return None
    labels = {label for label, _ in broken}
    label = "failed" if "failed" in labels else "not run"
    return {"label": label, "error": "; ".join(reason for _, reason in broken)}


def _added_up(
    workspace: Workspace,
    draft: Draft,
    together: Together,
    session: date,
    parts: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Write the account's tables, and return the rest of it in plain types."""
    found = [
        _result(workspace, part, session, run)
        for part, run in zip(together.parts, parts, strict=True)
    ]
    try:
        account = combine(found)
    except ConfigError as error:  # one contract twice, other sessions, another currency
        return {"label": "not run", "error": str(error)}
    write_table(draft, "orders", account.orders)
    write_table(draft, "fills", account.fills)
    write_table(draft, EQUITY, account.equity)
    share = account.metrics["max_margin_e6"] / together.capital_e6
    return {
        "symbol": ", ".join(run["symbol"] for run in parts),
        "label": "partial" if "partial" in account.flags else "complete",
        "error": None,
        "currency": parts[0]["currency"],
        "money_scale": parts[0]["money_scale"],
        "flags": list(account.flags),
        "sessions": account.sessions.to_dicts(),
        "metrics": {**account.metrics, "max_margin_share": share},
        "assumptions": [ASSUMED, *_assumptions(parts)],
    }


def _assumptions(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what holds for all instruments, then what holds for some, with their names."""
    of_each = {run["instrument"]: run["assumptions"] for run in parts}
    known = dict.fromkeys(text for texts in of_each.values() for text in texts)
    shared = [text for text in known if all(text in texts for texts in of_each.values())]
    own = [
        f"{name}: {text}" for name, texts in of_each.items() for text in texts if text not in shared
    ]
    return [*shared, *own]


def _result(
    workspace: Workspace, part: Experiment, session: date, run: Mapping[str, Any]
) -> BacktestResult:
    """Return a kept run as the engine had it."""
    folder = runs.require_tables(workspace, session, run)
    tables = {name: pl.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    known = workspace.products
    hours = session_of(known[part.product], session)
    assert hours is not None  # it was run on it
    return BacktestResult(
        **tables,
        sessions=pl.DataFrame(run["sessions"]),
        rolls=pl.DataFrame(run["rolls"]),
        metrics=run["metrics"],
        assumptions=tuple(run["assumptions"]),
        flags=tuple(run["flags"]),
        instrument=instruments({0: run["symbol"]}, table=known)[0],
        session=hours,
        config=part.config,
        strategy=part.strategy.name,
        parameters=part.strategy.parameters,
    )
