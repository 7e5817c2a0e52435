"""Broken input: refused by name with the reason, nothing is lost, the other files are done."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import databento_dbn as dbn
import polars as pl
import pyarrow as pa
import pytest

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.files import open_ticks
from strategy_lab_core.data.simulate import write_sessions
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages.workspace import open_workspace
from strategy_lab_pipeline.work import Summary, work_through
from tests.pipeline import shell
from tests.pipeline.permissions import permissions_bind

DAY = date(2025, 1, 14)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a whole file of one simulated session."""
    sessions = session_calendar("CME Globex Equity").sessions(DAY, DAY)
    folder = tmp_path_factory.mktemp("good")
    return write_sessions(folder, sessions, seed=3, events_per_session=500, faults=False)[-1]


def _truncated_dbn(folder: Path, good: Path) -> None:
    with pa.input_stream(good, compression="zstd") as plain:
        (folder / "bad.dbn").write_bytes(plain.read()[:-20])


def _truncated_zstd(folder: Path, good: Path) -> None:
    (folder / "bad.dbn.zst").write_bytes(good.read_bytes()[:-100])


def _wrong_header(folder: Path, _: Path) -> None:
    (folder / "bad.csv").write_text("time,bid,ask\n1,2,3\n")


def _empty(folder: Path, _: Path) -> None:
    (folder / "bad.dbn").touch()


def _wrong_type(folder: Path, good: Path) -> None:
    (ticks,) = open_ticks(good).batches(1 << 20)
    ticks.with_columns(pl.col("price").cast(pl.Float64)).write_parquet(folder / "bad.parquet")


def _other_schema(folder: Path, _: Path) -> None:
    metadata = dbn.Metadata(
        dataset="GLBX.MDP3", start=0, stype_out=dbn.SType("instrument_id"),
        schema=dbn.Schema("ohlcv-1s"), symbols=["MNQH5"], partial=[], not_found=[], mappings=[],
        end=None, limit=None, stype_in=dbn.SType("raw_symbol"),
    )  # fmt: skip
    (folder / "bad.dbn").write_bytes(metadata.encode())


BROKEN = {
    "truncated DBN": (_truncated_dbn, "copy or download the file again"),
    "truncated zstd frame": (_truncated_zstd, "copy or download the file again"),
    "wrong CSV header": (_wrong_header, "its columns are time, bid, ask"),
    "empty file": (_empty, "empty"),
    "wrong Parquet type": (_wrong_type, "price"),
    "other schema": (_other_schema, "ohlcv-1s"),
}


def _ingest(home: Path, landing: Path) -> Summary:
    return work_through(Settings(home=home), data=[landing], assets=("raw_ticks",))


def _nothing_half(home: Path) -> None:
    """Among the drafts is nothing but the claims of this process, which are empty."""
    drafts = [path for path in (home / "lake" / ".drafts").rglob("*") if path.is_file()]
    assert not [path for path in drafts if path.suffix != ".claim" or path.stat().st_size]


@pytest.mark.parametrize(("make", "says"), BROKEN.values(), ids=BROKEN)
def test_ingest__refuses_a_broken_file_and_goes_on(
    tmp_path: Path, good: Path, make: Callable[[Path, Path], None], says: str
) -> None:
    """Named with its reason; untouched; the good file's session is done; once is enough."""
    landing = tmp_path / "landing"
    landing.mkdir()
    make(landing, good)
    (bad,) = landing.iterdir()
    content = bad.read_bytes()
    shutil.copy(good, landing)

    summary = _ingest(tmp_path / "home", landing)

    reasons = {Path(file["file"]).name: file["reason"] for file in summary.catalogued}
    assert not summary.success
    assert str(bad) in reasons[bad.name]
    assert says in reasons[bad.name]
    assert [(run["session"], run["success"]) for run in summary.ran] == [(str(DAY), True)]
    assert bad.read_bytes() == content
    _nothing_half(tmp_path / "home")
    again = _ingest(tmp_path / "home", landing)
    assert (again.ran, again.success) == ([], False)
    bad.unlink()
    assert _ingest(tmp_path / "home", landing).success


def test_ingest__a_duplicate_is_no_fault(tmp_path: Path, good: Path) -> None:
    """The same bytes under another name count once, and the copy serves when the first is gone."""
    landing = tmp_path / "landing"
    landing.mkdir()
    first, second = (Path(shutil.copy(good, landing / name)) for name in ("a.dbn.zst", "b.dbn.zst"))

    summary = _ingest(tmp_path / "home", landing)

    assert summary.success
    assert [file["status"] for file in summary.catalogued] == ["whole", "duplicate"]
    assert f"{second}: same bytes as {first}" in summary.catalogued[1]["reason"]
    raw = open_workspace(Settings(home=tmp_path / "home")).store.current(
        "raw_ticks", "MNQ", str(DAY)
    )
    assert raw is not None
    assert raw.rows == sum(batch.height for batch in open_ticks(good).batches(1 << 20))

    first.unlink()
    shutil.rmtree(tmp_path / "home" / "lake")
    again = _ingest(tmp_path / "home", landing)
    assert [run["success"] for run in again.ran] == [True]


def test_ingest__a_file_that_is_gone_is_named(tmp_path: Path, good: Path) -> None:
    """Its session fails with the path and what to do."""
    landing = tmp_path / "landing"
    landing.mkdir()
    only = Path(shutil.copy(good, landing))
    _ingest(tmp_path / "home", landing)
    only.unlink()
    shutil.rmtree(tmp_path / "home" / "lake")

    (run,) = _ingest(tmp_path / "home", landing).ran

    assert not run["success"]
    assert f"{only}: is gone; put it back" in run["failures"][0]


def test_ingest__an_unreadable_folder_is_named(tmp_path: Path, good: Path) -> None:
    """Exit code 1, one JSON document, the reason in it, and the readable file is done."""
    landing = tmp_path / "landing"
    (landing / "locked").mkdir(parents=True)
    shutil.copy(good, landing)
    (landing / "locked").chmod(0)
    try:
        with permissions_bind():
            done = shell.call("--home", str(tmp_path / "home"), "ingest", str(landing), "--json")
    finally:
        (landing / "locked").chmod(0o700)

    answer = json.loads(done.stdout)
    assert done.returncode == 1
    reasons = [file["reason"] for file in answer["catalogued"] if file["status"] == "broken"]
    assert reasons == [f"{landing / 'locked'}: no permission to read it; `chmod u+rX` it"]
    assert [run["failures"] for run in answer["ran"]] == [[], []]  # the session, completeness


def test_ingest__what_is_not_there_is_named(tmp_path: Path) -> None:
    """A wrong path and a file of another kind are said, not passed over."""
    note = tmp_path / "note.txt"
    note.touch()
    summary = work_through(
        Settings(home=tmp_path / "home"), data=[tmp_path / "none", note], assets=("raw_ticks",)
    )

    assert not summary.success
    assert sorted(file["reason"] for file in summary.catalogued) == [
        f"{tmp_path / 'none'}: not there; check the path",
        f"{note}: not the name of a tick file (.dbn, .csv, .parquet; .zst, .gz)",
    ]
