"""The PostgreSQL deployment: Dagster and Strategy Lab in one database."""

import shutil
from pathlib import Path

import dagster as dg
import pytest
import yaml
from sqlalchemy import create_engine, inspect

from strategy_lab_pipeline.db.database import SCHEMA, VERSION_TABLE, Database

ROOT = Path(__file__).parents[2]
YAML = ROOT / "deploy" / "dagster.postgres.yaml"


def test_dagster_yaml__differs_in_the_storage_only() -> None:
    """Queue, pools and retries are the same wherever the runs are recorded."""
    embedded = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    deployed = yaml.safe_load(YAML.read_text())
    assert embedded.pop("storage") != deployed.pop("storage")
    assert embedded == deployed


@pytest.mark.parametrize("ours_first", [True, False])
def test_dagster_and_strategy_lab__share_a_database(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ours_first: bool
) -> None:
    """Both have a table `runs` and migrations; neither sees the other's, whoever comes first."""
    database = Database(postgres_url)
    monkeypatch.setenv("DAGSTER_PG_URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("STRATEGY_LAB_DAGSTER_HOME", str(tmp_path))
    shutil.copy(YAML, tmp_path / "dagster.yaml")
    if ours_first:
        database.migrate()
    with dg.DagsterInstance.get() as instance:
        assert instance.get_runs_count() == 0
        database.migrate()
        assert instance.get_runs_count() == 0
    with create_engine(database.url).connect() as connection:
        found = inspect(connection)
        assert {"runs", "event_logs", "alembic_version"} <= set(found.get_table_names("public"))
        assert {"runs", "files", VERSION_TABLE} <= set(found.get_table_names(SCHEMA))
        assert "files" not in found.get_table_names("public")
    database.close()
