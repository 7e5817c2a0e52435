"""The verdict on searches that the engine ran: without an edge, and with planted ones.

Each seed has eighty sessions of its own (`planted`), simulated once. Four searches use them, a grid
of fifty masks each: fifty that know nothing; and 49 of those with one of the three that know. What
a mask earns in a session is found once, in one pass of the engine over the session for all 53.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from math import sqrt
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np

from benchmarks.planted import BITS, EDGES, MASKS, draw, follow, session_table
from strategy_lab_core.data.calendar import Session, session_calendar
from strategy_lab_core.engine.backtest import costs_of
from strategy_lab_core.engine.config import BacktestConfig, FeeConfig
from strategy_lab_core.engine.results import metrics_of
from strategy_lab_core.engine.run import run_pass
from strategy_lab_core.engine.stage import stages
from strategy_lab_core.search.choice import best
from strategy_lab_core.search.config import SearchConfig
from strategy_lab_core.search.evaluate import Evaluator, Outcome, Pass
from strategy_lab_core.search.objective import Capital
from strategy_lab_core.search.space import Parameters, space_of
from strategy_lab_core.search.trials import run_search
from strategy_lab_core.stats import Colour, minimum_track_record_length, reality
from strategy_lab_core.stats.deflated import family_confidence

__all__ = ["SESSIONS", "Judged", "engine_verdicts", "judged_searches", "record_length"]

SESSIONS, TRIALS, BLOCKS, SAMPLES = 80, 50, 10, 250
SESSIONS_PER_YEAR = 252
CAPITAL = Capital(100_000_000_000)
CONFIG = BacktestConfig(fees=FeeConfig(maker_e6=0, taker_e6=0), sample_seconds=3_600)
DAYS = session_calendar("CME Globex Equity").sessions(date(2025, 1, 13), date(2025, 12, 31))


class Judged(NamedTuple):
    """What one search chose, and the verdict on it."""

    colour: Colour
    has_found: bool  # the mask with the edge
    sharpe: float  # of the chosen one, per session


def judged_searches(seed: int, edges: Sequence[float] = EDGES) -> list[Judged]:
    """Return the verdicts on a seed's searches: the one without an edge, then one for each edge."""
    rng = np.random.default_rng([seed, 1])
    noise = (64 + rng.choice(2**BITS - 64, TRIALS, replace=False)).tolist()
    evaluator = Evaluator(_pass_of(seed, edges))
    labels = [str(day.key) for day in DAYS[:SESSIONS]]
    # All four searches in one pass over each session; they then find their outcomes known.
    evaluator.outcomes([{"mask": mask} for mask in (*noise, *MASKS)], labels)
    designs = [noise, *([*noise[:-1], mask] for mask in MASKS)]
    return [_judged(masks, evaluator, labels) for masks in designs]


def _judged(masks: Sequence[int], evaluator: Evaluator, labels: Sequence[str]) -> Judged:
    space = space_of(follow, {"mask": list(masks)})
    config = SearchConfig(
        method="grid", objectives=("sharpe_ratio",), n_trials=TRIALS, batch_size=TRIALS
    )
    found = run_search(space, config, evaluator, labels, CAPITAL)
    trial = best(found)
    column = [each.number for each in found.distinct() if each.state == "complete"]
    verdict = reality(
        found.profits() / CAPITAL.money, chosen=column.index(trial.number), n_trials=TRIALS,
        sessions_per_year=SESSIONS_PER_YEAR, blocks=BLOCKS, samples=SAMPLES,
    ).verdict  # fmt: skip
    return Judged(verdict.colour, trial.parameters["mask"] in MASKS, trial.values[0])


def _pass_of(seed: int, edges: Sequence[float]) -> Pass:
    days: dict[str, tuple[int, Session]] = {
        str(day.key): (number, day) for number, day in enumerate(DAYS[:SESSIONS])
    }

    def run(session: str, sets: Sequence[Parameters]) -> list[Outcome]:
        """Draw a session, and run the sets over it; profits alone, without tables."""
        number, day = days[session]
        ticks = session_table(day, *draw(np.random.default_rng([seed, 0, number]), edges))
        (stage,) = stages(ticks, CONFIG, session=day)
        costs = [costs_of(stage.instrument, CONFIG)] * len(sets)
        strategies = [follow(**each) for each in sets]
        done = run_pass(stage.tape, strategies, [CONFIG] * len(sets), costs, keeps_orders=False)
        profits = [metrics_of(done, k, costs[k].tick_value)["net_profit_e6"]
                   for k in range(len(sets))]  # fmt: skip
        return [str(done.errors[k]) if k in done.errors else int(profits[k])
                for k in range(len(sets))]  # fmt: skip

    return run


def record_length(edge: float) -> float:
    """Return the sessions over those that the true Sharpe ratio asks of fifty trials."""
    confidence = family_confidence(0.98, TRIALS)
    return SESSIONS / minimum_track_record_length(edge, confidence=confidence)


def engine_verdicts(seeds: int) -> Iterator[Sequence[object]]:
    """Yield how many seeds of each search are green, red or neither; a process for each core."""
    yield "search", "sessions / needed", "green", "red", "can't tell", "found it", "seen, a year"
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        made = list(pool.map(judged_searches, range(seeds)))
    for place, edge in enumerate((0.0, *EDGES)):
        mine = [each[place] for each in made]
        colours = Counter(each.colour.value for each in mine)
        yield (
            f"one mask of 50 has {edge * sqrt(SESSIONS_PER_YEAR):.1f} a year"
            if edge
            else "no edge",
            f"{record_length(edge):.2f}" if edge else "never enough",
            *(colours[name] for name in ("green", "red", "can't tell")),
            sum(each.has_found for each in mine),
            float(np.mean([each.sharpe for each in mine])) * sqrt(SESSIONS_PER_YEAR),
        )
