"""Gaps from files to the database: found at their place and size, repaired by what comes later."""

import shutil
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from strategy_lab_core.data.gap_kinds import COMPLETENESS_TABLES
from strategy_lab_core.data.schemas import pandera_schema
from strategy_lab_pipeline.db.store import FoundGap, GapRow, Store
from strategy_lab_pipeline.defs.completeness import completeness as asset
from strategy_lab_pipeline.defs.resources import WorkspaceResource
from strategy_lab_pipeline.quality import quality_of
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import catalogue, completeness, plan, raw, validated
from strategy_lab_pipeline.stages.landing import landing_files
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace
from tests.pipeline.faulty_week import DAYS, MINUTE, deliver, market, session, without

ROWS = market()
MISSING, SILENT, GAPPED, STEPPED, HOLIDAY, COPIED, LATE, REFUSED = DAYS[1:9]
NOON = 16 * 60 * MINUTE  # after the open: 15:00 UTC, regular hours
STEP_NS = 250_000_000


def _silent(day: date) -> pl.DataFrame:
    start = session(day).open_ns + NOON
    return without(ROWS[day], start, start + 60 * MINUTE)


def _gapped(day: date) -> pl.DataFrame:
    first, last = _lost_numbers(day)
    return ROWS[day].filter(~pl.col("sequence").is_between(first, last))


def _lost_numbers(day: date) -> tuple[int, int]:
    middle = int(ROWS[day]["sequence"].quantile(0.6) or 0)
    return middle, middle + 36


def _stepped(day: date) -> pl.DataFrame:
    since = session(day).open_ns + NOON
    later = pl.when(pl.col("ts_event") >= since).then(STEP_NS).otherwise(0)
    return ROWS[day].with_columns(ts_recv=pl.col("ts_recv") + later)


def _late(day: date) -> pl.DataFrame:
    hours = session(day)
    return without(ROWS[day], hours.previous_close_ns, hours.open_ns + 180 * MINUTE)


def _whole(day: date) -> pl.DataFrame:
    return ROWS[day]


FAULTS = {SILENT: _silent, GAPPED: _gapped, STEPPED: _stepped, LATE: _late}


def _read(opened: Workspace) -> None:
    """Catalogue what is new, and bring the ticks of every session up to date."""
    paths = [file.path for file in landing_files(opened)]
    for file in catalogue.uncatalogued(opened, paths, retry_broken=True):
        catalogue.catalogue_file(opened, file.path)
    for day in DAYS:
        if ("MNQ", str(day)) in opened.store.all_partitions():
            raw.build(opened, "MNQ", day, run_id="test")
            validated.build(opened, "MNQ", day, run_id="test")


def _judge(opened: Workspace) -> list[GapRow]:
    completeness.build(opened, "MNQ", run_id="test")
    return opened.store.gaps("MNQ")


def _kinds(gaps: list[GapRow], state: str = "open") -> set[tuple[str, str]]:
    return {(gap.session, gap.kind) for gap in gaps if gap.state == state}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with two faulty weeks that were read and judged once."""
    path = tmp_path_factory.mktemp("completeness") / "home"
    opened = open_workspace(Settings(home=path))
    landing = opened.settings.landing
    for day in DAYS:
        if day not in (MISSING, REFUSED):
            deliver(landing, str(day), FAULTS.get(day, _whole)(day))
    shutil.copy(landing / f"{COPIED}.mbo.dbn.zst", landing / "copy.mbo.dbn.zst")
    third = ROWS[REFUSED].height // 3
    deliver(landing, f"{REFUSED}-a", ROWS[REFUSED][: 2 * third])
    deliver(landing, f"{REFUSED}-b", ROWS[REFUSED][third:])
    _read(opened)
    _judge(opened)
    return path


@pytest.fixture
def opened(home: Path, tmp_path: Path) -> Workspace:
    """Return a workspace of its own, its catalogue moved with its files."""
    copy = tmp_path / "home"
    shutil.copytree(home, copy)
    with closing(sqlite3.connect(copy / "strategy_lab.db")) as database, database:
        database.execute("UPDATE files SET path = replace(path, ?, ?)", (str(home), str(copy)))
    return open_workspace(Settings(home=copy))


def test_build__finds_every_fault_and_no_other(opened: Workspace) -> None:
    """Each kind in its session; the holiday's short day and the quiet nights are no gaps."""
    assert _kinds(opened.store.gaps("MNQ")) == {
        (str(MISSING), "missing_session"),
        (str(SILENT), "silent_stretch"),
        (str(SILENT), "sequence_gap"),  # the same rows, told by the channel too
        (str(GAPPED), "sequence_gap"),
        (str(STEPPED), "clock_step"),
        (str(COPIED), "duplicate_file"),
        (str(LATE), "late_start"),
        (str(REFUSED), "overlapping_files"),
        (str(REFUSED), "early_end"),
    }


def test_build__tells_place_and_size(opened: Workspace) -> None:
    """To the message, the row and the nanosecond where the rows say so."""
    found = {(gap.session, gap.kind): gap for gap in opened.store.gaps("MNQ")}

    silent = found[str(SILENT), "silent_stretch"]
    begin = session(SILENT).open_ns + NOON
    assert begin - MINUTE < silent.start_ns < begin
    assert begin + 60 * MINUTE <= silent.end_ns < begin + 61 * MINUTE
    assert (silent.size, silent.unit) == (silent.end_ns - silent.start_ns, "ns")

    gap = found[str(GAPPED), "sequence_gap"]
    first, last = _lost_numbers(GAPPED)
    assert (gap.size, gap.unit) == (last - first + 1, "messages")
    assert f"{first} to {last}" in gap.detail

    step = found[str(STEPPED), "clock_step"]
    assert abs(step.size - STEP_NS) < 1_000_000
    assert step.start_ns < session(STEPPED).open_ns + NOON <= step.end_ns
    late, hours = found[str(LATE), "late_start"], session(LATE)
    assert late.start_ns == hours.open_ns
    assert 180 * MINUTE <= late.size < 190 * MINUTE


def test_build__scores_what_is_there(opened: Workspace) -> None:
    """Three factors and their product; what costs nothing leaves the score at 1."""
    found = completeness.completeness_of(opened, "MNQ")
    assert found is not None
    for name, table in (("completeness", found.sessions), ("gaps", found.gaps)):
        pandera_schema(name, COMPLETENESS_TABLES[name]).validate(table)
    rows = {row["session"]: row for row in found.sessions.to_dicts()}
    assert [row["session"] for row in rows.values()] == DAYS
    assert (rows[MISSING]["label"], rows[MISSING]["score"]) == ("missing", 0.0)
    for day in (DAYS[0], STEPPED, HOLIDAY, COPIED, DAYS[-1]):
        assert rows[day]["score"] == 1.0
    silent, gapped, late = rows[SILENT], rows[GAPPED], rows[LATE]
    assert 0.85 < silent["activity"] < 0.97
    assert silent["messages"] == 1.0  # lost in the silence, and counted there
    assert gapped["messages"] == pytest.approx(1 - 37 / ROWS[GAPPED]["sequence"].n_unique(), 0.01)
    assert gapped["activity"] == 1.0
    assert late["label"] == "partial"
    assert 0.8 < late["activity"] < 0.98
    for row in rows.values():
        expected = (
            row["activity"] * row["messages"] * row["rows"] if row["label"] != "missing" else 0
        )
        assert row["score"] == pytest.approx(expected)


def test_redelivery__repairs_and_runs_exactly_its_sessions(opened: Workspace) -> None:
    """The files that come later are named in the gaps that they repaired; the others stay open."""
    before = opened.store.gaps("MNQ")
    versions = _versions(opened)
    deliver(opened.settings.landing, "late", ROWS[MISSING])
    deliver(opened.settings.landing, str(GAPPED), ROWS[GAPPED])
    paths = [file.path for file in landing_files(opened)]
    for file in catalogue.uncatalogued(opened, paths):
        catalogue.catalogue_file(opened, file.path)

    assert {each.session for each in plan.stale_partitions(opened) if "raw_ticks" in each.assets} \
        == {MISSING, GAPPED}  # fmt: skip
    assert _kinds(_judge(opened)) == _kinds(before)  # they wait, nothing is repaired
    _read(opened)
    gaps = _judge(opened)

    assert _kinds(gaps, "repaired") == {
        (str(MISSING), "missing_session"), (str(GAPPED), "sequence_gap"),
    }  # fmt: skip
    repairs = {gap.session: gap for gap in gaps if gap.state == "repaired"}
    assert repairs[str(MISSING)].repair == "late.mbo.dbn.zst"
    assert repairs[str(GAPPED)].repair == f"{GAPPED}.mbo.dbn.zst"
    for gap in repairs.values():
        assert gap.closed_at_ns is not None
        assert gap.closed_at_ns > gap.found_at_ns
    changed = {day for day, version in _versions(opened).items() if versions.get(day) != version}
    assert changed == {str(MISSING), str(GAPPED)}
    found = completeness.completeness_of(opened, "MNQ")
    assert found is not None
    scores = dict(found.sessions.select("session", "score").iter_rows())
    assert (scores[MISSING], scores[GAPPED]) == (1.0, 1.0)


def _versions(opened: Workspace) -> dict[str, str]:
    """Return the data version of each session's measurement."""
    found = opened.store.materializations("coverage", "MNQ")
    return {row.session: row.data_version for row in found}


def test_overlap__ends_when_one_file_has_all(opened: Workspace) -> None:
    """A file with the messages of both repairs the session, and the refused one is covered."""
    deliver(opened.settings.landing, "all", ROWS[REFUSED])
    for _ in range(2):  # the refused file is read again once the whole one is known
        _read(opened)
    gaps = [gap for gap in _judge(opened) if gap.session == str(REFUSED)]
    assert _kinds(gaps, "repaired") == {
        (str(REFUSED), "overlapping_files"), (str(REFUSED), "early_end"),
    }  # fmt: skip
    assert _kinds(gaps) == {(str(REFUSED), "covered_file")}


def test_forget__opens_the_gap_again(opened: Workspace) -> None:
    """A session whose file counts no more is missing, as a new gap; the old ones are withdrawn."""
    (path,) = (f.path for f in landing_files(opened) if f.path.name.startswith(str(GAPPED)))
    path.unlink()
    catalogue.forget(opened, path)
    gaps = [gap for gap in _judge(opened) if gap.session == str(GAPPED)]
    assert _kinds(gaps) == {(str(GAPPED), "missing_session")}
    assert _kinds(gaps, "withdrawn") == {(str(GAPPED), "sequence_gap")}


def test_stale_versions__knows_files_and_sessions(opened: Workspace) -> None:
    """Up to date after a build; a copy alone is news, though no session is read anew."""
    assert completeness.stale_versions(opened) == {}
    path = opened.settings.landing / "again.mbo.dbn.zst"
    shutil.copy(opened.settings.landing / f"{DAYS[0]}.mbo.dbn.zst", path)
    catalogue.catalogue_file(opened, path)
    assert list(completeness.stale_versions(opened)) == ["MNQ"]
    assert (str(DAYS[0]), "duplicate_file") in _kinds(_judge(opened))
    assert completeness.stale_versions(opened) == {}


def test_tables__do_not_know_the_home(home: Path, tmp_path: Path) -> None:
    """The same files elsewhere, read in another order, give the same bytes and version."""
    first = open_workspace(Settings(home=home))
    other = open_workspace(Settings(home=tmp_path / "other"))
    for file in sorted(first.settings.landing.iterdir(), reverse=True):
        if "copy" not in file.name and f"{REFUSED}" not in file.name:
            shutil.copy(file, other.settings.landing)
    for name in (f"{REFUSED}-a", f"{REFUSED}-b", f"{COPIED}", "copy"):
        shutil.copy(first.settings.landing / f"{name}.mbo.dbn.zst", other.settings.landing)
    _read(other)
    _judge(other)
    rows = [each.store.current("completeness", "MNQ", "-") for each in (first, other)]
    assert rows[0] is not None
    assert rows[1] is not None
    assert rows[0].version == rows[1].version
    assert rows[0].data_version == rows[1].data_version


def test_quality_of__answers_for_programs(opened: Workspace) -> None:
    """Sessions, gaps and rules; one product and one session where asked."""
    everything = quality_of(opened.settings)
    assert [row["session"] for row in everything["sessions"]] == [str(day) for day in DAYS]
    one = quality_of(opened.settings, "MNQ", str(GAPPED))
    assert [row["kind"] for row in one["gaps"]] == ["sequence_gap"]
    assert one["gaps"][0]["state"] == "open"
    assert {row["session"] for row in one["rules"]} == {str(GAPPED), "-"}  # and the refused file
    assert quality_of(opened.settings, "ES")["sessions"] == []


def _found(session_key: str = "2025-01-13", **other: object) -> FoundGap:
    values: dict[str, object] = {
        "session": session_key, "kind": "early_end", "severity": "error", "place": "mbo",
        "start_ns": 10, "end_ns": 20, "size": 10, "unit": "ns", "detail": "rows end early",
    }  # fmt: skip
    return FoundGap(**{**values, **other})  # type: ignore[arg-type]


def test_record_gaps__says_what_became_of_each(store: Store) -> None:
    """A gap is open, repaired by a new file, replaced by a smaller one, or withdrawn."""
    first, second = "2025-01-13", "2025-01-14"
    files = {first: {"a": "a.dbn"}, second: {"b": "b.dbn"}}
    store.record_gaps("MNQ", [_found(first), _found(second)], files, run_id="one")
    store.record_gaps("MNQ", [_found(first), _found(second, detail="told anew")], files, run_id="2")
    assert [gap.detail for gap in store.gaps()] == ["rows end early", "told anew"]
    store.record_gaps("MNQ", [], files, waiting=[first, second], run_id="waiting")
    assert [gap.state for gap in store.gaps()] == ["open", "open"]

    more = {first: {"a": "a.dbn", "c": "c.dbn"}, second: {"b": "b.dbn"}}
    smaller = _found(first, start_ns=15, size=5, detail="less is missing")
    store.record_gaps("MNQ", [smaller], more, run_id="three")
    old, new, other = store.gaps("MNQ")
    assert (old.state, old.repair) == ("replaced", "c.dbn: less is missing")
    assert (new.state, new.start_ns, new.closed_at_ns) == ("open", 15, None)
    assert other.state == "withdrawn"
    assert "no new file" in other.repair
    more[first] = {"d": "d.dbn"}
    store.record_gaps("MNQ", [], more, run_id="four")
    assert [(gap.state, gap.repair) for gap in store.gaps("MNQ", first)][1] == ("repaired", "d.dbn")
    assert store.gaps("ES") == []
    assert store.gaps(state="open") == []


def test_record_gaps__leaves_other_products_alone(store: Store) -> None:
    """Each product's gaps are its own."""
    for product in ("MNQ", "ES"):
        store.record_gaps(product, [_found()], {}, run_id="one")
    store.record_gaps("MNQ", [], {}, run_id="two")
    assert [(gap.product, gap.state) for gap in store.gaps()] == [
        ("ES", "open"), ("MNQ", "withdrawn"),
    ]  # fmt: skip


def test_asset__shows_the_heat_map_and_a_check_a_kind(opened: Workspace) -> None:
    """With the first rows of what was found; a kind that was not found has passed."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [asset],
            instance=instance,
            resources={"workspace": WorkspaceResource(home=str(opened.settings.home))},
        )
    checks = {each.check_name: each for each in result.get_asset_check_evaluations()}
    assert set(checks) == set(completeness.RULES)
    assert {name for name, check in checks.items() if not check.passed} == {
        "missing_session", "silent_stretch", "sequence_gap", "clock_step", "late_start",
        "early_end", "overlapping_files",
    }  # fmt: skip
    assert "first rows" in checks["missing_session"].metadata
    (made,) = result.asset_materializations_for_node("completeness")
    assert {"heat map of MNQ", "sessions of MNQ", "gaps of MNQ"} <= set(made.metadata)
    assert "data:image/svg+xml" in str(made.metadata["heat map of MNQ"].value)
