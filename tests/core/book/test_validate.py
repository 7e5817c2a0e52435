"""Validation splits a table without losing a row, in any batches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.book.rules import StateRule
from strategy_lab_core.book.validate import Validator, schema_of, validate
from strategy_lab_core.data.columns import column, concat
from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.errors import DataError
from strategy_lab_core.types import TickSchema
from tests.core.book.tapes import LONGEST, tapes, to_table
from tests.naive.book import LAST, SNAPSHOT, Record


@given(tape=tapes(), cuts=st.lists(st.integers(0, 2 * LONGEST), max_size=3))
def test_validate__every_row_once_in_any_batches(tape: list[Record], cuts: list[int]) -> None:
    """Raw = valid + quarantined by row number; batches change neither split, rules nor states."""
    ticks = to_table(tape)
    whole = validate(ticks)

    validator = Validator(TickSchema.MBO)
    parts = [validator.feed(ticks[p]) for p in np.split(np.arange(len(tape)), sorted(cuts))]
    valid, bad = (concat([part[which] for part in parts]) for which in (0, 1))

    rows = np.concatenate((column(valid, "row"), column(bad, "row")))
    assert np.sort(rows).tolist() == list(range(len(tape)))
    assert valid.equals(whole.valid)
    assert bad.equals(whole.quarantined)
    assert validator.finish().equals(whole.intervals)


def test_validate__a_lost_cancel_makes_the_book_unreliable() -> None:
    """A row in quarantine that may have changed the book marks what follows, up to a snapshot."""
    tape = [
        Record("R", ts_recv=10),
        Record("A", "B", 100, 2, 1, LAST, 20),
        Record("X", "B", 100, 2, 1, LAST, 30),
        Record("A", "B", 99, 2, 2, LAST, 40),
        Record("A", "B", 99, 2, 2, SNAPSHOT, 50),
        Record("A", "B", 98, 2, 3, LAST, 60),
    ]

    found = validate(to_table(tape))

    assert column(found.quarantined, "row").tolist() == [2]
    assert column(found.valid, "book_state").tolist() == [0, 0, 2, 0, 0]
    assert found.counts == {"unknown_action": 1, "lost_change": 1}
    assert found.intervals.rows() == [(7, 40, 50, "lost_change", 1)]


def test_validate__a_lost_row_at_the_end_of_a_batch_marks_the_next() -> None:
    """The border between batches hides nothing."""
    tape = [Record("R", ts_recv=10), Record("X", "B", 100, 2, 1, LAST, 30)]
    validator = Validator(TickSchema.MBO)
    validator.feed(to_table(tape))

    valid, _ = validator.feed(to_table([Record("A", "B", 99, 2, 2, LAST, 40)]))

    assert column(valid, "state_rules").tolist() == [StateRule.LOST_CHANGE]


def test_validate__trades_have_no_states() -> None:
    """A schema without a book has no columns of state and no intervals."""
    empty = polars_schema(TickSchema.TRADES).to_frame()

    found = validate(empty)

    assert "book_state" not in found.valid.columns
    assert len(found.intervals) == 0


@pytest.mark.parametrize("schema", [s for s in TickSchema if s is not TickSchema.TBBO])
def test_schema_of__is_known_by_the_columns(schema: TickSchema) -> None:
    """Each schema's own columns lead to it; tbbo has those of mbp-1."""
    assert schema_of(polars_schema(schema).to_frame()) is schema


def test_schema_of__refuses_other_tables() -> None:
    """The message lists the columns."""
    with pytest.raises(DataError, match="no tick schema: ts_recv"):
        schema_of(to_table([]).select("ts_recv"))
