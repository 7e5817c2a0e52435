"""Margin: what a position binds, when it bound most, and the position that a limit leaves."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data.columns import Table
from strategy_lab_core.engine.backtest import backtest
from strategy_lab_core.engine.config import BacktestConfig, LimitsConfig, MarginConfig
from strategy_lab_core.engine.margin import Margin, margin_of, position_limit
from strategy_lab_core.errors import ConfigError
from tests.core.engine.monkeys import monkey
from tests.core.engine.scenes import BUY_MARKET, QUICK, two_steps
from tests.core.engine.tapes import MNQ, SECOND, START_NS, random_rows, session_until, to_table

OWN = BacktestConfig(margin=MarginConfig(initial_e6=1_500_000_000, maintenance_e6=1_000_000_000))


def naive_use(fills: Table, initial: int, maintenance: int) -> tuple[int, int, int]:
    """Return the largest margins and when the first was first reached, fill by fill."""
    position, most, when = 0, 0, 0
    for fill in fills.iter_rows(named=True):
        position += fill["size"] if fill["side"] == "B" else -fill["size"]
        if abs(position) > most:
            most, when = abs(position), fill["ts_exchange"]
    return most * initial, most * maintenance, when


@given(
    seed=st.integers(0, 10**6),
    actor=st.integers(1, 10**6),
    margin=st.tuples(st.integers(1, 10**10), st.integers(0, 10**10)),
)
def test_margin__is_that_of_the_fills(seed: int, actor: int, margin: tuple[int, int]) -> None:
    """Recomputed from the fills table alone."""
    initial, maintenance = max(margin), min(margin)
    own = MarginConfig(initial_e6=initial, maintenance_e6=maintenance)
    rows = random_rows(seed, 60, wild=False)

    result = backtest(
        to_table(rows),
        monkey(seed=actor, act_every=2),
        replace(QUICK, margin=own),
        session=session_until(START_NS + 1_000 * SECOND),
        instrument=MNQ,
    )

    names = ("max_margin_e6", "max_maintenance_margin_e6", "max_margin_ns")
    assert tuple(result.metrics[name] for name in names) == naive_use(
        result.fills, initial, maintenance
    )


def test_margin__comes_from_the_product_or_the_configuration() -> None:
    """The example of the table, one's own, one's own in part, none of a spread."""
    product = MNQ.product
    listed = Margin(product.margin_initial, product.margin_maintenance)
    low = BacktestConfig(margin=MarginConfig(initial_e6=10))

    assert margin_of(MNQ, BacktestConfig()) == listed
    assert listed.initial > listed.maintenance > 0
    assert margin_of(MNQ, OWN) == (1_500_000_000, 1_000_000_000)
    assert margin_of(MNQ, low) == (10, 10)
    assert margin_of(replace(MNQ, kind="spread"), BacktestConfig()) == (0, 0)


@pytest.mark.parametrize(("most", "lots"), [(1_500, 1), (2_999, 1), (3_000, 2), (10**6, 10)])
def test_limit__is_a_position_in_lots(most: int, lots: int) -> None:
    """Whole contracts that the margin pays for, never more than `max_position`."""
    limits = LimitsConfig(max_position=10, max_margin_e6=most * 10**6)

    assert position_limit(MNQ, replace(OWN, limits=limits)) == lots


def test_limit__refuses_orders_that_need_more() -> None:
    """Three lots are asked for, two are paid for: the order is not sent; two are."""
    limits = LimitsConfig(max_position=1_000, max_order_size=1_000, max_margin_e6=3_000 * 10**6)
    config = replace(QUICK, margin=OWN.margin, limits=limits)
    rows, steps = random_rows(1, 60, wild=False), {"at_1": 1_000, "what_1": BUY_MARKET}
    session = session_until(START_NS + 1_000 * SECOND)
    found = [
        backtest(
            to_table(rows), two_steps(lots_1=lots, **steps), config, session=session, instrument=MNQ
        ).metrics
        for lots in (3, 2)
    ]

    assert [metrics["n_refused_position_limit"] for metrics in found] == [1, 0]
    assert [metrics["max_margin_e6"] for metrics in found] == [0, 3_000 * 10**6]


def test_limit__says_what_is_missing() -> None:
    """Too little for one contract, or no margin to count with."""
    poor = replace(OWN, limits=LimitsConfig(max_margin_e6=1_499 * 10**6))
    unknown = replace(poor, margin=MarginConfig(initial_e6=0))

    with pytest.raises(ConfigError, match=r"one contract of MNQH4, 1,500.00 USD, got 1499"):
        position_limit(MNQ, poor)
    with pytest.raises(ConfigError, match=r"the margin of MNQH4 given \(margin.initial\)"):
        position_limit(MNQ, unknown)
    with pytest.raises(ConfigError, match="at most the initial"):
        MarginConfig(initial_e6=1, maintenance_e6=2)
