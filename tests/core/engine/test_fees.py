"""Fees: exact, half to even, whatever the size of the value."""

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.engine.config import BacktestConfig, FeeConfig, MarketOrderConfig
from strategy_lab_core.engine.fees import RATE_SCALE
from tests.core.engine.scenes import BUY_MARKET, QUICK
from tests.core.engine.test_rules import book


@given(rate=st.integers(-RATE_SCALE, RATE_SCALE), lots=st.integers(1, 50))
def test_fee__is_the_decimal_one(rate: int, lots: int) -> None:
    """A value of 1002 ticks x 0.5 USD a lot, by decimal arithmetic."""
    config = BacktestConfig(
        latency=QUICK.latency,
        limits=QUICK.limits,
        fees=FeeConfig(maker_e6=0, taker_e6=250_000, taker_rate_e8=rate),
        market_orders=MarketOrderConfig(),
        allow_partial=True,
    )
    result = book().event(60, "N", "N", None, 0).run(config, what_1=BUY_MARKET, lots_1=lots)

    value = Decimal(lots * 1002 * 500_000) * rate / RATE_SCALE
    expected = lots * 250_000 + int(value.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
    assert result.fills["fee"].to_list() == [expected]


def test_fee__is_told_in_the_assumptions() -> None:
    """A basis point of the value, and the fee per contract."""
    config = BacktestConfig(
        latency=QUICK.latency,
        limits=QUICK.limits,
        fees=FeeConfig(taker_rate_e8=12_500),
        allow_partial=True,
    )
    result = book().event(60, "N", "N", None, 0).run(config, what_1=BUY_MARKET)
    assert any("0 basis points and 1.25 basis points" in text for text in result.assumptions)


@pytest.mark.parametrize("rate", [RATE_SCALE + 1, -RATE_SCALE - 1])
def test_config__a_rate_is_at_most_the_value(rate: int) -> None:
    """More than all of the value is a slip."""
    with pytest.raises(ValueError, match="maker_rate_e8"):
        FeeConfig(maker_rate_e8=rate)
