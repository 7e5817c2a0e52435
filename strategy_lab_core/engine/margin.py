"""Margin: what a position binds by the product's table, and the position that a limit leaves.

A position binds its lots times the margin of one contract, the initial one to enter and the
maintenance one to hold. Optimistic: working orders bind nothing, no account is told to close, and
there is no higher margin by day, by night or before a holiday. Pessimistic: spreads between
contracts and products get no credit.
"""

from typing import NamedTuple

import numpy as np

from strategy_lab_core.data.instruments import MONEY_SCALE, Instrument
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.types import Records

__all__ = ["Margin", "margin_of", "margin_use", "position_limit"]


class Margin(NamedTuple):
    """Of one contract held, in money units; 0 where no table knows it."""

    initial: int
    maintenance: int


def margin_of(instrument: Instrument, config: BacktestConfig) -> Margin:
    """Return the margin of one contract: the configuration's, else the product's.

    The product's is that of an outright: a spread has none but the configuration's.
    """
    product, own = instrument.product, config.margin
    is_listed = instrument.kind == "outright"
    initial = own.initial_e6
    if initial is None:
        initial = product.margin_initial if is_listed else 0
    maintenance = own.maintenance_e6
    if maintenance is None:
        maintenance = min(initial, product.margin_maintenance) if is_listed else 0
    scale = product.money_scale
    return Margin(initial * scale // MONEY_SCALE, maintenance * scale // MONEY_SCALE)


def position_limit(instrument: Instrument, config: BacktestConfig) -> int:
    """Return the largest position in lots: the limit's, or as many as `max_margin` pays for."""
    limits, most = config.limits, config.limits.max_margin_e6
    if most is None:
        return limits.max_position
    product, initial = instrument.product, margin_of(instrument, config).initial
    if initial <= 0:
        raise ConfigError(
            "limits.max_margin",
            most / MONEY_SCALE,
            f"left out, or the margin of {instrument.symbol} given (margin.initial)",
        )
    lots = most * product.money_scale // MONEY_SCALE // initial
    if lots == 0:
        least = f"{initial / product.money_scale:,.2f} {product.currency}"
        raise ConfigError(
            "limits.max_margin",
            most / MONEY_SCALE,
            f"at least the initial margin of one contract of {instrument.symbol}, {least}",
        )
    return min(limits.max_position, lots)


def margin_use(fills: Records, margin: Margin) -> dict[str, int | float]:
    """Return the largest margin that a run had in use, in money units, and when it first was.

    The time is the exchange's, in ns; 0 where nothing was ever held.
    """
    held = np.abs(fills["position_after"])
    most = int(held.max(initial=0))
    return {
        "max_margin_e6": most * margin.initial,
        "max_maintenance_margin_e6": most * margin.maintenance,
        "max_margin_ns": int(fills["exchange_ns"][np.argmax(held)]) if most else 0,
    }
