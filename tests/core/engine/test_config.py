"""Settings: their domains, their messages, their hash."""

import pytest

from strategy_lab_core.engine.config import (
    BacktestConfig,
    FeeConfig,
    LatencyConfig,
    LimitsConfig,
    MarketOrderConfig,
    QueueConfig,
)
from strategy_lab_core.errors import ConfigError


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: LatencyConfig(order_ns=-1), "latency.order_ns"),
        (lambda: LatencyConfig(response_ns=1.5), "latency.response_ns"),  # type: ignore[arg-type]
        (lambda: LimitsConfig(max_position=0), "limits.max_position"),
        (lambda: FeeConfig(maker_e6=True), "fees.maker_e6"),
        (lambda: MarketOrderConfig(protection_ticks=-1), "market_orders.protection_ticks"),
        (lambda: QueueConfig(exponent=0), "queue.exponent"),
        (lambda: QueueConfig(exponent=True), "queue.exponent"),
        (lambda: QueueConfig(exponent=1 / 3), "queue.exponent"),
        (lambda: BacktestConfig(sample_seconds=0), "sample_seconds"),
        (lambda: BacktestConfig(allow_partial=1), "allow_partial"),  # type: ignore[arg-type]
    ],
    ids=[
        "negative",
        "float",
        "zero",
        "bool",
        "protection",
        "exponent",
        "true",
        "digits",
        "samples",
        "flag",
    ],
)
def test_config__names_the_bad_setting(build: object, name: str) -> None:
    """The error says which setting it is."""
    with pytest.raises(ConfigError) as caught:
        build()  # type: ignore[operator]

    assert caught.value.name == name


def test_config__message_has_rule_and_value() -> None:
    """Everything the user needs to correct it."""
    with pytest.raises(
        ConfigError, match=r"^flatten_seconds must be a whole number in \[0, 86400\], got -5$"
    ):
        BacktestConfig(flatten_seconds=-5)


def test_queue__names_the_model_that_was_meant() -> None:
    """A misspelt model is refused with the nearest one."""
    with pytest.raises(
        ConfigError, match=r"queue\.model must be one of .*; did you mean power_3\?"
    ):
        QueueConfig(model="power3")


def test_digest__depends_on_values_alone() -> None:
    """Equal settings have equal digests, other settings others."""
    assert BacktestConfig().digest() == BacktestConfig(latency=LatencyConfig()).digest()
    assert BacktestConfig().digest() != BacktestConfig(fees=FeeConfig(maker_e6=0)).digest()
    assert BacktestConfig().digest() != BacktestConfig(queue=QueueConfig(exponent=2)).digest()
