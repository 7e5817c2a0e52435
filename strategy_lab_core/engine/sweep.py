"""Many parameter sets on one session, or carried over several: one pass serves them all.

The sets share the recorded market and its feed, and nothing else: each has its own orders, limits,
latency, used liquidity and account, so that it makes no difference who else is in the pass. The
sets are dealt out to threads, each with a book of its own.
"""

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.columns import Table, table
from strategy_lab_core.data.instruments import Instrument, Product
from strategy_lab_core.engine.backtest import BacktestResult, Progress, result_of
from strategy_lab_core.engine.config import BacktestConfig, require_shared
from strategy_lab_core.engine.kept import inputs_digest, keep, kept, set_name
from strategy_lab_core.engine.passes import Ended, Passes, dealt
from strategy_lab_core.engine.run import RunnableStrategy
from strategy_lab_core.engine.stage import Stages, Ticks, stages
from strategy_lab_core.errors import ConfigError, SimulationError

__all__ = ["ParameterSet", "SweepResult", "SweepRun", "SweepStrategy", "sweep"]

SETS_KEPT_AT_ONCE = 16  # a thread: what an interrupt can cost; a set more costs a pass little


class SweepStrategy(RunnableStrategy, Protocol):
    """What a sweep needs to know of a strategy (`strategies.strategy.Strategy` is one)."""

    @property
    def source(self) -> str:
        """Digest of its code."""

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
    resume: Path | str | None = None,
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
        False leaves the runs' order tables empty. With them memory grows by what all sets send:
        for thousands of sets that send much, leave the orders out.
    resume
        A folder in which finished sets are kept, sixteen of each thread at a time: after an
        interrupt the same call runs the others alone. Rows, session, contract, products, code,
        parameters and configuration decide what is the same; the folder may hold other sweeps.
        A strategy's code is its file and this package: what the file imports from elsewhere is not
        looked at.
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
    if not sets or isinstance(sets, Mapping):
        raise ConfigError("sets", sets, "a list of at least one parameter set")
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
    files: list[Path] = []
    if resume is not None:
        inputs = inputs_digest(ticks, products, session, instrument, seed, status)
        first = strategies[0]
        wakes = (first.on_book, first.on_response, first.timer_ns, first.n_ints, first.n_floats)
        shared = (strategy.name, strategy.source, *wakes, keep_orders)
        files = [
            Path(resume) / set_name(inputs, *shared, one.parameters, settings.digest())
            for one, settings in zip(strategies, configs, strict=True)
        ]
    runs = _found(files, run, strategies, configs)
    todo = [place for place in range(len(wanted)) if place not in runs]
    threads = os.cpu_count() or 1 if cores is None else cores
    batches = list(_batches(todo, SETS_KEPT_AT_ONCE * threads if files else len(wanted)))
    for number, batch in enumerate(batches):
        places = dealt(batch, threads)
        passes = Passes(run, strategies, configs, places, keep_orders)
        tell = _part_of(on_progress, number, len(batches))
        for part, ended in zip(places, passes.run(tell), strict=True):
            for k, place in enumerate(part):
                one = _run_of(ended, k, strategies[place], configs[place])
                runs[place] = one
                if files and one.result is not None:
                    keep(files[place], one.result)
    return SweepResult(tuple(runs[place] for place in range(len(wanted))))


def _batches(places: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for first in range(0, len(places), size):
        yield places[first : first + size]


def _part_of(on_progress: Progress | None, number: int, batches: int) -> Progress | None:
    """Count every batch as long as the one in progress."""
    if on_progress is None:
        return None
    return lambda done, total: on_progress(number * total + done, batches * total)


def _run_of(ended: Ended, k: int, strategy: RunnableStrategy, config: BacktestConfig) -> SweepRun:
    error = ended.outcome.errors.get(k)
    if error is not None:
        return SweepRun(strategy.parameters, config, None, error)
    result = result_of(ended.stage, ended.done, ended.outcome, k, strategy, config)
    return SweepRun(strategy.parameters, config, result, None)


def _found(
    files: Sequence[Path],
    run: Stages,
    strategies: Sequence[RunnableStrategy],
    configs: Sequence[BacktestConfig],
) -> dict[int, SweepRun]:
    """Return the runs that are kept, by place."""
    there = [place for place, file in enumerate(files) if file.is_file()]
    if not there:
        return {}
    [last] = deque(run, maxlen=1)  # one tape at a time
    runs = {}
    for place in there:
        one, config = strategies[place], configs[place]
        result = kept(files[place], last, config, one)
        if result is not None:
            runs[place] = SweepRun(one.parameters, config, result, None)
    return runs
