"""Where an order of ours stands in the queue at its price, and what a trade leaves for it.

With market-by-order input the queue is seen: our order takes the book's next arrival number as
its rank, and whoever has a lower number at the price is ahead. First in, first out matching, as
MNQ and NQ have. A new model is a member of `QueueModel` and a branch in `lots_for_us`.
"""

from enum import IntEnum

from strategy_lab_core._jit import inlined

__all__ = ["QueueModel", "lots_for_us"]


class QueueModel(IntEnum):
    """How the place in the queue is known."""

    BY_ORDER = 0  # exact, up to our own impact


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
