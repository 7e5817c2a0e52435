"""What parameter sets earned in sessions: asked for once, shared by all who ask again.

How a pass over a session is run is the caller's: in this process, or in one that can be killed.
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence

import numpy as np

from strategy_lab_core.errors import DataError
from strategy_lab_core.search.space import Parameters
from strategy_lab_core.types import Int1D

__all__ = ["Evaluator", "Outcome", "Pass", "SetKey", "profits_of", "set_key"]

Outcome = int | str
"""Net profit in money units, or the reason why there is none."""

SetKey = tuple[tuple[str, float], ...]
Pass = Callable[[str, Sequence[Parameters]], Sequence[Outcome]]
"""Runs complete parameter sets on a session, in one pass: an outcome for each, in order."""


def set_key(parameters: Parameters) -> SetKey:
    """Return what two sets have in common where they are the same set."""
    return tuple(sorted(parameters.items()))


class Evaluator:
    """Outcomes of (session, parameter set), each found once.

    Parameters
    ----------
    run_pass
        Called with a session and the sets that have no outcome there yet.
    known
        Outcomes from before; new ones are added to it as soon as their pass has ended. Give every
        search and window on the same experiment the same one.
    """

    def __init__(
        self, run_pass: Pass, known: MutableMapping[tuple[str, SetKey], Outcome] | None = None
    ) -> None:
        self._run_pass = run_pass
        self.known = {} if known is None else known

    def outcomes(
        self, sets: Sequence[Parameters], sessions: Sequence[str]
    ) -> list[tuple[Outcome, ...]]:
        """Return for each set its outcomes in the sessions, in their order."""
        by_key = {set_key(parameters): parameters for parameters in sets}
        for session in sessions:
            missing = {
                key: each for key, each in by_key.items() if (session, key) not in self.known
            }
            if missing:
                self._run(session, missing)
        return [tuple(self.known[session, set_key(each)] for session in sessions) for each in sets]

    def _run(self, session: str, missing: Mapping[SetKey, Parameters]) -> None:
        found = self._run_pass(session, list(missing.values()))
        if len(found) != len(missing):
            problem = f"{len(found)} outcomes for {len(missing)} parameter sets"
            raise DataError(f"session {session}: the pass returned {problem}")
        for key, outcome in zip(missing, found, strict=True):
            self.known[session, key] = outcome if isinstance(outcome, str) else int(outcome)


def profits_of(outcomes: Sequence[Outcome | None]) -> Int1D | None:
    """Return the net profits (shape: sessions; money units), None where one is missing."""
    found = [outcome for outcome in outcomes if isinstance(outcome, int)]
    return np.array(found, np.int64) if len(found) == len(outcomes) else None
