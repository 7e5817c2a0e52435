"""Row rules against one-row-at-a-time judgement, each rule by itself, and the Pandera schema."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.errors import SchemaErrors

from strategy_lab_core.data.checks import (
    Tainted,
    apply_row_rules,
    not_applicable,
    quarantine_schema,
    row_rules,
    validate_table,
)
from strategy_lab_core.data.instruments import Instrument, instruments
from strategy_lab_core.data.schemas import (
    LETTER,
    MAX_TS_NS,
    ColumnSpec,
    pandera_schema,
    polars_schema,
)
from strategy_lab_core.errors import DataError
from strategy_lab_core.types import EMPTY_PRICE, TickSchema
from tests.naive import row_rules as naive

OUTRIGHT, SPREAD = 5, 6
TICK, SPREAD_TICK = 250_000_000, 50_000_000
NOW = 1_735_000_000_000_000_000
DAY = naive.DAY
INSTRUMENTS = instruments({OUTRIGHT: "NQM5", SPREAD: "NQM5-NQU5"})
MBO = TickSchema.MBO
REASONS = {rule.name: rule.reason for rule in row_rules()}


def tick(schema: TickSchema = MBO, **values: object) -> dict[str, object]:
    """Return one well-formed row of `schema`, with some values changed."""
    row: dict[str, object] = {
        name: "N" if dtype == LETTER else "text" if dtype == pl.String else 0
        for name, dtype in polars_schema(schema).items()
    }
    row |= {"ts_recv": NOW + 1000, "ts_event": NOW, "instrument_id": OUTRIGHT}
    if schema not in (TickSchema.STATUS, TickSchema.STATISTICS, TickSchema.DEFINITION):
        row |= {"action": "T", "side": "B", "price": 80_000 * TICK, "size": 2, "flags": 128}
    if schema is MBO:
        row |= {"action": "A", "order_id": 7}
    return row | values


def batch(*rows: dict[str, object], schema: TickSchema = MBO) -> pl.DataFrame:
    """Return a tick table of these rows."""
    return pl.DataFrame(rows, schema=polars_schema(schema), orient="row")


def rules_of(
    *rows: dict[str, object], schema: TickSchema = MBO, tainted: Tainted | None = None
) -> list[str | None]:
    """Return the rule that each row is quarantined for, None where it is valid."""
    numbered = [row | {"row": place} for place, row in enumerate(rows)]
    carried = {} if tainted is None else tainted
    valid, bad = apply_row_rules(batch(*numbered, schema=schema), schema, INSTRUMENTS, carried)
    assert valid.height + bad.height == len(rows)
    found = dict(zip(bad["row"].to_list(), bad["rule"].to_list(), strict=True))
    return [found.get(place) for place in range(len(rows))]


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({}, None),
        ({"price": None}, "missing_value"),
        ({"order_id": None}, "missing_value"),
        ({"action": "Q"}, "unknown_action"),
        ({"action": "\x00"}, "unknown_action"),
        ({"side": "b"}, "unknown_side"),
        ({"side": "N"}, "unknown_side"),
        ({"side": "N", "action": "C"}, None),
        ({"side": "N", "action": "T"}, None),
        ({"ts_event": 0}, "impossible_time"),
        ({"ts_recv": -1}, "impossible_time"),
        ({"ts_recv": MAX_TS_NS + 1, "flags": 40}, "impossible_time"),
        ({"ts_event": NOW + 1000 - DAY}, None),
        ({"ts_event": NOW + 999 - DAY}, "impossible_time"),
        ({"ts_event": NOW + 1001 + DAY}, "impossible_time"),
        ({"ts_event": NOW - 90 * DAY, "flags": 40}, None),  # an old order in a snapshot
        ({"instrument_id": 9}, "wrong_instrument"),
        ({"size": 0}, "size_not_positive"),
        ({"size": 0, "action": "M"}, "size_not_positive"),
        ({"size": 0, "action": "C"}, None),
        ({"price": EMPTY_PRICE}, "undefined_price"),
        ({"price": EMPTY_PRICE, "action": "C"}, "undefined_price"),
        ({"price": EMPTY_PRICE, "action": "R", "side": "N"}, None),
        ({"price": 80_000 * TICK + 1}, "off_grid_price"),
        ({"price": SPREAD_TICK}, "off_grid_price"),
        ({"price": SPREAD_TICK, "instrument_id": SPREAD}, None),
        ({"price": 1, "action": "N", "side": "N"}, None),  # a halt's code
        ({"price": -37 * TICK}, None),  # prices below zero happen
        ({"price": -37 * TICK + 1}, "off_grid_price"),
        ({"price": 1, "size": 0, "side": "?"}, "unknown_side"),  # the first in order of judgement
    ],
)
def test_row_rules__one_row(values: dict[str, object], rule: str | None) -> None:
    """Each rule, and its nearest harmless neighbour."""
    assert rules_of(tick() | values) == [rule]


def test_apply_row_rules__book_levels_are_judged() -> None:
    """An off-grid level quarantines the row, an empty level does not."""
    good = tick(TickSchema.MBP_10, bid_px_09=EMPTY_PRICE, ask_px_00=TICK)
    bad = tick(TickSchema.MBP_10, ask_px_09=TICK + 1)
    assert rules_of(good, bad, schema=TickSchema.MBP_10) == [None, "off_grid_price"]


def test_apply_row_rules__reference_records() -> None:
    """Definitions repeat long after their event; a status of an unknown code is quarantined."""
    late = tick(TickSchema.DEFINITION, ts_event=NOW - 400 * DAY, instrument_id=99)
    assert rules_of(late, schema=TickSchema.DEFINITION) == [None]
    status = [tick(TickSchema.STATUS), tick(TickSchema.STATUS, is_trading="?")]
    assert rules_of(*status, schema=TickSchema.STATUS) == [None, "unknown_flag"]


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"quantity": 3}, None),
        ({"quantity": None, "ts_ref": None, "update_action": 2}, None),
        ({"quantity": -1}, "impossible_statistic"),
        ({"quantity": -1, "stat_type": 6}, None),  # only an open interest can't be below zero
        ({"update_action": 0}, "impossible_statistic"),
        ({"update_action": None}, "missing_value"),
        ({"ts_recv": 0}, "impossible_time"),
        ({"symbol": None}, "missing_value"),
    ],
)
def test_apply_row_rules__statistics(values: dict[str, object], rule: str | None) -> None:
    """Undefined figures are kept; what no figure can be, or nobody can date, is not."""
    row = tick(TickSchema.STATISTICS, stat_type=9, update_action=1) | values
    assert rules_of(row, schema=TickSchema.STATISTICS) == [rule]


def test_apply_row_rules__without_instruments() -> None:
    """Where no instrument is known, neither instrument nor grid can be judged."""
    odd = batch(tick(instrument_id=9, price=1), tick(size=0))
    valid, bad = apply_row_rules(odd, MBO, {}, {})
    assert valid.height == 1
    assert bad["rule"].to_list() == ["size_not_positive"]


def test_apply_row_rules__order_follows_its_add() -> None:
    """Everything about an order whose add is in quarantine goes there too, but not its trades."""
    off = tick(price=1)
    rows = [off, tick(action="M"), tick(action="F"), tick(action="T"), tick(action="C")]
    follower = "order_of_quarantined_add"
    assert rules_of(*rows) == ["off_grid_price", follower, follower, None, follower]
    other = tick(action="C", order_id=8), tick(action="C", instrument_id=SPREAD)
    assert rules_of(off, *other) == ["off_grid_price", None, None]


def test_apply_row_rules__order_starts_anew() -> None:
    """A valid add under the same id, or a clear of the instrument's book, ends it."""
    off, clear = tick(price=1), tick(action="R", side="N", price=EMPTY_PRICE)
    assert rules_of(off, tick(), tick(action="C")) == ["off_grid_price", None, None]
    assert rules_of(off, clear, tick(action="C")) == ["off_grid_price", None, None]
    elsewhere = clear | {"instrument_id": SPREAD}
    assert rules_of(off, elsewhere, tick(action="C"))[2] == "order_of_quarantined_add"


def test_apply_row_rules__order_is_followed_over_batches() -> None:
    """The carried orders and their cause cross the border of a batch."""
    tainted: Tainted = {}
    assert rules_of(tick(size=0), tainted=tainted) == ["size_not_positive"]
    assert tainted == {(OUTRIGHT, 7): "size_not_positive"}
    _, bad = apply_row_rules(batch(tick(action="C")), MBO, INSTRUMENTS, tainted)
    cause = REASONS["size_not_positive"]
    assert bad["rule_reason"].to_list() == [f"the order's add is in quarantine: {cause}"]
    assert rules_of(tick(), tick(action="C"), tainted=tainted) == [None, None]
    assert tainted == {}


def test_apply_row_rules__shape_of_the_result() -> None:
    """Both tables keep their schema, also where nothing is in them."""
    for rows in ([tick()], [tick(size=0)], []):
        valid, bad = apply_row_rules(batch(*rows), MBO, INSTRUMENTS, {})
        assert valid.schema == polars_schema(MBO)
        assert bad.schema == quarantine_schema(MBO)


def test_row_rules__applicability() -> None:
    """A trade has no order life; rules of ticks don't judge definitions."""
    names = {rule.name for rule in row_rules() if not_applicable(rule, TickSchema.TRADES)}
    assert names == {"unknown_flag", "impossible_statistic", "order_of_quarantined_add"}
    kept = [rule.name for rule in row_rules(TickSchema.DEFINITION)]
    assert kept == ["missing_value", "impossible_time"]
    assert all(rule.severity in ("error", "warning") and rule.reason for rule in row_rules())


def rarely(good: st.SearchStrategy[Any], *bad: object) -> st.SearchStrategy[Any]:
    """Return mostly good values."""
    return st.one_of(good, good, good, st.sampled_from([*bad, None]))


MALFORMED = {
    "ts_recv": rarely(st.just(NOW), 0, -1, MAX_TS_NS + 1, NOW + 2 * DAY),
    "ts_event": rarely(st.just(NOW), 0, -1, MAX_TS_NS + 1, NOW - 2 * DAY),
    "instrument_id": rarely(st.sampled_from([OUTRIGHT, SPREAD]), 9),
    "action": rarely(st.sampled_from("ACMRTFN"), "Q", "\xff"),
    "side": rarely(st.sampled_from("BAN"), "b"),
    "price": rarely(st.integers(-5, 5).map(lambda n: n * TICK), 1, SPREAD_TICK, EMPTY_PRICE),
    "size": rarely(st.integers(1, 9), 0),
    "flags": rarely(st.sampled_from([0, 128]), 32, 40, 168),
    "order_id": rarely(st.integers(1, 3), 0),
    "bid_px_00": rarely(st.just(TICK), 1, SPREAD_TICK, EMPTY_PRICE),
    "is_trading": rarely(st.sampled_from("YN~"), "x"),
    "symbol": rarely(st.just("NQM5")),
}


@st.composite
def malformed(draw: st.DrawFn, schema: TickSchema) -> list[dict[str, object]]:
    """Draw rows of a schema with up to three values replaced each."""
    columns = [name for name in polars_schema(schema) if name in MALFORMED]
    if schema is TickSchema.STATUS:
        columns.remove("action")
    rows = []
    for place in range(draw(st.integers(0, 14))):
        chosen = draw(st.lists(st.sampled_from(columns), max_size=3))
        lively = ["action", "order_id"] if schema is MBO else []
        changes = {name: draw(MALFORMED[name]) for name in [*chosen, *lively]}
        rows.append(tick(schema, **changes) | {"row": place})
    return rows


@pytest.mark.parametrize(
    "schema",
    [
        MBO,
        TickSchema.MBP_1,
        TickSchema.TRADES,
        TickSchema.DEPTH,
        TickSchema.STATUS,
        TickSchema.DEFINITION,
    ],
)
@settings(max_examples=settings().max_examples // 2)  # of each schema
@given(data=st.data())
def test_apply_row_rules__agree_with_one_row_at_a_time(
    schema: TickSchema, data: st.DataObject
) -> None:
    """On random malformed rows, cut into batches anywhere: same rules, nothing lost, order kept."""
    rows = data.draw(malformed(schema))
    known: dict[int, Instrument] = data.draw(
        st.sampled_from([INSTRUMENTS, {OUTRIGHT: INSTRUMENTS[OUTRIGHT]}, {}])
    )
    tainted: Tainted = {}
    expected = naive.judge(rows, schema.value, {i: found.tick_size for i, found in known.items()})
    cut = data.draw(st.integers(0, len(rows)))
    valid_rows, bad_rows = [], []
    for part in (rows[:cut], rows[cut:]):
        valid, bad = apply_row_rules(batch(*part, schema=schema), schema, known, tainted)
        valid_rows += valid.rows(named=True)
        bad_rows += bad.rows(named=True)
    assert valid_rows == [r for r, (rule, _) in zip(rows, expected, strict=True) if rule is None]
    found = [(row.pop("rule"), row.pop("rule_reason")) for row in bad_rows]
    assert bad_rows == [r for r, (rule, _) in zip(rows, expected, strict=True) if rule is not None]
    assert found == [
        (rule, REASONS[rule] if cause is None else f"{REASONS[rule]}: {REASONS[cause]}")
        for rule, cause in expected
        if rule is not None
    ]


@pytest.mark.parametrize("schema", [MBO, TickSchema.STATUS])
@settings(max_examples=20)  # a call of Pandera is slow, however small the table
@given(data=st.data())
def test_apply_row_rules__what_is_kept_is_valid(schema: TickSchema, data: st.DataObject) -> None:
    """Rows that no rule breaks satisfy the Pandera schema."""
    rows = batch(*data.draw(malformed(schema)), schema=schema)
    validate_table(apply_row_rules(rows, schema, INSTRUMENTS, {})[0], schema)


@pytest.mark.parametrize(
    ("value", "column"),
    [
        (None, ColumnSpec("x", pl.Int64, "-", "missing")),
        (float("nan"), ColumnSpec("x", pl.Float64, "-", "no number")),
        (-1, ColumnSpec("x", pl.Int64, "-", "too low", 0, None)),
        (2, ColumnSpec("x", pl.Int64, "-", "too high", None, 1)),
        ("C", ColumnSpec("x", LETTER, "-", "no code of it", letters="AB")),
    ],
    ids=lambda given: getattr(given, "meaning", ""),
)
def test_pandera_schema__refuses_what_is_out_of_range(value: object, column: ColumnSpec) -> None:
    """Alone among good values; a nullable column takes what is missing."""
    good = {"Float64": 0.5, "Int64": 1}.get(str(column.dtype), "A")
    table = pl.DataFrame({"x": [good, value, good]}, schema={"x": column.dtype})
    schema = pandera_schema("one", [column])

    schema.validate(table[[0, 2]], lazy=True)
    with pytest.raises(SchemaErrors, match="values in range"):
        schema.validate(table, lazy=True)
    if value is None:
        pandera_schema("one", [replace(column, nullable=True)]).validate(table, lazy=True)


def test_validate_table__counts_and_first_rows() -> None:
    """Every broken column is named, with its count and first row, however many rows break."""
    rows = [tick(), tick(side="X"), tick(side="Y", ts_event=-5), tick(ts_event=-1)]
    with pytest.raises(DataError) as caught:
        validate_table(batch(*rows), MBO)
    assert str(caught.value) == (
        "mbo ticks break their schema: ts_event is out of range in 2 rows, first in row 2; "
        "side is out of range in 2 rows, first in row 1"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.col("price").cast(pl.Float64), "price is Float64, not Int64"),
        (pl.col("price").alias("prize"), "prize is unknown"),
    ],
)
def test_validate_table__columns(change: pl.Expr, message: str) -> None:
    """Wrong types and unknown columns are named."""
    with pytest.raises(DataError, match=message):
        validate_table(batch(tick()).with_columns(change), MBO)


def test_validate_table__absent_and_reordered_columns() -> None:
    """A missing column is named, a changed order too."""
    with pytest.raises(DataError, match="size is missing"):
        validate_table(batch(tick()).drop("size"), MBO)
    with pytest.raises(DataError, match="another order"):
        validate_table(batch(tick()).select(pl.all().reverse(), pl.lit(1)).select(
            reversed(list(polars_schema(MBO)))), MBO)  # fmt: skip
