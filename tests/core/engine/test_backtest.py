"""What `backtest` chooses, refuses and reports; the matching has tests of its own."""

from dataclasses import replace
from typing import Annotated, NamedTuple

import numpy as np
import pytest

from strategy_lab_core.data.columns import Table
from strategy_lab_core.engine.backtest import backtest, costs_of
from strategy_lab_core.engine.config import BacktestConfig, FeeConfig, LimitsConfig
from strategy_lab_core.errors import ConfigError, DataError, InstrumentError, SimulationError
from strategy_lab_core.strategies.strategy import Bounds, Memory, View, strategy
from strategy_lab_core.types import Int2D
from tests.core.engine.monkeys import monkey
from tests.core.engine.scenes import BUY_MARKET, QUICK, two_steps
from tests.core.engine.tapes import MNQ, SECOND, START_NS, random_rows, session_until, to_table


class FailingParams(NamedTuple):
    """What it divides by."""

    divisor: Annotated[int, Bounds(0, 1)] = 0


@strategy(FailingParams)
def failing(memory: Memory, view: View, p: FailingParams, requests: Int2D) -> None:
    """Fail on the first call."""
    if p.divisor == 0:
        raise ValueError("no divisor")


def ticks(n_events: int = 60) -> Table:
    """Return a session of MNQH4."""
    return to_table(random_rows(1, n_events, wild=False))


def other(table: Table, symbol: str, instrument_id: int) -> Table:
    """Return the rows as another instrument's."""
    first = table.columns
    return table.with_columns(
        table["instrument_id"] * 0 + np.uint32(instrument_id),
        table["symbol"].str.replace(r".*", symbol),
    ).select(first)


def test_backtest__chooses_the_outright_that_expires_first() -> None:
    """The volumes of the session itself come too late; the spread is no outright."""
    table = ticks(90)
    mixed = other(table, "MNQM4", 8).vstack(ticks(20)).vstack(other(table, "MNQH4-MNQM4", 9))

    result = backtest(
        mixed, monkey, BacktestConfig(allow_partial=True), session=session_until(START_NS + 10**12)
    )

    assert result.instrument.symbol == "MNQH4"
    assert any("a guess, no earlier session says" in text for text in result.assumptions)


def test_backtest__takes_the_named_instrument() -> None:
    """By its symbol, also with less volume."""
    mixed = ticks(90).vstack(other(ticks(20), "MNQM4", 8))

    result = backtest(
        mixed, monkey, QUICK, session=session_until(START_NS + 10**12), instrument="MNQM4"
    )

    assert result.instrument.instrument_id == 8
    with pytest.raises(InstrumentError, match="no row of 'MNQU4'"):
        backtest(mixed, monkey, QUICK, instrument="MNQU4")


def test_backtest__finds_the_session_in_the_calendar() -> None:
    """2023-11-14 22:13 UTC is the afternoon pause of Chicago: the session of the 15th."""
    assert str(backtest(ticks(), monkey, QUICK).session.key) == "2023-11-15"


def test_backtest__refuses_rows_of_two_sessions() -> None:
    """They are named."""
    table = ticks()
    later = table.with_columns(table["ts_event"] + 86_400 * SECOND)

    with pytest.raises(ConfigError, match="rows of the sessions 2023-11-15, 2023-11-16"):
        backtest(table.vstack(later), monkey, QUICK)


@pytest.mark.parametrize("broken", ["empty", "schema"])
def test_backtest__says_what_it_needs(broken: str) -> None:
    """No rows, or rows of no feed with a book."""
    table = ticks().head(0) if broken == "empty" else ticks().drop("order_id")

    with pytest.raises(DataError, match="without rows" if broken == "empty" else "no order book"):
        backtest(table, monkey, QUICK)


def test_backtest__names_the_strategy_that_raises() -> None:
    """With its error and the moment."""
    with pytest.raises(
        SimulationError, match=r"strategy 'failing' raised ValueError.*no divisor.* ns \(20.* UTC\)"
    ):
        backtest(ticks(), failing, QUICK, session=session_until(START_NS + 10**12), instrument=MNQ)


def test_backtest__tells_how_far_it_is() -> None:
    """When its pass begins, and at its end."""
    seen: list[tuple[int, int]] = []
    backtest(
        ticks(), monkey, QUICK, session=session_until(START_NS + 10**12), instrument=MNQ,
        on_progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    n_rows = ticks().height

    assert seen == [(0, n_rows), (n_rows, n_rows)]


def test_backtest__grows_its_arrays() -> None:
    """More orders than the arrays begin with, none of them lost."""
    limits = LimitsConfig(
        max_position=6, max_order_size=5, max_open_orders=3, max_messages_per_second=1_000
    )
    table, session = to_table(random_rows(3, 4_000, wild=False)), session_until(START_NS + 10**12)
    busy = monkey(act_every=2, reach=1)

    result = backtest(table, busy, replace(QUICK, limits=limits), session=session, instrument=MNQ)

    assert result.metrics["n_orders"] > 256
    assert result.orders["order_id"].to_list() == list(range(len(result.orders)))
    assert result.orders["filled"].sum() == result.fills["size"].sum()


def test_costs__are_exact() -> None:
    """MNQ: 0.25 points x 2 USD = 0.5 USD a tick; fees from the product or the experiment."""
    own = BacktestConfig(fees=FeeConfig(maker_e6=-10, taker_e6=5))
    assert costs_of(MNQ, BacktestConfig())[:3] == (500_000, 370_000, 370_000)
    assert costs_of(MNQ, own)[:3] == (500_000, -10, 5)


def test_costs__odd_tick_values_are_refused() -> None:
    """A mid has half ticks: a tick of one money unit can't be halved."""
    with pytest.raises(InstrumentError, match="must be an even number of 1/1000000 USD"):
        costs_of(replace(MNQ, tick_size=1_000, multiplier=10**9), BacktestConfig())


def test_assumptions__are_sentences_with_the_settings() -> None:
    """The constant latency, the fees and the way the contract was chosen are told."""
    result = backtest(
        ticks(), monkey, QUICK, session=session_until(START_NS + 10**12), instrument=MNQ
    )
    text = " ".join(result.assumptions)

    assert all(sentence.endswith(".") for sentence in result.assumptions)
    for part in ("no impact", "constant", "0.37", "MNQH4 was asked for", "40 ticks"):
        assert part in text


def test_equity__is_sampled_where_it_changes() -> None:
    """A flat account gives no rows on the grid, an open position one a second at most."""
    table, session = ticks(200), session_until(START_NS + 10**12)

    quiet = backtest(table, two_steps, QUICK, session=session, instrument=MNQ)
    held = backtest(
        table, two_steps(at_1=1_000, what_1=BUY_MARKET), QUICK, session=session, instrument=MNQ
    )

    assert len(quiet.equity) == 2
    seconds = (table["ts_event"][-1] - START_NS) // SECOND
    assert 2 < len(held.equity) <= seconds + 4
    assert held.equity["ts"].is_sorted()
