"""Round trips one lot at a time: every lot has its own entry, exit and result."""

from fractions import Fraction


def closed_lots(
    fills: list[tuple[int, str, int, int, int]], multiplier: int
) -> list[tuple[int, int, Fraction]]:
    """Return (ts of entry, ts of exit, gross profit in 1e-6) of each closed lot, in exit order.

    Fills are (ts, side, price in 1e-9, size, fee); the multiplier is in 1e-9.
    """
    open_lots: list[tuple[int, int, int]] = []  # ts, sign, price
    closed = []
    for ts, side, price, size, _ in fills:
        sign = 1 if side == "B" else -1
        for _ in range(size):
            if open_lots and open_lots[0][1] != sign:
                entry_ts, entry_sign, entry_price = open_lots.pop(0)
                profit = Fraction(entry_sign * (price - entry_price) * multiplier, 10**12)
                closed.append((entry_ts, ts, profit))
            else:
                open_lots.append((ts, sign, price))
    return closed
