"""Materializations, on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from strategy_lab_pipeline.db.recall import Recall
from strategy_lab_pipeline.db.store import Materialization, Store

VERSION_A, VERSION_B = "a" * 16, "b" * 16


def _record(store: Store, version: str, **changes: Any) -> Materialization:
    values: dict[str, Any] = {
        "asset": "raw_ticks", "product": "MNQ", "session": "2025-01-15", "code_version": "c",
        "config_hash": "d", "data_version": f"data of {version}", "rows": 3,
        "inputs": {"file:000": "aa"}, "files": [{"name": "mbo.parquet", "rows": 3}],
        "details": {"seed_orders": 0}, "run_id": "run",
    }  # fmt: skip
    return store.record_materialization(version=version, **{**values, **changes})


def test_record_materialization__returns_what_it_was_told(store: Store) -> None:
    """Nothing is lost between the call and the table."""
    row = _record(store, VERSION_A)
    assert row == Materialization(
        asset="raw_ticks", product="MNQ", session="2025-01-15", version=VERSION_A, current=True,
        code_version="c", config_hash="d", data_version=f"data of {VERSION_A}", rows=3,
        inputs={"file:000": "aa"}, files=[{"name": "mbo.parquet", "rows": 3}],
        details={"seed_orders": 0}, run_id="run", created_at_ns=1,
    )  # fmt: skip
    assert store.current("raw_ticks", "MNQ", "2025-01-15") == row


def test_record_materialization__the_newest_is_current(store: Store) -> None:
    """What was before stays as history; A, B, A ends with A."""
    for version in (VERSION_A, VERSION_B, VERSION_A):
        _record(store, version)
    current = store.current("raw_ticks", "MNQ", "2025-01-15")
    assert current is not None
    assert current.version == VERSION_A
    history = store.materializations("raw_ticks", history=True)
    assert [(row.version, row.current) for row in history] == [
        (VERSION_A, False), (VERSION_B, False), (VERSION_A, True),
    ]  # fmt: skip


def test_record_materialization__the_same_again_is_nothing_new(store: Store) -> None:
    """A retry after a crash, in another run, records nothing twice."""
    first = _record(store, VERSION_A)
    assert _record(store, VERSION_A, run_id="retry") == first
    assert len(store.materializations(history=True)) == 1


def test_record_materialization__at_once_leaves_one_current(store: Store) -> None:
    """Two runs of one partition end with one current version."""
    versions = [f"{number:016x}" for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda version: _record(store, version), versions))
    assert len(store.materializations()) == 1
    assert {row[3] for row in store.known_versions()} == set(versions)


def test_current__is_of_one_partition(store: Store) -> None:
    """Neighbours in asset, product and session have their own; reports have neither of the two."""
    keys = [
        ("raw_ticks", "MNQ", "2025-01-15"),
        ("raw_ticks", "MNQ", "2025-01-16"),
        ("raw_ticks", "ES", "2025-01-15"),
        ("order_books", "MNQ", "2025-01-15"),
        ("reports", "-", "-"),
    ]
    for asset, product, session in keys:
        _record(store, VERSION_A, asset=asset, product=product, session=session)
    assert all(store.current(*key) is not None for key in keys)
    assert store.current("reports", "MNQ", "2025-01-15") is None
    assert len(store.materializations("raw_ticks")) == 3
    assert [row.asset for row in store.materializations(product="MNQ")] == [
        "order_books", "raw_ticks", "raw_ticks",
    ]  # fmt: skip
    assert store.known_versions() == {(*key, VERSION_A) for key in keys}


def test_recall__answers_as_the_store_did_at_its_moment(store: Store) -> None:
    """The same rows in the same order, whatever is recorded later."""
    sessions = ("2025-01-16", "2025-01-15", "2025-01-14")
    for version in (VERSION_A, VERSION_B):
        for asset in ("validated_ticks", "raw_ticks"):
            for session in sessions:
                _record(store, version, asset=asset, session=session)
    _record(store, VERSION_A, product="MES")
    recall, before = Recall(store), store.materializations()
    raw = store.materializations("raw_ticks", "MNQ")

    _record(store, VERSION_A)

    assert recall.materializations() == before
    assert recall.materializations("raw_ticks", "MNQ") == raw
    assert recall.sessions_with("validated_ticks", "MNQ") == set(sessions)
    assert recall.current("raw_ticks", "MNQ", "2025-01-15") == raw[1]
    assert recall.current("raw_ticks", "MNQ", "2025-01-17") is None
    assert recall.materializations(history=True) == store.materializations(history=True)
