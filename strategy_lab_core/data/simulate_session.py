"""One simulated session of one contract: the kernels' rows with prices, times and numbers.

What is alive at its end is carried into the next session. Sessions in a row, and the files they
are written to, are in `simulate`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from strategy_lab_core.data.dbn_writer import Records, utc_date
from strategy_lab_core.data.simulate_kernels import (
    DRAWS,
    carry_in,
    play_open,
    play_pre_open,
    purge_day_orders,
)
from strategy_lab_core.data.simulate_market import (
    LEVELS,
    NO_RANK,
    ORDER,
    QUEUE,
    ROW,
    SIDE,
    Market,
)
from strategy_lab_core.data.simulate_matching import play_auction
from strategy_lab_core.data.simulate_tape import live_orders, new_tape, snapshot
from strategy_lab_core.data.simulate_times import (
    Window,
    open_times,
    pre_open_times,
    receive_times,
    sequences,
)
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.types import NS_PER_SECOND, Action, Int1D, RecordFlag, Side

__all__ = ["MIN_EVENTS", "SessionTape", "Window", "play_sessions"]

MIN_EVENTS = 200  # of a session

_TICK = 250_000_000  # 0.25 index points in 1e-9
_START_TICK = 84_000  # 21,000 index points
_FIRST_ORDER_ID = 6_412_777_000_000
_PURGE_NS = 1_000_000  # before the close
_GTC_A_SIDE = 60  # orders from the days before
_DAY_NS = 86_400 * NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class SessionTape:
    """One simulated session: its first `seeds` rows are orders from before it."""

    session: Window
    seeds: int
    tape: Records

    @property
    def rows(self) -> Records:
        """The session's own rows."""
        return self.tape[self.seeds :]

    def days(self) -> Iterator[tuple[date, Records, Records]]:
        """Yield each UTC day of its rows, the vendor's snapshot at its midnight, and the rows."""
        stamps = self.tape["ts_recv"]
        day = int(stamps[self.seeds]) // _DAY_NS
        start = self.seeds
        while start < len(self.tape):
            later = self.tape["ts_recv"][start:] >= (day + 1) * _DAY_NS
            stop = start + int(np.argmax(later)) if later.any() else len(self.tape)
            live = live_orders(self.tape[:start])
            yield utc_date(day * _DAY_NS), snapshot(live, day * _DAY_NS), self.tape[start:stop]
            day, start = day + 1, stop


def play_sessions(
    sessions: Sequence[Window], *, seed: int, events: Sequence[int]
) -> Iterator[SessionTape]:
    """Yield consecutive sessions of one contract, each played when it is asked for.

    Parameters
    ----------
    sessions
        In order of time, at least one.
    seed
        The same seed, sessions and events give the same rows.
    events
        Of the open phase of each session; a fortieth as many come before the open.

    Raises
    ------
    ConfigError
        No session, or one with less than `MIN_EVENTS` events.
    """
    if not sessions:
        raise ConfigError("sessions", sessions, "at least one session")
    if min(events) < MIN_EVENTS:
        raise ConfigError("events_per_session", min(events), f"at least {MIN_EVENTS}")
    carried = _first_orders(sessions[0], np.random.default_rng([seed, 0]))
    fair = LEVELS / 2
    for number, (session, count) in enumerate(zip(sessions, events, strict=True), start=1):
        tape, fair = _play(session, carried, fair, np.random.default_rng([seed, number]), count)
        seeds = len(carried)
        carried = _next_seeds(live_orders(tape), int(tape["sequence"].max()))
        yield SessionTape(session, seeds, tape)


def _play(
    session: Window, carried: Records, fair: float, rng: np.random.Generator, events: int
) -> tuple[Records, float]:
    """Play one session; return its tape, seeds first, and the fair value at its end, in levels."""
    pre_open = max(events // 40, 60)
    count = pre_open + 1 + events
    draws, noise = rng.random((count + 1, DRAWS)), rng.standard_normal(count + 1)
    market = _market(len(carried) + count + 2, len(carried) + 4 * count + 5_000)
    side = (carried["side"] == Side.ASK).astype(np.int64)
    sizes = carried["size"].astype(np.int64)
    order_ids = carried["order_id"].astype(np.int64)
    carry_in(market, order_ids, side, _level(carried["price"].astype(np.int64)), sizes)
    market.counts[2] = max(int(order_ids.max(initial=0)), _FIRST_ORDER_ID) + 1
    play_pre_open(market, 0, pre_open, fair, draws, noise)
    play_auction(market, pre_open, fair)
    fair = play_open(market, pre_open + 1, count, fair, draws, noise)
    purge_day_orders(market, count)
    times = np.concatenate(
        [
            pre_open_times(session, pre_open, rng),
            [session.open_ns],
            open_times(session, events, _PURGE_NS, rng),
            [session.close_ns - _PURGE_NS],
        ]
    )
    return _tape(carried, market, times, rng), fair


def _first_orders(session: Window, rng: np.random.Generator) -> Records:
    """Return good-till-cancelled orders from the days before, away from the market."""
    seeds = new_tape(2 * _GTC_A_SIDE)
    away = rng.integers(6, 80, len(seeds))
    bid = np.arange(len(seeds)) % 2 == 0
    seeds["side"] = np.where(bid, Side.BID, Side.ASK)
    seeds["price"] = _price(LEVELS // 2 + np.where(bid, -away, away))
    seeds["size"] = rng.integers(1, 6, len(seeds))
    seeds["order_id"] = _FIRST_ORDER_ID - len(seeds) + np.arange(len(seeds))
    seeds["action"], seeds["gtc"] = Action.ADD, 1
    seeds["rank"] = np.arange(len(seeds))
    age = np.sort(rng.integers(0, 3600, len(seeds)))[::-1]
    seeds["born_ts"] = session.previous_close_ns - (age + 60) * NS_PER_SECOND
    seeds["born_sequence"] = 1 + np.arange(len(seeds))
    return _next_seeds(seeds, len(seeds))


def _next_seeds(live: Records, sequence: int) -> Records:
    """Return live orders as the first rows of the next tape, in order of arrival.

    `sequence` is the last number of the tape before.
    """
    seeds = live[np.argsort(live["rank"], kind="stable")]
    seeds["rank"] = np.arange(len(seeds))
    seeds["ts_event"], seeds["ts_recv"] = seeds["born_ts"], seeds["born_ts"]
    seeds["sequence"] = sequence
    seeds["flags"] = RecordFlag.LAST
    return seeds


def _price(level: Int1D) -> Int1D:
    return (level - LEVELS // 2 + _START_TICK) * _TICK


def _level(price: Int1D) -> Int1D:
    return price // _TICK - _START_TICK + LEVELS // 2


def _market(orders: int, rows: int) -> Market:
    queues = np.zeros((2, LEVELS), dtype=QUEUE)
    queues["head"], queues["tail"] = -1, -1
    return Market(
        orders=np.zeros(orders, dtype=ORDER),
        queues=queues,
        sides=np.array([(-1, 0), (LEVELS, 0)], dtype=SIDE),
        live=np.zeros(orders, dtype=np.int64),
        touched=np.zeros((2, orders), dtype=np.int64),
        counts=np.zeros(4, dtype=np.int64),
        rows=np.zeros(rows, dtype=ROW),
    )


def _tape(carried: Records, market: Market, times: Int1D, rng: np.random.Generator) -> Records:
    """Return the rows that the kernels wrote as a tape with times and sequence numbers."""
    seeds, count = len(carried), int(market.counts[3])
    tape = new_tape(count)
    rows = market.rows[:count]
    for name in ("action", "side", "size", "order_id", "rank"):
        tape[name] = rows[name]
    tape["price"], tape["flags"] = _price(rows["level"]), rows["last"] * RecordFlag.LAST
    new = slice(seeds, None)
    step, action = rows["step"][seeds:], rows["action"][seeds:]
    start = int(carried["sequence"].max(initial=0))
    tape["sequence"][new] = start + sequences(step, action, rng)
    tape["ts_event"][new] = times[step]
    recv, delta = receive_times(times[step], tape["sequence"][new].astype(np.int64), rng)
    tape["ts_recv"][new], tape["ts_in_delta"][new] = recv, delta
    tape[:seeds] = carried
    book = tape["rank"] != NO_RANK
    birth = tape["rank"][book]
    tape["born_ts"][book] = tape["ts_event"][birth]
    tape["born_sequence"][book] = tape["sequence"][birth]
    return tape
