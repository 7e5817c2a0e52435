"""Sessions, quality and runs, on SQLite and on PostgreSQL."""

import math
from dataclasses import dataclass
from typing import Any

import pytest

from strategy_lab_pipeline.db.store import SessionRow, Store

ASSET, PRODUCT, SESSION = "validated_ticks", "MNQ", "2025-01-15"


@dataclass(frozen=True, kw_only=True)
class _Finding:
    """What a rule found, as stages report it."""

    rule: str
    severity: str = "error"
    reason: str = "why"
    applicable: bool = True
    passed: bool = True
    rows: int = 0
    share: float = 0.0
    first_rows: tuple[dict[str, Any], ...] = ()


def _run(store: Store, version: str = "a" * 16, **changes: Any) -> None:
    values: dict[str, Any] = {
        "experiment": "imbalance", "experiment_id": "e1", "product": PRODUCT, "session": SESSION,
        "label": "complete", "config": {"levels": 5}, "metrics": {"n_fills": 3}, "run_id": "run",
    }  # fmt: skip
    store.record_run(version=version, **{**values, **changes})


def test_record_session__replaces_what_was_known(store: Store) -> None:
    """A session grows from partial to complete; its label is read by itself too."""
    times = {"open_ns": 2**60, "close_ns": 2**61, "first_ts": 2**60, "last_ts": 2**61}
    store.record_session(PRODUCT, SESSION, label="partial", instruments={}, **times)
    assert store.session_label(PRODUCT, SESSION) == "partial"
    store.record_session(PRODUCT, SESSION, label="complete", instruments={"42": "MNQH5"}, **times)
    assert store.session(PRODUCT, SESSION) == SessionRow(
        product=PRODUCT, session=SESSION, label="complete", instruments={"42": "MNQH5"}, **times
    )


def test_session__unknown_is_none(store: Store) -> None:
    """No rows of it were seen: that is not "partial"."""
    assert store.session(PRODUCT, SESSION) is None
    assert store.session_label(PRODUCT, SESSION) == ""


def test_record_quality__replaces_the_findings_of_its_asset(store: Store) -> None:
    """A rule that is gone leaves no row; another asset's findings stay."""
    store.record_quality(ASSET, PRODUCT, SESSION, [_Finding(rule="old"), _Finding(rule="kept")])
    store.record_quality("order_books", PRODUCT, SESSION, [_Finding(rule="crossed")])
    store.record_quality(ASSET, PRODUCT, SESSION, [_Finding(rule="kept", rows=2)])
    found = [(row.asset, row.rule, row.rows) for row in store.quality()]
    assert found == [(ASSET, "kept", 2), ("order_books", "crossed", 0)]
    assert store.quality(asset=ASSET, product="ES") == []


def test_quality__shows_the_worst_first(store: Store) -> None:
    """Errors before warnings before what passed or does not apply."""
    findings = [
        _Finding(rule="fine"),
        _Finding(rule="warned", severity="warn", passed=False, rows=9),
        _Finding(rule="few", passed=False, rows=1),
        _Finding(rule="many", passed=False, rows=5),
        _Finding(rule="elsewhere", applicable=False, passed=False),
    ]
    store.record_quality(ASSET, PRODUCT, SESSION, findings)
    rules = [row.rule for row in store.quality(product=PRODUCT, session=SESSION)]
    assert rules == ["many", "few", "warned", "elsewhere", "fine"]


def test_record_quality__keeps_malformed_rows(store: Store) -> None:
    """First rows hold what broke the rule: any byte, any integer."""
    row = {"action": "\x00", "order_id": 2**64 - 1, "price": -(2**63), "symbol": None}
    finding = _Finding(rule="odd", passed=False, rows=1, share=0.1, first_rows=(row,))
    store.record_quality(ASSET, PRODUCT, SESSION, [finding])
    assert store.quality()[0].first_rows == [row]
    assert store.quality()[0].share == 0.1


def test_record_run__keeps_every_kind_of_metric_exactly(store: Store) -> None:
    """Money keeps all its digits, floats their bits, an undefined figure stays undefined."""
    metrics = {"net_profit_e6": -(2**62) - 1, "hit_rate": 0.1 + 0.2, "flag": "not flat",
               "empty": "", "infinite": math.inf, "undefined": math.nan, "zero": 0}  # fmt: skip
    _run(store, metrics=metrics)
    found = dict(store.runs("imbalance")[0].metrics)
    assert math.isnan(float(found.pop("undefined")))
    del metrics["undefined"]
    assert found == metrics
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in metrics.items()
    }


def test_record_run__the_newest_is_current(store: Store) -> None:
    """A run with other data replaces the one before, which stays as history."""
    _run(store, "a" * 16, metrics={"n_fills": 1})
    _run(store, "b" * 16, metrics={"n_fills": 2})
    assert [run.metrics for run in store.runs()] == [{"n_fills": 2}]
    assert [run.version for run in store.runs(history=True)] == ["a" * 16, "b" * 16]


def test_record_run__the_same_again_is_nothing_new(store: Store) -> None:
    """A retry records nothing twice."""
    _run(store)
    _run(store, run_id="retry")
    assert [run.run_id for run in store.runs(history=True)] == ["run"]


def test_runs__are_ordered_and_chosen_by_experiment(store: Store) -> None:
    """By name, product and session, whatever the order of the runs."""
    for experiment, session in (("b", "2025-01-16"), ("b", "2025-01-15"), ("a", "2025-01-16")):
        _run(store, experiment=experiment, experiment_id=f"id {experiment}", session=session)
    assert [(run.experiment, run.session) for run in store.runs()] == [
        ("a", "2025-01-16"), ("b", "2025-01-15"), ("b", "2025-01-16"),
    ]  # fmt: skip
    assert len(store.runs("b")) == 2
    assert len(store.runs(experiment_id="id a")) == 1
    assert store.runs("c") == []


def test_record_run__refuses_a_configuration_that_is_not_json(store: Store) -> None:
    """NaN would pass on SQLite and fail on PostgreSQL: it fails on both."""
    with pytest.raises(Exception, match="not JSON compliant"):
        _run(store, config={"share": math.nan})
    assert store.runs() == []
