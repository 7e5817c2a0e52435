"""What rolls need to know of one session, from its trades and quotes: volumes and quote pairs.

The tables are those of `roll_schemas`; which contract they make the traded one is in `rolls`.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from strategy_lab_core.data.calendar import Session, phase_intervals
from strategy_lab_core.data.contracts import Contract
from strategy_lab_core.data.roll_schemas import roll_schema
from strategy_lab_core.types import BookState, Int1D, Phase

__all__ = ["Quotes", "contract_rows", "pair_rows", "two_sided"]


class Quotes(NamedTuple):
    """Stretches of one contract's two-sided quotes in the open phase, in order (shape: stretches).

    [start_ns, end_ns), ns UTC; bids and asks in 1e-9.
    """

    start_ns: Int1D
    end_ns: Int1D
    bids: Int1D
    asks: Int1D


def contract_rows(
    session: Session,
    contracts: Mapping[int, Contract],
    volumes: Mapping[int, int],
    *,
    is_complete: bool,
) -> pl.DataFrame:
    """Return a `contract_sessions` row for each contract, in order of expiry.

    Both mappings go by instrument id; what has two ids, of two deliveries, is one contract.
    """
    lots: dict[Contract, int] = {}
    for id_, contract in contracts.items():
        lots[contract] = lots.get(contract, 0) + volumes.get(id_, 0)
    in_order = sorted(lots, key=lambda contract: contract.expiration_ns)
    rows = [(session.key, c.symbol, c.expiration_ns, lots[c], is_complete) for c in in_order]
    return pl.DataFrame(rows, schema=roll_schema("contract_sessions"), orient="row")


def two_sided(bbo: pl.LazyFrame, session: Session) -> Quotes:
    """Return the two-sided quotes of a `bbo` table: trusted, not crossed, made in the open phase.

    A quote lasts to the next row, the last one to the close.
    """
    starts, phases = phase_intervals(session)
    spans = [
        pl.col("ts_event").is_between(int(starts[i]), int(starts[i + 1]), closed="left")
        for i in range(len(starts) - 1)
        if phases[i] == Phase.OPEN
    ]
    found = (
        bbo.select(
            "ts_event", "bid_px", "ask_px", "book_state",
            end=pl.col("ts_event").shift(-1, fill_value=session.close_ns),
        )
        .filter(
            pl.any_horizontal(spans),
            pl.col("book_state") == int(BookState.TRUSTED),
            pl.col("bid_px") < pl.col("ask_px"),
            pl.col("end") > pl.col("ts_event"),
        )
        .collect()
    )  # fmt: skip
    columns = (found[name].to_numpy() for name in ("ts_event", "end", "bid_px", "ask_px"))
    return Quotes(*columns)


def pair_rows(session: Session, quotes: Mapping[Contract, Quotes]) -> pl.DataFrame:
    """Return a `quote_pairs` row for each two contracts that were ever quoted at once."""
    in_order = sorted(quotes, key=lambda contract: contract.expiration_ns)
    rows = []
    for place, old in enumerate(in_order):
        for new in in_order[place + 1 :]:
            found = _last_common(quotes[old], quotes[new])
            if found is not None:
                i, k = found
                mine, theirs = quotes[old], quotes[new]
                ts = max(mine.start_ns[i], theirs.start_ns[k])
                prices = (mine.bids[i], mine.asks[i], theirs.bids[k], theirs.asks[k])
                rows.append((session.key, old.symbol, new.symbol, *map(int, (ts, *prices))))
    return pl.DataFrame(rows, schema=roll_schema("quote_pairs"), orient="row")


def _last_common(old: Quotes, new: Quotes) -> tuple[int, int] | None:
    """Return the last stretch of each that has a moment in common with one of the other."""
    i, k = len(old.start_ns) - 1, len(new.start_ns) - 1
    while i >= 0 and k >= 0:
        if old.end_ns[i] <= new.start_ns[k]:
            k = int(np.searchsorted(new.start_ns, old.end_ns[i])) - 1
        elif new.end_ns[k] <= old.start_ns[i]:
            i = int(np.searchsorted(old.start_ns, new.end_ns[k])) - 1
        else:
            return i, k
    return None
