"""What the random runs reach, and in how many of them.

    python -m tests.core.engine.reached [RUNS]                   # percent of each kind's runs
    python -m tests.core.engine.reached --seeds KIND NAME [RUNS]  # runs in which a thing happens

The naive engine alone plays them: nothing is compared here. What is too rare to be met by chance
has a run of its own in `test_rare_runs`.
"""

import sys
from collections import Counter
from collections.abc import Iterator

from tests.core.engine.cases import KINDS, Case, case_of
from tests.naive.noted import NotedEngine, NotedLevelEngine

__all__ = ["notes_of"]


def notes_of(case: Case) -> set[str]:
    """Return the names of what happens in a run; nothing where no position can roll."""
    first = case.parts[min(1, len(case.parts) - 1)]
    if first.contract and not case.first_moment(first):
        return {"roll: no moment"}
    engine = case.begin(NotedEngine, NotedLevelEngine)
    case.play(engine)
    notes: set[str] = engine.notes
    return notes


def seeds_with(kind: str, name: str, n_runs: int) -> Iterator[str]:
    """Find the runs in which something happens."""
    return (str(seed) for seed in range(n_runs) if name in notes_of(case_of(kind, seed)))


def table(n_runs: int) -> Iterator[str]:
    """Write how often each thing happens, in percent of the runs of each kind."""
    found = {
        kind: Counter(note for seed in range(n_runs) for note in notes_of(case_of(kind, seed)))
        for kind in KINDS
    }
    yield f"| what | {' | '.join(KINDS)} |"
    yield f"| --- |{' --: |' * len(KINDS)}"
    for name in sorted({name for counts in found.values() for name in counts}):
        shares = [f"{100 * counts[name] / n_runs:.1f}" for counts in found.values()]
        yield f"| {name} | {' | '.join(shares)} |"


def main(words: list[str]) -> None:
    """Write the table, or the seeds of what is looked for."""
    numbers = [int(word) for word in words if word.isdigit()]
    n_runs = numbers[0] if numbers else 200
    is_search = words[:1] == ["--seeds"]
    lines = seeds_with(words[1], words[2], n_runs) if is_search else table(n_runs)
    for line in lines:
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
