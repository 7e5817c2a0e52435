"""The lookahead finder: planted leaks are found, and what is causal raises no alarm."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.columns import Table, concat
from strategy_lab_core.data.simulate import simulate
from strategy_lab_core.engine.config import BacktestConfig, LatencyConfig
from strategy_lab_core.engine.latency_config import LogNormalLatencyConfig
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.probes.lookahead import REMOVED, REPLACED, find_lookahead
from strategy_lab_core.strategies.strategy import Strategy
from tests.core.engine.monkeys import monkey
from tests.core.engine.scenes import QUICK
from tests.core.engine.tapes import (
    MNQ,
    SECOND,
    START_NS,
    TICK,
    random_rows,
    session_until,
    to_table,
)
from tests.core.probes.actors import bidder, follower

MS = 1_000_000
HOURS = session_until(START_NS + 10**12)
ACT_AT_MS = 2_000
SLOW = replace(QUICK, latency=LatencyConfig(order_ns=20 * MS, response_ns=30 * MS))
DRAWN = replace(QUICK, latency=LogNormalLatencyConfig(entry_sigma_e6=1_000_000))


def ticks(n_events: int = 150, *, seed: int = 5, late_ns: int = 0) -> Table:
    """Return a tame random session; every row is received `late_ns` later."""
    table = to_table(random_rows(seed, n_events, wild=False))
    return table.with_columns(pl.col("ts_recv") + late_ns)


def joins_last_price(known: Table, time: str) -> Strategy:
    """Return a strategy that bids, at a fixed moment, at the last price that `time` lets it use."""
    now = START_NS + ACT_AT_MS * MS
    prices = known.filter(pl.col(time) <= now, pl.col("action") != "R")["price"]
    tick = int(prices[-1]) // TICK
    return bidder(at_ms=ACT_AT_MS, tick=tick)


def buys_when_mean_size_is(known: Table) -> Strategy:
    """Return a strategy whose size is the mean size of all rows."""
    mean = known.filter(pl.col("action") != "R")["size"].mean()
    assert isinstance(mean, float)
    return bidder(at_ms=ACT_AT_MS, lots=round(100 * mean))


def test_peek__at_the_exchange_s_book_is_found() -> None:
    """A price taken by `ts_event` is there 300 ms before it could have arrived."""
    found = find_lookahead(
        ticks(late_ns=300 * MS), None, QUICK, session=HOURS, instrument=MNQ,
        make_strategy=lambda known: joins_last_price(known, "ts_event"),
    )  # fmt: skip

    assert found.verdict == "leak"
    assert {leak.test for leak in found.leaks} == {REPLACED}
    first = found.leaks[0]
    assert first.ts_submit == START_NS + ACT_AT_MS * MS
    assert first.sent.startswith("order 0: buy 1 limit at ")
    assert first.instead.startswith("order 0: buy 1 limit at ")
    assert any(sentence.startswith("tick: ") for sentence in first.inputs)


def test_peek__by_the_time_of_arrival_is_none() -> None:
    """The same price taken by the time at which it was received."""
    found = find_lookahead(
        ticks(late_ns=300 * MS), None, QUICK, session=HOURS, instrument=MNQ,
        make_strategy=lambda known: joins_last_price(known, "ts_recv"),
    )  # fmt: skip

    assert found.verdict == "no leak found"
    assert any(check.orders for check in found.checks)


def test_normalised__over_the_whole_session_is_found_by_both_tests() -> None:
    """A mean over all rows is another one without the later rows, and with random ones."""
    found = find_lookahead(
        ticks(), None, QUICK, session=HOURS, instrument=MNQ, make_strategy=buys_when_mean_size_is
    )

    assert {leak.test for leak in found.leaks} == {REMOVED, REPLACED}
    assert all(leak.ts_submit == START_NS + ACT_AT_MS * MS for leak in found.leaks)
    assert all("lots: " in " ".join(leak.inputs) for leak in found.leaks)


def test_normalised__over_what_was_known_at_the_time_is_none() -> None:
    """The mean of the rows before the strategy acts is the same at every later moment."""

    def early_mean(known: Table) -> Strategy:
        """Take the rows of the first two seconds."""
        return buys_when_mean_size_is(known.filter(pl.col("ts_recv") < START_NS + 2 * SECOND))

    found = find_lookahead(
        ticks(), None, QUICK, session=HOURS, instrument=MNQ, make_strategy=early_mean
    )

    assert found.verdict == "no leak found"
    assert any(check.inputs for check in found.checks)  # earlier, before it acts


def two_contracts() -> Table:
    """Return a session in which the second contract overtakes the first in volume at the end."""
    near = ticks(120, seed=1)
    trades = near.filter(pl.col("action") == "T").with_columns(
        ts_event=pl.lit(near["ts_event"][-1] + SECOND),
        ts_recv=pl.lit(near["ts_recv"][-1] + SECOND),
        size=pl.lit(10**6, pl.UInt32),
        flags=pl.lit(128, pl.UInt8),
    )
    far = concat([ticks(120, seed=2), trades])
    far = far.with_columns(instrument_id=pl.lit(8, pl.UInt32), symbol=pl.lit("MNQM4"))
    return concat([near, far]).sort("ts_recv", maintain_order=True)


def traded_most(known: Table) -> str:
    """Return the contract with the most volume of the same day."""
    volume = known.filter(pl.col("action") == "T").group_by("symbol").agg(pl.col("size").sum())
    return str(volume.sort("size")["symbol"][-1])


def test_roll__decided_on_the_same_day_is_found() -> None:
    """The contract that traded most in the session is known only after it."""
    found = find_lookahead(
        two_contracts(), follower, QUICK, session=HOURS, choose_instrument=traded_most
    )

    assert found.verdict == "leak"
    contract = "contract: MNQM4 from all rows, MNQH4 from those known"
    assert any(contract in leak.inputs for leak in found.leaks)


@pytest.mark.parametrize("contract", ["MNQM4", None])
def test_roll__known_beforehand_is_none(contract: str | None) -> None:
    """What is named does not depend on the ticks; nor does, by default, what expires first."""
    found = find_lookahead(two_contracts(), follower, QUICK, session=HOURS, instrument=contract)

    assert found.verdict == "no leak found"


def behind_at_the_end() -> Table:
    """Return a session whose capture clock shows only at the end that it is 5 ms behind."""
    table = ticks()
    late = pl.col("ts_event") > table["ts_event"][-10]
    return table.with_columns(pl.col("ts_recv") - pl.when(late).then(5 * MS).otherwise(0))


@pytest.mark.parametrize(("is_known", "verdict"), [(False, "leak"), (True, "no leak found")])
def test_repair__from_the_whole_session_is_told(is_known: bool, verdict: str) -> None:
    """The clock's repair is our own lookahead, unless it is taken for known."""
    found = find_lookahead(
        behind_at_the_end(), follower, SLOW, session=HOURS, instrument=MNQ, repair_is_known=is_known
    )

    assert found.verdict == verdict
    assert {leak.test for leak in found.leaks} <= {REMOVED}
    assert all("clock repair" in " ".join(leak.inputs) for leak in found.leaks)


@settings(max_examples=settings().max_examples // 10)
@given(
    seed=st.integers(0, 10**6),
    wild=st.booleans(),
    config=st.sampled_from([QUICK, SLOW, DRAWN]),
)
def test_alarm__is_never_false(seed: int, wild: bool, config: BacktestConfig) -> None:
    """Any requests, any feed: what is made from nothing depends on nothing that comes later."""
    rows = to_table(random_rows(seed, 60, wild=wild))
    session = session_until(START_NS + 4 * SECOND, halts_ms=((300, 700),) if seed % 2 else ())

    found = find_lookahead(
        rows, monkey(seed=seed + 1), config, session=session, instrument=MNQ,
        moments=4, random_seed=seed, repair_is_known=True,
    )  # fmt: skip

    assert found.leaks == ()


def test_alarm__is_not_false_on_raw_ticks_with_faults() -> None:
    """Validation is done anew at each moment; malformed rows and broken states are no leak."""
    day = date(2025, 1, 14)
    sessions = session_calendar("CME Globex Equity").sessions(day, day)
    raw = simulate(sessions, seed=3, events_per_session=400).table()

    found = find_lookahead(raw, follower, moments=2)

    assert found.verdict == "no leak found"
    assert max(check.orders for check in found.checks) > 0


def test_no_run__is_a_leak_where_orders_were_sent() -> None:
    """What can't be made from the known rows was not known."""

    def needs_all(known: Table) -> Strategy:
        """Fail where rows are missing."""
        if len(known) < len(whole):
            raise ValueError("the session is not over")
        return bidder(at_ms=ACT_AT_MS)

    whole = ticks()
    found = find_lookahead(
        whole, None, QUICK, session=HOURS, instrument=MNQ, make_strategy=needs_all
    )

    assert {leak.test for leak in found.leaks} == {REMOVED}
    assert "the session is not over" in " ".join(found.leaks[0].inputs)
    assert found.leaks[0].instead == "nothing"


def test_result__of_a_strategy_that_sends_nothing_is_open() -> None:
    """Nothing compared is no proof."""
    found = find_lookahead(ticks(), bidder, QUICK, session=HOURS, instrument=MNQ, moments=2)

    assert found.verdict == "can't tell"
    table = found.table()
    assert table["test"].to_list() == [REMOVED, REPLACED] * 2
    assert table["ts"].is_sorted()
    assert not table["is_leak"].any()


def test_moments__are_the_same_for_the_same_random_seed() -> None:
    """Half of them are times of orders; progress is told to the end."""
    seen: list[tuple[int, int]] = []
    one, same, other = (
        find_lookahead(
            ticks(), follower, QUICK, session=HOURS, instrument=MNQ, moments=6, random_seed=number,
            on_progress=lambda done, total: seen.append((done, total)),
        )
        for number in (1, 1, 2)
    )  # fmt: skip

    assert one.table().equals(same.table())
    assert one.table()["ts"].to_list() != other.table()["ts"].to_list()
    assert seen[:13] == [(done, 12) for done in range(13)]  # 0: the first run has begun


def test_arguments__that_contradict_are_refused() -> None:
    """A strategy or its maker, a contract or its choice, at least one moment."""
    with pytest.raises(ConfigError, match="or make_strategy, and not both"):
        find_lookahead(ticks(), None, BacktestConfig())
    with pytest.raises(ConfigError, match="where choose_instrument is given"):
        find_lookahead(ticks(), follower, instrument=MNQ, choose_instrument=traded_most)
    with pytest.raises(ConfigError, match="moments must be at least 1, got 0"):
        find_lookahead(ticks(), follower, moments=0)


def test_changes__on_their_way_are_compared() -> None:
    """A cancel that is sent only because of later rows shows before it has arrived."""

    def cancels_if_large(known: Table) -> Strategy:
        """Cancel at three seconds where the session is whole."""
        when = 3_000 if len(known) == len(whole) else 10**6
        return bidder(at_ms=ACT_AT_MS, tick=990, cancel_at_ms=when)

    whole = ticks()
    slow = replace(QUICK, latency=LatencyConfig(order_ns=3_600 * SECOND, response_ns=0))
    found = find_lookahead(
        whole, None, slow, session=HOURS, instrument=MNQ, make_strategy=cancels_if_large
    )

    assert {(leak.sent, leak.instead) for leak in found.leaks} == {("cancel to 0 at 0", "nothing")}
    assert np.all([leak.ts_submit == START_NS + 3_000 * MS for leak in found.leaks])
