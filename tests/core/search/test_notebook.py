"""`lab.search` and its kin on simulated ticks, with the real engine."""

import subprocess
import sys
from datetime import date
from functools import cache
from typing import Any

import polars as pl
import pytest

import strategy_lab_core as lab
from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.simulate import simulate
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.search.evaluate import set_key
from tests.core.engine.test_backtest import failing
from tests.core.probes.actors import follower

CONFIG = BacktestConfig(allow_partial=True, sample_seconds=3_600)
ENGINE = lab.SearchEngine(config=CONFIG)
SPACE = {"window_ms": {"low": 100_000, "high": 900_000, "log": True}, "forgets": [True, False]}
DAYS = session_calendar("CME Globex Equity").sessions(date(2025, 1, 13), date(2025, 1, 16))


@cache
def _ticks(seed: int) -> pl.DataFrame:
    return simulate([DAYS[seed]], seed=seed, events_per_session=400, faults=False).table()


def _sessions(n: int) -> dict[str, Any]:
    return {str(DAYS[seed].key): _ticks(seed) for seed in range(n)}


def test_search__earns_what_a_backtest_earns() -> None:
    """Every outcome is that of the set alone, through the engine's own front door."""
    sessions = _sessions(2)
    found = lab.search(
        sessions, follower, capital=10_000, space=SPACE, engine=ENGINE, method="random",
        n_trials=4, batch_size=3, objective="net_profit",
    )  # fmt: skip
    assert [trial.state for trial in found.trials] == ["complete"] * 4
    for trial in found.trials:
        alone = [
            lab.backtest(ticks, follower(**trial.chosen), CONFIG).metrics["net_profit_e6"]
            for ticks in sessions.values()
        ]
        assert list(trial.outcomes) == alone
        assert trial.values[0] == sum(alone) / 1e6
    assert len({trial.outcomes for trial in found.trials}) > 1


def test_search__reads_a_session_when_its_turn_comes() -> None:
    """Functions stand for tables: one session in memory at a time, none for known outcomes."""
    read: list[str] = []

    def reader(label: str, seed: int) -> Any:
        def ticks() -> pl.DataFrame:
            read.append(label)
            return _ticks(seed)

        return ticks

    first_day, second_day = (str(day.key) for day in DAYS[:2])
    sessions = {first_day: reader(first_day, 0), second_day: reader(second_day, 1)}
    engine = ENGINE._replace(known={})
    asked: dict[str, Any] = {"capital": 10_000, "space": SPACE, "engine": engine,
                             "method": "random", "n_trials": 2, "batch_size": 2}  # fmt: skip
    first = lab.search(sessions, follower, **asked)
    assert read == [first_day, first_day, second_day]  # once to know the product
    read.clear()
    assert lab.search(sessions, follower, **asked).trials == first.trials
    assert read == [first_day]


def test_search__keeps_a_strategy_that_raises_as_failed() -> None:
    """With the engine's own words."""
    found = lab.search(
        _sessions(1), failing, capital=10_000, space={"divisor": [0, 1]}, engine=ENGINE,
        method="grid",
    )  # fmt: skip
    assert [trial.state for trial in found.trials] == ["failed", "complete"]
    assert "strategy 'failing' raised ValueError" in str(found.trials[0].error)


def test_walk_forward__and_cross_validation_run_on_ticks() -> None:
    """One shared store of outcomes: what the first ran is free for the second."""
    known: dict[Any, Any] = {}
    sessions, engine = _sessions(4), ENGINE._replace(known=known)
    space = {"window_ms": [100_000, 900_000]}
    asked: dict[str, Any] = {"capital": 10_000, "space": space, "engine": engine,
                             "method": "grid", "objective": "net_profit"}  # fmt: skip
    walked = lab.walk_forward(sessions, follower, train=2, test=1, **asked)
    assert walked.sessions() == tuple(str(day.key) for day in DAYS[2:4])
    assert len(known) == 2 * 3 + 1
    for each in walked.windows:
        assert each.trial is not None
        (day,) = each.window.test
        alone = lab.backtest(sessions[day], follower(**each.trial.chosen), CONFIG)
        assert each.profits is not None
        assert each.profits.tolist() == [alone.metrics["net_profit_e6"]]
    crossed = lab.cross_validate(sessions, follower, groups=4, test_groups=1, **asked)
    assert crossed.profits().shape == (1, 4)
    assert len(known) == 2 * 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_trails": 3}, "search must be one of .*did you mean 'n_trials'"),
        ({"space": {"windwo_ms": [1]}}, "follower space must be one of .*'window_ms'"),
        ({"capital": 0}, "capital must be larger than 0, got 0"),
        ({"capital": 0.5}, "capital must be a number with at most 6 decimals"),
        ({"sessions": {}}, "sessions must be the ticks of at least one session"),
        ({"objective": "sharpe"}, "objectives must be one of .*'sharpe_ratio'"),
        ({"objective": "net_profit", "objectives": ["net_profit"]}, "left out beside `objective`"),
        ({"objectives": "net_profit"}, "objectives must be a list of names"),
        ({"max_seconds": "soon"}, "max_seconds must be a number of seconds"),
    ],
)
def test_search__refuses_a_mistake_by_name(changes: dict[str, Any], message: str) -> None:
    """Before any pass."""
    asked: dict[str, Any] = {"sessions": _sessions(1), "strategy": follower, "capital": 10_000}
    with pytest.raises(ConfigError, match=message):
        lab.search(**(asked | changes))


def test_import__of_the_library_leaves_optuna_alone() -> None:
    """A notebook that searches nothing does not wait for it."""
    code = "import strategy_lab_core, sys; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_null_search__searches_simulated_sessions_of_the_same_days() -> None:
    """As many searches as asked for, each on a market of its own, none on the user's ticks."""
    sessions = _sessions(2)
    seen: list[Any] = []
    known: dict[Any, Any] = {}
    engine = lab.SearchEngine(config=CONFIG, known=known)
    options: dict[str, Any] = {
        "capital": 10_000, "space": SPACE, "engine": engine, "method": "random", "n_trials": 3,
        "objective": "net_profit", "seed": 4,
    }  # fmt: skip

    null = lab.null_search(sessions, follower, repeats=3, on_search=seen.append, **options)
    again = lab.null_search(sessions, follower, repeats=3, **options)
    real = lab.search(sessions, follower, **options)

    assert null == again
    assert not any(key not in {(s, set_key(t.parameters)) for t in real.trials for s in sessions}
                   for key in known)  # fmt: skip
    assert (null.objective, len(null.bests), null.n_trials) == ("net_profit", 3, 9)
    assert null.bests == tuple(max(t.values[0] for t in found.trials) for found in seen)
    assert [each.sessions for each in seen] == [tuple(sessions)] * 3
    for found in seen:
        assert [t.parameters for t in found.trials] == [t.parameters for t in real.trials]
        assert found.profits().tolist() != real.profits().tolist()
    assert len({found.profits().tobytes() for found in seen}) == 3


def test_null_search__refuses_no_search() -> None:
    """A number of searches that is none."""
    with pytest.raises(ConfigError, match="repeats must be at least 1, got 0"):
        lab.null_search(_sessions(1), follower, capital=10_000, repeats=0)
