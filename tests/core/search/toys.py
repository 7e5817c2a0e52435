"""A strategy that is never run, and a market that pays a known sum for its parameters."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np

from strategy_lab_core.search.evaluate import Outcome
from strategy_lab_core.search.objective import Capital
from strategy_lab_core.search.space import Parameters, Space, space_of
from strategy_lab_core.strategies.parameters import Choice, Range, When
from strategy_lab_core.strategies.strategy import Bounds, Constraint, Strategy
from strategy_lab_core.types import Float1D, Int2D

__all__ = ["CAPITAL", "DAYS", "Market", "ToyParams", "hill", "toy", "toy_space"]

CAPITAL = Capital(10_000_000_000)
DAYS = tuple(f"2025-01-{day:02d}" for day in range(1, 29))


class ToyParams(NamedTuple):
    """One parameter of each kind, and one that matters only beside another."""

    fast: Annotated[int, Bounds(1, 1_000), Range(1, 50)] = 5
    slow: Annotated[int, Bounds(1, 1_000), Range(10, 200, log=True)] = 20
    threshold: Annotated[float, Bounds(0.0, 1.0), Range(0.1, 0.9)] = 0.5
    model: Annotated[int, Bounds(0, 9), Choice(0, 1, 2)] = 0
    passive: Annotated[bool, Bounds(0, 1), Choice(False, True)] = False
    patience: Annotated[int, Bounds(1, 100), Range(5, 20, step=5), When("passive", True)] = 10
    lots: Annotated[int, Bounds(1, 100)] = 1


def never_called(ints: Any, floats: Any, page: Any) -> int:
    """Stand where the engine's function is."""
    raise AssertionError


def toy(params: Any = None, *constraints: Constraint) -> Strategy:
    """Return a strategy with these parameters."""
    values = ToyParams() if params is None else params
    hints = {name: hint.__metadata__ for name, hint in type(values).__annotations__.items()}
    return Strategy(
        name="toy",
        function=never_called,
        values=values,
        bounds={name: extras[0] for name, extras in hints.items()},
        on_book=True,
        on_response=True,
        timer_ns=0,
        n_ints=0,
        n_floats=0,
        source="0" * 16,
        module=__name__,
        doc="",
        constraints=constraints,
    )


def fast_below_slow(p: ToyParams) -> bool:
    """Tell what every crossing of averages needs."""
    return p.fast < p.slow


def toy_space(given: Any = None, *constraints: Constraint) -> Space:
    """Return the toy's space, its declared one or a narrowed one."""
    return space_of(toy(None, *constraints), given)


def hill(parameters: Parameters) -> float:
    """Return a mean profit with one top: fast 20, slow 60, threshold 0.5, model 1, patient."""
    away = (
        ((parameters["fast"] - 20) / 50) ** 2
        + (np.log(parameters["slow"] / 60) / 3) ** 2
        + (parameters["threshold"] - 0.5) ** 2
        + 0.05 * (parameters["model"] != 1)
        + 0.05 * (not parameters["passive"])
    )
    return 100.0 * (1.0 - float(away))


class Market:
    """Pays `hill` plus noise that depends on session and set alone; counts what it was asked.

    `fails` are sets that raise, by their `fast`; after `dies_after` passes it is killed.
    """

    def __init__(
        self, *, noise: float = 50.0, fails: Sequence[int] = (), dies_after: int | None = None
    ) -> None:
        self.noise, self.fails, self.dies_after = noise, fails, dies_after
        self.asked: list[tuple[str, tuple[float, ...]]] = []
        self.n_passes = 0

    def __call__(self, session: str, sets: Sequence[Parameters]) -> list[Outcome]:
        """Return the outcomes of one pass."""
        if self.n_passes == self.dies_after:
            raise KeyboardInterrupt
        self.n_passes += 1
        self.asked += [(session, tuple(each.values())) for each in sets]
        return [self.outcome(session, each) for each in sets]

    def outcome(self, session: str, parameters: Parameters) -> Outcome:
        """Return what one set earns in a session, 1e-6."""
        if parameters["fast"] in self.fails:
            return "the strategy raised"
        words = [int(day) for day in session.split("-")]
        words += [int(1_000 * value) for value in parameters.values()]
        drawn = float(np.random.default_rng(words).normal())
        return round((hill(parameters) + self.noise * drawn) * 1_000_000)


def sharpe_of(profits: Int2D) -> Float1D:
    """Return the Sharpe ratio of each column."""
    ratios: Float1D = profits.mean(axis=0) / profits.std(axis=0, ddof=1)
    return ratios
