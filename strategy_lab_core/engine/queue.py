"""Where an order of ours stands in the queue at its price, and what a trade leaves for it.

With market-by-order input the queue is seen: our order takes the book's next arrival number as
its rank, and whoever has a lower number at the price is ahead. First in, first out matching, as
MNQ and NQ have. With input by price only the sizes of the levels are seen, and how much of a
cancellation was ahead of us is a model's guess. A new one is a member of `QueueModel` and a branch
in `share_behind`.

The lots ahead (`front`) are whole numbers of 1e-9 lots: the model's share is rounded to 1e-9, all
that follows is exact, so that the same inputs fill the same lots everywhere.
"""

import math
from enum import IntEnum

from strategy_lab_core._jit import inlined, part

__all__ = [
    "LOT",
    "UNKNOWN_FRONT",
    "QueueModel",
    "front_after_change",
    "lots_beyond",
    "lots_for_us",
    "share_behind",
]

LOT = 1_000_000_000  # of `front`
UNKNOWN_FRONT = 2**62  # lots ahead at a price that the feed does not show: more than any level has
_SLACK = 1_000  # 1e-6 lots: what the roundings of a share may have cost never costs a whole lot


class QueueModel(IntEnum):
    """How the place in the queue is known."""

    BY_ORDER = 0  # exact, up to our own impact
    RISK_AVERSE = 1  # whoever cancels was behind us, as long as that is possible
    POWER_1 = 2  # the others: whoever cancels was behind us with a probability (`share_behind`)
    POWER_2 = 3
    POWER_3 = 4
    LOG_1 = 5
    LOG_2 = 6


@inlined
def lots_for_us(rank: int, filled_arrival: int, filled_lots: int, ours: int) -> int:
    """Return how many of a recorded fill's lots an order of ours at that price would have got.

    Parameters
    ----------
    rank
        Our order's place: orders with lower arrival numbers are ahead.
    filled_arrival
        Arrival number of the recorded order that was filled; negative where it is not in the
        book (implied matching): nobody knows its place, and we get nothing.
    filled_lots, ours
        The recorded fill, what our order still wants.
    """
    if filled_arrival < rank:
        return 0
    return min(filled_lots, ours)


@inlined
def lots_beyond(traded: int, front: int) -> int:
    """Return the whole lots of a trade of `traded` lots that are behind `front` (1e-9 lots)."""
    return max((traded * LOT - front + _SLACK) // LOT, 0)


@part
def share_behind(model: int, exponent: float, front: float, back: float) -> float:
    """Return which share of a level's cancellations happened behind us; 1 where undefined.

    E. Rigtorp, "Estimating order queue position" (2013); the names and forms are those of
    hftbacktest's documentation, "Order fill". All of them assume that cancellations know nothing of
    the market; none was fitted to it.

    Parameters
    ----------
    model
        One of `QueueModel`'s power and log models.
    exponent
        n of the power models.
    front, back
        Lots ahead of us and behind us.
    """
    whole = front + back
    if whole <= 0.0:
        return 1.0
    if model == QueueModel.POWER_1:
        behind = back**exponent
        return float(behind / (behind + front**exponent))
    if model == QueueModel.POWER_2:
        return float(back**exponent / whole**exponent)
    if model == QueueModel.POWER_3:
        return float(1.0 - (front / whole) ** exponent)
    behind = math.log(1.0 + back)
    if model == QueueModel.LOG_1:
        return behind / (behind + math.log(1.0 + front))
    return behind / math.log(1.0 + whole)


@inlined
def front_after_change(
    model: int, exponent: float, front: int, traded: int, before: int, after: int
) -> int:
    """Return the lots ahead of us (1e-9) once a level's size has changed.

    Parameters
    ----------
    model, exponent
        As for `share_behind`, or `RISK_AVERSE`.
    front
        Before the change, 1e-9 lots.
    traded
        Lots that traded at the level since its last change: the feed reports them twice.
    before, after
        The level's displayed lots.
    """
    front = min(front, before * LOT)
    cancelled = before - traded - after
    if model == QueueModel.RISK_AVERSE or cancelled < 0:
        return min(front, after * LOT)
    back = before * LOT - front
    share = round(share_behind(model, exponent, front / LOT, back / LOT) * LOT)
    ahead = front - (LOT - share) * cancelled + min(back - share * cancelled, 0)
    return min(max(ahead, 0), after * LOT)
