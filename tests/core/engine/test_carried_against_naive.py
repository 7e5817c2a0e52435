"""Carried runs against the slow engine, on every feed: session after session, and into a roll."""

from hypothesis import event, given

from strategy_lab_core.engine.backtest import BacktestResult
from strategy_lab_core.errors import DataError, SimulationError
from tests.core.engine.cases import Case, assert_same, cases


def assert_carried(case: Case, fast: BacktestResult) -> None:
    """Compare order for order, and what the sessions add up to."""
    assert_same(fast, case.slow())
    assert fast.sessions["net_profit"].sum() == fast.metrics["net_profit_e6"]


def assert_rolled(case: Case) -> None:
    """Compare the moment too; where there is none, or too few lots, that is what both say."""
    at_ns = case.first_moment(case.parts[1])
    try:
        fast = case.fast()
    except DataError:
        event("no moment")
        assert at_ns == 0
        return
    except SimulationError:
        event("too thin")
        assert case.slow() is None
        return
    event(f"position {fast.rolls['position'][0] != 0}")
    assert fast.rolls["ts"].to_list() == [at_ns]
    assert_carried(case, fast)


@given(case=cases("carried"))
def test_carry__agrees_with_the_naive_engine(case: Case) -> None:
    """Random sessions in a row, any setting: order for order, and session for session."""
    assert_carried(case, case.fast())


@given(case=cases("carried, by price"))
def test_carry_by_price__agrees_with_the_naive_engine(case: Case) -> None:
    """The same on every feed by price, where levels have no identity over night."""
    assert_carried(case, case.fast())


@given(case=cases("rolled"))
def test_roll__agrees_with_the_naive_engine(case: Case) -> None:
    """Any setting and book: rolled at the same moment, order for order; or refused."""
    assert_rolled(case)


@given(case=cases("rolled, by price"))
def test_roll_by_price__agrees_with_the_naive_engine(case: Case) -> None:
    """The same on every feed by price: the lots are those of the levels that are shown."""
    assert_rolled(case)
