"""A sweep that is interrupted and called again: the same results, and nothing done twice."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import settings

from strategy_lab_core.data.columns import Table
from strategy_lab_core.data.instruments import products
from strategy_lab_core.engine import kept
from strategy_lab_core.engine import sweep as module
from strategy_lab_core.engine.config import BacktestConfig, FeeConfig
from strategy_lab_core.engine.passes import Passes
from strategy_lab_core.engine.stage import SessionTicks, Stage
from strategy_lab_core.engine.sweep import ParameterSet, SweepResult, sweep
from tests.core.engine.monkeys import monkey
from tests.core.engine.scenes import QUICK
from tests.core.engine.tapes import (
    MNQ,
    SECOND,
    START_NS,
    random_rows,
    session_until,
    to_table,
)
from tests.core.engine.test_backtest import failing
from tests.core.engine.test_carry import CARRY, session

SETS = [{"seed": seed, "act_every": 2} for seed in range(1, 6)]
TABLES = ("orders", "fills", "equity", "sessions", "rolls")


@pytest.fixture(autouse=True)
def passed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the sets that are run, as they are; each thread's batch is one set."""
    found: list[int] = []

    class Noted(Passes):
        """Notes the places that are dealt out."""

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            found.extend(place for part in self._places for place in part)

    monkeypatch.setattr(module, "Passes", Noted)
    monkeypatch.setattr(module, "SETS_KEPT_AT_ONCE", 1)
    return found


def rows(seed: int = 1) -> Table:
    """Return a session's rows, few: they are gone over a hundred times, in plain Python too."""
    return to_table(random_rows(seed, 20, wild=False))


def run(
    folder: Path | None,
    sets: Any = SETS,
    config: BacktestConfig = QUICK,
    *,
    ticks: Any = None,
    actor: Any = monkey,
    **options: Any,
) -> SweepResult:
    """Sweep over one session with two threads."""
    given: dict[str, Any] = {
        "session": session_until(START_NS + 1_000 * SECOND),
        "instrument": MNQ,
        "cores": 2,
    }
    ticks = rows() if ticks is None else ticks
    return sweep(ticks, actor, sets, config, resume=folder, **given | options)


def assert_same(one: SweepResult, other: SweepResult) -> None:
    """Fail where anything differs: tables with their types, figures, words, what it ran on."""
    assert len(one.runs) == len(other.runs)
    for mine, theirs in zip(one.runs, other.runs, strict=True):
        assert (mine.parameters, mine.config) == (theirs.parameters, theirs.config)
        assert str(mine.error) == str(theirs.error)
        if mine.result is None or theirs.result is None:
            assert mine.result is theirs.result
            continue
        for name in TABLES:
            first, second = getattr(mine.result, name), getattr(theirs.result, name)
            assert first.schema == second.schema
            assert first.equals(second)
        for each in (mine.result, theirs.result):
            assert all(type(value) in (int, float) for value in each.metrics.values())
        for field in fields(mine.result):
            if field.name not in TABLES:
                assert getattr(mine.result, field.name) == getattr(theirs.result, field.name)


def interrupted(at: int) -> Callable[[int, int], None]:
    """Return what does, at a call of it, what Ctrl-C does."""
    calls = iter(range(at + 1))

    def tell(_done: int, _total: int) -> None:
        """Count down."""
        if next(calls) == at:
            raise KeyboardInterrupt

    return tell


@pytest.mark.parametrize("at", [0, 1, 2, 3, 4])
def test_resume__after_an_interrupt_comes_out_the_same(
    tmp_path: Path, passed: list[int], at: int
) -> None:
    """At any moment: what is kept is not run again, the rest is, and nothing tells them apart."""
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, on_progress=interrupted(at))
    done = len(list(tmp_path.glob("*.zip")))
    passed.clear()

    found = run(tmp_path)

    assert len(passed) == len(SETS) - done
    assert done % 2 == 0
    assert_same(found, run(None))
    passed.clear()
    assert_same(run(tmp_path), found)
    assert passed == []


def test_resume__interrupted_while_it_writes(
    tmp_path: Path, passed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a file is none, and is taken away; what is damaged later is run again."""

    def interrupt(_: int) -> None:
        """Do what Ctrl-C does."""
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    assert list(tmp_path.iterdir()) == []
    whole = run(tmp_path)
    first, second, *_ = sorted(tmp_path.glob("*.zip"))
    first.write_bytes(first.read_bytes()[:-30])
    second.write_bytes(b"")
    passed.clear()

    assert_same(run(tmp_path), whole)
    assert len(passed) == 2


def test_kept__takes_no_file_with_a_changed_byte(tmp_path: Path) -> None:
    """Nothing is raised wherever it is, and what is read is what was written.

    `make test-all` changes every byte; `make test` each of the zip's directory, and some of all.
    """
    one: Any = run(tmp_path, SETS[:1]).runs[0]
    [file] = tmp_path.iterdir()
    stage: Any = SimpleNamespace(instrument=MNQ, session=one.result.session)
    whole = file.read_bytes()
    n_bytes, n_places = len(whole), 3 * settings().max_examples
    for place in sorted(
        {*range(0, n_bytes, -(-n_bytes // n_places)), *range(whole.rindex(b"PK\1\2"), n_bytes)}
    ):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x21]) + whole[place + 1 :])
        found = kept.kept(file, stage, one.config, monkey(**one.parameters))
        if found is not None:
            assert found.metrics == one.result.metrics
            assert all(getattr(found, name).equals(getattr(one.result, name)) for name in TABLES)


def test_keep__by_two_at_once(tmp_path: Path) -> None:
    """Sweeps that keep the same set in one folder do not disturb each other."""
    result: Any = run(None, SETS[:1]).runs[0].result
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: kept.keep(tmp_path / "set.zip", result), range(40)))
    assert [path.name for path in tmp_path.iterdir()] == ["set.zip"]


def _changed(name: str, value: Any) -> dict[str, Any]:
    return {"sets": SETS[:2], name: value}


EARLIER = rows().with_columns(pl.col("ts_event") - (pl.int_range(pl.len()) == 0).cast(pl.Int64))
DEARER = {**products(), "MNQ": replace(products()["MNQ"], fee_taker=1)}


@pytest.mark.parametrize(
    "change",
    [
        _changed("sets", [{**each, "reach": 4} for each in SETS[:2]]),
        _changed("sets", [ParameterSet(each, replace(QUICK, seed=9)) for each in SETS[:2]]),
        _changed("config", replace(QUICK, fees=FeeConfig(maker_e6=1))),
        _changed("ticks", rows(2)),
        _changed("ticks", EARLIER),
        _changed("ticks", rows()[:-1]),
        _changed("session", session_until(START_NS + 999 * SECOND)),
        _changed("instrument", replace(MNQ, multiplier=MNQ.multiplier * 2)),
        _changed("products", DEARER),
        _changed("keep_orders", False),
        _changed("actor", replace(monkey, source="edited")),
        _changed("actor", replace(monkey, timer_ns=7 * SECOND)),
        _changed("actor", replace(monkey, on_book=not monkey.on_book)),
        _changed("actor", replace(monkey, on_response=not monkey.on_response)),
        _changed("actor", replace(monkey, n_ints=monkey.n_ints + 1)),
    ],
    ids=lambda change: next(name for name in [*change][::-1]),
)
def test_resume__takes_nothing_from_other_inputs(
    tmp_path: Path, passed: list[int], change: dict[str, Any]
) -> None:
    """Whatever changes, all sets are run, and what was there before stays."""
    run(tmp_path, SETS[:2])
    before = {*tmp_path.iterdir()}
    passed.clear()

    found = run(tmp_path, **change)

    assert passed == [0, 1]
    assert_same(found, run(None, **change))
    assert before < {*tmp_path.iterdir()}


def test_resume__of_more_sets_runs_the_new_ones(tmp_path: Path, passed: list[int]) -> None:
    """In another order and twice: a set is known by what it is, not by its place."""
    run(tmp_path, SETS[:2])
    passed.clear()
    sets = [SETS[3], SETS[1], SETS[0], SETS[1]]

    found = run(tmp_path, sets)

    assert passed == [0]
    assert_same(found, run(None, sets))


def test_resume__runs_again_what_raised(tmp_path: Path, passed: list[int]) -> None:
    """An error is no result: told the same each time, and the others are kept."""
    sets = [{"divisor": 0}, {"divisor": 1}]
    first = run(tmp_path, sets, actor=failing)
    passed.clear()

    again = run(tmp_path, sets, actor=failing)

    assert passed == [0]
    assert again.runs[0].error is not None
    assert_same(again, first)


def test_resume__of_a_carried_run(tmp_path: Path, passed: list[int]) -> None:
    """Sessions that are read when their turn comes: the same, and other rows are other ones."""
    hour = 3_600 * SECOND
    starts = [START_NS, START_NS + hour]
    days = [session(n, at, at + 1, at + hour) for n, at in enumerate(starts)]

    def parts(seed: int) -> list[SessionTicks]:
        tables = [to_table(random_rows(seed, 20, wild=False, start_ns=at)) for at in starts]
        return [
            SessionTicks(day, lambda table=table: table)  # type: ignore[misc]
            for day, table in zip(days, tables, strict=True)
        ]

    def carried(folder: Path | None, seed: int = 1) -> SweepResult:
        return run(folder, SETS[:3], CARRY, ticks=parts(seed), session=None)

    whole = carried(tmp_path)
    passed.clear()
    assert_same(carried(tmp_path), whole)
    assert passed == []
    carried(tmp_path, seed=2)
    assert len(passed) == 3
    assert_same(whole, carried(None))


def stages_alive() -> int:
    """Count the prepared sessions that somebody holds."""
    gc.collect()
    return sum(type(each) is Stage for each in gc.get_objects())


def test_resume__holds_few_sessions_at_a_time(tmp_path: Path) -> None:
    """Also where all sets are there: the tapes of a year would not fit."""
    hour, alive = 3_600 * SECOND, []
    starts = [START_NS + n * hour for n in range(5)]

    def part(n: int, at: int) -> SessionTicks:
        table = to_table(random_rows(1, 20, wild=False, start_ns=at))

        def read() -> Table:
            alive.append(stages_alive())
            return table

        return SessionTicks(session(n, at, at + 1, at + hour), read)

    gc.collect()
    gc.freeze()  # what all other tests have made need not be looked through ten times
    try:
        for _ in range(2):
            ticks = [part(n, at) for n, at in enumerate(starts)]
            run(tmp_path, SETS[:1], CARRY, ticks=ticks, session=None)
    finally:
        gc.unfreeze()
    assert 1 <= max(alive) <= 2


def test_resume__knows_its_files_in_another_process(tmp_path: Path) -> None:
    """Nothing in a name is of this process."""
    code = "from tests.core.engine.test_resume import rows; "
    code += "from strategy_lab_core.engine.kept import inputs_digest; "
    code += "print(inputs_digest(rows(), None, None))"
    said = [
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True,
            env={**os.environ, "PYTHONHASHSEED": seed}, cwd=Path(__file__).parents[3],
        ).stdout.strip()
        for seed in ("1", "2")
    ]  # fmt: skip

    assert said == [kept.inputs_digest(rows(), None, None)] * 2


def test_resume__without_it_all_sets_are_one_batch(passed: list[int]) -> None:
    """As ever; the folder alone makes batches."""
    seen: list[tuple[int, int]] = []
    run(None, on_progress=lambda done, total: seen.append((done, total)))
    n_rows = rows().height

    assert sorted(passed) == [0, 1, 2, 3, 4]
    assert seen[-1] == (2 * n_rows, 2 * n_rows)


def test_resume__progress_counts_all_batches(tmp_path: Path) -> None:
    """Three of two threads or one: never back, and whole at the end."""
    seen: list[float] = []
    run(tmp_path, on_progress=lambda done, total: seen.append(done / total))

    assert np.all(np.diff(seen) >= 0)
    assert seen[-1] == 1.0
