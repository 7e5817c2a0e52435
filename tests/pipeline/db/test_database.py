"""URLs, migrations and transactions, on SQLite and on PostgreSQL."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from strategy_lab_pipeline.db.database import (
    SCHEMA,
    VERSION_TABLE,
    Database,
    alembic_config,
    newest_revision,
)
from strategy_lab_pipeline.db.models import Tables
from strategy_lab_pipeline.errors import DatabaseError, MigrationError

MIGRATE = """
import sys
from strategy_lab_pipeline.db.database import Database
Database(sys.argv[1]).migrate()
"""
COUNT_UP = """
import sys
from sqlalchemy import text
from strategy_lab_pipeline.db.database import Database
database = Database(sys.argv[1])
for _ in range(20):
    with database.writing() as session:
        value = session.scalar(text("SELECT n FROM counter"))
        session.execute(text("UPDATE counter SET n = :n"), {"n": value + 1})
"""


def _start(code: str, url: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.PIPE)


def _all_succeed(processes: "list[subprocess.Popen[bytes]]") -> None:
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()


def test_migrate__gives_exactly_the_models(database: Database) -> None:
    """Nobody changes a table without a migration."""
    with database.reading() as session:
        context = MigrationContext.configure(
            session.connection(), opts={"version_table": VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, Tables.metadata) == []


def test_migrate__twice_changes_nothing(database: Database) -> None:
    """The second call finds the newest tables."""
    before = database.revision()
    database.migrate()
    assert database.revision() == before != ""


def test_newest_revision__is_alembics_head(database: Database) -> None:
    """A file whose name tells another number would migrate nothing, or at every call."""
    with database.reading() as session:
        scripts = ScriptDirectory.from_config(alembic_config(session.connection()))
    assert scripts.get_heads() == [newest_revision()] == [database.revision()]


def test_downgrade__removes_every_table_and_upgrade_brings_them_back(database: Database) -> None:
    """Each migration knows its way back."""
    with database.writing() as session:
        command.downgrade(alembic_config(session.connection()), "base")
    with database.reading() as session:
        assert inspect(session.connection()).get_table_names() == [VERSION_TABLE]
    assert database.revision() == ""
    database.migrate()
    with database.reading() as session:
        assert set(inspect(session.connection()).get_table_names()) > set(Tables.metadata.tables)


def test_migrate__is_safe_when_processes_start_at_once(database_url: str) -> None:
    """Nobody fails, nobody makes a table twice."""
    _all_succeed([_start(MIGRATE, database_url) for _ in range(3)])
    database = Database(database_url)
    assert database.revision() != ""
    database.close()


def test_migrate__refuses_a_database_of_a_newer_version(database: Database) -> None:
    """Going on could write what the newer version misreads."""
    with database.writing() as session:
        session.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(MigrationError, match="newer version: install that one"):
        database.migrate()


def test_migrate__that_fails_leaves_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All migrations are one transaction."""

    def fail(*_: object) -> None:
        raise RuntimeError("cut off")

    database = Database(database_url)
    monkeypatch.setattr("alembic.op.create_index", fail)
    with pytest.raises(RuntimeError, match="cut off"):
        database.migrate()
    assert database.revision() == ""
    monkeypatch.undo()
    database.migrate()
    assert database.revision() != ""
    database.close()


def test_writing__is_one_process_at_a_time(database: Database, database_url: str) -> None:
    """Reading a value and writing it back loses no step of another process."""
    with database.writing() as session:
        session.execute(text("CREATE TABLE counter (n INTEGER)"))
        session.execute(text("INSERT INTO counter VALUES (0)"))
    _all_succeed([_start(COUNT_UP, database_url) for _ in range(3)])
    with database.reading() as session:
        assert session.scalar(text("SELECT n FROM counter")) == 60


def test_writing__rolls_back_on_an_error(database: Database) -> None:
    """Half of a record is never there."""

    def write_half(session: Session) -> None:
        session.execute(text("CREATE TABLE half (n INTEGER)"))
        raise RuntimeError

    with pytest.raises(RuntimeError), database.writing() as session:
        write_half(session)
    with database.reading() as session:
        assert "half" not in inspect(session.connection()).get_table_names()


def test_writing__keeps_foreign_keys(database: Database) -> None:
    """SQLite checks them too."""
    orphan = text("INSERT INTO metrics (run, name) VALUES (77, 'net_profit')")
    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(orphan)


def test_reading__without_tables_says_what_to_do(database_url: str) -> None:
    """The driver's message alone helps nobody."""
    database = Database(database_url)
    with (
        pytest.raises(DatabaseError, match="strategy-lab doctor"),
        database.reading() as session,
    ):
        session.execute(text("SELECT * FROM runs"))
    database.close()


def test_postgresql__keeps_our_tables_in_a_schema_of_their_own(postgres_url: str) -> None:
    """Dagster's tables, an `alembic_version` and `runs` among them, live in the same database."""
    database = Database(postgres_url)
    with create_engine(database.url).begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
        connection.execute(text("CREATE TABLE runs (id TEXT)"))
    database.migrate()
    with database.reading() as session:
        seen = inspect(session.connection())
        assert seen.get_table_names(schema="public") == ["alembic_version", "runs"]
        assert {"runs", "files", VERSION_TABLE} < set(seen.get_table_names(schema=SCHEMA))
    database.close()


def test_postgresql__needs_no_right_to_create_a_schema_that_is_there(postgres_url: str) -> None:
    """An administrator may have made it, as deploy/README.md says."""
    owner = Database(postgres_url)
    with create_engine(owner.url).begin() as connection:
        connection.execute(text("CREATE ROLE worker LOGIN"))
        connection.execute(text(f"CREATE SCHEMA {SCHEMA} AUTHORIZATION worker"))
    worker = Database(owner.url.set(username="worker").render_as_string(hide_password=False))
    worker.migrate()
    assert worker.revision() != ""
    worker.close()


@pytest.mark.parametrize("prefix", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_url__names_the_driver(prefix: str) -> None:
    """SQLAlchemy 2.1 would read a bare one as another driver's."""
    assert Database(f"{prefix}://u@h/d").url.drivername == "postgresql+psycopg2"


@pytest.mark.parametrize(
    "url", ["mysql://u:pa55word@h/d", "sqlite://", "sqlite:///:memory:", "pa55word", "",
            "postgresql+asyncpg://u:pa55word@h/d"],
)  # fmt: skip
def test_url__refuses_others_without_the_password(url: str) -> None:
    """The message says what is accepted."""
    with pytest.raises(DatabaseError, match="use sqlite:///") as caught:
        Database(url)
    assert "pa55word" not in str(caught.value)


def test_url__hides_the_password_everywhere(tmp_path: Path) -> None:
    """Neither its picture nor a failed connection shows it."""
    database = Database(f"postgresql://u:pa55word@/d?host={tmp_path}")
    assert "pa55word" not in repr(database)
    with pytest.raises(DatabaseError) as caught:
        database.revision()
    assert "pa55word" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)
