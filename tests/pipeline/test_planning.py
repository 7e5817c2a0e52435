"""Planning a first backfill: what it costs grows with the number of sessions, and no faster."""

from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import plan
from strategy_lab_pipeline.stages.workspace import open_workspace

DAYS = session_calendar("CME Globex Equity").sessions(date(2025, 1, 6), date(2025, 6, 30))


def statements_to_plan(home: Path, n_sessions: int) -> int:
    """Return how many statements it takes to plan sessions of which nothing is made."""
    opened = open_workspace(Settings(home=home))
    keys = [str(day.key) for day in DAYS[:n_sessions]]
    opened.store.record_file(
        "a.dbn", size=1, mtime_ns=1, sha256="aa", format="dbn", schema="mbo",
        dataset="GLBX.MDP3", rows=n_sessions, first_ts=1, last_ts=2**62,
        partitions={("MNQ", key): 1 for key in keys},
    )  # fmt: skip
    sent: list[str] = []

    def note(_connection: object, _cursor: object, text: str, *_: object) -> None:
        """Keep what is sent to the database."""
        sent.append(text)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        stale = plan.stale_partitions(opened)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert [str(each.session) for each in stale] == keys
    return len(sent)


def test_stale_partitions__takes_statements_in_proportion_to_the_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four times the sessions: no more than four times the statements."""
    monkeypatch.delenv("STRATEGY_LAB_HOME", raising=False)
    few, many = (statements_to_plan(tmp_path / str(n), n) for n in (25, 100))

    assert 0 < many <= 4 * few


def test_at_one_moment__makes_what_is_asked_often_once(tmp_path: Path) -> None:
    """A plan's workspace remembers; the one that it was made from asks each time."""
    opened = open_workspace(Settings(home=tmp_path))
    now, asked = opened.at_one_moment(), []

    for workspace in (now, now, opened, opened):
        workspace.once("what", lambda: asked.append("made"))

    assert asked == ["made"] * 3
    assert now.at_one_moment() is now
