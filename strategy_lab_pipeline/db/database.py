"""One results database: its URL, its connections, its transactions, its migrations.

SQLite runs in WAL mode with foreign keys on; PostgreSQL keeps our tables in a schema of its own, so
that Dagster's can live beside them. Queries are in the store.
"""

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from strategy_lab_pipeline.errors import DatabaseError, MigrationError
from strategy_lab_pipeline.processes import exclusive

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["SCHEMA", "VERSION_TABLE", "Database", "alembic_config", "newest_revision"]

SCHEMA = "strategy_lab_results"  # no role's name: by default PostgreSQL looks into "$user" first
VERSION_TABLE = "strategy_lab_alembic_version"
MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 60
_LOCK = zlib.crc32(b"strategy_lab")  # the key of PostgreSQL's advisory lock
_ACCEPTED = "use sqlite:///path/to/file.db or postgresql://user:password@host/name"


class Database:
    """The database at `url`; connections are opened when they are needed.

    Raises
    ------
    DatabaseError
        The URL is neither a SQLite file's nor PostgreSQL's. Its password is in no message.
    """

    def __init__(self, url: str) -> None:
        self.url = _explicit(url)
        self._engine = _engine(self.url)
        self._writer = self._engine.execution_options(strategy_lab_writes=True)

    def __repr__(self) -> str:
        return f"Database({self.url.render_as_string(hide_password=True)!r})"

    @property
    def on_postgresql(self) -> bool:
        """Whether this is PostgreSQL, and not SQLite."""
        return self.url.get_backend_name() == "postgresql"

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that reads."""
        with self._plain_errors(), Session(self._engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a transaction that writes, one at a time over all processes; commit at its end."""
        with self._plain_errors(), Session(self._writer) as session, session.begin():
            self._lock(session.connection())
            yield session

    def migrate(self) -> None:
        """Bring the tables to this version; safe while other processes do the same.

        Raises
        ------
        MigrationError
            The database was written by a newer Strategy Lab.
        """
        with self._plain_errors(), self._prepared():
            if self.revision() != newest_revision():
                self._upgrade()

    def revision(self) -> str:
        """Return the migration that the tables are at; "" before the first."""
        with self._plain_errors(), self._engine.connect() as connection:
            if not inspect(connection).has_table(VERSION_TABLE):
                return ""
            return connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}")) or ""

    def close(self) -> None:
        """Close the connections that wait in the pool."""
        self._engine.dispose()

    def _upgrade(self) -> None:
        from alembic import command
        from alembic.util.exc import CommandError

        with self._writer.begin() as connection:
            self._lock(connection)
            try:
                command.upgrade(alembic_config(connection), "head")
            except CommandError as error:
                problem = f"{self!r}: {error}; it was written by a newer version: install that one"
                raise MigrationError(problem) from error

    def _lock(self, connection: Connection) -> None:
        if self.on_postgresql:  # SQLite's BEGIN IMMEDIATE has it already
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})

    @contextmanager
    def _prepared(self) -> Iterator[None]:
        """Make what must be there before the first table, under a lock where that is needed."""
        if self.on_postgresql:
            self._make_schema()
            yield
            return
        file = Path(str(self.url.database))
        file.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(file.with_name(f"{file.name}.lock")):
            with self._engine.connect() as connection:
                connection.connection.cursor().execute("PRAGMA journal_mode = WAL")
            yield

    def _make_schema(self) -> None:
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.begin() as connection:
            self._lock(connection)
            # IF NOT EXISTS would ask for the right to create schemas even where it is there.
            found = text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
            if connection.execute(found, {"name": SCHEMA}).first() is None:
                connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, ProgrammingError) as error:
            reason = " ".join(str(error.orig).split())
            hint = "; run `strategy-lab doctor`" if _lacks_tables(reason) else ""
            raise DatabaseError(f"{self!r}: {reason}{hint}") from error


def newest_revision() -> str:
    """Return the last migration that there is, by the names of their files.

    Nearly every call finds its tables up to date: it need not load Alembic to see that.
    """
    return max(path.name for path in (MIGRATIONS / "versions").glob("v*.py"))[1:5]


def alembic_config(connection: Connection) -> "Config":
    """Return Alembic's configuration for our migrations over an open connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _lacks_tables(reason: str) -> bool:
    return "no such table" in reason or "does not exist" in reason


def _explicit(text_url: str) -> URL:
    """Return the URL with its driver written out: SQLAlchemy 2.1 would take another one."""
    try:
        url = make_url(text_url)
    except ArgumentError:
        raise DatabaseError(f"the database URL can't be read; {_ACCEPTED}") from None
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg2"):
        return url.set(drivername="postgresql+psycopg2")
    if url.drivername in ("sqlite", "sqlite+pysqlite") and url.database not in (
        None,
        "",
        ":memory:",
    ):
        return url.set(drivername="sqlite+pysqlite")
    shown = url.render_as_string(hide_password=True)
    raise DatabaseError(f"the database {shown} is not one that is known here; {_ACCEPTED}")


def _engine(url: URL) -> Engine:
    options: dict[str, Any] = {
        "json_serializer": partial(json.dumps, allow_nan=False, sort_keys=True)
    }
    if url.get_backend_name() == "postgresql":
        engine = create_engine(url, pool_size=2, pool_pre_ping=True, **options)
        event.listen(engine, "connect", _use_schema, insert=True)
        return engine
    # No pool: opening a file is cheap, and nothing is inherited by a forked process.
    engine = create_engine(
        url, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS}, **options
    )
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _use_schema(connection: Any, _record: Any) -> None:
    autocommit, connection.autocommit = connection.autocommit, True
    with connection.cursor() as cursor:
        cursor.execute(f"SET SESSION search_path TO {SCHEMA}")
    connection.autocommit = autocommit


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver would begin by itself, and too late
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turns writer can deadlock: those who will write say so first.
    writes = connection.get_execution_options().get("strategy_lab_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
