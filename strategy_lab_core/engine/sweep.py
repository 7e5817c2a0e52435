"""Many parameter sets on one session, or carried over several: one pass serves them all.

The sets share the recorded market and its feed, and nothing else: each has its own orders, limits,
latency, used liquidity and account, so that it makes no difference who else is in the pass. The
sets are dealt out to threads, each with a book of its own.
"""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, Protocol

from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.columns import Table, table
from strategy_lab_core.data.instruments import Instrument, Product
from strategy_lab_core.engine.backtest import (
    BacktestResult,
    Played,
    Progress,
    costs_of,
    played,
    reporter,
    result_of,
)
from strategy_lab_core.engine.config import BacktestConfig, require_shared
from strategy_lab_core.engine.run import Outcome, RunnableStrategy, run_pass
from strategy_lab_core.engine.stage import Stage, Stages, Ticks, stages
from strategy_lab_core.errors import ConfigError, SimulationError

__all__ = ["ParameterSet", "SweepResult", "SweepRun", "SweepStrategy", "sweep"]


class SweepStrategy(RunnableStrategy, Protocol):
    """What a sweep needs to know of a strategy (`strategies.strategy.Strategy` is one)."""

    def __call__(self, **parameters: float) -> RunnableStrategy:
        """Return the same strategy with other values; the rest keep theirs."""


@dataclass(frozen=True, slots=True)
class ParameterSet:
    """What one set of a sweep changes.

    Attributes
    ----------
    parameters
        Of the strategy, by name; the others keep their values.
    config
        Order latency, fees, limits, queue model, market orders, seed of its own; None takes the
        sweep's.
    """

    parameters: Mapping[str, float] = field(default_factory=dict)
    config: BacktestConfig | None = None


@dataclass(frozen=True, slots=True)
class SweepRun:
    """One set: its result, or the error of its strategy."""

    parameters: Mapping[str, float]
    config: BacktestConfig
    result: BacktestResult | None
    error: SimulationError | None


@dataclass(frozen=True, slots=True)
class SweepResult:
    """The runs, in the order in which the sets were given."""

    runs: tuple[SweepRun, ...]

    def table(self) -> Table:
        """Return a row for each set: number, parameters, figures, configuration, error if any.

        A parameter that has the name of a figure is shown as ``parameter_<name>``.
        """
        done = [run.result.metrics if run.result else {} for run in self.runs]
        names = next((tuple(metrics) for metrics in done if metrics), ())
        columns: dict[str, Any] = {"set": list(range(len(self.runs)))}
        for name in names:
            columns[name] = [metrics.get(name) for metrics in done]
        columns["config"] = [run.config.digest() for run in self.runs]
        parameters = {}
        for name in self.runs[0].parameters:
            shown = f"parameter_{name}" if name in columns or name == "error" else name
            parameters[shown] = [run.parameters[name] for run in self.runs]
        columns = {"set": columns.pop("set"), **parameters, **columns}
        columns["error"] = [str(run.error) if run.error else None for run in self.runs]
        return table(columns)


def sweep(
    ticks: Ticks,
    strategy: SweepStrategy,
    sets: Sequence[Mapping[str, float] | ParameterSet],
    config: BacktestConfig | None = None,
    *,
    cores: int | None = None,
    keep_orders: bool = True,
    on_progress: Progress | None = None,
    session: Session | None = None,
    instrument: Instrument | str | None = None,
    seed: Table | None = None,
    status: Table | None = None,
    products: Mapping[str, Product] | None = None,
) -> SweepResult:
    """Simulate many parameter sets in one pass over the market of one session, or of several.

    Parameters
    ----------
    ticks, session, instrument, seed, status, products
        As for `backtest`.
    strategy
        Whose parameters the sets change.
    sets
        Mappings of parameters to values, or `ParameterSet` where the configuration varies too.
    config
        For the sets that bring none of their own. All have to agree in what the sets share: feed
        latency, `flatten_seconds`, `sample_seconds`, `allow_partial`, `carry`.
    cores
        Threads; by default as many as cores, never more than sets. The results are the same.
    keep_orders
        False leaves the runs' order tables empty. Each array of a pass has room for the busiest of
        its sets: for thousands of sets of which some send much, leave the orders out.
    on_progress
        Called from this thread with rows done and rows in all, over all threads, once the first
        pass has begun: what came before is preparing and, of new code, compiling.

    Returns
    -------
    A run for each set, equal to a `backtest` of that set alone.

    Raises
    ------
    ConfigError
        No sets, no cores, parameters out of bounds or misspelt, or sets that can't share a pass.
    """
    if not sets:
        raise ConfigError("sets", sets, "at least one parameter set")
    if cores is not None and cores < 1:
        raise ConfigError("cores", cores, "at least 1")
    wanted = [each if isinstance(each, ParameterSet) else ParameterSet(each) for each in sets]
    strategies = [strategy(**each.parameters) for each in wanted]
    configs = [each.config or config or BacktestConfig() for each in wanted]
    require_shared(configs)
    run = stages(
        ticks,
        configs[0],
        session=session,
        instrument=instrument,
        seed=seed,
        status=status,
        products=products,
    )
    places = _dealt(len(wanted), os.cpu_count() or 1 if cores is None else cores)
    passes = _Passes(run, strategies, configs, places, keep_orders)
    runs: dict[int, SweepRun] = {}
    for part, ended in zip(places, passes.run(on_progress), strict=True):
        for k, place in enumerate(part):
            error = ended.outcome.errors.get(k)
            chosen, settings = strategies[place], configs[place]
            result = None
            if error is None:
                result = result_of(ended.stage, ended.done, ended.outcome, k, chosen, settings)
            runs[place] = SweepRun(chosen.parameters, settings, result, error)
    return SweepResult(tuple(runs[place] for place in range(len(wanted))))


def _dealt(n_sets: int, cores: int) -> list[list[int]]:
    """Return the places of the sets of each thread, as equal in number as can be."""
    threads = min(cores, n_sets)
    return [list(range(thread, n_sets, threads)) for thread in range(threads)]


@cache
def _threads(number: int) -> ThreadPoolExecutor:
    """Return threads that stay: what a thread has freed is not at hand for the next new one."""
    return ThreadPoolExecutor(number, thread_name_prefix="sweep")


os.register_at_fork(after_in_child=_threads.cache_clear)  # a fork has none of them


class _StoppedError(Exception):
    """Ends a thread's pass when the caller was interrupted."""


class _Ended(NamedTuple):
    """How far a thread's sets have come: the last session, all of them, the arrays."""

    stage: Stage
    done: list[Played]
    outcome: Outcome


class _Passes:
    """Runs one pass a thread and session, and adds up how far they are."""

    def __init__(
        self,
        stages: Stages,
        strategies: list[RunnableStrategy],
        configs: list[BacktestConfig],
        places: list[list[int]],
        keep_orders: bool,
    ) -> None:
        self._keep_orders = keep_orders
        self._stages, self._strategies, self._configs = stages, strategies, configs
        self._places = places
        self._rows: dict[int, int] = {}  # of the threads that have begun
        self._is_stopped = threading.Event()
        self._has_news = threading.Condition()

    def run(self, on_progress: Progress | None) -> list[_Ended]:
        """Return how every thread's sets ended; an interrupt ends all of them first."""
        ended: list[_Ended | None] = [None] * len(self._places)
        for n_done, stage in enumerate(self._stages):
            total = len(self._places) * len(stage.tape.tape.event_ns)
            self._rows.clear()
            on_rows = reporter(on_progress, n_done, len(self._stages), total)
            ended = [*self._run_session(stage, ended, on_rows)]
        return [each for each in ended if each is not None]

    def _run_session(
        self, stage: Stage, before: list[_Ended | None], on_rows: Callable[[int], None] | None
    ) -> list[_Ended]:
        pool, futures = _threads(len(self._places)), []
        try:
            for n in range(len(self._places)):
                futures.append(pool.submit(self._run_one, n, stage, before[n]))
            while not all(future.done() for future in futures):
                with self._has_news:
                    self._has_news.wait(timeout=0.1)
                if on_rows is not None and self._rows:
                    on_rows(sum(tuple(self._rows.values())))
        except BaseException:
            self._is_stopped.set()
            for future in futures:
                future.cancel()
            raise
        finally:
            wait(futures)
        ended = [future.result() for future in futures]
        if on_rows is not None:
            on_rows(len(self._places) * len(stage.tape.tape.event_ns))
        return ended

    def _run_one(self, number: int, stage: Stage, before: _Ended | None) -> _Ended:
        def note(rows: int) -> None:
            """Keep how far this thread is; stop where the caller was interrupted."""
            self._rows[number] = rows
            if self._is_stopped.is_set():
                raise _StoppedError

        part = self._places[number]
        strategies = [self._strategies[place] for place in part]
        configs = [self._configs[place] for place in part]
        costs = [costs_of(stage.instrument, config) for config in configs]
        try:
            outcome = run_pass(
                stage.tape.copy(), strategies, configs, costs,
                keeps_orders=self._keep_orders, on_rows=note,
                before=before.outcome if before else None,
                roll=stage.roll,
                flatten_ns=self._stages.flatten_ns(configs[0]),
            )  # fmt: skip
            done = before.done if before else []
            return _Ended(stage, [*done, played(stage, outcome)], outcome)
        finally:
            with self._has_news:
                self._has_news.notify()
