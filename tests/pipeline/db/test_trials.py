"""Searches, trials, windows and verdicts, on SQLite and on PostgreSQL."""

from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from strategy_lab_pipeline.db.store import SearchRow, Store, TrialRow, VerdictRow, WindowRow

SEARCH = SearchRow(
    digest="s1", name="mine", product="MNQ", strategy="imbalance",
    first_session="2025-01-06", last_session="2025-01-10", config={"sampler": "grid"},
)  # fmt: skip
TRIAL = TrialRow(
    number=0, experiment_id="e0", parameters={"hold_ms": 5}, state="complete",
    objectives={"sharpe_ratio": 0.1},
)  # fmt: skip
WINDOW = WindowRow(
    key="e_2025-01-06_2025-01-08_2025-01-10", name="mine", product="MNQ", strategy="imbalance",
    version="v1", chosen="e0", parameters={"hold_ms": 5}, in_sample=0.2, out_of_sample=None,
    sessions={"2025-01-06": "d1"},
)  # fmt: skip
VERDICT = VerdictRow(
    subject="mine", product="MNQ", strategy="imbalance", version="v1", light="can't tell",
    n_trials=7, figures={"dsr": None},
)  # fmt: skip


def _run(store: Store, experiment_id: str, session: str, strategy: str = "imbalance") -> None:
    store.record_run(
        experiment="x", experiment_id=experiment_id, product="MNQ", session=session, version="v",
        label="complete", config={"strategy": strategy}, metrics={"n_fills": 3, "net": 0.5},
        run_id="r",
    )  # fmt: skip


def test_record_search__once(store: Store) -> None:
    """The same search asked for again is the one that is there."""
    store.record_search(SEARCH, run_id="r1")
    store.record_search(replace(SEARCH, name="other"), run_id="r2")
    assert store.searches() == store.searches("mine") == [SEARCH]
    assert store.searches("other") == []


def test_record_trials__kept_by_number(store: Store) -> None:
    """A trial that was pruned and is finished later replaces itself; the others stay."""
    store.record_search(SEARCH, run_id="r")
    pruned = replace(TRIAL, number=1, state="pruned", objectives={"sharpe_ratio": None})
    store.record_trials("s1", [TRIAL, pruned])
    store.record_trials("s1", [replace(TRIAL, number=1, experiment_id="e1")])
    assert store.trials("s1") == [TRIAL, replace(TRIAL, number=1, experiment_id="e1")]


def test_record_trials__all_or_none(store: Store) -> None:
    """One row that the database refuses leaves none behind."""
    store.record_search(SEARCH, run_id="r")
    with pytest.raises(IntegrityError):
        store.record_trials("s1", [TRIAL, replace(TRIAL, number=1, state="unknown")])
    assert store.trials("s1") == []


def test_tried__counts_everything_on_overlapping_sessions(store: Store) -> None:
    """Runs, sweeps, trials of other searches, failed and pruned; nothing of another strategy."""
    store.record_search(SEARCH, run_id="r")
    states = ("complete", "failed", "pruned")
    store.record_trials(
        "s1", [replace(TRIAL, number=n, experiment_id=f"e{n}", state=states[n]) for n in range(3)]
    )
    _run(store, "e0", "2025-01-06")  # the run of a trial that is counted: once
    _run(store, "swept", "2025-01-07")
    _run(store, "later", "2025-02-07")
    _run(store, "another", "2025-01-07", strategy="glft")
    found = store.tried("MNQ", "imbalance", "2025-01-10", "2025-01-20")
    assert found == {"e0", "e1", "e2"}
    found = store.tried("MNQ", "imbalance", "2025-01-01", "2025-01-08")
    assert found == {"e0", "e1", "e2", "swept"}
    assert store.tried("MNQ", "imbalance", "2025-01-11", "2025-01-31") == set()
    assert store.tried("ES", "imbalance", "2025-01-01", "2025-01-31") == set()


def test_windows_and_verdicts__replace_what_was_known(store: Store) -> None:
    """A window that ran again on a new delivery, a verdict on more sessions."""
    store.record_window(WINDOW, run_id="r1")
    store.record_window(replace(WINDOW, version="v2", out_of_sample=-0.1), run_id="r2")
    assert store.windows("mine") == [replace(WINDOW, version="v2", out_of_sample=-0.1)]
    store.record_verdict(VERDICT, run_id="r1")
    store.record_verdict(replace(VERDICT, light="red"), run_id="r2")
    assert store.verdicts() == [replace(VERDICT, light="red")]


def test_figures__are_those_of_current_runs(store: Store) -> None:
    """By experiment, session and version; only the figures that were asked for."""
    for number in range(3):
        _run(store, f"e{number}", "2025-01-06")
    found = store.figures("MNQ", ["e0", "e2", "unknown"], ["n_fills"])
    assert found == {(each, "2025-01-06", "v"): {"n_fills": 3} for each in ("e0", "e2")}
