"""Row rules: what makes one row of a tick table unusable, whatever the book says.

`apply_row_rules` splits a batch into valid and quarantined rows, each of the latter with the rule
it broke; `validate_table` then holds the valid ones to the Pandera schema. Rules about the book's
state remove no row and are not here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, TypeAlias

import polars as pl

from strategy_lab_core.data.instruments import Instrument
from strategy_lab_core.data.schemas import (
    MAX_TS_NS,
    ColumnSpec,
    columns_of,
    out_of_range,
    polars_schema,
    validated_schema,
)
from strategy_lab_core.errors import DataError
from strategy_lab_core.types import (
    EMPTY_PRICE,
    NS_PER_SECOND,
    Action,
    RecordFlag,
    Side,
    StatType,
    StatUpdate,
    TickSchema,
)

__all__ = [
    "QUARANTINE_COLUMNS",
    "RowRule",
    "Severity",
    "Tainted",
    "apply_row_rules",
    "not_applicable",
    "quarantine_schema",
    "row_rules",
    "validate_table",
]

Severity = Literal["error", "warning"]
# (instrument_id, order_id) of orders whose add is in quarantine, and the rule that put it there
Tainted: TypeAlias = dict[tuple[int, int], str]
Instruments: TypeAlias = Mapping[int, Instrument]

QUARANTINE_COLUMNS = (  # `status` has a column `reason` of its own
    ColumnSpec("rule", pl.String, "-", "first row rule that the row broke"),
    ColumnSpec("rule_reason", pl.String, "-", "why such a row can't be used"),
)

_BOOKS = frozenset({TickSchema.MBO, TickSchema.MBP_1, TickSchema.MBP_10})
_TICKS = _BOOKS | {TickSchema.TBBO, TickSchema.TRADES, TickSchema.DEPTH}
_DAY_NS = 24 * 3600 * NS_PER_SECOND
_SLICE_ROWS = 1 << 21  # a call of Pandera costs 20 ms whatever the rows
_ORDER_RULE = "order_of_quarantined_add"


@dataclass(frozen=True, slots=True)
class RowRule:
    """One reason to quarantine a row.

    Attributes
    ----------
    name, severity, reason
        The reason is a sentence for people; a warning follows from an error elsewhere.
    schemas
        Where the rule can be broken at all; elsewhere it is "not applicable".
    expression
        Gives the expression that is true for broken rows (null counts as kept), or None where
        the given instruments don't allow a judgement or the rule needs more than one row.
    """

    name: str
    severity: Severity
    reason: str
    schemas: frozenset[TickSchema]
    expression: Callable[[TickSchema, Instruments], pl.Expr | None]


def _action(*actions: Action) -> pl.Expr:
    return pl.col("action").is_in([chr(action) for action in actions])


def _missing_value(schema: TickSchema, _: Instruments) -> pl.Expr:
    required = [column.name for column in columns_of(schema) if not column.nullable]
    return pl.any_horizontal(pl.col(required).is_null())


def _unknown_action(_: TickSchema, __: Instruments) -> pl.Expr:
    return ~_action(*Action)


def _unknown_side(schema: TickSchema, _: Instruments) -> pl.Expr:
    unknown = ~pl.col("side").is_in([chr(side) for side in Side])
    if schema not in (TickSchema.MBO, TickSchema.DEPTH):
        return unknown
    return unknown | ((pl.col("side") == chr(Side.NONE)) & _action(Action.ADD, Action.MODIFY))


def _unknown_flag(schema: TickSchema, _: Instruments) -> pl.Expr:
    coded = [column for column in columns_of(schema) if column.letters]
    return pl.any_horizontal([~pl.col(column.name).is_in(list(column.letters)) for column in coded])


def _impossible_statistic(_: TickSchema, __: Instruments) -> pl.Expr:
    is_interest = pl.col("stat_type") == int(StatType.OPEN_INTEREST)
    unknown = ~pl.col("update_action").is_in([int(action) for action in StatUpdate])
    return unknown | (is_interest & (pl.col("quantity") < 0)).fill_null(value=False)


def _impossible_time(schema: TickSchema, _: Instruments) -> pl.Expr:
    event, recv = pl.col("ts_event"), pl.col("ts_recv")
    impossible = pl.any_horizontal([~time.is_between(1, MAX_TS_NS) for time in (event, recv)])
    if schema not in _TICKS:  # reference records are repeated long after their event
        return impossible
    live = (pl.col("flags") & int(RecordFlag.SNAPSHOT)) == 0
    return impossible | (live & ~(event - recv).is_between(-_DAY_NS, _DAY_NS))


def _wrong_instrument(_: TickSchema, instruments: Instruments) -> pl.Expr | None:
    return ~_is_one_of(list(instruments)) if instruments else None


def _is_one_of(ids: list[int]) -> pl.Expr:
    found = pl.col("instrument_id")
    return found == ids[0] if len(ids) == 1 else found.is_in(ids)  # the first is 3 times as fast


def _size_not_positive(schema: TickSchema, _: Instruments) -> pl.Expr:
    orders = (Action.ADD, Action.MODIFY) if schema in _BOOKS else ()  # depth: 0 ends a level
    return (pl.col("size") == 0) & _action(*orders, Action.TRADE, Action.FILL)


def _undefined_price(_: TickSchema, __: Instruments) -> pl.Expr:
    return (pl.col("price") == EMPTY_PRICE) & ~_action(Action.CLEAR, Action.NONE)


def _off_grid_price(schema: TickSchema, instruments: Instruments) -> pl.Expr | None:
    """Return the expression of prices between two ticks; the levels of a book are judged too."""
    levels = [pl.col(c.name) for c in columns_of(schema) if "_px_" in c.name]
    by_tick: dict[int, list[int]] = {}
    for id_, instrument in instruments.items():
        by_tick.setdefault(instrument.tick_size, []).append(id_)
    broken = []
    for tick, ids in by_tick.items():
        # A halt (N) and a clear have no price of their own: what stands there is a code.
        own = _off_grid(pl.col("price"), tick) & ~_action(Action.CLEAR, Action.NONE)
        off = pl.any_horizontal([own, *(_off_grid(level, tick) for level in levels)])
        broken.append(off if len(by_tick) == 1 else _is_one_of(ids) & off)
    return pl.any_horizontal(broken) if broken else None


def _off_grid(price: pl.Expr, tick: int) -> pl.Expr:
    return (price % tick != 0) & (price != EMPTY_PRICE)


def _needs_other_rows(_: TickSchema, __: Instruments) -> None:
    return None


_RULES = (
    RowRule("missing_value", "error", "a value is missing or could not be read",
            frozenset(TickSchema), _missing_value),
    RowRule("unknown_action", "error", "the action is none of A, C, M, R, T, F, N",
            _TICKS, _unknown_action),
    RowRule("unknown_side", "error", "the side is none of B, A, N, or an order has none",
            _TICKS, _unknown_side),
    RowRule("unknown_flag", "error", "a trading flag is none of Y, N, ~",
            frozenset({TickSchema.STATUS}), _unknown_flag),
    RowRule("impossible_statistic", "error", "the update is neither a new figure nor a withdrawal, "
            "or an open interest is below zero", frozenset({TickSchema.STATISTICS}),
            _impossible_statistic),
    RowRule("impossible_time", "error", "a time is undefined, or event and receipt are more "
            "than a day apart outside a snapshot", frozenset(TickSchema), _impossible_time),
    RowRule("wrong_instrument", "error", "the instrument is none of the product's",
            _TICKS | {TickSchema.STATUS}, _wrong_instrument),
    RowRule("size_not_positive", "error", "an order is added or modified to no lots, or none trade",
            _TICKS, _size_not_positive),
    RowRule("undefined_price", "error", "the price is undefined though the action needs one",
            _TICKS, _undefined_price),
    RowRule("off_grid_price", "error", "a price is not a multiple of the instrument's tick",
            _TICKS, _off_grid_price),
    RowRule(_ORDER_RULE, "warning", "the order's add is in quarantine",
            frozenset({TickSchema.MBO}), _needs_other_rows),
)  # fmt: skip
_REASONS = {rule.name: rule.reason for rule in _RULES}


def row_rules(schema: TickSchema | None = None) -> tuple[RowRule, ...]:
    """Return the rules that apply to a schema, all rules by default, in the order of judgement."""
    return _RULES if schema is None else tuple(r for r in _RULES if schema in r.schemas)


def not_applicable(rule: RowRule, schema: TickSchema) -> bool:
    """Return whether no row of this schema can break the rule."""
    return schema not in rule.schemas


def quarantine_schema(schema: TickSchema) -> pl.Schema:
    """Return names and types of the quarantined rows of a schema: theirs, `rule`, `rule_reason`."""
    return pl.Schema({**polars_schema(schema), **{c.name: c.dtype for c in QUARANTINE_COLUMNS}})


@cache
def _no_rows(schema: TickSchema) -> pl.DataFrame:
    return pl.DataFrame(schema=quarantine_schema(schema))


@lru_cache(maxsize=16)  # they take longer to make than most of them to be judged in a batch
def _checks(
    schema: TickSchema, instruments: tuple[tuple[int, Instrument], ...]
) -> Mapping[str, pl.Expr]:
    """Return the expression of each rule that can be judged, by its name."""
    found = ((rule.name, rule.expression(schema, dict(instruments))) for rule in row_rules(schema))
    return {name: broken for name, broken in found if broken is not None}


def apply_row_rules(
    batch: pl.DataFrame, schema: TickSchema, instruments: Instruments, tainted: Tainted
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split a batch of raw ticks into valid and quarantined rows, each in source order.

    Parameters
    ----------
    batch
        A table of `polars_schema(schema)`.
    instruments
        Those of the product, by id; empty where none is known: then neither instrument nor price
        grid is judged.
    tainted
        Orders whose add was quarantined, carried from batch to batch: pass the same dictionary,
        empty at first. It is changed in place. An order leaves it when it is added anew or its
        instrument's book is cleared.

    Returns
    -------
    Valid rows, as they were; quarantined rows with `rule` (the first broken one) and `rule_reason`.
    """
    checks = _checks(schema, tuple(instruments.items()))
    found = batch.select(broken.any().alias(name) for name, broken in checks.items()).row(0)
    hit = [name for name, any_broken in zip(checks, found, strict=True) if any_broken]
    if not hit and not tainted:
        return batch, _no_rows(schema).clone()
    first = pl.coalesce(
        *(pl.when(checks[name]).then(pl.lit(name)) for name in hit), pl.lit(None, dtype=pl.String)
    )
    judged = batch.with_columns(rule=first)
    judged = judged.with_columns(rule_reason=pl.col("rule").replace_strict(_REASONS, default=None))
    if schema is TickSchema.MBO:
        judged = _with_followers(judged, tainted)
    bad = pl.col("rule").is_not_null()
    return judged.filter(~bad).drop("rule", "rule_reason"), judged.filter(bad)


def _with_followers(judged: pl.DataFrame, tainted: Tainted) -> pl.DataFrame:
    """Quarantine the later rows of orders whose add is in quarantine too."""
    bad_adds = judged.filter(pl.col("rule").is_not_null() & _action(Action.ADD))["order_id"]
    carried = pl.Series("order_id", [order for _, order in tainted], dtype=pl.UInt64)
    orders = pl.concat([bad_adds.drop_nulls(), carried]).unique()
    rows = judged.with_row_index("place").filter(
        pl.col("order_id").is_in(orders.implode()) | _action(Action.CLEAR)
    )
    followers: dict[int, str] = {}
    keys = rows.select("place", "instrument_id", "order_id", "action", "rule")
    for place, instrument, order, action, rule in keys.iter_rows():
        if rule is None and (cause := _follow(tainted, instrument, order, action)) is not None:
            followers[place] = cause
        elif rule is not None and action == chr(Action.ADD):
            tainted[instrument, order] = rule
    if not followers:
        return judged
    later = pl.DataFrame(
        {
            "place": list(followers),
            "cause": [f"{_REASONS[_ORDER_RULE]}: {_REASONS[rule]}" for rule in followers.values()],
        },
        schema={"place": judged.with_row_index("place").schema["place"], "cause": pl.String},
    )
    followed = pl.when(pl.col("cause").is_not_null())
    return (
        judged.with_row_index("place")
        .join(later, on="place", how="left", maintain_order="left")
        .with_columns(
            rule=followed.then(pl.lit(_ORDER_RULE)).otherwise("rule"),
            rule_reason=followed.then("cause").otherwise("rule_reason"),
        )
        .drop("place", "cause")
    )


def _follow(tainted: Tainted, instrument: int, order: int, action: str) -> str | None:
    """Return the rule that the order's add broke, if this well-formed row follows such an add."""
    if action == chr(Action.CLEAR):
        for key in [key for key in tainted if key[0] == instrument]:
            del tainted[key]
    elif action == chr(Action.ADD):
        tainted.pop((instrument, order), None)
    elif action in (chr(Action.CANCEL), chr(Action.MODIFY), chr(Action.FILL)):
        return tainted.get((instrument, order))
    return None


def validate_table(ticks: pl.DataFrame, schema: TickSchema) -> None:
    """Hold valid ticks to their Pandera schema; `DataError` gives counts and first rows.

    Goes in slices, so that a failure in every row stays small.
    """
    from pandera.errors import SchemaErrors

    for slice_ in ticks.iter_slices(_SLICE_ROWS):
        try:
            validated_schema(schema).validate(slice_, lazy=True)
        except SchemaErrors as error:
            problems = _problems(ticks, schema) or [str(error)]
            raise DataError(f"{schema} ticks break their schema: {'; '.join(problems)}") from error


def _problems(ticks: pl.DataFrame, schema: TickSchema) -> list[str]:
    """Return a line for each column that is missing, unknown, of a wrong type or out of range."""
    expected = polars_schema(schema)
    if ticks.schema != expected:
        absent = [f"{name} is missing" for name in expected if name not in ticks.schema]
        unknown = [f"{name} is unknown" for name in ticks.schema if name not in expected]
        types = [
            f"{name} is {ticks.schema[name]}, not {dtype}"
            for name, dtype in expected.items()
            if name in ticks.schema and ticks.schema[name] != dtype
        ]
        return [*absent, *unknown, *types] or ["the columns are in another order"]
    broken = {c.name: out_of_range(c) for c in columns_of(schema)}
    marks = ticks.select(expr.alias(name) for name, expr in broken.items())
    return [
        f"{name} is out of range in {mark.sum()} rows, first in row {mark.arg_max()}"
        for name in marks.columns
        if (mark := marks[name]).any()
    ]
