"""A real daemon and webserver on a home folder of its own, asked over GraphQL."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

LOCATION = "strategy_lab"


class Daemon:
    """`strategy-lab up` in a process group of its own."""

    def __init__(self, home: Path, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.home, self.port, self.process = home, port, process
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return the data of one GraphQL answer; errors are raised."""
        answer = requests.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60
        ).json()
        if answer.get("errors"):
            raise AssertionError(answer["errors"])
        data: dict[str, Any] = answer["data"]
        return data

    def wait(self, what: str, test: Callable[[], Any], seconds: float = 900) -> Any:
        """Poll until `test` gives something, and return it; a busy machine takes minutes."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"`up` ended with {self.process.returncode}: {self.log()}")
            with suppress(requests.ConnectionError):
                found = test()
                if found:
                    return found
            time.sleep(1)
        raise AssertionError(f"waited {seconds} s for {what}: {self.log()}")

    def log(self) -> str:
        """Return the end of what `up` printed."""
        return (self.home / "up.log").read_text()[-3000:]

    def loaded(self) -> bool:
        """Whether the code location is loaded without an error."""
        query = "{workspaceOrError{... on Workspace{locationEntries{loadStatus \
                 locationOrLoadError{__typename ... on PythonError{message}}}}}}"
        entries = self.ask(query)["workspaceOrError"].get("locationEntries", [])
        for entry in entries:
            if (entry["locationOrLoadError"] or {}).get("__typename") == "PythonError":
                raise AssertionError(entry["locationOrLoadError"]["message"])
        return bool(entries) and all(entry["loadStatus"] == "LOADED" for entry in entries)

    def kill(self) -> None:
        """SIGKILL everything that `up` started."""
        for pid in [*_descendants(self.process.pid), self.process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Stop it as a user would, and wait."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=40)
        self.kill()


def _descendants(pid: int) -> list[int]:
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(home: Path, **environment: str) -> Iterator[Daemon]:
    """Start `strategy-lab up` on `home`, wait until the code is loaded, stop it afterwards."""
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", "strategy_lab_pipeline.cli", "--home", str(home)]
    command += ["up", "--port", str(port)]
    with (home / "up.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, **environment},
        )  # fmt: skip
    daemon = Daemon(home, port, process)
    try:
        daemon.wait("the code location", daemon.loaded)
        yield daemon
    finally:
        daemon.stop()
