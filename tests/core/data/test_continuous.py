"""Continuous series: adjusted by exact figures, and back to the raw prices bit by bit."""

from datetime import date
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data.continuous import Adjustment, continuous, raw_prices, segments
from strategy_lab_core.data.roll_schemas import roll_schema
from strategy_lab_core.data.rolls import Rolls
from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.types import EMPTY_PRICE

TICK = 250_000_000
DAYS = [date(2025, 1, day) for day in range(1, 31)]


def rolls_of(changes: list[tuple[int, str, tuple[int, int] | None]]) -> Rolls:
    """Return decisions with rolls on these days to these contracts, and mids in half ticks."""
    rows, old = [], None
    for place, symbol, mids in changes:
        row: dict[str, Any] = dict.fromkeys(roll_schema("rolls"))
        row |= {"session": DAYS[place], "from_symbol": old, "to_symbol": symbol}
        if mids is not None and old is not None:
            from_mid, to_mid = mids
            gap = round(Fraction(to_mid - from_mid, 2))
            row |= {"from_mid": from_mid, "to_mid": to_mid, "gap_ticks": gap}
        rows.append(row)
        old = symbol
    starts = [place for place, _, _ in changes] + [len(DAYS)]
    contracts = [
        {"session": DAYS[day], "symbol": symbol}
        for (first, symbol, _), after in zip(changes, starts[1:], strict=True)
        for day in range(first, after)
    ]
    return Rolls(
        pl.DataFrame(contracts, schema_overrides={"session": pl.Date}),
        pl.DataFrame(rows, schema=roll_schema("rolls")),
    )


THREE = rolls_of([(0, "A", None), (10, "B", (40_000, 40_403)), (20, "C", (40_400, 40_000))])


def prices_of(rows: list[tuple[int, str, int | None]]) -> pl.DataFrame:
    """Return rows of (day, symbol, price in ticks)."""
    return pl.DataFrame(
        [(DAYS[day], symbol, None if ticks is None else ticks * TICK)
         for day, symbol, ticks in rows],
        schema={"session": pl.Date, "symbol": pl.String, "price": pl.Int64}, orient="row",
    )  # fmt: skip


def test_segments__add_up_the_later_rolls() -> None:
    """Gaps of 201.5 ticks, to the even 202, and of -200; ratios as exact fractions."""
    found = segments(THREE.rolls)
    assert [(each.symbol, each.ticks) for each in found] == [("A", 2), ("B", -200), ("C", 0)]
    assert found[0].ratio == Fraction(40_403, 40_000) * Fraction(40_000, 40_400)
    assert found[1].ratio == Fraction(40_000, 40_400)
    as_of = segments(THREE.rolls, DAYS[15])
    assert [(each.symbol, each.ticks) for each in as_of] == [("A", 202), ("B", 0)]


def test_continuous__takes_the_traded_contract_and_adjusts_it() -> None:
    """Rows of other contracts are left out, the order is kept, empty prices stay empty."""
    raw = prices_of([(0, "A", 20_000), (0, "B", 1), (10, "B", 20_201), (11, "B", None)])
    raw = raw.vstack(pl.DataFrame([(DAYS[25], "C", EMPTY_PRICE)], schema=raw.schema, orient="row"))
    kept = raw.filter(pl.col("price") != TICK, pl.col("price").is_not_null())
    series = continuous(raw, THREE, adjustment="difference", tick_size=TICK)
    assert series["symbol"].to_list() == ["A", "B", "B", "C"]
    assert series["price"].to_list() == [20_002 * TICK, 20_001 * TICK, None, EMPTY_PRICE]
    ratio = continuous(kept, THREE, adjustment="ratio", tick_size=TICK)["price"].to_list()
    assert ratio[0] == round(Fraction(20_000 * TICK * 40_403, 40_400))
    assert continuous(raw, THREE, tick_size=TICK).height == 4
    as_of = continuous(raw, THREE, adjustment="difference", tick_size=TICK, as_of=DAYS[15])
    assert as_of["price"].to_list() == [20_202 * TICK, 20_201 * TICK, None]


@st.composite
def chains(draw: st.DrawFn) -> Rolls:
    """Draw a few rolls with any gaps."""
    places = draw(st.lists(st.integers(1, 29), unique=True, max_size=5).map(sorted))
    mids = st.integers(20_000, 60_000)
    changes = [(place, f"C{place}", (draw(mids), draw(mids))) for place in places]
    return rolls_of([(0, "C0", None), *changes])


@given(
    chains(),
    st.lists(st.tuples(st.integers(0, 29), st.integers(1, 10**6)), max_size=30),
    st.sampled_from(["unadjusted", "difference", "ratio"]),
    st.one_of(st.none(), st.integers(0, 29)),
)
def test_continuous__comes_back_bit_by_bit(
    rolls: Rolls, ticks: list[tuple[int, int]], kind: Adjustment, known: int | None
) -> None:
    """Whatever the rolls were, raw prices on the tick grid come back from each series."""
    traded = dict(rolls.contracts.rows())
    raw = prices_of([(day, traded[DAYS[day]], price) for day, price in ticks])
    as_of = None if known is None else DAYS[known]
    options: dict[str, Any] = {"adjustment": kind, "tick_size": TICK, "as_of": as_of}
    series = continuous(raw, rolls, **options)
    back = raw_prices(series, rolls, **options)
    expected = raw if as_of is None else raw.filter(pl.col("session") <= as_of)
    assert back.equals(expected)


@given(chains(), st.integers(0, 28))
def test_continuous__difference_keeps_changes_of_price(rolls: Rolls, day: int) -> None:
    """Inside a contract every move is the raw one."""
    traded = dict(rolls.contracts.rows())
    symbol = traded[DAYS[day]]
    assert symbol is not None
    raw = prices_of([(day, symbol, 20_000), (day, symbol, 20_007)])
    series = continuous(raw, rolls, adjustment="difference", tick_size=TICK)
    assert series["price"].diff()[1] == 7 * TICK


@pytest.mark.parametrize(
    ("price", "kind", "said"),
    [
        (-5 * TICK, "ratio", "prices that are not positive"),
        (5 * TICK + 1, "ratio", "off the tick grid"),
    ],
)
def test_ratio__refuses_what_it_could_not_give_back(
    price: int, kind: Adjustment, said: str
) -> None:
    """By contract and price; differences take them."""
    raw = pl.DataFrame({"session": [DAYS[0]], "symbol": ["A"], "price": [price]})
    with pytest.raises(DataError, match=said):
        continuous(raw, THREE, adjustment=kind, tick_size=TICK)
    moved = continuous(raw, THREE, adjustment="difference", tick_size=TICK)
    assert moved["price"].item() == price + 2 * TICK


def test_continuous__refuses_a_roll_without_a_gap() -> None:
    """Named, with what can be done; the unadjusted series needs none."""
    rolls = rolls_of([(0, "A", None), (10, "B", None)])
    raw = prices_of([(0, "A", 20_000)])
    with pytest.raises(DataError, match="the roll to B on 2025-01-11 has no gap"):
        continuous(raw, rolls, adjustment="difference", tick_size=TICK)
    assert continuous(raw, rolls, tick_size=TICK).height == 1
    with pytest.raises(ConfigError, match="adjustment must be one of unadjusted"):
        continuous(raw, rolls, adjustment="backwards", tick_size=TICK)  # type: ignore[arg-type]
