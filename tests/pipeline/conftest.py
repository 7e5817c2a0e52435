"""Fixtures of the pipeline's tests: a private PostgreSQL, a database of each kind, a clock."""

from collections.abc import Iterator
from datetime import date
from itertools import count
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.simulate import simulate
from strategy_lab_pipeline.db.database import Database
from strategy_lab_pipeline.db.store import Store
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import bars, books, catalogue, features, raw, validated
from strategy_lab_pipeline.stages.landing import search
from strategy_lab_pipeline.stages.workspace import open_workspace
from tests.pipeline.postgres import Server, missing_programs, server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for a PostgreSQL database."""
    for item in items:
        if "postgres_url" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.postgres)


@pytest.fixture(scope="session", autouse=True)
def _migrations_read_once() -> Iterator[None]:
    """Read each folder of migrations once, not for every database: Dagster alone has eighty."""
    read, known = ScriptDirectory.from_config, dict[str | None, ScriptDirectory]()

    def from_config(config: Config) -> ScriptDirectory:
        """Return the folder's scripts as they were."""
        location = config.get_main_option("script_location")
        return known[location] if location in known else known.setdefault(location, read(config))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "from_config", from_config)
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """Run a private PostgreSQL server, or skip saying what is missing."""
    missing = missing_programs()
    if missing:
        pytest.skip(f"PostgreSQL's {' and '.join(missing)} missing: apt-get install postgresql")
    with server() as running:
        yield running


@pytest.fixture
def postgres_url(postgres_server: Server) -> str:
    """Return the URL of an empty PostgreSQL database."""
    return postgres_server.new_database()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/results.db"
    running: Server = request.getfixturevalue("postgres_server")
    return running.new_database()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Return a database of each kind with its tables."""
    opened = Database(database_url)
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def booked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home folder with one small session, 2025-01-13, up to its books: to be copied."""
    day = date(2025, 1, 13)
    return _with_books(tmp_path_factory.mktemp("booked") / "home", day, day)


@pytest.fixture(scope="session")
def booked_week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home folder with the seven sessions from 2025-01-13 to 01-21, up to their books."""
    folder = tmp_path_factory.mktemp("booked_week") / "home"
    return _with_books(folder, date(2025, 1, 13), date(2025, 1, 21))


def _with_books(home: Path, first: date, last: date) -> Path:
    opened = open_workspace(Settings(home=home))
    sessions = session_calendar("CME Globex Equity").sessions(first, last)
    market = simulate(sessions, seed=3, events_per_session=500, faults=False)
    market.write(opened.settings.landing)
    for path in search([opened.settings.landing]).files:
        catalogue.catalogue_file(opened, path)
    for session in sessions:
        for stage in (raw, validated, books, bars, features):
            stage.build(opened, "MNQ", session.key, run_id="test")
    return home


@pytest.fixture(scope="session")
def booked_twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home like `booked`, with the first hour of the session after: to be copied."""
    home = tmp_path_factory.mktemp("booked_twice") / "home"
    opened = open_workspace(Settings(home=home))
    days = (date(2025, 1, 13), date(2025, 1, 14))
    sessions = session_calendar("CME Globex Equity").sessions(*days)
    market = simulate(sessions, seed=3, events_per_session=500, faults=False)
    for path in market.write(opened.settings.landing):
        if "20250114" in path.name:
            path.unlink()
    for path in search([opened.settings.landing]).files:
        catalogue.catalogue_file(opened, path)
    for day in days:
        for stage in (raw, validated, books, bars, features):
            stage.build(opened, "MNQ", day, run_id="test")
    return home


@pytest.fixture
def store(database: Database) -> Store:
    """Return a store of each kind; its clock counts from 1."""
    return Store(database, clock=count(1).__next__)
