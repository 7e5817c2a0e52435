"""Passes over many sets; one that was too much is halved until the set to blame stands alone."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from strategy_lab_core.strategies.experiment import Experiment
from strategy_lab_pipeline.errors import EngineError, OverrunError

__all__ = ["Halving", "RunPass"]

HOPELESS = 5  # sets that failed alone before any had a result: the strategy is at fault, not a set


class RunPass(Protocol):
    """Runs some sets in one pass and keeps what comes out."""

    def __call__(self, experiments: list[Experiment], *, deadline_seconds: float) -> None:
        """Raise `OverrunError` where the pass had no time or memory left."""


class Halving:
    """Runs passes, and remembers the sets that failed alone: they are not tried again.

    Parameters
    ----------
    numbers
        Of the sets, by digest, for people.
    deadline_seconds
        Of a pass over many sets, and of a set alone: alone it has as long as in a backtest. The
        halves of a pass that was ended share its deadline, so that finding one endless set of 64
        costs three deadlines.
    """

    def __init__(self, numbers: Mapping[str, int], deadline_seconds: float) -> None:
        self._numbers = numbers
        self._deadline_seconds = deadline_seconds
        self._has_result = False
        self.guilty: dict[str, str] = {}  # digest of the set to what ended it

    def run(self, run_pass: RunPass, experiments: Sequence[Experiment]) -> None:
        """Run sets in one pass, or in as many as it takes.

        Raises
        ------
        EngineError
            A pass failed for another reason than time or memory, or set after set failed alone
            and none ever came to its end.
        """
        # Neighbours in a grid are alike; mixed, the halves of a batch are alike instead.
        mixed = sorted(experiments, key=Experiment.digest)
        self._run(run_pass, mixed, self._deadline_seconds)

    def _run(self, run_pass: RunPass, sets: list[Experiment], deadline_seconds: float) -> None:
        sets = [each for each in sets if each.digest() not in self.guilty]
        if not sets:
            return
        if len(sets) == 1:
            deadline_seconds = self._deadline_seconds
        try:
            run_pass(sets, deadline_seconds=deadline_seconds)
        except OverrunError as error:
            if len(sets) == 1:
                self._blame(sets[0], error)
                return
            half = len(sets) // 2
            for part in (sets[:half], sets[half:]):
                self._run(run_pass, part, deadline_seconds / 2)
        else:
            self._has_result = True

    def _blame(self, experiment: Experiment, error: OverrunError) -> None:
        self.guilty[experiment.digest()] = str(error)
        if len(self.guilty) >= HOPELESS and not self._has_result:
            tried = ", ".join(str(self._numbers[digest]) for digest in self.guilty)
            raise EngineError(
                f"given up: sets {tried} were tried alone and none came to its end, so that it is "
                f"the strategy more than its parameters; the last: {error}"
            ) from error
