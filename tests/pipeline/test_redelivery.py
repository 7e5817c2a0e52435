"""Files that come again, cut otherwise or longer: no message is lost, none counts twice."""

from pathlib import Path

import polars as pl
import pytest

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.dbn_writer import write_dbn
from strategy_lab_core.data.files import open_ticks
from strategy_lab_core.data.instruments import products
from strategy_lab_core.types import Action, RecordFlag
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import catalogue, plan, raw, validated
from strategy_lab_pipeline.stages.containment import has_messages
from strategy_lab_pipeline.stages.landing import landing_files, stamp
from strategy_lab_pipeline.stages.tally import Tally
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace
from strategy_lab_pipeline.work import work_through
from tests.pipeline.test_cuts import DAYS, MARKET

TICKS = MARKET.table()
_ENDS = ((TICKS["flags"] & int(RecordFlag.LAST)) != 0).arg_true()
THIRD, TWO_THIRDS = (_ENDS[len(_ENDS) * part // 3] + 1 for part in (1, 2))  # between events
SESSION = session_calendar("CME Globex Equity").session(DAYS[-1])


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    """Return an empty workspace."""
    return open_workspace(Settings(home=tmp_path / "home"))


def _write(opened: Workspace, name: str, *parts: pl.DataFrame) -> Path:
    path = opened.settings.landing / f"{name}.mbo.dbn.zst"
    write_dbn(path, pl.concat(parts), {MARKET.instrument_id: MARKET.symbol})
    return path


def _read(opened: Workspace) -> dict[str, str]:
    """Catalogue what has to be read; return the status of each file that was."""
    todo = catalogue.uncatalogued(
        opened, [file.path for file in landing_files(opened)], retry_broken=True
    )
    entries = [catalogue.catalogue_file(opened, file.path) for file in todo]
    return {Path(entry.path).name.split(".")[0]: entry.status for entry in entries}


def _counted(opened: Workspace) -> int:
    """Return the rows of all files that count."""
    files = {file.path for day in DAYS for file in opened.store.whole_files_for("MNQ", str(day))}
    return sum(sum(opened.store.partition_rows(path).values()) for path in files)


def test_a_file_that_fills_a_gap_is_not_taken_for_a_part(opened: Workspace) -> None:
    """The first file reaches around it, and has not its messages: nothing is left out unsaid."""
    gap = TICKS[THIRD:TWO_THIRDS]
    _write(opened, "around", TICKS[:THIRD], TICKS[TWO_THIRDS:])
    assert _read(opened) == {"around": "whole"}
    filler = _write(opened, "filler", gap)

    assert _read(opened) == {"filler": "broken"}
    (refused,) = opened.store.broken_files()
    assert refused.path == str(filler.resolve())
    assert "neither is known to have all of the other's" in refused.reason

    whole = _write(opened, "whole", TICKS)
    assert _read(opened)["whole"] == "whole"
    assert _read(opened) == {"filler": "covered"}
    assert _counted(opened) == TICKS.height
    assert whole.is_file()


def test_a_file_that_can_not_be_asked_again_stops_nothing(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second reading fails: nothing is proven, the file is refused, the next one is read."""
    _write(opened, "a-whole", TICKS)
    assert _read(opened) == {"a-whole": "whole"}

    def fail(*_: object) -> bool:
        """Do what a network drive does."""
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(catalogue, "has_messages", fail)
    _write(opened, "b-part", TICKS[:THIRD])
    _write(opened, "c-part", TICKS[THIRD:])

    assert _read(opened) == {"b-part": "broken", "c-part": "broken"}
    monkeypatch.undo()
    assert _read(opened) == {"b-part": "covered", "c-part": "covered"}


def test_a_part_comes_back_when_the_whole_changes(opened: Workspace) -> None:
    """The covering file is delivered anew and shorter: the part counts again."""
    _write(opened, "month", TICKS)
    _write(opened, "end", TICKS[TWO_THIRDS:])
    assert _read(opened) == {"end": "whole", "month": "whole"}  # read in the order of names
    assert _counted(opened) == TICKS.height

    _write(opened, "month", TICKS[:TWO_THIRDS])
    assert _read(opened) == {"month": "whole"}
    assert _read(opened) == {"end": "whole"}
    assert _counted(opened) == TICKS.height


def test_forget__lets_a_refused_file_in(opened: Workspace) -> None:
    """A file that was taken away stands in nobody's way once it is said that it may not count."""
    first = _write(opened, "first", TICKS[:TWO_THIRDS])
    _write(opened, "second", TICKS[THIRD:])
    assert _read(opened) == {"first": "whole", "second": "broken"}
    with pytest.raises(PipelineError, match="is still in the landing folder"):
        catalogue.forget(opened, first.resolve())
    first.unlink()
    assert _read(opened) == {"second": "broken"}  # gone is not forgotten

    catalogue.forget(opened, first.resolve())
    assert _read(opened) == {"second": "whole"}
    assert _counted(opened) == TICKS.height - THIRD
    with pytest.raises(PipelineError, match="is in no catalogue"):
        catalogue.forget(opened, first.resolve())


def test_rows_without_time_or_symbol_are_quarantined(opened: Workspace) -> None:
    """Not one is lost on the way to validation."""
    day = MARKET.table().filter(pl.col("ts_event") > SESSION.previous_close_ns)
    number = pl.int_range(pl.len())
    bad = day.with_columns(
        ts_event=pl.when(number % 997 == 5).then(0).otherwise("ts_event"),
        ts_recv=pl.when(number % 997 == 5).then(0).otherwise("ts_recv"),
        symbol=pl.when(number % 997 == 6).then(None).otherwise("symbol"),
    )
    path = opened.settings.landing / "bad.parquet"
    bad.write_parquet(path)
    entry = catalogue.catalogue_file(opened, path)
    assert entry.status == "whole"
    assert opened.store.partition_rows(str(path)) == {("MNQ", str(DAYS[-1])): day.height}

    assert raw.build(opened, "MNQ", DAYS[-1], run_id="test").rows == day.height
    found = {f.rule: f for f in validated.build(opened, "MNQ", DAYS[-1], run_id="test").findings}
    assert found["impossible_time"].rows == (bad["ts_event"] == 0).sum()
    assert found["missing_value"].rows == bad["symbol"].null_count()
    assert found["rows_conserved"].passed


def test_unknown_symbols_are_named(opened: Workspace) -> None:
    """Rows of no known product are in no session, and the file says so."""
    strange = TICKS[:3].with_columns(symbol=pl.lit("XYZ"), instrument_id=pl.lit(5, pl.UInt32))
    path = opened.settings.landing / "mixed.parquet"
    pl.concat([TICKS, strange]).write_parquet(path)

    entry = catalogue.catalogue_file(opened, path)

    assert entry.status == "whole"
    assert entry.reason.endswith("no product is known for XYZ (3 rows): in no session")
    assert opened.store.remarks() == [entry.reason]


def test_rows_outside_the_calendar_are_named(opened: Workspace) -> None:
    """A clock that is decades off puts a row in no session, and the file says so."""
    number = pl.int_range(pl.len())
    decades = pl.when(number < 4).then(60 * 365 * 24 * 3600 * 10**9).otherwise(0)
    path = opened.settings.landing / "clock.parquet"
    TICKS.with_columns(pl.col("ts_event", "ts_recv") + decades).write_parquet(path)

    entry = catalogue.catalogue_file(opened, path)

    assert entry.reason.endswith("4 rows of MNQ have times outside its calendar: in no session")
    assert list(opened.store.partition_rows(str(path))) == [("MNQ", str(day)) for day in DAYS]


def test_left_out__sessions_without_a_partition_are_named(tmp_path: Path) -> None:
    """By a setting, or because their clock is wrong; the call goes on."""
    settings = Settings(home=tmp_path / "home", products=("ES",))
    opened = open_workspace(settings)
    _write(opened, "both", TICKS)
    summary = work_through(settings, assets=("raw_ticks",))
    assert summary.notes == [
        "MNQ: not in the setting `products` (ES): left out are 2 sessions, "
        f"{DAYS[0]} to {DAYS[1]}"
    ]  # fmt: skip
    assert (summary.ran, summary.up_to_date) == ([], 0)

    later = TICKS.with_columns(pl.col("ts_event", "ts_recv") + 3 * 365 * 24 * 3600 * 10**9)
    path = opened.settings.landing / "late.parquet"
    later.write_parquet(path)
    catalogue.catalogue_file(opened, path)
    everything = open_workspace(Settings(home=tmp_path / "home", products=("MNQ",)))
    assert plan.count_partitions(everything) == 2
    (note,) = plan.left_out(everything)
    assert note.startswith("MNQ: in the future, look at the clock that wrote the file")


def test_seeds_are_made_from_valid_rows(opened: Workspace) -> None:
    """A fault before the cut costs its own row, not the next session and not its seed."""
    cut = SESSION.previous_close_ns
    number = pl.int_range(pl.len())
    adds = (pl.col("ts_event") < cut) & (pl.col("action").cast(pl.String) == chr(Action.ADD))
    live = (pl.col("flags") & int(RecordFlag.SNAPSHOT)) == 0
    broken = adds & live & (number % 331 == 7)
    names = ("price", "size", "sequence")
    faulty = TICKS.with_columns(
        pl.when(broken).then(None).otherwise(name).alias(name) for name in names
    )
    path = opened.settings.landing / "faulty.parquet"
    faulty.write_parquet(path)
    catalogue.catalogue_file(opened, path)

    outcome = raw.build(opened, "MNQ", DAYS[-1], run_id="test")

    lost = set(TICKS.filter(broken)["order_id"])
    seed = pl.read_parquet(outcome.path / "seed.parquet")
    assert len(lost) > 2
    assert seed.height > 10
    assert lost.isdisjoint(seed["order_id"])
    assert seed["price"].null_count() == 0


def test_stamp__sees_both_files_of_a_pair(tmp_path: Path) -> None:
    """A book file that is copied again makes the pair a new one."""
    messages = tmp_path / "ARL_2012-06-21_34200000_57600000_message_1.csv"
    book = tmp_path / "ARL_2012-06-21_34200000_57600000_orderbook_1.csv"
    messages.write_text("34200.1,1,5,10,100000,1\n")
    alone = stamp(messages)
    book.write_text("100100,10,100000,10\n")
    pair = stamp(messages)
    assert alone
    assert pair
    assert pair.size == alone.size + book.stat().st_size
    assert stamp(tmp_path / "none.dbn") is None


@pytest.mark.parametrize("part_is_there", [True, False])
def test_has_messages__tells_a_gap(opened: Workspace, part_is_there: bool) -> None:
    """A whole file has the messages of all its parts; one with a gap not of what fills it."""

    def has(name: str, part: str) -> bool:
        """Return whether one file has the messages of another."""
        tally = Tally(products())
        for batch in open_ticks(paths[part]).batches():
            tally.add(batch)
        other = open_ticks(paths[part]) if part_is_there else None
        return has_messages(open_ticks(paths[name]), other, tally.ranges())

    gap = TICKS[THIRD:TWO_THIRDS]
    paths = {
        "whole": _write(opened, "whole", TICKS),
        "around": _write(opened, "around", TICKS[:THIRD], TICKS[TWO_THIRDS:]),
        "gap": _write(opened, "gap", gap),
        "less": _write(opened, "less", TICKS[: _ENDS[-2] + 1]),
    }
    assert has("whole", "whole")
    assert has("whole", "gap")
    assert has("whole", "less")
    assert has("around", "around")
    assert has("whole", "around") is part_is_there  # without the part nothing is proven
    assert not has("around", "gap")
    assert not has("less", "whole")
    assert not has("gap", "around")
