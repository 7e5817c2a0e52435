"""Probes on feeds by price: levels in place of orders, the same answers."""

import numpy as np
import pytest

from strategy_lab_core.data.calendar import phase_intervals
from strategy_lab_core.data.columns import Table, column
from strategy_lab_core.engine.config import LatencyConfig
from strategy_lab_core.engine.tape import session_tape
from strategy_lab_core.probes.begun import begun_at
from strategy_lab_core.probes.lookahead import REMOVED, REPLACED, find_lookahead
from strategy_lab_core.probes.noise import with_noise
from strategy_lab_core.probes.times import row_times
from strategy_lab_core.probes.warmup import find_warmup
from strategy_lab_core.strategies.strategy import Strategy
from strategy_lab_core.types import EMPTY_PRICE, Action
from tests.core.engine.level_tapes import feed_of
from tests.core.engine.scenes import QUICK
from tests.core.engine.tapes import MNQ, SECOND, START_NS, TICK, random_rows, session_until
from tests.core.probes.actors import bidder, follower

HOURS = session_until(START_NS + 10**12)
FEEDS = ("mbp-10", "mbp-1", "tbbo", "differences")
LATENCY = LatencyConfig(feed_offset_ns=700_000)


def ticks(feed: str, n_events: int = 400) -> Table:
    """Return a tame random session of half a minute as a feed shows it."""
    table: Table = feed_of(random_rows(9, n_events, wild=False), feed, 3)[0]
    return table


def heavy(known: Table) -> Strategy:
    """Bid once, with lots from a sum over all rows."""
    lots = 1 + int(column(known, "size").sum()) % 97
    return bidder(at_ms=4_000, tick=900, lots=lots)


@pytest.mark.parametrize("feed", FEEDS)
def test_row_times__are_those_of_the_engine_s_tape(feed: str) -> None:
    """Event for event; a record can be many rows of the tape, or none."""
    rows = ticks(feed)
    session = session_until(START_NS + 10**12)
    tape = session_tape(rows, session, phase_intervals(session), tick_size=TICK, latency=LATENCY)

    found = row_times(rows, MNQ, LATENCY)

    pairs = {*zip(found.exchange_ns.tolist(), found.local_ns.tolist(), strict=True)}
    assert pairs >= {*zip(tape.tape.event_ns.tolist(), tape.tape.local_ns.tolist(), strict=True)}
    assert found.repair_ns == {7: tape.repair_ns}


@pytest.mark.parametrize("feed", FEEDS)
def test_alarm__is_never_false(feed: str) -> None:
    """A strategy that is made from nothing has nothing that comes later."""
    found = find_lookahead(
        ticks(feed), follower, QUICK, session=HOURS, instrument=MNQ, moments=4,
        repair_is_known=True,
    )  # fmt: skip

    assert found.verdict == "no leak found"


@pytest.mark.parametrize("feed", FEEDS)
def test_normalised__over_the_whole_session_is_found_by_both_tests(feed: str) -> None:
    """The sum is another one without the later rows, and with random ones."""
    found = find_lookahead(
        ticks(feed), None, QUICK, session=HOURS, instrument=MNQ, make_strategy=heavy, moments=6
    )

    assert {leak.test for leak in found.leaks} == {REMOVED, REPLACED}


@pytest.mark.parametrize("feed", FEEDS)
def test_warmup__of_what_forgets_is_short(feed: str) -> None:
    """As on a feed of orders; what keeps its first book never warms up."""
    rows = ticks(feed, 500)
    found = find_warmup(rows, follower, QUICK, starts=3, session=HOURS, instrument=MNQ)
    keeps = find_warmup(
        rows, follower(forgets=False), QUICK, starts=3, session=HOURS, instrument=MNQ
    )

    assert found.seconds is not None
    assert 0 <= found.seconds < 6
    assert all(start.agreed > 0 for start in found.starts)
    assert keeps.verdict == "never"


@pytest.mark.parametrize("feed", FEEDS)
def test_warmup__of_what_needs_no_past_is_nothing(feed: str) -> None:
    """The book is there from the first moment of a later start."""
    (start,) = find_warmup(
        ticks(feed, 500), bidder(at_ms=20_000, tick=990), QUICK, starts=[START_NS + 5 * SECOND],
        session=HOURS, instrument=MNQ,
    ).starts  # fmt: skip

    assert (start.seconds, start.rows, start.agreed, start.orders) == (0.0, 0, 1, 1)


@pytest.mark.parametrize("first", [0, 1, 137, 400])
def test_begun_at__has_the_levels_that_all_rows_before_leave(first: int) -> None:
    """A dictionary of sizes, cleared where the book is."""
    rows = ticks("differences")
    moment = int(column(rows, "ts_event")[first])
    sizes: dict[tuple[str, int], int] = {}
    for action, side, price, size in rows[:first].select("action", "side", "price", "size").rows():
        if action == "R":
            sizes.clear()
        elif action == "M":
            sizes[side, price] = size

    begun, seed = begun_at(rows, first, moment, None)

    snapshot = begun[: len(begun) - (len(rows) - first)]
    levels = {(side, price): size for side, price, size in
              snapshot.select("side", "price", "size").rows()}  # fmt: skip
    assert levels == {place: size for place, size in sizes.items() if size}
    assert set(snapshot["ts_recv"]) <= {moment}
    assert seed is None


@pytest.mark.parametrize("feed", FEEDS)
def test_noise__changes_unknown_rows_alone(feed: str) -> None:
    """Levels lie around the random price, bids below asks; trades of tbbo stay trades."""
    rows = ticks(feed)
    is_unknown = np.arange(len(rows)) >= len(rows) // 2

    drawn = with_noise(rows, is_unknown, np.random.default_rng(1))

    assert drawn.schema == rows.schema
    assert drawn.filter(~is_unknown).equals(rows.filter(~is_unknown))
    late = drawn.filter(is_unknown)
    assert not late["size"].equals(rows.filter(is_unknown)["size"])
    if feed == "tbbo":
        assert set(column(late, "action")) == {Action.TRADE}
    if "bid_px_00" in late.columns:
        bids, asks = column(late, "bid_px_00"), column(late, "ask_px_00")
        assert (bids < asks).all()
        assert not (bids == EMPTY_PRICE).any()
