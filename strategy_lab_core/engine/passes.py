"""The threads of a sweep: a pass each over every session, with the sets that were dealt to it."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import NamedTuple

from strategy_lab_core.engine.backtest import Played, Progress, costs_of, played, reporter
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.run import Outcome, RunnableStrategy, run_pass
from strategy_lab_core.engine.stage import Stage, Stages

__all__ = ["Ended", "Passes", "dealt"]


def dealt(places: Sequence[int], cores: int) -> list[list[int]]:
    """Return the places of the sets of each thread, as equal in number as can be."""
    threads = min(cores, len(places))
    return [list(places[thread::threads]) for thread in range(threads)]


@cache
def _threads(number: int) -> ThreadPoolExecutor:
    """Return threads that stay: what a thread has freed is not at hand for the next new one."""
    return ThreadPoolExecutor(number, thread_name_prefix="sweep")


os.register_at_fork(after_in_child=_threads.cache_clear)  # a fork has none of them


class _StoppedError(Exception):
    """Ends a thread's pass when the caller was interrupted."""


class Ended(NamedTuple):
    """How far a thread's sets have come: the last session, all of them, the arrays."""

    stage: Stage
    done: list[Played]
    outcome: Outcome


class Passes:
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

    def run(self, on_progress: Progress | None) -> list[Ended]:
        """Return how every thread's sets ended; an interrupt ends all of them first."""
        ended: list[Ended | None] = [None] * len(self._places)
        for n_done, stage in enumerate(self._stages):
            total = len(self._places) * len(stage.tape.tape.event_ns)
            self._rows.clear()
            on_rows = reporter(on_progress, n_done, len(self._stages), total)
            ended = [*self._run_session(stage, ended, on_rows)]
        return [each for each in ended if each is not None]

    def _run_session(
        self, stage: Stage, before: list[Ended | None], on_rows: Callable[[int], None] | None
    ) -> list[Ended]:
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

    def _run_one(self, number: int, stage: Stage, before: Ended | None) -> Ended:
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
            return Ended(stage, [*done, played(stage, outcome)], outcome)
        finally:
            with self._has_news:
                self._has_news.notify()
