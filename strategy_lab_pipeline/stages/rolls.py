"""`rolls`: which contract each session of a product trades by each rule in use, with the audit.

Made from the contract tables of all sessions' books, and from their statistics. A run asks for its
session's choice alone and is out of date only where that changes: a session that is delivered again
ages no other run.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.instruments import Product
from strategy_lab_core.data.open_interest import open_interest_rows
from strategy_lab_core.data.roll_rules import RollRule, roll_rule
from strategy_lab_core.data.rolls import Choice, Rolls, choice_of, roll_decisions
from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.types import StatType, TickSchema
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.lake import Draft
from strategy_lab_pipeline.stages.contracts import FILES, read_contracts
from strategy_lab_pipeline.stages.experiments import experiments
from strategy_lab_pipeline.stages.outcome import STATISTICS, Outcome
from strategy_lab_pipeline.stages.publish import publish, write_table
from strategy_lab_pipeline.stages.versions import digest
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["RollTables", "build", "choice", "choice_inputs", "decisions", "products_with_books"]

NOWHERE = "-"  # session of an asset without partitions
NO_OPEN_INTEREST = (
    "no open interest of {product} is known, which the rule open_interest needs: ingest files of "
    "Databento's schema statistics, or use the rule volume"
)
UNDATED = Choice(None, "", False)  # a product without contracts


@dataclass(frozen=True, slots=True)
class RollTables:
    """The published decisions of one product, its audit rows over all rules in use, a picture."""

    outcome: Outcome
    rows: tuple[Mapping[str, Any], ...]
    chart_svg: str


def products_with_books(workspace: Workspace) -> list[str]:
    """Return the products with contracts of which any session has books."""
    found = {row.product for row in workspace.store.materializations("order_books")}
    return sorted(each for each in found if workspace.products[each].dated)


def decisions(
    workspace: Workspace, product: str, rule: RollRule, last: date | None = None
) -> Rolls:
    """Decide the contracts of a product's sessions, up to `last` where that is later.

    Raises
    ------
    PipelineError
        The rule needs open interest, and no figure of it is there.
    """
    if lack := _lack(workspace, product, rule):
        raise PipelineError(lack)
    folders, published = _folders(workspace, product), _published(workspace, product)
    return _decided(folders, published, workspace.products[product], rule, last)


def _lack(workspace: Workspace, product: str, rule: RollRule) -> str:
    """Return what the rule needs and is not there, as a sentence; "" where it can be applied."""
    if rule.name != "open_interest":
        return ""
    found = _open_interest(_folders(workspace, product), _published(workspace, product))
    return NO_OPEN_INTEREST.format(product=product) if found.is_empty() else ""


@lru_cache(maxsize=256)
def _decided(
    folders: Sequence[Path],
    published: Sequence[Path],
    known: Product,
    rule: RollRule,
    last: date | None,
) -> Rolls:
    sessions, pairs = read_contracts(folders)
    newest = max(sessions["session"].to_list(), default=None)
    return roll_decisions(
        sessions, session_calendar(known.calendar), rule, tick_size=known.tick_size,
        quote_pairs=pairs, open_interest=_open_interest(folders, published),
        last=max(last, newest) if last and newest else None,
    )  # fmt: skip


@lru_cache(maxsize=4)
def _open_interest(folders: Sequence[Path], published: Sequence[Path]) -> pl.DataFrame:
    """Return what the statistics of all sessions say of the contracts that have books."""
    is_figure = pl.col("stat_type") == int(StatType.OPEN_INTEREST)
    parts = [pl.scan_parquet(path).filter(is_figure).collect() for path in published]
    rows = pl.concat([pl.DataFrame(schema=polars_schema(TickSchema.STATISTICS)), *parts])
    return open_interest_rows(rows, read_contracts(folders)[0])


def _books(workspace: Workspace, product: str) -> list[tuple[str, Path, str]]:
    """Return session, folder and data version of a product's books, older sessions first.

    A version that is gone, or was made before there were tables of contracts, is a missing session.
    """
    return workspace.once(("books", product), lambda: _read_books(workspace, product))


def _read_books(workspace: Workspace, product: str) -> list[tuple[str, Path, str]]:
    found = [
        (row.session, workspace.lake.version_path(row.asset, product, row.session, row.version),
         row.data_version)
        for row in workspace.store.materializations("order_books", product)
    ]  # fmt: skip
    return [each for each in found if all((each[1] / file).is_file() for file in FILES)]


def _folders(workspace: Workspace, product: str) -> tuple[Path, ...]:
    return tuple(folder for _, folder, _ in _books(workspace, product))


def _published(workspace: Workspace, product: str) -> tuple[Path, ...]:
    return tuple(path for _, path, _ in _statistics(workspace, product))


def _statistics(workspace: Workspace, product: str) -> list[tuple[str, Path, str]]:
    """Return session, file and hash of a product's validated statistics, older sessions first."""
    return workspace.once(("statistics", product), lambda: _read_statistics(workspace, product))


def _read_statistics(workspace: Workspace, product: str) -> list[tuple[str, Path, str]]:
    return [
        (row.session, path, file["sha256"])
        for row in workspace.store.materializations("validated_ticks", product)
        for file in row.files
        if file["name"] == STATISTICS
        and (path := workspace.lake.version_path(row.asset, product, row.session, row.version)
             / STATISTICS).is_file()
    ]  # fmt: skip


def choice(workspace: Workspace, product: str, session: date, contract: RollRule | str) -> Choice:
    """Return the contract that an experiment trades in a session, decided before its open."""
    if isinstance(contract, str):
        return Choice(contract, "", False)
    if not workspace.products[product].dated:
        return UNDATED
    if lack := _lack(workspace, product, contract):
        return Choice(None, lack, False)
    known, folders = workspace.products[product], _folders(workspace, product)
    published = _published(workspace, product) if contract.name == "open_interest" else ()
    found = choice_of(_decided(folders, published, known, contract, None), session)
    found = found or choice_of(_decided(folders, published, known, contract, session), session)
    return found or UNDATED


def choice_inputs(
    workspace: Workspace, product: str, session: date, contracts: Iterable[RollRule | str]
) -> dict[str, str]:
    """Return what runs are made from beside ticks and books: the choice of each rule."""
    rules = sorted({str(rule): rule for rule in contracts if not isinstance(rule, str)}.items())
    found = {text: choice(workspace, product, session, rule) for text, rule in rules}
    return {f"rolls:{text}": f"{each.symbol}:{digest(each)}" for text, each in found.items()}


def build(workspace: Workspace, product: str, *, run_id: str) -> RollTables:
    """Write the decisions of a product by every rule that its experiments use, and by volume."""
    rules = _rules(workspace, product)
    found = {rule: decisions(workspace, product, roll_rule(rule)) for rule in rules}
    outcome = publish(
        workspace, "rolls", product, NOWHERE, inputs=_inputs(workspace, product), config=rules,
        build=lambda draft: _write(draft, found), run_id=run_id,
    )  # fmt: skip
    rows = [row for rolls in found.values() for row in rolls.rolls.to_dicts()]
    return RollTables(outcome, tuple(rows), _chart(found[str(RollRule())]))


def _chart(rolls: Rolls) -> str:
    from strategy_lab_core.report.charts import to_svg
    from strategy_lab_core.report.roll_chart import roll_chart

    return to_svg(roll_chart(rolls.rolls)) if rolls.rolls["gap_ticks"].count() else ""


def _write(draft: Draft, found: Mapping[str, Rolls]) -> dict[str, Any]:
    for rule, rolls in found.items():
        write_table(draft, f"contracts-{rule}", rolls.contracts)
        write_table(draft, f"rolls-{rule}", rolls.rolls)
    return {"rows": sum(rolls.rolls.height for rolls in found.values()), "rules": sorted(found)}


def _rules(workspace: Workspace, product: str) -> list[str]:
    """Return the rules in use; one that can't be applied here fails in its own runs."""
    used = {
        str(each.contract)
        for each in experiments(workspace.settings).parts
        if each.product == product and not isinstance(each.contract, str)
    }
    used = {rule for rule in used if not _lack(workspace, product, roll_rule(rule))}
    return sorted(used | {str(RollRule())})


def _inputs(workspace: Workspace, product: str) -> dict[str, str]:
    books = _books(workspace, product)
    statistics = _statistics(workspace, product)
    return {f"order_books:{session}": version for session, _, version in books} | {
        f"statistics:{session}": sha256 for session, _, sha256 in statistics
    }
