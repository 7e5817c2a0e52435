"""Features the slow and obvious way, lot by lot and step by step."""

import math
from collections.abc import Sequence
from itertools import pairwise

__all__ = ["book_cells", "bulk_bought", "expected_move", "flow", "realised_volatility", "vpin"]

Quote = tuple[int, int, int, int]  # bid, bid size, ask, ask size


def flow(old: Quote, new: Quote) -> int:
    """Return the change in buying pressure, each side by itself.

    A better price brings its whole queue, a worse one loses the old queue, else the difference
    counts. An empty side has the worst of all prices.
    """

    def gained(old_price: float, old_size: int, price: float, size: int) -> int:
        if price > old_price:
            return size
        if price < old_price:
            return -old_size
        return size - old_size

    (bid0, bid_size0, ask0, ask_size0), (bid, bid_size, ask, ask_size) = old, new
    bids = gained(
        bid0 if bid_size0 else -math.inf, bid_size0, bid if bid_size else -math.inf, bid_size
    )
    asks = gained(
        -ask0 if ask_size0 else -math.inf, ask_size0, -ask if ask_size else -math.inf, ask_size
    )
    return bids - asks


def vpin(
    trades: Sequence[tuple[int, int]], bucket_lots: int, n_buckets: int
) -> list[tuple[int, float]]:
    """Return (row, value) of each window of full buckets; trades are (lots, side) by row."""
    lots = [(row, side) for row, (size, side) in enumerate(trades) for _ in range(size)]
    buckets = [
        lots[i : i + bucket_lots] for i in range(0, len(lots) - bucket_lots + 1, bucket_lots)
    ]
    found = []
    for last in range(n_buckets - 1, len(buckets)):
        window = buckets[last - n_buckets + 1 : last + 1]
        imbalance = sum(abs(sum(side for _, side in bucket)) for bucket in window)
        found.append((buckets[last][-1][0], imbalance / (n_buckets * bucket_lots)))
    return found


def bulk_bought(changes: Sequence[float], lots: Sequence[float]) -> list[float]:
    """Return V Phi(dP / sigma), sigma of the changes so far."""
    bought = []
    for i, (change, size) in enumerate(zip(changes, lots, strict=True)):
        sigma = math.sqrt(sum(each**2 for each in changes[: i + 1]) / (i + 1))
        score = change / sigma if sigma > 0 else 0.0
        bought.append(size * 0.5 * math.erfc(-score / math.sqrt(2)))
    return bought


def realised_volatility(ts_ns: Sequence[int], price: Sequence[float], sample_ns: int) -> float:
    """Return the root of squared changes on a grid over its seconds."""
    known, t = [], ts_ns[0]
    while t <= ts_ns[-1]:
        known.append(next(p for s, p in reversed(list(zip(ts_ns, price, strict=True))) if s <= t))
        t += sample_ns
    squares = sum((b - a) ** 2 for a, b in pairwise(known))
    return math.sqrt(squares / ((len(known) - 1) * sample_ns / 1e9))


def expected_move(
    chain: dict[int, list[tuple[float, int, float]]], start: int, n_moves: int
) -> float:
    """Return the expected sum of the first `n_moves` moves of a chain, step by step.

    `chain[state]` lists (probability, next state, move); the chance of each (state, moves so far)
    is carried forward until next to nothing is left.
    """
    chance, total = {(start, 0): 1.0}, 0.0
    while sum(chance.values()) > 1e-13:
        later: dict[tuple[int, int], float] = {}
        for (state, moved), here in chance.items():
            for probability, to, move in chain[state]:
                total += here * probability * move
                now = moved + (move != 0)
                if now < n_moves:
                    later[to, now] = later.get((to, now), 0.0) + here * probability
        chance = later
    return total


def book_cells(
    events: Sequence[tuple[int, bool, Quote]], cells: Sequence[tuple[int, int]]
) -> list[tuple[int, int, int, Quote | None]]:
    """Return (cell, events, flow, last book) from the first cell with an event to the last.

    Events are (time, whether the book can be trusted, quote); the book is None where it can't.
    """
    placed: list[tuple[int, bool | None, Quote]] = []
    now = 0
    for time, trusted, quote in events:
        if not cells[0][0] <= time < cells[-1][1]:
            continue
        now = next(k for k in range(now, len(cells)) if time < cells[k][1])
        is_late = now > 0 and cells[now - 1][1] == cells[now][0]
        if time >= cells[now][0] or is_late:
            placed.append((now, trusted, quote))
        else:
            placed.append((now, None, quote))  # in a halt
    found = []
    book: Quote | None = None
    for cell in range(placed[0][0] if placed else 0, placed[-1][0] + 1 if placed else 0):
        if cell > 0 and cells[cell - 1][1] < cells[cell][0]:
            book = None
        mine = [(trusted, quote) for k, trusted, quote in placed if k == cell]
        counted = [(trusted, quote) for trusted, quote in mine if trusted is not None]
        total = 0
        for trusted, quote in counted:
            if book is not None and trusted:
                total += flow(book, quote)
            book = quote if trusted else None
        found.append((cell, len(counted), total, book))
    return found
