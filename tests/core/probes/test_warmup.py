"""The warm-up finder: what forgets is found to, and when; what never does is told so."""

import numpy as np
import pytest

from strategy_lab_core.data.columns import Table, column
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.probes.warmup import find_warmup
from tests.core.engine.scenes import QUICK
from tests.core.engine.tapes import MNQ, SECOND, START_NS, random_rows, session_until, to_table
from tests.core.probes.actors import bidder, follower

HOURS = session_until(START_NS + 10**12)


def ticks(n_events: int = 500) -> Table:
    """Return a tame random session of half a minute."""
    return to_table(random_rows(9, n_events, wild=False))


def test_warmup__of_what_forgets_is_short() -> None:
    """Windows of a second: the one in which it starts is lost, the next but one is as ever."""
    found = find_warmup(ticks(), follower, QUICK, starts=4, session=HOURS, instrument=MNQ)

    assert len(found.starts) == 4
    assert found.seconds is not None
    assert found.rows is not None
    assert 0 < found.seconds < 4
    assert 0 < found.rows < 200
    assert found.seconds == max(start.seconds or 0 for start in found.starts)
    assert found.verdict == f"{found.seconds:.3f} s, {found.rows} rows"
    assert all(start.agreed > 0 for start in found.starts)


def test_warmup__of_what_keeps_its_first_book_is_never() -> None:
    """A size that was taken from the first book stays another one until the end."""
    keeps = follower(forgets=False)

    found = find_warmup(ticks(), keeps, QUICK, starts=4, session=HOURS, instrument=MNQ)

    assert found.verdict == "never"
    assert found.seconds is None
    assert any(start.seconds is None and start.agreed == 0 for start in found.starts)


def test_warmup__of_what_needs_no_past_is_nothing() -> None:
    """An order at a given time is the same from every start before it, the book being there."""
    found = find_warmup(
        ticks(), bidder(at_ms=20_000, tick=990), QUICK, starts=[START_NS + 5 * SECOND],
        session=HOURS, instrument=MNQ,
    )  # fmt: skip

    (start,) = found.starts
    assert (start.seconds, start.rows, start.agreed, start.orders) == (0.0, 0, 1, 1)


def test_warmup__without_an_order_is_open() -> None:
    """Nothing compared is no proof."""
    found = find_warmup(ticks(100), bidder, QUICK, starts=2, session=HOURS, instrument=MNQ)

    assert found.verdict == "can't tell"
    assert found.table()["orders"].to_list() == [0, 0]


def test_warmup__a_start_in_an_untrusted_stretch_moves_on() -> None:
    """There is no book to begin with: it begins at the next event that has one."""
    rows = ticks(200)
    states = column(rows, "book_state")
    states[100:140] = 2
    rows = rows.with_columns(book_state=states)
    wanted = int(column(rows, "ts_event")[110])

    (start,) = find_warmup(
        rows, follower, QUICK, starts=[wanted], session=HOURS, instrument=MNQ
    ).starts

    assert start.ts > int(column(rows, "ts_event")[139])


def test_starts__outside_the_rows_are_refused() -> None:
    """And none at all."""
    rows = ticks(50)
    last = int(np.max(column(rows, "ts_event")))
    for starts in ([START_NS - 1], [last + 1], []):
        with pytest.raises(ConfigError, match=r"starts must be moments in \("):
            find_warmup(rows, follower, QUICK, starts=starts, session=HOURS, instrument=MNQ)
    with pytest.raises(ConfigError, match="starts must be at least 1, got 0"):
        find_warmup(rows, follower, QUICK, starts=0, session=HOURS, instrument=MNQ)
