"""What a partition says about its contracts, beside its books: volumes, and quotes of pairs.

Two small tables of every version of `order_books`, and all of a product's together: what rolls
are decided from.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import polars as pl

from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.contract_sessions import contract_rows, pair_rows, two_sided
from strategy_lab_core.data.contracts import Contract, contract_of
from strategy_lab_core.data.instruments import Instrument, Product
from strategy_lab_core.data.roll_schemas import roll_schema
from strategy_lab_core.types import Action, TickSchema
from strategy_lab_pipeline.lake import Draft
from strategy_lab_pipeline.stages.judge import known_instruments
from strategy_lab_pipeline.stages.outcome import Outcome
from strategy_lab_pipeline.stages.publish import write_table

__all__ = ["FILES", "NAMES", "read_contracts", "write_contracts"]

NAMES = ("contract_sessions", "quote_pairs")
FILES = tuple(f"{name}.parquet" for name in NAMES)


def write_contracts(
    draft: Draft,
    validated: Outcome,
    session: Session,
    feeds: Mapping[int, TickSchema],
    products: Mapping[str, Product],
) -> None:
    """Write both tables of a partition, once its books are in the draft.

    Parameters
    ----------
    feeds
        The schema of each instrument that has a book; the others' trades count where there are any.
    """
    contracts = _contracts(validated, session, products)
    bbo = {id_: draft.path(f"bbo-{id_}.parquet") for id_ in contracts if id_ in feeds}
    quotes = {contracts[id_]: two_sided(pl.scan_parquet(path), session)
              for id_, path in bbo.items()} if len(bbo) > 1 else {}  # fmt: skip
    is_complete = validated.details.get("label") == "complete"
    volumes = _volumes(validated.path, contracts, feeds)
    table = contract_rows(session, contracts, volumes, is_complete=is_complete)
    for name, rows in zip(NAMES, (table, pair_rows(session, quotes)), strict=True):
        write_table(draft, name, rows)


def _contracts(
    validated: Outcome, session: Session, products: Mapping[str, Product]
) -> dict[int, Contract]:
    tables = {path.stem: path for path in sorted(validated.path.glob("*.parquet"))}
    known = known_instruments(
        {name: tables[name] for name in tables if name in set(TickSchema)}, products
    )
    return {id_: _contract(one, session) for id_, one in known.items() if _is_contract(one)}


def _is_contract(instrument: Instrument) -> bool:
    return instrument.kind == "outright" and instrument.product.dated


def _contract(instrument: Instrument, session: Session) -> Contract:
    return contract_of(
        instrument.symbol,
        session.key,
        {instrument.product.root: instrument.product},
        defined_ns=instrument.expiration_ns,
    )


def _volumes(
    folder: Path, contracts: Mapping[int, Contract], feeds: Mapping[int, TickSchema]
) -> dict[int, int]:
    volumes: dict[int, int] = {}
    for schema in {feeds.get(id_, TickSchema.TRADES) for id_ in contracts}:
        path = folder / f"{schema}.parquet"
        mine = [id_ for id_ in contracts if feeds.get(id_, TickSchema.TRADES) == schema]
        if path.is_file():
            traded = pl.scan_parquet(path).filter(
                pl.col("action") == chr(Action.TRADE), pl.col("instrument_id").is_in(mine)
            )
            lots = traded.group_by("instrument_id").agg(pl.col("size").cast(pl.Int64).sum())
            volumes.update(lots.collect().iter_rows())
    return volumes


@lru_cache(maxsize=4)
def read_contracts(folders: Sequence[Path]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return both tables of these versions of `order_books`, joined in the order given."""
    tables = []
    for name, file in zip(NAMES, FILES, strict=True):
        parts = [pl.read_parquet(folder / file) for folder in folders]
        tables.append(pl.concat([pl.DataFrame(schema=roll_schema(name)), *parts]))
    return tables[0], tables[1]
