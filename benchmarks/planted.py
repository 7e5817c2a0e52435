"""A market whose signals are known: a million of them, three with an edge of known size.

A session is eight moves of the price, up or down by 1,000 to 3,000 ticks, each announced by a quote
whose bid's size is a number of twenty random bits. The parity of the bits under a mask is a signal,
and any two of them are independent. Three masks are right more often than wrong, by what makes
their Sharpe ratios per session; all others are luck. The spread of one tick and no fees are all
that a position costs: less than 0.1 % of a move, so that fills are fair.

Not a picture of a market: a ruler, of which the true edge is known before the engine sees it.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Annotated, NamedTuple

import numpy as np
import polars as pl

from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.strategies.quoting import is_two_sided
from strategy_lab_core.strategies.requests import buy_market, sell_market
from strategy_lab_core.strategies.strategy import Bounds, Memory, View, strategy
from strategy_lab_core.types import Int1D, Int2D, RecordFlag, TickSchema

__all__ = [
    "BITS",
    "EDGES",
    "MASKS",
    "agreement_of",
    "draw",
    "follow",
    "parities",
    "session_table",
    "sharpe_of",
]

MOVES = 8  # of a session
LOW, HIGH = 1_000, 3_000  # ticks of a move, inclusive
BITS = 20
MASKS = (0b11, 0b1100, 0b110000)  # those that know something
EDGES = (0.65, 0.325, 0.1625)  # their Sharpe ratios per session, without the spread
_TICK, _FIRST_TICK = 250_000_000, 84_000
_HOUR_NS = 3_600_000_000_000
_SYMBOL, _ID = "MNQH5", 42_000_313


class FollowParams(NamedTuple):
    """Which bits of the bid's size it reads."""

    mask: Annotated[int, Bounds(1, 2**BITS - 1)] = 1


@strategy(FollowParams, on_response=False)
def follow(memory: Memory, view: View, p: FollowParams, requests: Int2D) -> None:
    """Be long where the parity of the bits under the mask is odd, else short; flat at the end."""
    if not is_two_sided(view):
        return
    bits = (view.bid_size - 2**BITS) & p.mask
    odd = 0
    while bits != 0:
        odd ^= bits & 1
        bits >>= 1
    wanted = 2 * odd - 1 if view.flatten_ns - view.now_ns > _HOUR_NS else 0
    if wanted > view.position:
        buy_market(requests, wanted - view.position)
    elif wanted < view.position:
        sell_market(requests, view.position - wanted)


def sharpe_of(agreement: float) -> float:
    """Return the Sharpe ratio per session of a signal right in (1 + agreement) / 2 of moves.

    Of one lot, without the spread: mean agreement E|m| a move, variance E m^2 less its square.
    """
    sizes = np.arange(LOW, HIGH + 1, dtype=np.float64)
    mean = agreement * sizes.mean()
    return float(sqrt(MOVES) * mean / sqrt((sizes**2).mean() - mean**2))


def agreement_of(sharpe: float) -> float:
    """Return the agreement that makes a Sharpe ratio per session: the inverse of `sharpe_of`."""
    sizes = np.arange(LOW, HIGH + 1, dtype=np.float64)
    a = sharpe / sqrt(MOVES)
    return float(a * sqrt((sizes**2).mean() / (1 + a**2)) / sizes.mean())


def parities(bits: Int1D, mask: int) -> Int1D:
    """Return 1 where the parity of the bits under the mask is odd, else -1 (shape: as given)."""
    return np.array([2 * ((int(each) & mask).bit_count() & 1) - 1 for each in bits], np.int64)


def draw(rng: np.random.Generator, edges: Sequence[float] = EDGES) -> tuple[Int1D, Int1D]:
    """Return the bits before each move, and the moves in ticks (shape of both: moves)."""
    bits = rng.integers(0, 2**BITS, MOVES)
    chance = np.full(MOVES, 0.5)
    for mask, sharpe in zip(MASKS, edges, strict=True):
        chance += agreement_of(sharpe) / 2 * parities(bits, mask)
    up = rng.random(MOVES) < chance
    return bits, np.where(up, 1, -1) * rng.integers(LOW, HIGH + 1, MOVES)


def session_table(session: Session, bits: Int1D, moves: Int1D) -> pl.DataFrame:
    """Return a session's quotes as a canonical mbp-1 table: one before a move, two at the end."""
    n = MOVES + 2
    first, last = session.open_ns + 10**9, session.close_ns - 10**9
    times = np.append(np.linspace(first, last - _HOUR_NS // 2, n - 1).astype(np.int64), last)
    bid = _FIRST_TICK + np.concatenate(([0], np.cumsum(moves), [int(moves.sum())]))
    sizes = 2**BITS + np.append(bits, [0, 0])
    columns = {
        "ts_event": times, "ts_recv": times, "sequence": np.arange(n), "price": bid * _TICK,
        "size": np.ones(n, np.int64), "bid_px_00": bid * _TICK, "ask_px_00": (bid + 1) * _TICK,
        "bid_sz_00": sizes, "ask_sz_00": np.full(n, 2**BITS),
        "instrument_id": np.full(n, _ID), "flags": np.full(n, int(RecordFlag.LAST)),
    }  # fmt: skip
    text = {"symbol": _SYMBOL, "file_hash": "0" * 64, "action": "M", "side": "B"}
    table = pl.DataFrame(columns).with_columns(
        *(pl.lit(value).alias(name) for name, value in text.items()),
        pl.int_range(n, dtype=pl.Int64).alias("row"),
    )
    schema = polars_schema(TickSchema.MBP_1)
    missing = [pl.lit(1).alias(name) for name in schema if name not in table.columns]
    return table.with_columns(missing).select(
        pl.col(name).cast(dtype) for name, dtype in schema.items()
    )
