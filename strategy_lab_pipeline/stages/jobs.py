"""What the engine's process is asked for and answers, in plain types; `stages.worker` does it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

from strategy_lab_core.data.instruments import Product
from strategy_lab_core.engine.config import BacktestConfig

__all__ = ["TABLES", "Answer", "Day", "Import", "Job", "Pass", "Probe", "table_path"]

TABLES = ("orders", "fills", "equity")  # of each set

# ("rows", (done, total)), then ("ended", a mapping for each set) or why not
Answer: TypeAlias = tuple[Literal["rows", "ended", "refused", "starved", "broke"], Any]


@dataclass(frozen=True, slots=True)
class Import:
    """A strategy's file, to be imported and nothing more."""

    strategy: str
    is_stepwise: ClassVar[bool] = False


class Day(NamedTuple):
    """A session, its contract, and the Parquet files of its validated rows; None for nothing."""

    session: date
    contract: str | None
    ticks: Path | None
    seed: Path | None
    status: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One pass over one session, or over those of a carried run, in plain types.

    Attributes
    ----------
    strategy, source
        As the experiment names it; the digest that it had when the experiment was read.
    sets
        Parameters and configuration of each set.
    products
        All of them by root.
    contract, choice
        Its symbol, None where the product has none; why it was chosen, "" where it was named.
    ticks, seed, status
        Parquet files of validated rows; None where there are none.
    before
        The earlier sessions of a carried run.
    folder
        Where the tables of set k go, as ``<k>-<table>.arrow``; None keeps the figures alone.
    is_stepwise
        Whether each step that it tells has the whole deadline.
    """

    strategy: str
    source: str
    sets: tuple[tuple[Mapping[str, float], BacktestConfig], ...]
    product: str
    products: Mapping[str, Product]
    session: date
    contract: str | None
    choice: str
    ticks: Path | None
    seed: Path | None
    status: Path | None
    folder: Path | None
    before: tuple[Day, ...] = ()
    is_stepwise: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe(Pass):
    """A probe of one set: the answer is one mapping, with the rows of its table.

    Attributes
    ----------
    kind, options
        Which probe, and its own arguments.
    """

    kind: Literal["leaks", "warmup", "sensitivity"]
    options: Mapping[str, Any]
    is_stepwise: ClassVar[bool] = True


Job: TypeAlias = Import | Pass


def table_path(folder: Path, k: int, table: str) -> Path:
    """Return where a pass leaves a table of set `k`."""
    return folder / f"{k}-{table}.arrow"
