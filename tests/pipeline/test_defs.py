"""What Dagster sees: assets, checks and partitions; what the sensor and the night ask for."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from strategy_lab_core.data.calendar import Session, session_calendar
from strategy_lab_core.data.checks import row_rules
from strategy_lab_core.data.simulate import write_sessions
from strategy_lab_pipeline.definitions import defs
from strategy_lab_pipeline.defs import partitions
from strategy_lab_pipeline.defs.resources import WorkspaceResource
from strategy_lab_pipeline.defs.schedules import nightly
from strategy_lab_pipeline.defs.sensors import landing_sensor
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import catalogue
from strategy_lab_pipeline.stages.landing import landing_files
from strategy_lab_pipeline.stages.plan import CHAIN, OVERALL
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace

DAYS = (date(2025, 1, 13), date(2025, 1, 14))
KEYS = [f"MNQ|{day}" for day in DAYS]
Requests = list[dg.RunRequest]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the files of two simulated sessions."""
    sessions = session_calendar("CME Globex Equity").sessions(*DAYS)
    folder = tmp_path_factory.mktemp("files")
    return write_sessions(folder, sessions, seed=3, events_per_session=1_000)


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return an empty workspace, the one that every run and tick finds."""
    monkeypatch.setenv("STRATEGY_LAB_HOME", str(tmp_path / "home"))
    return open_workspace(Settings(home=tmp_path / "home"))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Return an instance that forgets everything."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


class Ticker:
    """Evaluates the landing sensor again and again, with its cursor."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance, self._cursor = instance, ""

    def tick(self) -> Requests:
        """Return what one tick asks for."""
        context = dg.build_sensor_context(self._instance, cursor=self._cursor)
        result = landing_sensor(context, workspace=WorkspaceResource())
        assert isinstance(result, dg.SensorResult)
        self._cursor = result.cursor or ""
        return list(result.run_requests or [])


@pytest.fixture
def ticker(opened: Workspace, instance: dg.DagsterInstance) -> Ticker:
    """Return a sensor on the empty workspace."""
    return Ticker(instance)


def _drop(opened: Workspace, files: list[Path]) -> list[Path]:
    return [Path(shutil.copy(file, opened.settings.landing)) for file in files]


def _catalogue(opened: Workspace) -> None:
    for file in landing_files(opened):
        catalogue.catalogue_file(opened, file.path)


def _run(request: dg.RunRequest, instance: dg.DagsterInstance) -> None:
    """Execute what was asked for, as the daemon would."""
    assert request.job_name is not None
    result = (
        defs()
        .resolve_job_def(request.job_name)
        .execute_in_process(
            instance=instance,
            partition_key=request.partition_key,
            run_config=request.run_config,
        )
    )
    assert result.success


def _checked(instance: dg.DagsterInstance, rule: str) -> dict[str | None, bool]:
    """Return by partition whether a rule was kept."""
    key = dg.AssetCheckKey(dg.AssetKey("validated_ticks"), rule)
    records = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    found = {}
    for record in records:
        evaluation = record.evaluation
        assert evaluation is not None
        found[record.partition] = evaluation.passed
    return found


def test_defs__every_asset_says_what_it_is() -> None:
    """Each asset has a group, an owner, kinds, a description and, where it is made, a version."""
    graph = defs().resolve_asset_graph()
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == {
        "landing_files", *CHAIN, *OVERALL, "searches", "walk_forwards", "evidence",
    }  # fmt: skip
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.group_name != "default", key
        assert node.owners, key
        assert node.kinds, key
        assert node.description, key
        assert node.code_version or key == dg.AssetKey("landing_files"), key


def test_defs__every_rule_is_a_check() -> None:
    """No rule is judged without being shown."""
    checks = {key.name for key in defs().resolve_asset_graph().asset_check_keys}

    assert checks >= {rule.name for rule in row_rules()}
    assert checks >= {"rows_conserved", "crossed_outside_pre_open", "seeded"}
    assert checks >= {"missing_session", "silent_stretch", "sequence_gap", "clock_step"}


def test_partitions__are_the_sessions() -> None:
    """No weekend and no holiday; Martin Luther King Day, which has hours, is one."""
    today = datetime(2025, 2, 1, tzinfo=UTC)
    found = [
        partitions.parts(key) for key in partitions.session_by_product().get_partition_keys(today)
    ]
    keys = {str(session) for product, session in found if product == "MNQ"}

    assert {"2025-01-17", "2025-01-20", "2025-01-21"} <= keys
    assert keys.isdisjoint({"2025-01-18", "2025-01-19", "2025-01-01", "2024-12-25"})
    assert {"2023-04-07", "2025-01-09"} <= keys  # Good Friday with hours, a day of mourning
    assert keys.isdisjoint({"2024-03-29", "2024-03-30"})
    assert keys == {str(one.key) for one in _traded(date(2023, 1, 1), max(keys))}
    assert partitions.parts("MNQ|2025-01-17") == ("MNQ", date(2025, 1, 17))


def _traded(first: date, last: str) -> list[Session]:
    calendar = session_calendar("CME Globex Equity")
    return calendar.sessions(first, date.fromisoformat(last))


def test_sensor__nothing_to_do(ticker: Ticker) -> None:
    """An empty landing folder asks for nothing."""
    assert ticker.tick() == []


def test_sensor__leaves_a_growing_file_alone(
    ticker: Ticker, opened: Workspace, files: list[Path]
) -> None:
    """Only a file that looked the same a tick ago is whole."""
    target = opened.settings.landing / files[0].name
    content = files[0].read_bytes()
    for part in (content[:1_000], content[:2_000], content):
        target.write_bytes(part)
        assert ticker.tick() == []

    (request,) = ticker.tick()
    assert request.job_name == "catalogue_landing"


def test_sensor__follows_no_link_out_of_the_folder(
    ticker: Ticker, opened: Workspace, files: list[Path]
) -> None:
    """A link to elsewhere is left alone; a file beside it is asked for."""
    (opened.settings.landing / "link.dbn.zst").symlink_to(files[0])
    (copied,) = _drop(opened, files[1:2])
    ticker.tick()
    (request,) = ticker.tick()

    config = request.run_config["ops"]["catalogue_files"]["config"]
    assert config["paths"] == [str(copied.resolve())]


def test_sensor__asks_once_for_all_new_files(
    ticker: Ticker, opened: Workspace, files: list[Path]
) -> None:
    """One run reads them; its key stays the same until it is done."""
    paths = _drop(opened, files)
    ticker.tick()
    first, second = ticker.tick(), ticker.tick()

    assert [request.run_key for request in first] == [request.run_key for request in second]
    assert first[0].run_config["ops"]["catalogue_files"]["config"]["paths"] == sorted(
        str(path.resolve()) for path in paths
    )


def test_sensor__runs_from_files_to_reports_and_then_rests(
    ticker: Ticker, opened: Workspace, files: list[Path], instance: dg.DagsterInstance
) -> None:
    """Catalogue, sessions, reports, nothing; a copy is only told; a change is run."""
    experiments = opened.settings.experiments
    experiments.mkdir(parents=True)
    shutil.copy(Path(__file__).parents[2] / "examples" / "imbalance.yaml", experiments)
    _drop(opened, files)
    ticker.tick()
    jobs = []
    while requests := ticker.tick():
        jobs.append(sorted({str(request.job_name) for request in requests}))
        for request in requests:
            _run(request, instance)
    assert jobs == [["catalogue_landing"], ["session_chain"], ["write_reports"]]
    assert _checked(instance, "size_not_positive") == {KEYS[0]: False, KEYS[1]: True}
    assert _checked(instance, "time_order") == {KEYS[0]: True, KEYS[1]: False}
    assert instance.get_materialized_partitions(dg.AssetKey("backtest_runs")) == set(KEYS)

    shutil.copy(files[0], opened.settings.landing / "copy.mbo.dbn.zst")
    ticker.tick()
    (request,) = ticker.tick()
    _run(request, instance)
    (request,) = ticker.tick()
    assert request.job_name == "write_reports"
    _run(request, instance)
    assert [gap.kind for gap in opened.store.gaps("MNQ", state="open")] == ["duplicate_file"]
    assert ticker.tick() == []

    changed = opened.settings.landing / files[-1].name
    sessions = session_calendar("CME Globex Equity").sessions(*DAYS)
    others = write_sessions(
        opened.settings.home / "others", sessions, seed=4, events_per_session=1_000
    )
    shutil.copy(others[-1], changed)
    ticker.tick()
    (request,) = ticker.tick()
    _run(request, instance)
    again = ticker.tick()
    assert [request.partition_key for request in again] == [KEYS[-1]]


def test_sensor__what_was_asked_for_blocks_nothing(
    ticker: Ticker,
    opened: Workspace,
    files: list[Path],
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A session whose run failed is left to the night; the next ones and the reports go on."""
    monkeypatch.setattr("strategy_lab_pipeline.defs.sensors.MAX_REQUESTS", 1)
    _drop(opened, files)
    _catalogue(opened)
    (first,) = ticker.tick()
    assert first.partition_key == KEYS[0]
    assert first.run_key
    job = dg.GraphDefinition(name="nothing").to_job()
    failed = instance.create_run_for_job(job, tags={"dagster/run_key": first.run_key})
    instance.report_run_failed(failed)

    (second,) = ticker.tick()

    assert second.partition_key == KEYS[1]
    instance.create_run_for_job(job, tags={"dagster/run_key": str(second.run_key)})
    assert ticker.tick() == []


def test_night__asks_for_what_is_out_of_date(opened: Workspace, files: list[Path]) -> None:
    """Older sessions first, at low priority; another night asks anew."""
    _drop(opened, files)
    _catalogue(opened)
    asked = []
    for night in (15, 16):
        context = dg.build_schedule_context(
            scheduled_execution_time=datetime(2025, 1, night, 23, 30, tzinfo=UTC)
        )
        answer = nightly(context, workspace=WorkspaceResource())
        assert isinstance(answer, Iterator)
        requests = [request for request in answer if isinstance(request, dg.RunRequest)]
        assert [request.partition_key for request in requests] == KEYS
        assert {request.tags["dagster/priority"] for request in requests} == {"-5"}
        asked += [request.run_key for request in requests]

    assert len(set(asked)) == 4


def test_catalogue_landing__never_leaves_its_folder(
    opened: Workspace, instance: dg.DagsterInstance, files: list[Path]
) -> None:
    """A path that escapes the landing folder fails the run, and nothing is recorded."""
    outside = os.path.relpath(files[0], opened.settings.landing)
    config = {"ops": {"catalogue_files": {"config": {"paths": [outside]}}}}
    result = (
        defs()
        .resolve_job_def("catalogue_landing")
        .execute_in_process(
            instance=instance,
            run_config=config,
            raise_on_error=False,
        )
    )

    assert not result.success
    assert opened.store.count_files() == 0
