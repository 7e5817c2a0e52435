"""Products and their contracts: tick sizes, multipliers, fees, expiries, all as exact integers.

A product comes from `products.yaml` or the user's own file of that form; a contract from the
product, overridden by its definition record where there is one. Hours are in `calendar`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

import polars as pl

from strategy_lab_core.data.exact_yaml import read_yaml, refuse_unknown, scaled
from strategy_lab_core.errors import ConfigError, InstrumentError
from strategy_lab_core.types import EMPTY_PRICE, PRICE_SCALE

__all__ = [
    "MONEY_SCALE",
    "MONTH_CODES",
    "ExpiryDay",
    "Instrument",
    "OrderType",
    "Product",
    "instruments",
    "load_products",
    "product_of",
    "products",
]

MONEY_SCALE = 1_000_000  # money is stored as integers in 1e-6 of the currency
OrderType = Literal["limit", "market", "stop", "stop_limit", "ioc", "fok"]
ExpiryDay = Literal["third_friday", "three_days_before_25th", "third_last_day"]
Kind = Literal["outright", "spread"]
MONTH_CODES = "FGHJKMNQUVXZ"  # January to December

_CONTRACT = rf"[{MONTH_CODES}]\d{{1,2}}"  # month letter and year
_TEXTS = ("name", "exchange", "currency", "calendar")
_SCALES = {
    "tick_size": PRICE_SCALE,
    "spread_tick_size": PRICE_SCALE,
    "multiplier": PRICE_SCALE,
    "fee_maker": MONEY_SCALE,
    "fee_taker": MONEY_SCALE,
    "margin_initial": MONEY_SCALE,
    "margin_maintenance": MONEY_SCALE,
}
_MARGINS = ("margin_initial", "margin_maintenance")
_EXPIRY = ("contract_months", "expiry_day", "expiry_time")
_OPTIONAL = ("spread_tick_size", *_MARGINS, "dated", *_EXPIRY)
_KEYS = (*_TEXTS, *_SCALES, "order_types", "dated", *_EXPIRY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What all contracts of one product share.

    Attributes
    ----------
    root
        Symbol without month and year, such as MNQ.
    tick_size, spread_tick_size
        Smallest price step of outrights and of calendar spreads, 1e-9 points.
    multiplier
        Currency per point and contract, in 1e-9.
    money_scale
        Money amounts are integers of 1 / `money_scale` of the currency.
    fee_maker, fee_taker
        Fee per contract and side, 1e-6 of the currency.
    margin_initial, margin_maintenance
        What one outright contract binds, to enter and to hold, 1e-6 of the currency; 0 where it is
        not known.
    calendar
        Name for `calendar.session_calendar`.
    order_types
        What the exchange itself takes.
    dated
        Contracts carry month and year after the root; False for an equity.
    contract_months
        Month codes of the contracts that are listed, such as HMUZ.
    expiry_day, expiry_time
        Rule for the day on which a contract's trading ends, and the local time then (see
        `contracts.expiration_ns`); None where only a definition record can say it.
    """

    root: str
    name: str
    exchange: str
    currency: str
    calendar: str
    tick_size: int
    spread_tick_size: int
    multiplier: int
    fee_maker: int
    fee_taker: int
    order_types: tuple[OrderType, ...]
    margin_initial: int = 0
    margin_maintenance: int = 0
    dated: bool = True
    contract_months: str = MONTH_CODES
    expiry_day: ExpiryDay | None = None
    expiry_time: time | None = None
    money_scale: int = MONEY_SCALE


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One tradable contract or spread of a product; units as in `Product`, expiry in ns UTC."""

    instrument_id: int
    symbol: str
    product: Product
    kind: Kind
    tick_size: int
    multiplier: int
    expiration_ns: int | None = None


@cache
def products() -> Mapping[str, Product]:
    """Return the products that come with the package, by root."""
    return MappingProxyType(_read_products(Path(__file__).with_name("products.yaml")))


def load_products(path: Path) -> Mapping[str, Product]:
    """Return the package's products with those of a YAML file added or put in their place."""
    return MappingProxyType({**products(), **_read_products(path)})


def _read_products(path: Path) -> dict[str, Product]:
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ConfigError(str(path), content, "a mapping from product root to its entries")
    return {root: _product(path, root, entries) for root, entries in content.items()}


def _product(path: Path, root: Any, entries: Any) -> Product:
    where = f"{path.name}: {root}"
    if not isinstance(root, str) or not re.fullmatch(r"[A-Z0-9.]+", root):
        raise ConfigError(f"{path.name}: product", root, "a root of capital letters and digits")
    if not isinstance(entries, dict):
        raise ConfigError(where, entries, f"a mapping with {', '.join(_KEYS)}")
    refuse_unknown(f"{where}: key", entries, _KEYS)
    for key in _KEYS:
        if key not in entries and key not in _OPTIONAL:
            raise ConfigError(f"{where}.{key}", None, "given")
    dated = entries.get("dated", True)
    if not isinstance(dated, bool):
        raise ConfigError(f"{where}.dated", dated, "true or false")
    return Product(
        root=root,
        order_types=_order_types(where, entries["order_types"]),
        dated=dated,
        **_expiry(where, entries),
        **_texts(where, entries),
        **_numbers(where, {**_defaults(entries), **entries}),
    )


def _defaults(entries: dict[str, Any]) -> dict[str, Any]:
    return {"spread_tick_size": entries["tick_size"], **dict.fromkeys(_MARGINS, 0)}


def _texts(where: str, entries: dict[str, Any]) -> dict[str, Any]:
    for key in _TEXTS:
        if not isinstance(entries[key], str):
            raise ConfigError(f"{where}.{key}", entries[key], "text")
    return {key: entries[key] for key in _TEXTS}


def _numbers(where: str, entries: dict[str, Any]) -> dict[str, Any]:
    numbers = {key: scaled(f"{where}.{key}", entries[key], s) for key, s in _SCALES.items()}
    for key in ("tick_size", "spread_tick_size", "multiplier"):
        if numbers[key] <= 0:
            raise ConfigError(f"{where}.{key}", entries[key], "larger than 0")
    if not 0 <= numbers["margin_maintenance"] <= numbers["margin_initial"]:
        rule = "in [0, margin_initial]"
        raise ConfigError(f"{where}.margin_maintenance", entries["margin_maintenance"], rule)
    return numbers


def _order_types(where: str, value: Any) -> tuple[OrderType, ...]:
    known = get_args(OrderType)
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{where}.order_types", value, f"a list of {', '.join(known)}")
    refuse_unknown(f"{where}: order type", value, known)
    return tuple(value)


def _expiry(where: str, entries: dict[str, Any]) -> dict[str, Any]:
    """Return the months and the expiry rule; both parts of the rule are given, or neither."""
    months = entries.get("contract_months", MONTH_CODES)
    if not isinstance(months, str) or not re.fullmatch(f"[{MONTH_CODES}]+", months):
        raise ConfigError(f"{where}.contract_months", months, f"month codes of {MONTH_CODES}")
    day, clock = (entries.get(key) for key in _EXPIRY[1:])
    if day is None and clock is None:
        return {"contract_months": months}
    refuse_unknown(f"{where}.expiry_day", [day or ""], get_args(ExpiryDay))
    if not isinstance(clock, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", clock):
        raise ConfigError(f"{where}.expiry_time", clock, 'a local time such as "08:30", quoted')
    return {
        "contract_months": months,
        "expiry_day": day,
        "expiry_time": time.fromisoformat(clock),
    }


def product_of(symbol: str, *, table: Mapping[str, Product] | None = None) -> Product:
    """Return the product of a raw symbol, the longest root that explains it.

    ``MNQH5`` and ``NQM5-NQU5`` are explained, ``ES.FUT`` and options are not: `InstrumentError`.
    """
    return _explain(symbol, products() if table is None else table)[0]


def _explain(symbol: str, table: Mapping[str, Product]) -> tuple[Product, Kind]:
    for root in sorted(table, key=len, reverse=True):
        kind = _kind(symbol, table[root])
        if kind is not None:
            return table[root], kind
    raise InstrumentError(
        f"no product explains the symbol {symbol!r} (known: {', '.join(table)}); "
        "add its product to a products file, or give the definition file of the same day"
    )


def _kind(symbol: str, product: Product) -> Kind | None:
    """Return what `symbol` is if it is one of the product's, else None."""
    root = re.escape(product.root)
    if re.fullmatch(f"{root}{_CONTRACT}" if product.dated else root, symbol):
        return "outright"
    # Calendar spreads name each leg; the other strategies of CME read "ES:BF M5-U5-Z5".
    if product.dated and re.fullmatch(
        f"{root}{_CONTRACT}(-{root}{_CONTRACT})+|{root}:[A-Z0-9]+ .+", symbol
    ):
        return "spread"
    return None


def instruments(
    symbols: Mapping[int, str],
    definitions: pl.DataFrame | None = None,
    *,
    table: Mapping[str, Product] | None = None,
) -> dict[int, Instrument]:
    """Return the instrument of each id.

    Parameters
    ----------
    symbols
        Raw symbol of each instrument id.
    definitions
        A `definition` table; an instrument's last record overrides the product's figures, except
        where the record leaves one undefined.
    table
        Products by root; those of the package by default.

    Raises
    ------
    InstrumentError
        A symbol that neither a definition nor a product explains.
    """
    known = products() if table is None else table
    records = {} if definitions is None else _last_records(definitions)
    return {
        id_: _defined(id_, symbol, records[id_], known)
        if id_ in records
        else _undefined(id_, symbol, known)
        for id_, symbol in symbols.items()
    }


def _last_records(definitions: pl.DataFrame) -> dict[int, dict[str, Any]]:
    return {record["instrument_id"]: record for record in definitions.iter_rows(named=True)}


def _undefined(id_: int, symbol: str, table: Mapping[str, Product]) -> Instrument:
    product, kind = _explain(symbol, table)
    return Instrument(
        instrument_id=id_,
        symbol=symbol,
        product=product,
        kind=kind,
        tick_size=product.tick_size if kind == "outright" else product.spread_tick_size,
        multiplier=product.multiplier,
    )


def _defined(
    id_: int, symbol: str, record: Mapping[str, Any], table: Mapping[str, Product]
) -> Instrument:
    kinds: dict[str, Kind] = {"F": "outright", "K": "outright", "S": "spread"}
    code = record["instrument_class"]
    if code not in kinds:
        raise InstrumentError(
            f"{symbol!r} is defined as instrument class {code!r}; read are "
            "F (future), K (stock) and S (spread of futures)"
        )
    product = table.get(record["asset"]) or _explain(symbol, table)[0]
    kind = kinds[code]
    default = product.tick_size if kind == "outright" else product.spread_tick_size
    expiration = record["expiration"]
    return Instrument(
        instrument_id=id_,
        symbol=symbol,
        product=product,
        kind=kind,
        tick_size=_given(record["min_price_increment"], default),
        multiplier=_given(record["unit_of_measure_qty"], product.multiplier),
        expiration_ns=expiration if expiration is not None and expiration > 0 else None,
    )


def _given(value: int | None, default: int) -> int:
    """Return a figure of a definition record, or the default where it is undefined."""
    return default if value is None or value <= 0 or value == EMPTY_PRICE else value
