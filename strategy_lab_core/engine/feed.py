"""The strategy's delayed book: what the exchange's book was, delivered when it could have arrived.

The exchange side pushes a row into a ring after each event that changed something visible; our
side takes it out at its local time. The ring is as large as the most events ever in flight, which
`tape` knows beforehand.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from strategy_lab_core._jit import inlined
from strategy_lab_core.engine.state import NEVER
from strategy_lab_core.types import Int2D

__all__ = [
    "End",
    "Feed",
    "Seen",
    "deliver",
    "is_ring_full",
    "last_place",
    "next_delivery_ns",
    "push",
    "quiet_feed",
]


LEAST_ROWS = 256  # in the ring: room for what need not be delivered at once


class Seen(IntEnum):
    """Places in a delivered row: the book as the strategy sees it. Prices in ticks."""

    LOCAL_NS = 0
    EXCHANGE_NS = 1
    BID = 2
    BID_SIZE = 3  # 0: no bid
    ASK = 4
    ASK_SIZE = 5
    BOUGHT = 6  # lots bought by aggressors since the run began
    SOLD = 7
    LAST_TICK = 8
    IS_OPEN = 9
    IS_TRUSTED = 10


class End(IntEnum):
    """Rows of `Feed.ends`."""

    SEEN = 0  # the last that was delivered
    COUNTS = 1  # rows delivered, rows pushed


class Feed(NamedTuple):
    """Rows in flight, and the two ends of the line; every row has the fields of `Seen`."""

    ring: Int2D  # (shape: a power of two, fields)
    ends: Int2D  # (shape: `End`, fields)


def quiet_feed(capacity: int) -> Feed:
    """Return a feed with room for `capacity` rows in flight, and nothing seen yet."""
    width, rows = len(Seen), 1 << max(capacity - 1, LEAST_ROWS - 1).bit_length()
    return Feed(
        ring=np.zeros((rows, width), np.int64),
        ends=np.zeros((len(End), width), np.int64),
    )


@inlined
def last_place(feed: Feed) -> int:
    """Return the place of the row that was pushed last; before the first one, of zeros."""
    return int((feed.ends[End.COUNTS, 1] - 1) & (len(feed.ring) - 1))


@inlined
def push(feed: Feed) -> int:
    """Send a row on its way, and return its place in the ring, to be written."""
    feed.ends[End.COUNTS, 1] += 1
    return last_place(feed)


@inlined
def is_ring_full(feed: Feed) -> bool:
    """Say whether something has to be delivered before the next row is pushed."""
    return bool(feed.ends[End.COUNTS, 1] - feed.ends[End.COUNTS, 0] == len(feed.ring))


@inlined
def next_delivery_ns(feed: Feed) -> int:
    """Return the local time of the next delivery, or NEVER."""
    delivered, pushed = feed.ends[End.COUNTS, 0], feed.ends[End.COUNTS, 1]
    if delivered == pushed:
        return NEVER
    return int(feed.ring[delivered & (len(feed.ring) - 1), Seen.LOCAL_NS])


@inlined
def deliver(feed: Feed, until_ns: int) -> None:
    """Take the next row out of the ring, and those up to `until_ns`: we see the last of them."""
    mask, pushed = len(feed.ring) - 1, feed.ends[End.COUNTS, 1]
    delivered = feed.ends[End.COUNTS, 0] + 1
    while delivered < pushed and feed.ring[delivered & mask, Seen.LOCAL_NS] <= until_ns:
        delivered += 1
    for i in range(feed.ends.shape[1]):
        feed.ends[End.SEEN, i] = feed.ring[(delivered - 1) & mask, i]
    feed.ends[End.COUNTS, 0] = delivered
