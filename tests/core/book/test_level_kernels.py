"""Feeds by price: what windows differ in says what they show, row by row."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.book.l2 import read_levels
from strategy_lab_core.book.l3 import L3Book
from strategy_lab_core.data.columns import Table, column
from strategy_lab_core.data.ticks import read_ticks
from strategy_lab_core.engine.level_tape import tape_rows
from strategy_lab_core.types import EMPTY_PRICE, Action, Side
from tests.core.engine.level_tapes import window_table
from tests.naive.book import LAST
from tests.naive.level_engine import Window
from tests.naive.tape import Row


def _random_windows(seed: int, n_records: int, depth: int) -> list[Window]:
    """Return records of which each shows the best levels of a book that changes at random."""
    roll = random.Random(seed)
    sizes: dict[tuple[str, int], int] = {}
    made = []
    for number in range(n_records):
        for _ in range(roll.randint(0, 3)):
            side = roll.choice("BA")
            price = roll.randint(1, 8) if side == "B" else roll.randint(9, 16)
            sizes[side, price] = roll.choice([0, 0, roll.randint(1, 9)])
        shown = {
            side: sorted(
                [(price, size) for (s, price), size in sizes.items() if s == side and size],
                reverse=side == "B",
            )[:depth]
            for side in "BA"
        }
        base = Row(roll.choice("ACT"), roll.choice("BA"), roll.randint(1, 16), 2, flags=LAST)
        base.ts_recv = base.ts_event = number + 1
        made.append(Window(**vars(base), bids=shown["B"], asks=shown["A"]))
    return made


def _assert_rebuilds(ticks: Table, depth: int) -> None:
    """Apply the changes to a dict of sizes: after each record the window shows it, no more."""
    book = L3Book()
    rows, record, window = tape_rows(ticks, book)
    assert window == depth
    levels = read_levels(ticks, depth)
    sizes: dict[tuple[int, int], int] = {}
    trades = []
    place = 0
    for number in range(len(ticks)):
        while place < len(record) and record[place] == number:
            side, level = int(rows.side[place]), int(rows.level[place])
            if rows.action[place] == Action.TRADE:
                trades.append(number)
            elif rows.action[place] != Action.NONE:
                assert sizes.get((side, level), 0) != rows.size[place], "a change changes something"
                sizes[side, level] = int(rows.size[place])
            place += 1
        for first, side in ((0, Side.BID), (depth, Side.ASK)):
            shown = {
                (int(levels.prices[number, cell]), int(levels.sizes[number, cell]))
                for cell in range(first, first + depth)
                if levels.prices[number, cell] != EMPTY_PRICE
            }
            have = {
                (int(book.grid.prices[level]), size)
                for (s, level), size in sizes.items()
                if s == side and size
            }
            assert have == shown
    assert trades == np.flatnonzero(column(ticks, "action") == Action.TRADE).tolist()


@given(seed=st.integers(0, 10**6), n_records=st.integers(1, 40), depth=st.integers(1, 4))
def test_changes__rebuild_every_window(seed: int, n_records: int, depth: int) -> None:
    """Nothing is left over of what a window no longer shows; each trade is told once."""
    _assert_rebuilds(window_table(_random_windows(seed, n_records, depth), depth), depth)


def test_changes__say_what_is_known() -> None:
    """A level behind a full window comes into view (A) and goes (C); a gone one has 0 lots (M)."""
    full = {"bids": [(8, 1), (7, 1)], "asks": []}
    lower = {"bids": [(7, 1), (6, 4)], "asks": []}
    short = {"bids": [(7, 1)], "asks": []}
    shown = [full, lower, full, short, lower]
    ticks = window_table([Window("A", flags=LAST, **each) for each in shown], 2)  # type: ignore[arg-type]

    rows, record, _ = tape_rows(ticks, L3Book())

    told = [
        (int(at), chr(action), 6 + int(level), int(size))
        for at, action, level, size in zip(record, rows.action, rows.level, rows.size, strict=True)
    ]
    assert told == [
        (0, "A", 8, 1), (0, "A", 7, 1),
        (1, "M", 8, 0), (1, "A", 6, 4),
        (2, "M", 8, 1), (2, "C", 6, 0),
        (3, "M", 8, 0),
        (4, "M", 6, 4),
    ]  # fmt: skip


@pytest.mark.real_data
def test_changes__rebuild_the_vendors_windows(real_data: Path) -> None:
    """3,928 published ten-level books of a whole day."""
    ticks = read_ticks(real_data / "nasdaq_arl_mbo_mbp10" / "mbp.csv")
    assert len(ticks) == 3_928

    _assert_rebuilds(ticks, 10)
