"""What a pipeline said of the simulated year, held against what was planted in it.

Every difference is a sentence: a fault that was missed, or one that was invented.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from benchmarks.year_plan import Fault

__all__ = [
    "expected_rolls",
    "gap_problems",
    "label_problems",
    "roll_problems",
    "rule_problems",
    "run_problems",
]

Row = Mapping[str, Any]
ROLL = ("session", "from_symbol", "to_symbol", "from_volume", "to_volume", "gap_ticks")
OPEN, REPAIRED = "open", "repaired"
EVERY_RUN = "every_experiment_ran"


def _differences(what: str, expected: Iterable[Any], found: Iterable[Any]) -> list[str]:
    wanted, there = set(expected), set(found)
    missed = [f"missed {what}: {each}" for each in sorted(wanted - there, key=str)]
    return missed + [f"invented {what}: {each}" for each in sorted(there - wanted, key=str)]


def gap_problems(faults: Sequence[Fault], gaps: Iterable[Row], *, second: bool) -> list[str]:
    """Return what is wrong with the gaps that were found, after the first or second delivery."""
    wanted = [symptom for fault in faults for symptom in (fault.second if second else fault.first)]
    found = [gap for gap in gaps if gap["state"] == OPEN]
    problems = _differences("gap", wanted, [(gap["kind"], gap["session"]) for gap in found])
    if second:
        late = [each for fault in faults for each in fault.repaired]
        repaired = [(g["kind"], g["session"]) for g in gaps if g["state"] == REPAIRED]
        problems += _differences("repair", late, repaired)
    return problems + _size_problems(faults, found)


def _size_problems(faults: Sequence[Fault], gaps: Sequence[Row]) -> list[str]:
    """Return the gaps that are not of the size that was planted, to a tenth."""
    problems = []
    for fault in faults:
        sizes = [gap["size"] for gap in gaps
                 if (gap["kind"], gap["session"]) == (fault.kind, fault.session)]  # fmt: skip
        if fault.size and not any(abs(size - fault.size) <= fault.size // 10 for size in sizes):
            problems.append(f"{fault.kind} of {fault.session}: {fault.size} planted, {sizes} found")
    return problems


def rule_problems(faults: Sequence[Fault], rules: Sequence[Row], *, second: bool) -> list[str]:
    """Return what is wrong with the rules that were found broken: a partial session is not run."""
    wanted = {(fault.session, rule) for fault in faults for rule in fault.rules}
    if any(row["rule"] == EVERY_RUN for row in rules):
        wanted |= {(day, EVERY_RUN) for day in partial_sessions(faults, second=second)}
    failed = [(row["session"], row["rule"]) for row in rules if row["result"] == "failed"]
    return _differences("broken rule", wanted, failed)


def roll_problems(wanted: Iterable[Row], rolls: Iterable[Row]) -> list[str]:
    """Return what is wrong with the rolls, their volumes and gaps."""
    both = ([tuple(str(row[name]) for name in ROLL) for row in rows] for rows in (wanted, rolls))
    return _differences(f"roll ({', '.join(ROLL)})", *both)


def partial_sessions(faults: Sequence[Fault], *, second: bool) -> set[str]:
    """Return the sessions whose rows don't reach from open to close after a delivery."""
    return {day for fault in faults for day in fault.partial if not (second and fault.repaired)}


def missing_sessions(faults: Sequence[Fault]) -> set[str]:
    """Return the sessions of which nothing is there."""
    return {day for fault in faults for kind, day in fault.first if kind == "missing_session"}


def label_problems(
    faults: Sequence[Fault], status: Row, sessions: Sequence[str], *, second: bool
) -> list[str]:
    """Return what is wrong with the sessions that `status` knows, and with their labels."""
    labels = {row["session"]: row["label"] for row in status["partitions"]}
    problems = _differences("session", set(sessions) - missing_sessions(faults), labels)
    not_whole = [day for day, label in labels.items() if label != "complete"]
    return problems + _differences(
        "partial session", partial_sessions(faults, second=second), not_whole
    )


def run_problems(faults: Sequence[Fault], status: Row, *, second: bool) -> list[str]:
    """Return what is wrong with the runs that `status` knows, and what it says is left to do."""
    not_run = {line.split(": ")[1].split()[1] for line in status["without_result"]}
    wanted = partial_sessions(faults, second=second)
    problems = _differences("session that is not run", wanted, not_run)
    for name in ("blocked", "broken_files", "left_out"):
        problems += [f"invented {name}: {line}" for line in status[name]]
    if not status["next"][0].startswith("nothing"):
        problems.append(f"left undone: {status['next']}")
    return problems


def expected_rolls(
    truth: pl.DataFrame, faults: Sequence[Fault], tick: int, *, second: bool
) -> list[dict[str, Any]]:
    """Return the rolls by the volume rule, from what was simulated (`write_contracts`).

    Sessions that are missing or partial after a delivery decide nothing. `tick` is of the price, in
    1e-9.
    """
    by_session = {
        str(day): rows.sort("expiration_ns").to_dicts()
        for (day,), rows in truth.group_by("session", maintain_order=True)
        if str(day) not in missing_sessions(faults)
    }
    incomplete = partial_sessions(faults, second=second)
    held: str | None = None
    before: dict[str, Any] = {}
    rolls = []
    for day, contracts in by_session.items():
        symbols = [contract["symbol"] for contract in contracts]
        lasting = symbols[symbols.index(held) :] if held in symbols else symbols
        # Of equal volumes the first to expire: `max` keeps the first of equals.
        chosen = max(
            lasting, key=lambda symbol: before[symbol]["volume"] if symbol in before else 0
        )
        if chosen != held:
            rolls.append(_roll(day, held, chosen, before, tick))
        held = chosen
        if day not in incomplete:
            before = {row["symbol"]: row for row in contracts}
    return rolls


def _roll(
    day: str, old: str | None, new: str, before: Mapping[str, Row], tick: int
) -> dict[str, Any]:
    """Return one roll; the gap is from the last quotes of the session before."""
    volumes: dict[str | None, int] = {symbol: row["volume"] for symbol, row in before.items()}
    gap = None
    if old is not None:
        mids = {symbol: (row["bid"] + row["ask"]) // tick for symbol, row in before.items()}
        gap = round((mids[new] - mids[old]) / 2)  # of half ticks; Python rounds half to even
    return dict(zip(ROLL, (day, old, new, volumes.get(old), volumes.get(new), gap), strict=True))
