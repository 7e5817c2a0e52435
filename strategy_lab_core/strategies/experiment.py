"""What one experiment is: a strategy with its parameters, a product, costs, latency and limits.

Parsed from the mapping that an experiment file holds; every key that is not known is refused with
the one that was probably meant. Files and calendars are not known here.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from strategy_lab_core.data.exact_yaml import refuse_unknown, scaled
from strategy_lab_core.data.instruments import MONEY_SCALE, product_of, products
from strategy_lab_core.data.latencies import read_latencies
from strategy_lab_core.data.roll_rules import RollRule, roll_rule
from strategy_lab_core.engine.config import (
    BacktestConfig,
    FeeConfig,
    LatencyConfig,
    LimitsConfig,
    MarginConfig,
    MarketOrderConfig,
    QueueConfig,
)
from strategy_lab_core.engine.fees import RATE_SCALE
from strategy_lab_core.engine.latency_config import (
    FeedLatencyConfig,
    LogNormalLatencyConfig,
    RecordedLatencyConfig,
)
from strategy_lab_core.engine.latency_rows import LatencyRows
from strategy_lab_core.errors import ConfigError, DataError, FileError, InstrumentError
from strategy_lab_core.strategies.loader import load_strategy
from strategy_lab_core.strategies.strategy import Strategy

__all__ = [
    "KEYS",
    "LATENCIES",
    "OWN_KEYS",
    "REQUIRED",
    "Experiment",
    "digest_of",
    "experiment_from_dict",
    "placed",
]

_TEXTS = ("name", "product", "strategy", "description")
_PARTS = ("latency", "fees", "margin", "limits", "queue", "market_orders")
_PLAIN = ("flatten_seconds", "sample_seconds", "allow_partial", "seed", "carry")
OWN_KEYS = ("product", "contract", "strategy", "parameters", *_PARTS)  # of each of several
KEYS = (
    *_TEXTS, "instruments", "contract", "parameters", "capital", "sessions", *_PARTS, *_PLAIN
)  # fmt: skip
LATENCIES: Mapping[str, type[LatencyConfig]] = {
    "constant": LatencyConfig,
    "feed": FeedLatencyConfig,
    "recorded": RecordedLatencyConfig,
    "lognormal": LogNormalLatencyConfig,
}
REQUIRED = ("name", "product", "strategy", "capital")


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment.

    Attributes
    ----------
    name, description
        For people; the name is part of file names.
    product
        Root symbol, such as MNQ.
    strategy
        Compiled, with the experiment's parameters.
    reference
        The strategy as the file names it, for another process to load it.
    capital_e6
        Fixed capital that returns are counted on, 1e-6 of the product's currency.
    config
        Latency, fees, limits, queue model.
    contract
        The roll rule that says which contract a session trades, or the contract's symbol.
    sessions
        First and last session of a carried run, which goes over all between them.
    """

    name: str
    product: str
    strategy: Strategy
    reference: str
    capital_e6: int
    config: BacktestConfig
    contract: RollRule | str = field(default_factory=RollRule)
    description: str = ""
    sessions: tuple[date, date] | None = None

    @property
    def instrument(self) -> str:
        """What it trades: the contract that is named, else the product."""
        return self.contract if isinstance(self.contract, str) else self.product

    def as_dict(self) -> dict[str, Any]:
        """Return everything that decides a result, in plain types, for provenance."""
        return {
            "name": self.name,
            "description": self.description,
            "product": self.product,
            "contract": f"{'' if isinstance(self.contract, str) else 'roll '}{self.contract}",
            "strategy": self.strategy.name,
            "strategy_source": self.strategy.source,
            "parameters": self.strategy.parameters,
            "capital_e6": self.capital_e6,
            **({"sessions": [str(day) for day in self.sessions]} if self.sessions else {}),
            **self.config.as_dict(),
        }

    def digest(self) -> str:
        """Return 16 hex digits that change with everything but name and description."""
        return digest_of(self.as_dict())


MAX_MONEY_E6 = 10**15
_LABELS = ("name", "description")


def digest_of(content: Mapping[str, Any]) -> str:
    """Return 16 hex digits of what an experiment consists of, whatever it is called."""
    named = {key: value for key, value in content.items() if key not in _LABELS}
    text = json.dumps(named, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def experiment_from_dict(content: Mapping[str, Any], *, folder: Path | None = None) -> Experiment:
    """Return the experiment that a mapping describes; `ConfigError` names the key that is wrong.

    Parameters
    ----------
    content
        Decimals are expected as `Decimal` or text (`data.exact_yaml.read_yaml` gives them so).
    folder
        What the paths of `strategy` and `latency.file` are relative to; None for the working
        folder.
    """
    folder = folder or Path()
    refuse_unknown("key", content, KEYS)
    if "instruments" in content:
        raise ConfigError("instruments", "several", "left out: this takes one instrument")
    for key in REQUIRED:
        if key not in content:
            raise ConfigError(key, None, "given")
    texts = {key: _text(key, content[key]) for key in _TEXTS if key in content}
    if not texts["name"].replace("_", "").replace("-", "").isalnum():
        raise ConfigError("name", texts["name"], "letters, digits, _ and -")
    capital_e6 = scaled("capital", content["capital"], MONEY_SCALE)
    if capital_e6 <= 0:
        raise ConfigError("capital", content["capital"], "larger than 0")
    reference = placed(texts["strategy"], folder)
    strategy = load_strategy(reference)
    return Experiment(
        name=texts["name"],
        product=texts["product"],
        strategy=strategy(**_parameters(strategy, _mapping("parameters", content))),
        reference=reference,
        capital_e6=capital_e6,
        config=_config(content, folder, capital_e6),
        contract=_contract(content.get("contract", "roll"), texts["product"]),
        description=texts.get("description", ""),
        sessions=_sessions(content),
    )


def placed(reference: str, folder: Path) -> str:
    """Return a reference with its path put into `folder`; a plain name stays as it is.

    There is no guard against paths that lead elsewhere: whoever writes an experiment names the
    code that runs.
    """
    path, colon, function = reference.partition(":")
    is_path = path.endswith((".py", ".parquet", ".csv"))
    return f"{folder / Path(path).expanduser()}{colon}{function}" if is_path else reference


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(key, value, "text")
    return value


def _contract(value: object, product: str) -> RollRule | str:
    """Return the rule of ``roll`` or of ``{roll: expiry-5}``, or else a symbol of the product."""
    if isinstance(value, Mapping):
        refuse_unknown("contract", value, ("roll",))
        return roll_rule(_text("contract.roll", value.get("roll")))
    symbol = _text("contract", value)
    if symbol == "roll":
        return RollRule()
    if product in products() and not _belongs(symbol, product):
        expected = f"roll, {{roll: RULE}}, or a symbol of {product}"
        raise ConfigError("contract", symbol, expected)
    return symbol


def _belongs(symbol: str, product: str) -> bool:
    try:
        return product_of(symbol).root == product
    except InstrumentError:
        return False


def _mapping(key: str, content: Mapping[str, Any]) -> Mapping[str, Any]:
    value = {} if content.get(key) is None else content[key]
    if not isinstance(value, Mapping):
        raise ConfigError(key, value, "a mapping of names to values")
    return value


def _parameters(strategy: Strategy, given: Mapping[str, Any]) -> dict[str, float]:
    """Return numbers for the parameters; a strategy's parameters are not money and may be float."""
    refuse_unknown("parameters", given, tuple(strategy.bounds))
    return {
        name: float(value) if isinstance(value, Decimal) else value for name, value in given.items()
    }


def _sessions(content: Mapping[str, Any]) -> tuple[date, date] | None:
    """Return the range of a carried run; either key asks for the other."""
    given = _mapping("sessions", content)
    if content.get("carry") is not True:
        if given:
            raise ConfigError("carry", content.get("carry"), "true where sessions are given")
        return None
    refuse_unknown("sessions", given, ("from", "to"))
    days = [_day(f"sessions.{name}", given.get(name)) for name in ("from", "to")]
    if days[0] > days[1]:
        raise ConfigError("sessions.to", str(days[1]), f"{days[0]} or later")
    return days[0], days[1]


def _day(name: str, value: object) -> date:
    try:
        return value if type(value) is date else date.fromisoformat(str(value))
    except ValueError as error:
        raise ConfigError(name, value, "a session such as 2025-01-15") from error


def _market_orders(given: Mapping[str, Any]) -> MarketOrderConfig:
    refuse_unknown("market_orders", given, [field.name for field in fields(MarketOrderConfig)])
    return MarketOrderConfig(**given)


def _latency(given: Mapping[str, Any], folder: Path) -> LatencyConfig:
    """Return the latency of a model; factors and sigmas are decimals, rows come from a file."""
    model = _text("latency.model", given.get("model", "constant"))
    refuse_unknown("latency.model", [model], tuple(LATENCIES))
    kind = LATENCIES[model]
    fields_by_key = {
        {"rows": "file"}.get(each.name, each.name.removesuffix("_e6")): each.name
        for each in fields(kind)
        if each.init
    }
    refuse_unknown("latency", given, ("model", *fields_by_key))
    if "file" in fields_by_key and "file" not in given:
        raise ConfigError("latency.file", None, "the path of a .parquet or .csv file")
    values = {
        field: _latency_value(key, field, given[key], folder)
        for key, field in fields_by_key.items()
        if key in given
    }
    return kind(**values)


def _latency_value(key: str, field: str, value: object, folder: Path) -> Any:
    if key == "file":
        path = placed(_text("latency.file", value), folder)
        read = read_latencies(path)
        try:
            return LatencyRows.of(read)
        except DataError as error:
            raise FileError(path, str(error), "correct the rows") from error
    return scaled(f"latency.{key}", value, 10**6) if field.endswith("_e6") else value


def _fees(given: Mapping[str, Any]) -> FeeConfig:
    per_contract = {"maker": "maker_e6", "taker": "taker_e6"}
    of_value = {"maker_bps": "maker_rate_e8", "taker_bps": "taker_rate_e8"}
    refuse_unknown("fees", given, (*per_contract, *of_value))
    found = {per_contract[name]: scaled(f"fees.{name}", fee, MONEY_SCALE)
             for name, fee in given.items() if name in per_contract}  # fmt: skip
    rates = {of_value[name]: scaled(f"fees.{name}", rate, RATE_SCALE // 10_000)
             for name, rate in given.items() if name in of_value}  # fmt: skip
    for name, rate_e8 in rates.items():
        if abs(rate_e8) > RATE_SCALE:
            key = name.replace("_rate_e8", "_bps")
            raise ConfigError(f"fees.{key}", given[key], "in [-10000, 10000] basis points")
    return FeeConfig(**found, **rates)


def _margin(given: Mapping[str, Any]) -> MarginConfig:
    refuse_unknown("margin", given, ("initial", "maintenance"))
    values = {name: _money(f"margin.{name}", given[name], may_be_zero=True) for name in given}
    return MarginConfig(**{f"{name}_e6": value for name, value in values.items()})


def _money(name: str, value: object, *, may_be_zero: bool) -> int:
    """Return an amount in 1e-6 of the currency."""
    amount_e6 = scaled(name, value, MONEY_SCALE)
    if not (0 if may_be_zero else 1) <= amount_e6 <= MAX_MONEY_E6:
        bracket = "[" if may_be_zero else "("
        raise ConfigError(name, value, f"in {bracket}0, {MAX_MONEY_E6 // MONEY_SCALE}]")
    return amount_e6


def _limits(given: Mapping[str, Any], capital_e6: int) -> LimitsConfig:
    known = [field.name.removesuffix("_e6") for field in fields(LimitsConfig)]
    refuse_unknown("limits", given, known)
    values = dict(given)
    if values.get("max_margin") == "capital":
        values["max_margin_e6"] = capital_e6
        del values["max_margin"]
    for name in ("max_loss", "max_margin"):
        if name in values:
            amount = values.pop(name)
            values[f"{name}_e6"] = _money(f"limits.{name}", amount, may_be_zero=False)
    return LimitsConfig(**values)


def _queue(given: Mapping[str, Any]) -> QueueConfig:
    refuse_unknown("queue", given, [field.name for field in fields(QueueConfig)])
    values = dict(given)
    if isinstance(values.get("exponent"), Decimal):
        values["exponent"] = float(values["exponent"])
    return QueueConfig(**values)


def _config(content: Mapping[str, Any], folder: Path, capital_e6: int) -> BacktestConfig:
    return BacktestConfig(
        latency=_latency(_mapping("latency", content), folder),
        fees=_fees(_mapping("fees", content)),
        margin=_margin(_mapping("margin", content)),
        limits=_limits(_mapping("limits", content), capital_e6),
        queue=_queue(_mapping("queue", content)),
        market_orders=_market_orders(_mapping("market_orders", content)),
        **{key: content[key] for key in _PLAIN if key in content},
    )
