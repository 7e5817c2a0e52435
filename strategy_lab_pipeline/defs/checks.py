"""The asset checks, one a rule: declared from the rules themselves, so that none is forgotten."""

import dagster as dg

from strategy_lab_pipeline.defs.describe import asset_key
from strategy_lab_pipeline.defs.partitions import session_by_product
from strategy_lab_pipeline.stages import backtests, bars, books, validated

__all__ = ["backtest_check_specs", "bar_check_specs", "book_check_specs", "validated_check_specs"]


def _specs(asset: str, rules: dict[str, str]) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            name, asset=asset_key(asset), description=reason, partitions_def=session_by_product()
        )
        for name, reason in rules.items()
    ]


def validated_check_specs() -> list[dg.AssetCheckSpec]:
    """Return the row rules, the state rules, the row balance and the two shares that block."""
    return _specs("validated_ticks", validated.rules())


def book_check_specs() -> list[dg.AssetCheckSpec]:
    """Return the consistency figures of order books."""
    return _specs("order_books", books.RULES)


def bar_check_specs() -> list[dg.AssetCheckSpec]:
    """Return what bars must add up to."""
    return _specs("bars", bars.RULES)


def backtest_check_specs(asset: str) -> list[dg.AssetCheckSpec]:
    """Return the engine's own accounts."""
    return _specs(asset, backtests.RULES)
