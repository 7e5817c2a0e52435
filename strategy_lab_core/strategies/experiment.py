"""An experiment: one strategy with its parameters and settings on the sessions of one product.

Read from a mapping such as a YAML file gives; unknown keys are refused with the key that was
meant. Where files lie is not known here.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from strategy_lab_core.data.exact_yaml import refuse_unknown, scaled
from strategy_lab_core.data.instruments import MONEY_SCALE, products
from strategy_lab_core.engine.config import (
    BacktestConfig,
    FeeConfig,
    LatencyConfig,
    LimitsConfig,
    MarketOrderConfig,
)
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.strategies.imbalance import imbalance
from strategy_lab_core.strategies.strategy import Strategy

__all__ = ["STRATEGIES", "Experiment", "experiment_from_dict"]

STRATEGIES: Mapping[str, Strategy] = {"imbalance": imbalance}
_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,59}", re.ASCII)
_SECTIONS: Mapping[str, type] = {
    "latency": LatencyConfig,
    "limits": LimitsConfig,
    "market_orders": MarketOrderConfig,
}
_FEES = ("maker", "taker")
_PLAIN = ("flatten_seconds", "sample_seconds", "allow_partial", "seed")
_REQUIRED = ("name", "product", "strategy")
_KEYS = (*_REQUIRED, "description", "parameters", "capital", "fees", *_SECTIONS, *_PLAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What is run, and on what.

    Parameters
    ----------
    name
        Lower-case letters, digits and underscores: the name of its files and reports.
    product
        Product code.
    strategy
        Compiled, with its parameter values.
    config
        Latency, fees, limits and the rest.
    capital_e6
        Declared fixed capital in 1e-6 of the currency, the base of every return.
    description
        For people.
    """

    name: str
    product: str
    strategy: Strategy
    config: BacktestConfig
    capital_e6: int
    description: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return everything that decides the result, in plain values, defaults included."""
        return {
            "name": self.name,
            "description": self.description,
            "product": self.product,
            "strategy": self.strategy.name,
            "strategy_source": self.strategy.source,
            "parameters": self.strategy.parameters,
            "capital_e6": self.capital_e6,
            **asdict(self.config),
        }

    def digest(self) -> str:
        """Return 16 hex digits that change with anything that decides the result."""
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def experiment_from_dict(raw: Mapping[str, Any]) -> Experiment:
    """Return the experiment that a mapping describes.

    Raises
    ------
    ConfigError
        Names the key, the rule, the value found and, for a misspelt key, what was meant.
    """
    refuse_unknown("experiment key", list(raw), _KEYS)
    for key in _REQUIRED:
        if key not in raw:
            raise ConfigError(key, None, "given: every experiment needs it")
    name = raw["name"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError("name", name, "lower-case letters, digits and underscores, at most 60")
    refuse_unknown("product", [raw["product"]], list(products()))
    refuse_unknown("strategy", [raw["strategy"]], list(STRATEGIES))
    parameters = {
        key: value if isinstance(value, bool | int) else float(value)
        for key, value in _mapping(raw, "parameters").items()
    }
    return Experiment(
        name=name,
        product=raw["product"],
        strategy=STRATEGIES[raw["strategy"]](**parameters),
        config=_config(raw),
        capital_e6=scaled("capital", raw.get("capital", 10_000), MONEY_SCALE),
        description=str(raw.get("description", "")),
    )


def _config(raw: Mapping[str, Any]) -> BacktestConfig:
    sections = {key: _section(raw, key, kind) for key, kind in _SECTIONS.items() if key in raw}
    plain = {key: raw[key] for key in _PLAIN if key in raw}
    return BacktestConfig(**sections, **plain, fees=_fees(raw))


def _section(raw: Mapping[str, Any], key: str, kind: type) -> Any:
    given = _mapping(raw, key)
    refuse_unknown(f"{key} key", list(given), [field.name for field in fields(kind)])
    return kind(**given)


def _fees(raw: Mapping[str, Any]) -> FeeConfig:
    given = _mapping(raw, "fees")
    refuse_unknown("fees key", list(given), _FEES)
    money = {f"{key}_e6": scaled(f"fees.{key}", given[key], MONEY_SCALE) for key in given}
    return FeeConfig(**money)


def _mapping(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key) or {}
    if not isinstance(value, Mapping):
        raise ConfigError(key, value, "a mapping of keys and values")
    return value
