"""The real daemon and webserver: files are dropped, GraphQL shows what became of them."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.simulate import write_sessions
from tests.pipeline.daemon import Daemon, running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.daemon,
    pytest.mark.timeout(900),
]

STATS = """query($key: AssetKeyInput!){assetNodeOrError(assetKey: $key){... on AssetNode{
  partitionStats{numMaterialized numFailed}
  assetMaterializations(limit: 50){partition}
  assetChecksOrError{... on AssetChecks{checks{name
    executionForLatestMaterialization{status evaluation{success}}}}}}}}"""
BACKFILL = """mutation($params: LaunchBackfillParams!){
  launchPartitionBackfill(backfillParams: $params){
    __typename ... on LaunchBackfillSuccess{backfillId} ... on PythonError{message}}}"""
BACKFILL_STATUS = """query($id: String!){partitionBackfillOrError(backfillId: $id){
  ... on PartitionBackfill{status}}}"""


def _home(folder: Path) -> Path:
    """Return a home folder with the example experiment and an empty landing folder."""
    home = folder / "home"
    (home / "landing").mkdir(parents=True)
    (home / "experiments").mkdir()
    shutil.copy(Path(__file__).parents[2] / "examples" / "imbalance.yaml", home / "experiments")
    return home


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with simulated files of ten sessions."""
    folder = tmp_path_factory.mktemp("files")
    days = session_calendar("CME Globex Equity").sessions(date(2025, 1, 6), date(2025, 1, 17))
    write_sessions(folder, days, seed=1, events_per_session=3_000)
    return folder


def _stats(daemon: Daemon, asset: str) -> dict:  # type: ignore[type-arg]
    node = daemon.ask(STATS, key={"path": [asset]})["assetNodeOrError"]
    return dict(node)


def _materialised(daemon: Daemon, asset: str) -> int:
    return int(_stats(daemon, asset)["partitionStats"]["numMaterialized"])


def test_up__runs_dropped_files_and_a_backfill(sessions: Path, tmp_path: Path) -> None:
    """Dropped files reach backtests by the sensor; a backfill of ten partitions then completes."""
    home = _home(tmp_path)
    landing = home / "landing"
    files = sorted(sessions.glob("*.dbn.zst"))
    with running(home) as daemon:
        for file in files:
            shutil.copy(file, landing)
        daemon.wait(
            "ten sessions by the sensor",
            lambda: _materialised(daemon, "backtest_runs") >= 10,
        )
        raw = _stats(daemon, "raw_ticks")
        assert {entry["partition"] for entry in raw["assetMaterializations"]} >= {
            f"MNQ|2025-01-{day:02d}" for day in (6, 7, 8, 10, 13, 14, 15, 16, 17)
        }
        checks = _stats(daemon, "validated_ticks")["assetChecksOrError"]["checks"]
        assert {check["name"] for check in checks} >= {"rows_conserved", "off_grid_price"}

        keys = sorted(entry["partition"] for entry in raw["assetMaterializations"])
        params = {
            "assetSelection": [{"path": ["raw_ticks"]}],
            "partitionNames": sorted(set(keys))[:10],
        }
        launched = daemon.ask(BACKFILL, params=params)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        daemon.wait(
            "the backfill",
            lambda: (
                daemon.ask(BACKFILL_STATUS, id=launched["backfillId"])["partitionBackfillOrError"][
                    "status"
                ]
                == "COMPLETED_SUCCESS"
            ),
        )


def test_up__runs_on_postgresql(sessions: Path, tmp_path: Path, postgres_url: str) -> None:
    """The same chain with Dagster's state and our results in PostgreSQL, one session of it."""
    home = _home(tmp_path)
    url = postgres_url.replace("postgresql://", "postgresql+psycopg2://", 1)
    template = Path(__file__).parents[2] / "deploy" / "dagster.postgres.yaml"
    environment = {
        "STRATEGY_LAB_DATABASE_URL": url,
        "DAGSTER_PG_URL": url,
        "STRATEGY_LAB_DAGSTER_YAML": str(template),
    }
    with running(home, **environment) as daemon:
        for file in sorted(sessions.glob("*.dbn.zst"))[:2]:
            shutil.copy(file, home / "landing")
        daemon.wait(
            "a session by the sensor",
            lambda: _materialised(daemon, "backtest_runs") >= 1,
        )
        keys = [e["partition"] for e in _stats(daemon, "raw_ticks")["assetMaterializations"]]
    assert "MNQ|2025-01-06" in keys
    assert not (home / "strategy_lab.db").exists()
    assert not list((home / "dagster").rglob("*.db"))
