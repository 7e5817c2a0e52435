"""Walk-forwards: windows that choose before they judge, each a partition with its lineage."""

import shutil
from typing import Any

import pytest

from strategy_lab_pipeline.db.store import Store
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.stages import walk_forwards
from strategy_lab_pipeline.stages.trials import days_of, net_profits, with_parameters
from strategy_lab_pipeline.stages.walk_forwards import (
    build,
    published,
    search_of_window,
    stale_windows,
    windows_of,
)
from strategy_lab_pipeline.stages.workspace import Workspace
from tests.pipeline.test_searches import GRID, opened, search_of

__all__ = ["opened"]  # a fixture

WINDOWS = f"{GRID}walk_forward: {{train: 3, test: 1}}\n"


def test_build__chooses_before_it_judges(opened: Workspace) -> None:
    """Window by window what a loop over all sets finds: the best of training, and its test."""
    search = search_of(opened, WINDOWS)
    days = {str(day.session): day for day in days_of(opened, search.experiment)}
    sizes = range(1, 6)
    earned = {
        (size, session): int(
            net_profits(opened, [with_parameters(search.experiment, {"size": size})], day,
                        run_id="naive")[0]
        )
        for size in sizes for session, day in days.items()
    }  # fmt: skip

    windows = windows_of(opened, search)
    results = [build(opened, search, key, run_id="a").result for key in windows]

    sessions = sorted(days)
    assert [window.test for window in windows.values()] == [(day,) for day in sessions[3:]]
    for place, result in enumerate(results):
        train, test = sessions[place : place + 3], sessions[place + 3]
        totals = {size: sum(earned[size, day] for day in train) for size in sizes}
        best = max(sizes, key=lambda size: (totals[size], -size))
        assert result["parameters"]["size"] == best
        assert result["net_profits"] == [earned[best, test]]
        assert result["in_sample"] == pytest.approx(totals[best] / 1e6)
    whole = walk_forwards.summary(opened, search)
    assert whole["net_profit_e6"] == sum(result["net_profits"][0] for result in results)
    assert whole["sessions"] == 4


def test_search_of_window__tells_searches_apart_that_differ_in_their_lengths(
    opened: Workspace,
) -> None:
    """The same experiment and space with other windows: each window has its own search."""
    short = search_of(opened, WINDOWS, name="a_short")
    long = search_of(opened, WINDOWS.replace("train: 3", "train: 4"), name="b_long")
    search_of(opened, WINDOWS.replace("train: 3", "train: 99"), name="a_impossible")
    for search in (short, long):
        for key in windows_of(opened, search):
            assert search_of_window(opened, key).name == search.name
    with pytest.raises(PipelineError, match="belongs to no search"):
        search_of_window(opened, "0123456789abcdef_2025-01-13_2025-01-15_2025-01-16")


def test_stale_windows__are_those_whose_sessions_changed(opened: Workspace) -> None:
    """All of them first; none after; those of a session that was made anew, and no other."""
    search = search_of(opened, WINDOWS)
    keys = stale_windows(opened, search)
    for key in keys:
        build(opened, search, key, run_id="a")
    assert stale_windows(opened, search) == []
    assert published(opened, search)["key"].to_list() == keys

    shutil.rmtree(opened.settings.lake / "order_books" / "MNQ" / "2025-01-20")
    assert stale_windows(opened, search) == keys[-2:]
    assert len(opened.store.windows("sizes")) == len(keys)
    rows = opened.store.windows("sizes")
    assert set(rows[0].sessions) == set(windows_of(opened, search)[keys[0]].train) | set(
        windows_of(opened, search)[keys[0]].test
    )


def test_build__a_missing_session_fails_its_windows_by_name(opened: Workspace) -> None:
    """The others go on; left out on purpose, it is no session of any window."""
    search = search_of(opened, WINDOWS)
    first = next(iter(windows_of(opened, search)))
    shutil.rmtree(opened.settings.lake / "order_books" / "MNQ" / "2025-01-14")

    with pytest.raises(PipelineError, match="no complete books for MNQ 2025-01-14"):
        build(opened, search, first, run_id="a")

    skipping = search_of(opened, f"{WINDOWS}sessions: {{skip: [2025-01-14]}}\n")
    windows = windows_of(opened, skipping)
    assert len(windows) == 3
    for key in windows:
        build(opened, skipping, key, run_id="a")


def test_build__a_window_that_is_none(opened: Workspace) -> None:
    """The ones that there are are named."""
    search = search_of(opened, WINDOWS)
    with pytest.raises(PipelineError, match=r"no window 'nonsense'; there are .*_2025-01-13_"):
        build(opened, search, "nonsense", run_id="a")


def test_build__a_window_counts_only_with_its_row(opened: Workspace, monkeypatch: Any) -> None:
    """Ended before the database knows what it chose, a window is out of date, and made again."""
    search = search_of(opened, WINDOWS)
    key = next(iter(windows_of(opened, search)))
    with monkeypatch.context() as patch:
        patch.setattr(Store, "record_window", _gone)
        with pytest.raises(OSError, match="gone"):
            build(opened, search, key, run_id="a")
    assert key in stale_windows(opened, search)
    build(opened, search, key, run_id="b")
    assert key not in stale_windows(opened, search)
    assert [row.key for row in opened.store.windows()] == [key]


def _gone(*_: Any, **__: Any) -> None:
    raise OSError("gone")
