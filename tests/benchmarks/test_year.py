"""The year judges rightly: it says what is missed and invented, and plants what it says."""

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from benchmarks import year_faults as faults
from benchmarks.year import Year, main, manifest
from benchmarks.year_check import (
    expected_rolls,
    gap_problems,
    label_problems,
    roll_problems,
    rule_problems,
    run_problems,
)
from benchmarks.year_plan import KINDS, Fault, draw_places
from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.dbn_writer import Records, to_records
from strategy_lab_core.data.simulate import simulate
from strategy_lab_core.data.simulate_contracts import TRUTH
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.types import RecordFlag
from tests.naive.market import NaiveMarket
from tests.naive.rolls import contract_by_volume

STEP = Fault("clock_step", "2025-06-18", (), (("clock_step", "2025-06-18"),),
             (("clock_step", "2025-06-18"),), size=250)  # fmt: skip
LATE = Fault("late_file", "2025-06-10", (), (("early_end", "2025-06-10"),), (), ("2025-06-10",))
ROWS = Fault("malformed_rows", "2025-06-09", (), rules=("off_grid_price",))
ALL = (STEP, LATE, ROWS)


def gap(kind: str, session: str, size: int = 0, state: str = "open") -> dict[str, Any]:
    """Return a gap as `quality` tells it."""
    return {"kind": kind, "session": session, "size": size, "state": state}


STEPPED = gap("clock_step", "2025-06-18", 240)


def test_gap_problems__name_what_is_missed_and_invented() -> None:
    """Nothing where all is found; else the gap, its size, and whether its repair is known."""
    early = gap("early_end", "2025-06-10")
    assert gap_problems(ALL, [STEPPED, early], second=False) == []
    assert gap_problems(ALL, [STEPPED, early | {"state": "repaired"}], second=True) == []
    assert gap_problems(ALL, [STEPPED], second=False) == ["missed gap: ('early_end', '2025-06-10')"]
    assert gap_problems(ALL, [STEPPED], second=True) == [
        "missed repair: ('early_end', '2025-06-10')"
    ]
    more = gap("silent_stretch", "2025-06-11")
    assert gap_problems(ALL, [STEPPED, early, more], second=False) == [
        "invented gap: ('silent_stretch', '2025-06-11')"
    ]
    small = STEPPED | {"size": 100}
    assert gap_problems(ALL, [small, early], second=False) == [
        "clock_step of 2025-06-18: 250 planted, [100] found"
    ]


def test_rule_problems__hold_for_session_and_rule() -> None:
    """Broken in another session: missed here, invented there. A partial session has no run."""
    found = {"session": "2025-06-09", "rule": "off_grid_price", "result": "failed"}
    other = found | {"session": "2025-06-10"}
    passed = other | {"result": "passed"}
    ran = {"session": "2025-06-10", "rule": "every_experiment_ran", "result": "failed"}
    assert rule_problems(ALL, [found, passed], second=False) == []
    assert rule_problems(ALL, [found, ran], second=False) == []
    assert rule_problems(ALL, [found, ran], second=True) == [
        "invented broken rule: ('2025-06-10', 'every_experiment_ran')"
    ]
    assert rule_problems(ALL, [other], second=False) == [
        "missed broken rule: ('2025-06-09', 'off_grid_price')",
        "invented broken rule: ('2025-06-10', 'off_grid_price')",
    ]


def status(**changes: Any) -> dict[str, Any]:
    """Return what `status` says of two sessions after the first delivery."""
    labels = {"2025-06-09": "complete", "2025-06-10": "partial"}
    rows = [{"session": day, "label": label} for day, label in labels.items()]
    without = ["not run: MNQ 2025-06-10: its rows are not complete"]
    nothing: dict[str, Any] = {"blocked": [], "broken_files": [], "left_out": []}
    said = {"partitions": rows, "without_result": without, "next": ["nothing: all is there"]}
    return nothing | said | changes


def test_status_problems__look_at_labels_runs_and_what_is_left() -> None:
    """A session too many, a label that should have changed, a run that is missing, work to do."""
    days = ["2025-06-09", "2025-06-10"]
    assert label_problems(ALL, status(), days, second=False) == []
    assert run_problems(ALL, status(), second=False) == []
    assert label_problems(ALL, status(), days, second=True) == [
        "invented partial session: 2025-06-10"
    ]
    assert label_problems(ALL, status(), days[1:], second=False) == ["invented session: 2025-06-09"]
    assert run_problems(ALL, status(without_result=[]), second=False) == [
        "missed session that is not run: 2025-06-10"
    ]
    assert run_problems(ALL, status(blocked=["x"], next=["backtest"]), second=False) == [
        "invented blocked: x",
        "left undone: ['backtest']",
    ]


def truth(volumes: dict[date, tuple[int, int]]) -> pl.DataFrame:
    """Return two contracts with these volumes; mids of 10 and 13 half ticks."""
    rows = [
        (day, symbol, expiry, lots[place], True, 4 + place, 6 + 2 * place, 1)
        for day, lots in volumes.items()
        for place, (symbol, expiry) in enumerate((("H", 10**19 // 20), ("M", 10**19 // 10)))
    ]
    return pl.DataFrame(rows, schema=TRUTH, orient="row")


@pytest.mark.parametrize("second", [False, True])
def test_expected_rolls__are_those_of_the_slow_reference(second: bool) -> None:
    """With a session that decides nothing while it is partial; volumes and gap beside it."""
    days = [date(2025, 6, 9 + k) for k in range(4)]
    table = truth(dict(zip(days, [(9, 1), (4, 6), (5, 5), (5, 5)], strict=True)))
    found = expected_rolls(table, ALL, 1, second=second)
    partial = [] if second else [days[1]]
    rows = [
        (row["session"], row["expiration_ns"], row["volume"], row["session"] not in partial)
        for row in table.to_dicts()
    ]
    chosen = [contract_by_volume([(day, 0) for day in days], rows, day) for day in days]
    rolls = [day for k, day in enumerate(days) if k and chosen[k] != chosen[k - 1]]
    assert [row["session"] for row in found[1:]] == [str(day) for day in rolls]
    assert found[0] == {"session": "2025-06-09", "from_symbol": None, "to_symbol": "H",
                        "from_volume": None, "to_volume": None, "gap_ticks": None}  # fmt: skip
    if second:
        assert found[1] == {"session": "2025-06-11", "from_symbol": "H", "to_symbol": "M",
                            "from_volume": 4, "to_volume": 6, "gap_ticks": 2}  # fmt: skip
    assert roll_problems(found, found) == []
    assert len(roll_problems(found, [row | {"gap_ticks": 9} for row in found])) == 2 * len(found)


def test_draw_places__keeps_faults_apart() -> None:
    """Every kind once, the same for a seed; none near another, a holiday or a roll but one."""
    hours = Year(folder=Path()).hours()
    keys = [session.key for session in hours]
    places = draw_places(hours, 7)
    assert set(places) == set(KINDS)
    assert places == draw_places(hours, 7) != draw_places(hours, 8)
    taken = sorted(keys.index(key) for key in places.values())
    assert min(np.diff(taken)) >= 4
    assert places["missing_file"] == date(2025, 6, 16)
    with pytest.raises(ConfigError, match="enough for two rolls"):
        draw_places(hours[:60], 7)


@pytest.fixture(scope="module")
def whole() -> Records:
    """Return the rows of a simulated session."""
    session = session_calendar("CME Globex Equity").session(date(2025, 1, 13))
    market = simulate([session], seed=3, events_per_session=800, faults=False)
    return to_records(market.table())


def test_without__leaves_a_book_that_goes_on(whole: Records) -> None:
    """Rows are gone; behind the snapshot in their place no order is unknown."""
    middle = int(whole["ts_recv"][len(whole) // 2])
    start = faults.between_events(whole, middle)
    stop = faults.between_events(whole, middle + 3_600 * 10**9)
    cut = faults.without(whole, start, stop)
    restated = slice(start, start + len(cut) - len(whole) + stop - start)
    assert (cut["flags"][restated] & RecordFlag.SNAPSHOT != 0).all()
    assert (cut["flags"][restated][:-1] & RecordFlag.LAST == 0).all()
    assert cut["flags"][restated][-1] & RecordFlag.LAST
    book, known = NaiveMarket(), NaiveMarket()
    for target, rows in ((book, cut), (known, whole)):
        for row in rows:
            fields = {name: row[name].item() for name in rows.dtype.names or ()}
            target.apply(fields | {"action": chr(row["action"]), "side": chr(row["side"])})
    assert book.problems == []
    assert list(book.orders.items()) == list(known.orders.items())


def test_faults__change_what_they_say_and_nothing_else(whole: Records) -> None:
    """A clock that is ahead for some rows; two rows that break one rule each, of no other order."""
    stepped = faults.clock_step(whole, 100, 200, 250)
    moved = stepped["ts_recv"].astype(np.int64) - whole["ts_recv"].astype(np.int64)
    assert (moved[100:200] == 250).all()
    assert not moved[:100].any()
    assert not moved[200:].any()
    bad = faults.malformed_rows(whole, 300)
    assert (bad["size"][300], bad["price"][301] % 250_000_000) == (0, 100_000_000)
    assert (np.delete(bad, [300, 301]) == whole).all()
    assert not np.isin(bad["order_id"][300:302], whole["order_id"]).any()


def test_year__remembers_what_was_planted(tmp_path: Path) -> None:
    """A manifest read again is the one that was written."""
    year = Year(folder=tmp_path)
    year.file("manifest.json").write_text(json.dumps([asdict(each) for each in ALL]))
    assert tuple(manifest(year)) == ALL


def test_main__refuses_a_year_without_room_for_its_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a line, before anything is simulated."""
    folder = tmp_path / "year"
    monkeypatch.setattr("sys.argv", ["year", "--sessions", "12", "--folder", str(folder)])

    with pytest.raises(SystemExit) as end:
        main()

    assert end.value.code == 2
    assert "enough for two rolls and the faults: 252, got 12" in capsys.readouterr().err
    assert not folder.exists()
