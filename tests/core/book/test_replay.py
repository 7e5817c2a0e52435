"""Wide books against the naive book, and their stored form."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strategy_lab_core.book.changes import BookWriter, expand
from strategy_lab_core.book.replay import level_names, replay
from strategy_lab_core.data.columns import Table, concat
from strategy_lab_core.data.ticks import read_ticks
from strategy_lab_core.errors import ConfigError, DataError
from tests.core.book.tapes import tapes, to_table
from tests.naive.book import LAST, NaiveBook, Record

ROWS = ("events", "records")


def naive_books(tape: list[Record], *, depth: int, every: bool) -> list[list[int | None]]:
    """Return sequence and levels of each expected row, in the order of `level_names`."""
    book, found = NaiveBook(), []
    for number, record in enumerate(tape):
        book.apply(record)
        if every or record.flags & LAST:
            found.append([number, *naive_levels(book, depth)])
    return found


def naive_levels(book: NaiveBook, depth: int) -> list[int | None]:
    """Return price, size and orders of bid and ask, level by level."""
    sides = [(book.levels(side) + [(None, 0, 0)] * depth)[:depth] for side in "BA"]
    return [side[level][what] for level in range(depth) for what in range(3) for side in sides]


@given(tape=tapes(), depth=st.integers(1, 4), rows=st.sampled_from(ROWS))
@example(tape=[Record("A", price=None, ts_recv=1_000)], depth=2, rows="records")  # no level at all
def test_replay__agrees_with_the_naive_book(tape: list[Record], depth: int, rows: str) -> None:
    """Every row, in order, with its levels."""
    found = replay(to_table(tape), depth=depth, rows=rows)  # type: ignore[arg-type]

    levels = found.select("sequence", *level_names(depth))
    assert [list(row) for row in levels.rows()] == naive_books(
        tape, depth=depth, every=rows == "records"
    )


@given(first=tapes(20), second=tapes(20), rows=st.sampled_from(ROWS), data=st.data())
def test_replay__keeps_instruments_apart(
    first: list[Record], second: list[Record], rows: str, data: st.DataObject
) -> None:
    """Two instruments mixed give each its own rows, in the order of the ticks."""
    each = [to_table(first, instrument_id=1), to_table(second, instrument_id=2)]
    order = data.draw(st.permutations([0] * len(first) + [1] * len(second)))
    places = [np.flatnonzero(np.array(order) == which) for which in (0, 1)]
    mixed = concat(each)[np.argsort(np.concatenate(places).astype(np.int64))]

    found = replay(mixed, depth=2, rows=rows)  # type: ignore[arg-type]

    alone = [replay(ticks, depth=2, rows=rows) for ticks in each]  # type: ignore[arg-type]
    ids = found["instrument_id"].to_numpy()
    assert found[np.flatnonzero(ids == 1)].equals(alone[0])
    assert found[np.flatnonzero(ids == 2)].equals(alone[1])
    ends = [i for i, record in zip(order, _in_order(order, first, second), strict=True)
            if rows == "records" or record.flags & LAST]  # fmt: skip
    assert ids.tolist() == [i + 1 for i in ends]


def _in_order(order: list[int], *tapes: list[Record]) -> list[Record]:
    records = [iter(tape) for tape in tapes]
    return [next(records[which]) for which in order]


def stored(ticks: Table, cuts: list[int], *, depth: int, full_every: int) -> tuple[Table, Table]:
    """Return the stored form, written in batches."""
    writer = BookWriter(7, depth=depth, full_every=full_every)
    parts = np.split(np.arange(len(ticks)), sorted(cuts))
    written = [writer.feed(ticks[part]) for part in parts]
    return concat([bbo for bbo, _ in written]), concat([levels for _, levels in written])


@given(
    tape=tapes(),
    cuts=st.lists(st.integers(0, 60), max_size=3),
    depth=st.integers(1, 4),
    full_every=st.integers(1, 7),
    data=st.data(),
)
def test_expand__is_the_replay_from_any_full_book(
    tape: list[Record], cuts: list[int], depth: int, full_every: int, data: st.DataObject
) -> None:
    """Stored changes give back every wide row, begun at any full book."""
    wide = replay(to_table(tape), depth=depth)

    bbo, levels = stored(to_table(tape), cuts, depth=depth, full_every=full_every)
    begin = data.draw(st.sampled_from(range(0, max(len(wide), 1), full_every)))

    assert expand(bbo, levels, depth=depth).equals(wide)
    assert expand(bbo[begin:], levels, depth=depth).equals(wide[begin:])


def test_expand__refuses_to_begin_between_full_books() -> None:
    """Without a full book the levels would be a guess."""
    tape = [Record("A", "B", 100 + i, 1, i, LAST, 5) for i in range(3)]
    bbo, levels = stored(to_table(tape), [], depth=2, full_every=10)

    with pytest.raises(DataError, match="event 1 has no full book"):
        expand(bbo[1:], levels, depth=2)


def test_changes__only_what_changed() -> None:
    """Of two levels the one that grew is written, after the first full book."""
    tape = [
        Record("R", ts_recv=1),
        Record("A", "B", 100, 1, 1, LAST, 5),
        Record("A", "A", 101, 2, 2, LAST, 5),
        Record("A", "B", 100, 4, 3, LAST, 5),
        Record("C", "A", 101, 2, 2, LAST, 5),
    ]

    _, levels = stored(to_table(tape), [], depth=2, full_every=10)

    assert levels.rows() == [
        (0, "B", 100, 1, 1),
        (1, "A", 101, 2, 1),
        (2, "B", 100, 5, 2),
        (3, "A", 101, 0, 0),
    ]


def test_replay__marks_what_follows_an_unseeded_beginning() -> None:
    """Unseeded until the clear, unreliable after a cancel of an unknown order."""
    tape = [
        Record("A", "B", 100, 1, 1, LAST, 5),
        Record("R", "N", None, 0, 0, LAST, 6),
        Record("C", "B", 100, 1, 9, LAST, 7),
    ]

    assert replay(to_table(tape))["book_state"].to_list() == [1, 0, 2]


def test_replay__seed_is_the_book_before_the_first_tick() -> None:
    """With a seed the first event stands on the seeded orders."""
    seed = to_table([Record("A", "B", 99, 3, 8, 0x20, 1)])
    tape = [Record("A", "B", 100, 1, 1, LAST, 5)]

    found = replay(to_table(tape), depth=2, seed=seed)

    assert found.select("bid_px_00", "bid_px_01", "book_state").rows() == [(100, 99, 0)]


def test_replay__no_ticks_give_the_columns() -> None:
    """An empty table has all columns and no rows."""
    assert replay(to_table([]), depth=1).columns[-6:] == level_names(1)


@pytest.mark.parametrize("setting", [{"depth": 0}, {"rows": "all"}], ids=["depth", "rows"])
def test_replay__names_the_bad_setting(setting: dict[str, object]) -> None:
    """The message names the parameter."""
    with pytest.raises(ConfigError, match=next(iter(setting))):
        replay(to_table([]), **setting)  # type: ignore[arg-type]


def test_replay__trades_hold_no_book() -> None:
    """The message says which schemas do."""
    trades = to_table([Record("T", "B", 100, 1)]).drop("order_id")

    with pytest.raises(DataError, match="it takes the schema mbo, mbp-10, mbp-1 or tbbo"):
        replay(trades)


@pytest.mark.real_data
@pytest.mark.parametrize(("rows", "found"), [("records", 3_928), ("events", 3_387)])
def test_replay__finds_the_published_books_of_arl(real_data: Path, rows: str, found: int) -> None:
    """The vendor's ten levels are found field by field, in order, by sequence."""
    folder = real_data / "nasdaq_arl_mbo_mbp10"
    columns = ["sequence", *level_names(10)]
    books: dict[int, list[tuple[int, ...]]] = {}
    for book in replay(read_ticks(folder / "mbo.csv"), rows=rows).select(columns).rows():  # type: ignore[arg-type]
        books.setdefault(book[0], []).append(book)
    published = read_ticks(folder / "mbp.csv")

    matched = 0
    for book in replay(published, rows="records").select(columns).rows():
        same = books.get(book[0], [])
        if book in same:
            del same[: same.index(book)]
            matched += 1

    assert len(published) == 3_928
    assert matched == found


@pytest.mark.real_data
def test_replay__mbp1_restates_one_level(real_data: Path) -> None:
    """A feed with one level gives one level, whatever depth is asked."""
    (path,) = (real_data / "cme_es_small").glob("futures_mbp-1_*")

    found = replay(read_ticks(path), depth=10)

    assert found.columns[-6:] == level_names(1)
    assert set(found["book_state"].to_list()) == {0}
