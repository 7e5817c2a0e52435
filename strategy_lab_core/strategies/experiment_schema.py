"""The keys of an experiment file as a JSON schema: an editor completes them and refuses others.

Made from the settings' own classes and docstrings. What depends on the values, such as which keys a
latency model has or a strategy's parameters, is checked when the file is read.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args, get_type_hints

from strategy_lab_core.engine.config import (
    QUEUE_MODELS,
    BacktestConfig,
    LimitsConfig,
    MarginConfig,
    MarketOrderConfig,
    QueueConfig,
)
from strategy_lab_core.strategies.experiment import (
    KEYS,
    LATENCIES,
    OWN_KEYS,
    REQUIRED,
    Experiment,
)

__all__ = ["experiment_schema"]

_NUMBER = {"type": ["number", "string"]}  # a decimal may be quoted
_TEXT = {"type": "string", "minLength": 1}
_TYPES = {int: {"type": "integer"}, bool: {"type": "boolean"}, float: {"type": "number"}}
_FEES = {
    "maker": "Per contract of a resting order, in the currency.",
    "taker": "Per contract of an incoming order, in the currency.",
    "maker_bps": "Of a resting order's value, in basis points.",
    "taker_bps": "Of an incoming order's value, in basis points.",
}


def experiment_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of experiment files."""
    latency = _object(*LATENCIES.values())
    del latency["properties"]["rows"]  # a file has them
    latency["properties"] |= {"model": {"enum": sorted(LATENCIES)}, "file": dict(_TEXT)}
    queue = _object(QueueConfig)
    queue["properties"]["model"] |= {"enum": list(QUEUE_MODELS)}
    limits = _object(LimitsConfig)
    known: dict[str, Any] = {
        **_described(Experiment, {name: dict(_TEXT) for name in ("name", "product", "strategy")}),
        "description": dict(_TEXT),
        "capital": dict(_NUMBER),
        "contract": {"anyOf": [dict(_TEXT), _closed({"roll": dict(_TEXT)})]},
        "parameters": {"type": "object", "additionalProperties": {"type": ["number", "boolean"]}},
        "sessions": _closed({"from": dict(_TEXT), "to": dict(_TEXT)}),
        "latency": latency,
        "fees": _closed({name: _NUMBER | {"description": text} for name, text in _FEES.items()}),
        "margin": _object(MarginConfig),
        "limits": limits,
        "queue": queue,
        "market_orders": _object(MarketOrderConfig),
    }
    plain = _object(BacktestConfig)["properties"]
    own = _closed({key: known[key] for key in OWN_KEYS})
    known["instruments"] = {
        "type": "array", "minItems": 2, "items": own,
        "description": "Several in one account; what an instrument says counts over the rest.",
    }  # fmt: skip
    one = [key for key in REQUIRED if key in OWN_KEYS]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Strategy Lab experiment",
        **_closed({key: known.get(key) or plain.get(key, {}) for key in KEYS}),
        "required": [key for key in REQUIRED if key not in OWN_KEYS],
        "anyOf": [{"required": one}, {"required": ["instruments"]}],
        "dependentRequired": {"sessions": ["carry"]},
    }


def _closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def _object(*kinds: type) -> dict[str, Any]:
    """Return the keys of settings as a file names them: money and factors without `_e6`."""
    found: dict[str, Any] = {}
    for kind in kinds:
        hints = get_type_hints(kind)
        mine = {each.name: _type(each.name, hints[each.name]) for each in fields(kind) if each.init}
        found |= {name.removesuffix("_e6"): made for name, made in _described(kind, mine).items()}
    return _closed(found)


def _type(name: str, hint: Any) -> dict[str, Any]:
    if name.endswith("_e6"):
        return dict(_NUMBER)
    (kind, *_) = get_args(hint) or (hint,)
    return dict(_TYPES.get(kind, {}))


def _described(kind: type, properties: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Add what the docstring says of each name; a file has the currency and plain factors."""
    texts: dict[str, str] = {}
    blocks = re.findall(r"^(\w[\w, ]*)\n((?: {4}.*\n?|\n)+)", inspect.getdoc(kind) or "", re.M)
    for names, text in blocks:
        words = re.sub(r",? in 1e-6( of the currency)?| None [^.]*\.", "", " ".join(text.split()))
        texts |= dict.fromkeys(names.split(", "), words)
    return {
        name: made | ({"description": texts[name]} if name in texts else {})
        for name, made in properties.items()
    }
