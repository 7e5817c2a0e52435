"""A private PostgreSQL server for a test session: own folder, own unix socket, no network port.

It runs as another user where the tests run as root, because PostgreSQL refuses root.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

__all__ = ["Server", "missing_programs", "server"]

OWNER = "strategy_lab"  # the name that a user would choose
SETTINGS = {  # durability costs time, and nobody needs these rows after a crash
    "listen_addresses": "''",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "40",
}


@dataclass(frozen=True)
class Server:
    """A running server; `folder` holds its socket."""

    folder: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def new_database(self) -> str:
        """Create an empty database and return its URL, without a driver in it."""
        name = f"test_{next(self._numbers)}"
        admin = create_engine(
            f"postgresql+psycopg2://{OWNER}@/postgres?host={self.folder}",
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
        )
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        return f"postgresql://{OWNER}:unused@/{name}?host={self.folder}"


def _program(name: str) -> str | None:
    """Return the newest installed program of this name, else the one on the PATH."""
    installed = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    versions = sorted(installed, key=lambda path: float(path.parts[-3]))
    return str(versions[-1]) if versions else shutil.which(name)


def missing_programs() -> list[str]:
    """Return the programs of PostgreSQL that are needed and not installed."""
    return [name for name in ("initdb", "pg_ctl") if _program(name) is None]


@contextmanager
def server() -> Iterator[Server]:
    """Run a server while the block runs."""
    # Short and not below pytest's folder: a socket's path has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="slpg", dir="/tmp"))
    data = folder / "data"
    try:
        if os.getuid() == 0:
            owner = pwd.getpwnam("nobody")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        _run("initdb", "-D", data, "-U", OWNER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        settings = [f"-c {name}={value}" for name, value in SETTINGS.items()]
        options = " ".join([*settings, f"-c unix_socket_directories={folder}"])
        _run("pg_ctl", "-D", data, "-l", folder / "log", "-w", "-t", "60", "-o", options, "start")
        yield Server(folder)
    finally:
        if (data / "postmaster.pid").exists():
            _run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _run(program: str, *arguments: str | Path) -> None:
    other: dict[str, Any] = {}
    if os.getuid() == 0:
        other = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}
    subprocess.run(
        [_program(program) or program, *map(str, arguments)],
        check=True, cwd="/tmp", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **other,
    )  # fmt: skip
