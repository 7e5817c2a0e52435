"""A carried position rolls into the next contract: when, at what prices, and what it costs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import pytest

from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.columns import Table, concat
from strategy_lab_core.data.instruments import Instrument
from strategy_lab_core.engine.backtest import BacktestResult, backtest
from strategy_lab_core.engine.config import BacktestConfig, LimitsConfig
from strategy_lab_core.engine.stage import SessionTicks
from strategy_lab_core.engine.sweep import ParameterSet, sweep
from strategy_lab_core.errors import DataError, SimulationError
from strategy_lab_core.strategies.requests import buy_limit
from strategy_lab_core.strategies.strategy import Bounds, Memory, View, strategy
from strategy_lab_core.types import Int2D
from tests.core.engine.cases import CONTRACTS, of_next
from tests.core.engine.level_tapes import (
    difference_table,
    differences_of,
    window_table,
    windows_of,
)
from tests.core.engine.monkeys import monkey
from tests.core.engine.scenes import BUY_MARKET, MS, QUICK, SELL_MARKET, two_steps
from tests.core.engine.tapes import MNQ, SECOND, START_NS, TICK, TICK_VALUE, to_table
from tests.core.engine.test_carry import CARRY, quotes, session
from tests.naive.tape import Row

FEE = MNQ.product.fee_taker
FEEDS: dict[str, Callable[[list[Row]], Table]] = {
    "levels": lambda rows: window_table(windows_of(rows, 3, merged=False), 3),
    "quotes": lambda rows: window_table(windows_of(rows, 1, merged=False), 1),
    "differences": lambda rows: difference_table(differences_of(rows)),
}
Day = tuple[Session, list[Row], list[Row]]  # rows of MNQH4 and of MNQM4


def parts(
    days: list[Day],
    traded: tuple[str | Instrument, ...] = CONTRACTS,
    feed: Callable[[list[Row]], Table] = to_table,
) -> list[SessionTicks]:
    """Return each session with both contracts' rows and the one that it trades."""
    found = []
    for (day, old, new), symbol in zip(days, traded, strict=True):
        tables = [feed(old)] if old else []
        tables += [of_next(feed(new))] if new else []
        found.append(SessionTicks(day, concat(tables), instrument=symbol))
    return found


def two_days(old_size: int = 10) -> list[Day]:
    """Return two sessions ten minutes apart; the next contract stands 40 ticks higher."""
    second_ns = START_NS + 600 * SECOND
    first = session(0, START_NS - 60 * SECOND, START_NS, START_NS + 10 * SECOND)
    second = session(1, first.close_ns, second_ns, second_ns + 10 * SECOND)
    old = quotes(second_ns, 1_020, 1_022, 100)
    for row in old[1:3]:
        row.size = old_size
    return [
        (first, quotes(START_NS, 1_000, 1_002, 1), []),
        (second, old, quotes(second_ns + 300 * MS, 1_060, 1_063, 200)),
    ]


def run(days: list[Day], strategy: Any, config: BacktestConfig) -> BacktestResult:
    """Run over the sessions, the second of which trades the next contract."""
    return backtest(parts(days), strategy, config)


def test_roll__crosses_both_spreads_at_the_first_moment_that_has_both() -> None:
    """Bought at 1,002, left at 1,020, entered at 1,063, sold at 1,060 as the last session ends."""
    days = two_days()
    result = run(days, two_steps(at_1=1_000, what_1=BUY_MARKET), replace(CARRY, flatten_seconds=2))
    at_ns = days[1][0].open_ns + 300 * MS

    assert result.fills["price"].to_list() == [t * TICK for t in (1_002, 1_020, 1_063, 1_060)]
    assert result.fills["ts_exchange"].to_list()[1:3] == [at_ns, at_ns]
    assert result.fills["symbol"].to_list() == ["MNQH4", "MNQH4", "MNQM4", "MNQM4"]
    assert result.orders["symbol"].to_list() == ["MNQH4", "MNQH4", "MNQM4", "MNQM4"]
    assert result.orders["price"].to_list()[1:3] == [None, None]
    assert result.rolls.rows(named=True) == [
        {
            "session": "2023-11-15", "ts": at_ns, "from_symbol": "MNQH4", "to_symbol": "MNQM4",
            "position": 1, "from_price": 1_020 * TICK, "to_price": 1_063 * TICK,
            "cost": 5 * TICK_VALUE // 2 + 2 * FEE,
        }
    ]  # fmt: skip
    made = (18 - 3) * TICK_VALUE - 4 * FEE
    assert result.metrics["net_profit_e6"] == made
    assert result.sessions["net_profit"].to_list() == [-TICK_VALUE - FEE, made + TICK_VALUE + FEE]
    assert result.metrics["n_round_trips"] == 2
    assert any("The contract changes once" in sentence for sentence in result.assumptions)


@pytest.mark.parametrize("feed", FEEDS)
def test_roll__knows_the_books_of_feeds_by_price(feed: str) -> None:
    """The same trades at the same moment, whatever the feed shows of the book."""
    step, config = two_steps(at_1=1_000, what_1=BUY_MARKET), replace(CARRY, flatten_seconds=2)
    by_order = run(two_days(), step, config)

    result = backtest(parts(two_days(), feed=FEEDS[feed]), step, config)

    assert result.fills["price"].to_list() == by_order.fills["price"].to_list()
    assert result.rolls.equals(by_order.rolls)


def test_roll__takes_contracts_as_they_are_given() -> None:
    """With a tick of their own, half the table's: the same prices and the same money."""
    given = tuple(
        replace(MNQ, instrument_id=id_, symbol=symbol, tick_size=TICK // 2)
        for id_, symbol in zip((7, 8), CONTRACTS, strict=True)
    )
    step, config = two_steps(at_1=1_000, what_1=BUY_MARKET), replace(CARRY, flatten_seconds=2)

    result = backtest(parts(two_days(), given), step, config)

    table_s = run(two_days(), step, config)
    assert result.rolls.equals(table_s.rolls)
    assert result.metrics["net_profit_e6"] == table_s.metrics["net_profit_e6"]
    with pytest.raises(DataError, match="not the same product, tick and multiplier"):
        backtest(parts(two_days(), (MNQ, given[1])), step, config)


def test_roll__needs_rows_of_both_at_its_moment() -> None:
    """The last quote of a contract whose rows have ended is nobody's any more."""
    for ended, late in ((0, 1), (1, 0)):
        days = two_days()
        (first, *_), (_, *rows) = days
        second_ns = first.close_ns + 590 * SECOND
        second = session(1, first.close_ns, second_ns, second_ns + 3_000 * SECOND)
        rows[ended] = quotes(second_ns, 1_020, 1_022, 100)
        rows[late] = quotes(second_ns + 2_990 * SECOND, 1_060, 1_063, 200)
        days[1] = (second, rows[0], rows[1])

        with pytest.raises(DataError, match="there is no moment"):
            backtest(parts(days), two_steps, replace(CARRY, allow_partial=True))


class Once(NamedTuple):
    """Whether it acts at all."""

    size: Annotated[int, Bounds(1, 1)] = 1


@strategy(Once, ints=1, timer_ns=100 * MS)
def mirror(memory: Memory, view: View, p: Once, requests: Int2D) -> None:
    """Bid once in the second session, as many ticks below the best bid as that has lots."""
    if memory.ints[0] == 0 and view.bid > 1_050:
        memory.ints[0] = 1
        buy_limit(requests, view.bid - view.bid_size, p.size)


def test_roll__the_strategy_wakes_with_what_has_reached_it() -> None:
    """The feed is five seconds late, and the new contract has no row behind the roll."""
    days = two_days()
    at_ns = days[1][0].open_ns + 9_500 * MS
    new = quotes(days[1][0].open_ns, 1_060, 1_063, 200)
    for i, row in enumerate(new[3:], start=1):
        row.price, row.size = 1_061, i  # so many more lots, second after second
    for row in new[1:]:
        row.ts_recv = row.ts_event + 5 * SECOND
    days[1] = (days[1][0], quotes(at_ns, 1_020, 1_022, 100)[:3], new)

    result = run(days, mirror(), CARRY)

    assert result.rolls["ts"].to_list() == [at_ns]
    assert result.orders["ts_submit"].to_list() == [at_ns]
    assert result.orders["price"].to_list() == [(1_061 - (1 + 2 + 3 + 4)) * TICK]


def test_roll__waits_for_both_contracts_and_does_nothing_before() -> None:
    """The book of the next contract is not trusted for three seconds; the strategy sleeps until."""
    days = two_days()
    for row in days[1][2]:
        row.trusted = row.ts_event >= days[1][0].open_ns + 3 * SECOND
    late = days[1][0].open_ns + 3 * SECOND + 300 * MS
    step = two_steps(at_1=1_000, what_1=BUY_MARKET, at_2=601_000, what_2=SELL_MARKET)

    result = run(days, step, CARRY)

    assert result.fills["ts_exchange"].to_list()[1:3] == [late, late]
    assert result.fills["ts_exchange"][3] >= late
    assert result.equity.filter(result.equity["ts"] > days[1][0].open_ns)["ts"][0] == late


def test_roll__without_a_position_only_the_contract_changes() -> None:
    """Nothing is traded; the row of the roll says so."""
    result = run(two_days(), two_steps(at_1=1_000_000), CARRY)

    (row,) = result.rolls.rows(named=True)
    assert (row["position"], row["from_price"], row["to_price"], row["cost"]) == (0, None, None, 0)
    assert result.metrics["n_orders"] == 0


def test_roll__a_killed_run_leaves_the_old_contract_and_enters_no_other() -> None:
    """The loss limit is reached when the first session has no time left to close in."""
    late = replace(QUICK.latency, order_ns=8_500 * MS)
    config = replace(CARRY, limits=LimitsConfig(max_loss_e6=1), latency=late)

    result = run(two_days(), two_steps(at_1=1_000, what_1=BUY_MARKET), config)

    assert "killed" in result.flags
    assert result.fills["symbol"].to_list() == ["MNQH4", "MNQH4"]
    assert result.metrics["final_position"] == 0


def test_roll__takes_no_lot_that_is_not_displayed() -> None:
    """Nobody bids for a lot of the old contract: the set ends with an error, the others go on."""
    days = two_days(old_size=1)
    bought = {"at_1": 1_000, "what_1": BUY_MARKET}
    more = {**bought, "at_2": 2_000, "what_2": BUY_MARKET}
    for row in days[1][1][3:]:
        row.side, row.price = "A", 1_030  # nobody else bids
    with pytest.raises(SimulationError, match=r"position of 2 .* leave MNQH4 1 lots were lacking"):
        run(days, two_steps(**more), CARRY)
    swept = sweep(parts(days), two_steps, [bought, more], CARRY, cores=1)

    assert swept.runs[1].error is not None
    assert swept.runs[0].result is not None
    assert swept.runs[0].result.fills.equals(run(days, two_steps(**bought), CARRY).fills)


def test_roll__needs_a_moment_and_both_contracts() -> None:
    """Where one of them has no row, or never both are quoted, both are named."""
    days = two_days()
    with pytest.raises(DataError, match=r"rolls from MNQH4 in 2023-11-15: no row of MNQH4"):
        run([days[0], (days[1][0], [], days[1][2])], two_steps, CARRY)
    for row in days[1][2]:
        row.trusted = False
    with pytest.raises(DataError, match="no moment at which it and MNQM4 are both open"):
        run(days, two_steps, CARRY)


def test_roll__sweeps_are_separate_runs() -> None:
    """Sets with positions of their own, on two threads: each is what it is alone."""
    days = two_days()
    sets = [ParameterSet({"seed": seed, "act_every": 2}) for seed in (1, 2, 3, 4)]

    swept = sweep(parts(days), monkey, sets, CARRY, cores=2)

    for one, run_of_set in zip(sets, swept.runs, strict=True):
        alone = run(days, monkey(**one.parameters), CARRY)
        assert run_of_set.result is not None
        assert run_of_set.result.metrics == alone.metrics
        assert run_of_set.result.rolls.equals(alone.rolls)
        assert run_of_set.result.fills.equals(alone.fills)
