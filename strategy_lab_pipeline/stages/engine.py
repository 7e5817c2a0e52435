"""The engine behind a process of its own that is killed at a deadline, and with its owner.

One process serves all passes of its owner, one after the other: starting it costs seconds. It is
a new interpreter, no fork: the owner has threads.
"""

import atexit
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from strategy_lab_pipeline.errors import EngineError, OverrunError
from strategy_lab_pipeline.stages.jobs import Answer, Job
from strategy_lab_pipeline.stages.memory import memory_limit

__all__ = ["Engine", "Progress", "engine"]

Progress = Callable[[int, int], None]
WORKER = "strategy_lab_pipeline.stages.worker"  # its imports are its own
START_SECONDS = 1800.0  # to import, read the ticks, and compile on a busy machine


class Engine:
    """Runs jobs in a process that is started when it is needed, and again after it is gone."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._link: Connection | None = None
        self._one_at_a_time = threading.Lock()
        self._is_told_to_end = False
        atexit.register(self.stop)

    def run(
        self, wanted: Job, *, deadline_seconds: float, on_progress: Progress
    ) -> list[Mapping[str, Any]]:
        """Run a job and return a mapping for each set; its tables are in the pass's folder.

        Parameters
        ----------
        deadline_seconds
            From the first row of a pass to its result; of a probe, from step to step.
        on_progress
            Called with rows or steps done, and in all.

        Raises
        ------
        OverrunError
            The deadline passed, memory ran out, or the process died.
        EngineError
            This or another reason; the process is gone, and the next pass gets a new one.
        """
        with self._one_at_a_time:
            if self._is_told_to_end:
                raise EngineError("this process was told to end")
            try:
                return self._ask(wanted, deadline_seconds, on_progress)
            except BaseException as error:  # nothing else would end a compiled loop
                self.stop()
                # Dagster's own interrupt: it would try the step again, and wait again.
                self._is_told_to_end = not isinstance(error, Exception | KeyboardInterrupt)
                raise

    def stop(self) -> None:
        """Kill the process, whatever it is doing."""
        if self._process is not None and self._link is not None:
            self._process.kill()
            self._process.wait()
            self._link.close()
        self._process = self._link = None

    def _ask(
        self, wanted: Job, deadline_seconds: float, on_progress: Progress
    ) -> list[Mapping[str, Any]]:
        link = self._started()
        link.send(wanted)
        has_begun, ends = False, time.monotonic() + START_SECONDS
        while True:
            kind, value = self._next(link, ends, has_begun)
            if kind == "ended":
                return list(value)
            if kind == "refused":
                raise EngineError(f"{value}; run it again")
            if kind == "starved":
                raise OverrunError(
                    f"out of memory ({value}; the limit here is {memory_limit() / 1e9:.1f} GB): "
                    "run fewer sets or experiments at once, a session with fewer rows, or on a "
                    "machine with more memory"
                )
            if kind == "broke":
                raise EngineError(f"the engine broke with {value}, which is a bug: report it")
            if not has_begun or wanted.is_stepwise:
                has_begun, ends = True, time.monotonic() + deadline_seconds
            on_progress(*value)

    def _next(self, link: Connection, ends: float, has_begun: bool) -> Answer:
        left = ends - time.monotonic()
        if left <= 0 or not link.poll(left):
            if not has_begun:
                raise EngineError(
                    f"no row in {START_SECONDS:g} s, which is for reading ticks and compiling; is "
                    "the machine too busy?"
                )
            raise OverrunError(
                "killed at its deadline: the strategy never ends or is too slow; correct it, or "
                "raise deadline_seconds in the settings"
            )
        try:
            answer: Answer = link.recv()
        except (EOFError, OSError) as error:
            code = self._process.wait() if self._process else None
            raise OverrunError(
                f"the engine's process died with exit code {code}: -9 is a lack of memory mostly; "
                "run fewer sets or sessions at once"
            ) from error
        return answer

    def _started(self) -> Connection:
        if self._process is not None and self._link is not None and self._process.poll() is None:
            return self._link
        self.stop()
        self._link, theirs = Pipe()
        number = theirs.fileno()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", WORKER, str(number)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)},
            stdin=subprocess.DEVNULL,
            stdout=sys.__stderr__,  # what a strategy prints is no answer of ours
            pass_fds=(number,),
            process_group=0,  # Ctrl-C is for its owner, who then kills it
        )
        theirs.close()
        return self._link


@cache
def engine() -> Engine:
    """Return the engine of this process."""
    return Engine()
