"""Random market-by-order tapes for the properties of the books."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from strategy_lab_core.data.columns import Table, table
from strategy_lab_core.types import EMPTY_PRICE
from tests.naive.book import LAST, SNAPSHOT, Record

STUB = 199_999_990_000_000
PRICES = [*range(5_000, 5_008), 1, -250, STUB]
LONGEST = 40 if settings().max_examples > 1_000 else 16
IDS = [*range(1, 12), 2**63 + 5, 2**64 - 1]


def _records(actions: str, *, flags: list[int]) -> st.SearchStrategy[Record]:
    """Draw a record as a byte for each field: a draw for each field costs six times as much."""
    prices = [*PRICES, *PRICES, None]
    fields: list[Sequence[Any]] = [actions, "BBBAAAN", prices, range(6), IDS, flags]

    def decoded(code: bytes) -> Record:
        """Return the record in which each byte chooses a value."""
        chosen = [values[byte % len(values)] for values, byte in zip(fields, code, strict=True)]
        action, side, price, size, order_id, flags = chosen
        return Record(action, side, price, size, order_id, flags)

    return st.binary(min_size=len(fields), max_size=len(fields)).map(decoded)


def _snapshots() -> st.SearchStrategy[list[Record]]:
    """Draw a block of snapshot rows behind no clear, a plain one or a flagged one."""
    clear = st.sampled_from([[], [Record("R")], [Record("R", flags=SNAPSHOT | 8)]])
    rows = st.lists(_records("AAAAAT", flags=[SNAPSHOT | 8]), min_size=1, max_size=8)
    return st.builds(lambda first, others: [*first, *others], clear, rows)


def tapes(size: int = LONGEST) -> st.SearchStrategy[list[Record]]:
    """Tapes with everything that a feed, good or bad, can hold; ts_recv grows by block.

    A block of the market has up to `size` records.
    """
    market = st.lists(
        _records("AAAAAACCCCMMMTFNR", flags=[0, LAST, LAST]), min_size=1, max_size=size
    )
    blocks = st.lists(st.one_of(market, market, _snapshots()), max_size=5)
    return blocks.map(_timed)


def _timed(blocks: list[list[Record]]) -> list[Record]:
    for number, block in enumerate(blocks):
        for record in block:
            record.ts_recv = 1_000 * (number // 2 + 1)
    return [record for block in blocks for record in block]


def to_table(records: list[Record], *, instrument_id: int = 7) -> Table:
    """Return records as a canonical market-by-order table, sequence = row number."""
    n_rows = len(records)
    price = [EMPTY_PRICE if r.price is None else r.price for r in records]
    return table(
        {
            "ts_recv": np.array([r.ts_recv for r in records], np.int64),
            "ts_event": np.array([r.ts_event or r.ts_recv for r in records], np.int64),
            "instrument_id": np.full(n_rows, instrument_id, np.uint32),
            "publisher_id": np.ones(n_rows, np.uint16),
            "action": np.array([ord(r.action) for r in records], np.uint8),
            "side": np.array([ord(r.side) for r in records], np.uint8),
            "price": np.array(price, np.int64),
            "size": np.array([r.size for r in records], np.uint32),
            "order_id": np.array([r.order_id for r in records], np.uint64),
            "flags": np.array([r.flags for r in records], np.uint8),
            "channel_id": np.zeros(n_rows, np.uint8),
            "ts_in_delta": np.zeros(n_rows, np.int32),
            "sequence": np.arange(n_rows, dtype=np.uint32),
            "symbol": np.full(n_rows, f"S{instrument_id}"),
            "file_hash": np.full(n_rows, "0" * 64),
            "row": np.arange(n_rows),
        }
    )
