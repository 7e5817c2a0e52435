"""The same search where there is nothing of the user's market to find: what luck looks like.

Each session is replaced by a simulated one of the same day, with as many events, on the product's
own grid of prices (`data.simulate`). Its flow is invented: what the best of a search earns there,
after the same costs, is what choosing the best of many makes of any market. The trials say nothing
of the user's sessions and none of them can be chosen, so they do not count among what was tried.

Flattering or not: the simulated market is no copy of the user's. Where it moves more, luck
earns more. `stats.best_by_luck` resamples the user's own sessions instead.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.columns import Table
from strategy_lab_core.data.instruments import Instrument
from strategy_lab_core.data.simulate import simulate
from strategy_lab_core.errors import DataError
from strategy_lab_core.search.choice import best
from strategy_lab_core.search.objective import OBJECTIVES
from strategy_lab_core.search.trials import SearchResult
from strategy_lab_core.types import RecordFlag

__all__ = [
    "FEWEST_EVENTS",
    "MOST_EVENTS",
    "NullResult",
    "count_events",
    "null_result",
    "null_session",
]

FEWEST_EVENTS, MOST_EVENTS = 200, 100_000
_SIMULATED_TICK = 250_000_000  # 1e-9, of `data.simulate`


@dataclass(frozen=True, slots=True)
class NullResult:
    """What the best trial of each search without an edge shows.

    Attributes
    ----------
    objective
        The one that chooses.
    bests
        Its value for the trial that each search chooses; NaN where no trial had one.
    n_trials
        Distinct sets of all the searches together.
    """

    objective: str
    bests: tuple[float, ...]
    n_trials: int

    def share(self, seen: float) -> float:
        """Return the share of searches, with the user's own among them, that found as much.

        A p-value against the simulated market: (1 + how many) / (1 + all). A search without a
        value found less.
        """
        return (1 + self._as_good(seen)) / (1 + len(self.bests))

    def describe(self, seen: float) -> str:
        """Return the result as a sentence."""
        return (
            f"{self._as_good(seen)} of {len(self.bests)} searches on simulated sessions found a "
            f"{self.objective} as good as the {seen:.4g} seen here"
        )

    def _as_good(self, seen: float) -> int:
        measure = OBJECTIVES[self.objective]
        known = [value for value in self.bests if not math.isnan(value)]
        return sum(not measure.is_better(seen, value) for value in known)


def null_result(searches: Sequence[SearchResult]) -> NullResult:
    """Return what the trial that each search chooses shows."""
    bests = [_chosen(found) for found in searches]
    n_trials = sum(len(found.distinct()) for found in searches)
    return NullResult(searches[0].config.objectives[0], tuple(bests), n_trials)


def _chosen(found: SearchResult) -> float:
    try:
        return best(found).values[0]
    except DataError:
        return math.nan


def count_events(ticks: Table) -> int:
    """Return how many events the rows end, between what can be simulated and `MOST_EVENTS`."""
    ends = ticks.select((pl.col("flags") & int(RecordFlag.LAST) != 0).sum()).item()
    return min(max(int(ends), FEWEST_EVENTS), MOST_EVENTS)


def null_session(session: Session, instrument: Instrument, *, events: int, seed: int) -> Table:
    """Return a simulated session under an instrument's name and on its grid of prices.

    Parameters
    ----------
    session
        Its hours.
    instrument
        Whose symbol, number and tick size the rows get.
    events
        As for `simulate`.
    seed
        The same seed, session and events give the same rows.
    """
    market = simulate([session], seed=seed, events_per_session=events, faults=False)
    return market.table().with_columns(
        pl.col("price") // _SIMULATED_TICK * instrument.tick_size,
        pl.lit(instrument.symbol).alias("symbol"),
        pl.lit(instrument.instrument_id).cast(pl.UInt32).alias("instrument_id"),
    )
