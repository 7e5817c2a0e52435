"""Many sets in one pass: each comes out as if it had been alone, whoever else is in the pass."""

import random
from dataclasses import replace
from typing import Annotated, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.engine.backtest import BacktestResult, backtest
from strategy_lab_core.engine.config import (
    BacktestConfig,
    FeeConfig,
    LatencyConfig,
    LimitsConfig,
    MarketOrderConfig,
)
from strategy_lab_core.engine.latency_config import (
    FeedLatencyConfig,
    LogNormalLatencyConfig,
    RecordedLatencyConfig,
)
from strategy_lab_core.engine.latency_rows import LatencyRows
from strategy_lab_core.engine.sweep import ParameterSet, sweep
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.strategies.strategy import Bounds, Memory, View, strategy
from strategy_lab_core.types import Int2D
from tests.core.engine.monkeys import monkey
from tests.core.engine.scenes import BUY_MARKET, QUICK, two_steps
from tests.core.engine.tapes import MNQ, SECOND, START_NS, random_rows, session_until, to_table
from tests.core.engine.test_backtest import failing
from tests.core.engine.test_rules import book

MS = 1_000_000


class VolumeParams(NamedTuple):
    """A name that a figure has too."""

    volume: Annotated[int, Bounds(0, 9)] = 0


@strategy(VolumeParams)
def named_like_a_figure(memory: Memory, view: View, p: VolumeParams, requests: Int2D) -> None:
    """Do nothing."""


def _random_latency(roll: random.Random) -> LatencyConfig:
    """Return any model; half of the recorded ones share their rows."""
    legs = {"order_ns": roll.choice([0, MS, 30 * MS]), "response_ns": roll.choice([0, 2 * MS])}
    kind = roll.randrange(4)
    if kind == 0:
        return FeedLatencyConfig(**legs, entry_multiplier_e6=roll.choice([500_000, 9_000_000]))
    if kind == 1:
        return LogNormalLatencyConfig(**legs, entry_sigma_e6=roll.choice([0, 2_000_000]))
    if kind == 2:
        request = START_NS + np.array([0, roll.choice([1_000, 2_000]), 3_000]) * MS
        exchange = request + np.array([1, 2, 40]) * MS
        exchange[1] = 2**63 - 1
        rows = LatencyRows(request, exchange, request + np.array([3, 90, 45]) * MS)
        return RecordedLatencyConfig(**legs, rows=rows)
    return LatencyConfig(**legs)


def _random_set(roll: random.Random) -> ParameterSet:
    """Return a set that differs in everything that sets may differ in."""
    config = BacktestConfig(
        latency=_random_latency(roll),
        fees=FeeConfig(
            maker_e6=roll.choice([None, -100, 0]),
            taker_e6=roll.choice([None, 900]),
            taker_rate_e8=roll.choice([0, 5]),
        ),
        limits=LimitsConfig(
            max_position=roll.choice([1, 4, 9]),
            max_order_size=5,
            max_open_orders=roll.choice([1, 3, 6]),
            max_messages_per_second=roll.choice([2, 1_000]),
            max_loss_e6=roll.choice([None, 2_000_000]),
        ),
        market_orders=MarketOrderConfig(
            protection_ticks=roll.choice([0, 3]), cancel_remainder=roll.random() < 0.5
        ),
        allow_partial=True,
        seed=roll.randrange(10**6),
    )
    parameters = {"seed": roll.randint(1, 10**6), "act_every": roll.choice([1, 3, 8]), "reach": 2}
    return ParameterSet(parameters, config)


def _same(one: BacktestResult | None, other: BacktestResult | None) -> None:
    assert one is not None
    assert other is not None
    for name in ("orders", "fills", "equity"):
        assert getattr(one, name).equals(getattr(other, name)), name
    assert one.metrics == other.metrics
    assert one.assumptions == other.assumptions
    assert one.flags == other.flags
    assert one.config == other.config


@given(
    seed=st.integers(0, 10**6),
    n_sets=st.integers(1, 4),
    cores=st.integers(1, 3),
    wild=st.booleans(),
)
def test_sweep__equals_separate_runs(seed: int, n_sets: int, cores: int, wild: bool) -> None:
    """Parameters, latencies, fees, limits and seeds all differ; the order of sets is any."""
    roll = random.Random(seed)
    rows = to_table(random_rows(seed, 60, wild=wild))
    halts = ((300, 700), (1_200, 1_900)) if seed % 2 else ()
    session = session_until(START_NS + 4 * SECOND, halts_ms=halts)
    sets = [_random_set(roll) for _ in range(n_sets)]

    found = sweep(rows, monkey, sets, cores=cores, session=session, instrument=MNQ)

    assert len(found.runs) == n_sets
    for run, each in zip(found.runs, sets, strict=True):
        alone = backtest(
            rows, monkey(**each.parameters), each.config, session=session, instrument=MNQ
        )
        _same(run.result, alone)
    roll.shuffle(sets)
    shuffled = sweep(rows, monkey, sets, cores=1, session=session, instrument=MNQ)
    by_seed = {run.parameters["seed"]: run.result for run in found.runs}
    for again in shuffled.runs:
        _same(again.result, by_seed[again.parameters["seed"]])


@pytest.mark.parametrize("ats", [(60, 20), (210, 120), (20, 60)])
def test_sweep__each_set_has_its_own_time(ats: tuple[int, int]) -> None:
    """A set that acts later, after a phase has changed, does not carry the others along."""
    scene = book().event(900, "N", "N", None, 0)
    rows = to_table(scene.rows)
    session = session_until(START_NS + 600 * SECOND, halts_ms=((50, 200),))
    sets = [{"at_1": at, "what_1": BUY_MARKET} for at in ats]

    found = sweep(rows, two_steps, sets, QUICK, cores=1, session=session, instrument=MNQ)

    for run, each in zip(found.runs, sets, strict=True):
        alone = backtest(rows, two_steps(**each), QUICK, session=session, instrument=MNQ)
        _same(run.result, alone)


def test_table__keeps_parameters_and_figures_apart() -> None:
    """A parameter with a figure's name does not take its place, nor it the parameter's."""
    rows, session = to_table(random_rows(1, 60, wild=False)), session_until(START_NS + 10**12)
    sets = [ParameterSet({"volume": 3}, QUICK), ParameterSet({"volume": 5}, replace(QUICK, seed=1))]

    table = sweep(rows, named_like_a_figure, sets, session=session, instrument=MNQ).table()

    assert table["parameter_volume"].to_list() == [3, 5]
    assert table["volume"].to_list() == [0, 0]
    assert table["config"].n_unique() == 2


def test_sweep__a_set_that_raises_disturbs_no_other() -> None:
    """It is told with its error; the others come out as they would alone."""
    rows, session = to_table(random_rows(1, 60, wild=False)), session_until(START_NS + 10**12)
    sets = [{"divisor": 1}, {"divisor": 0}, {"divisor": 1}]

    found = sweep(rows, failing, sets, QUICK, cores=1, session=session, instrument=MNQ)

    assert [run.error is not None for run in found.runs] == [False, True, False]
    assert "no divisor" in str(found.runs[1].error)
    alone = backtest(rows, failing(divisor=1), QUICK, session=session, instrument=MNQ)
    for run in (found.runs[0], found.runs[2]):
        _same(run.result, alone)
    table = found.table()
    assert table["set"].to_list() == [0, 1, 2]
    assert table["divisor"].to_list() == [1, 0, 1]
    assert table["n_orders"].to_list() == [0, None, 0]
    assert table["error"].null_count() == 2


def test_sweep__need_not_keep_the_orders() -> None:
    """Figures, fills and equity are the same; only the order tables are empty."""
    rows, session = to_table(random_rows(1, 300, wild=False)), session_until(START_NS + 10**12)
    sets = [{"seed": 4}, {"seed": 9}]
    kept, lean = (
        sweep(rows, monkey, sets, QUICK, session=session, instrument=MNQ, keep_orders=keeps)
        for keeps in (True, False)
    )
    for one, other in zip(kept.runs, lean.runs, strict=True):
        assert one.result
        assert other.result
        assert one.result.metrics == other.result.metrics
        assert one.result.metrics["n_orders"] == len(one.result.orders) > 0
        assert one.result.fills.equals(other.result.fills)
        assert one.result.equity.equals(other.result.equity)
        assert len(other.result.orders) == 0


def test_sweep__says_what_can_not_be() -> None:
    """No sets, no cores, wrong parameters, sets that need feeds of their own."""
    rows = to_table(random_rows(1, 10, wild=False))
    with pytest.raises(ConfigError, match="a list of at least one parameter set"):
        sweep(rows, monkey, [])
    with pytest.raises(ConfigError, match="a list of at least one parameter set"):
        sweep(rows, monkey, {"act_every": [3, 5]})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cores must be at least 1, got 0"):
        sweep(rows, monkey, [{}], cores=0)
    with pytest.raises(ConfigError, match="did you mean 'act_every'"):
        sweep(rows, monkey, [{"act_evry": 3}])
    with pytest.raises(ConfigError, match=r"monkey\.reach must be int in \[1, 20\], got 21"):
        sweep(rows, monkey, [{"reach": 21}])
    slow = replace(QUICK, latency=LatencyConfig(feed_offset_ns=5))
    with pytest.raises(ConfigError, match=r"latency\.feed_offset_ns must be 0, as for the first"):
        sweep(rows, monkey, [ParameterSet({}, QUICK), ParameterSet({}, slow)])


def test_sweep__tells_how_far_it_is() -> None:
    """From the caller's thread, to the end; an error there ends the passes and comes out."""
    rows, session = to_table(random_rows(1, 500, wild=False)), session_until(START_NS + 10**12)
    seen: list[tuple[int, int]] = []
    sweep(
        rows, monkey, [{}, {"seed": 5}], QUICK, cores=2, session=session, instrument=MNQ,
        on_progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen[-1] == (2 * rows.height, 2 * rows.height)
    assert all(done <= total for done, total in seen)

    def interrupt(_: int, __: int) -> None:
        """Do what Ctrl-C does."""
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(rows, monkey, [{}], QUICK, session=session, instrument=MNQ, on_progress=interrupt)
