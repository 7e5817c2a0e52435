"""The contract of a session by the letter of the rules: everything from the first session anew."""

from datetime import date

# received, sequence, reference, is_withdrawal, lots
Statistic = tuple[int, int, int | None, bool, int | None]
Row = tuple[date, int, int, bool]  # session, expiry, volume, is_complete


def contract_by_volume(
    sessions: list[tuple[date, int]], rows: list[Row], at: date, *, partial: bool = False
) -> int | None:
    """Return the expiry of the contract that a session trades by the volume rule, None for none.

    `sessions` are (key, close), in order; a contract is its expiry.
    """
    held: int | None = None
    for day, close in sessions:
        before = [row for row in rows if row[0] < day]
        here = {expiry for d, expiry, _, _ in rows if d == day}
        possible = {e for e in (here or {row[1] for row in before}) if e >= close}
        newer = [e for e in possible if held is None or e > held]
        chosen: int | None
        if held in possible or newer:
            candidates = sorted(newer + ([held] if held in possible and held else []))
            chosen = candidates[0]
            for expiry in candidates:
                if _volume(before, expiry, partial) > _volume(before, chosen, partial):
                    chosen = expiry
            held = chosen
        else:
            chosen = None
        if day == at:
            return chosen
    return None


def _volume(before: list[Row], expiry: int, partial: bool) -> int:
    """Return the volume of a contract in the last session that counts, 0 where it has none."""
    days = {row[0] for row in before}
    whole = {d for d in days if partial or all(row[3] for row in before if row[0] == d)}
    if not whole:
        return 0
    last = max(whole)
    return sum(volume for d, e, volume, _ in before if (d, e) == (last, expiry))


def open_interest_at(records: list[Statistic], moment: int) -> int | None:
    """Return the open interest of one contract that stands at a moment, all records anew."""
    received = sorted(record for record in records if record[0] <= moment)
    found = None
    for reference in sorted({-1 if record[2] is None else record[2] for record in received}):
        mine = [r for r in received if (-1 if r[2] is None else r[2]) == reference]
        withdrawn = [place for place, r in enumerate(mine) if r[3]]
        since = mine[withdrawn[-1] + 1 :] if withdrawn else mine
        lots = [r[4] for r in since if r[4] is not None]
        found = lots[-1] if lots else found
    return found


def contract_by_open_interest(
    sessions: list[tuple[date, int, int]],
    rows: list[Row],
    figures: list[tuple[int, int, int | None]],
    at: date,
) -> int | None:
    """As `contract_by_volume`; sessions are (key, open, close), figures (time, expiry, lots)."""
    held: int | None = None
    for day, opens, close in sessions:
        here = {expiry for d, expiry, _, _ in rows if d == day}
        possible = {e for e in (here or {r[1] for r in rows if r[0] < day}) if e >= close}
        known: dict[int, int] = {}
        for time, expiry, lots in sorted(figures, key=lambda figure: figure[:2]):
            if time < opens:
                known[expiry] = lots or 0
        candidates = sorted(e for e in possible if held is None or e >= held)
        chosen = candidates[0] if candidates else None
        for expiry in candidates:
            if chosen is not None and known.get(expiry, 0) > known.get(chosen, 0):
                chosen = expiry
        held = held if chosen is None else chosen
        if day == at:
            return chosen
    return None
