"""Random runs over one session or several, on any feed, and both engines to play them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.columns import Table, concat
from strategy_lab_core.engine.backtest import BacktestResult, backtest
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.stage import SessionTicks
from tests.core.engine.draws import random_config, random_prompt_latency, seeds
from tests.core.engine.level_tapes import feed_of
from tests.core.engine.monkeys import ANYTHING, BRACKETS, monkey
from tests.core.engine.tapes import MNQ, SECOND, START_NS, TICK, TICK_VALUE, random_rows
from tests.naive.book import SNAPSHOT, NaiveBook
from tests.naive.engine import NaiveEngine
from tests.naive.level_engine import LevelBook, NaiveLevelEngine
from tests.naive.tape import Row, events_of

__all__ = [
    "CONTRACTS",
    "KINDS",
    "Case",
    "Part",
    "assert_same",
    "case_of",
    "cases",
    "of_next",
]

BY_PRICE = ("mbp-10", "mbp-10 merged", "mbp-1", "tbbo", "differences")
CONTRACTS = ("MNQH4", "MNQM4")
MILLI = 1_000_000
GRID = 5 * MILLI


class Part(NamedTuple):
    """A session with the rows of the contract that it trades, and of the other one."""

    session: Session
    ticks: Table  # of both
    rows: list[Row]
    others: list[Row]
    contract: int = 0  # its place in CONTRACTS

    @property
    def phases(self) -> list[tuple[int, int]]:
        """Return when each phase starts, by its number."""
        day = self.session
        found = [(day.previous_close_ns, 0), (day.pre_open_ns, 1), (day.open_ns, 2)]
        for start, end in day.halts:
            found += [(start, 3), (end, 2)]
        return [*found, (day.close_ns, 0)]


@dataclass(frozen=True)
class Case:
    """What is run: sessions of a feed with so many levels (None: not in levels), and how."""

    seed: int
    parts: list[Part] = field(repr=False)
    feed: str
    depth: int | None
    actor: Any
    config: BacktestConfig

    def fast(self) -> BacktestResult:
        """Run the engine."""
        if not self.config.carry:
            (part,) = self.parts
            return backtest(
                part.ticks, self.actor, self.config, session=part.session, instrument=MNQ
            )
        sessions = [
            SessionTicks(part.session, part.ticks, instrument=CONTRACTS[part.contract])
            for part in self.parts
        ]
        return backtest(sessions, self.actor, self.config)

    def slow(self) -> NaiveEngine | None:
        """Run the naive engine; None where a position finds too few lots to roll."""
        engine = self.begin(NaiveEngine, NaiveLevelEngine)
        return engine if self.play(engine) else None

    def begin(self, by_order: type[NaiveEngine], by_price: type[NaiveLevelEngine]) -> Any:
        """Return a naive engine at the first session's begin, of the type for the feed."""
        fees, product = self.config.fees, MNQ.product
        named = {
            **self._begin_of(self.parts[0]),
            "tick_value": TICK_VALUE,
            "maker_fee": product.fee_maker if fees.maker_e6 is None else fees.maker_e6,
            "taker_fee": product.fee_taker if fees.taker_e6 is None else fees.taker_e6,
        }
        first = (self.parts[0].rows, self.actor, self.config)
        if self.feed == "mbo":
            return by_order(*first, **named)
        return by_price(*first, **named, depth=self.depth)

    def play(self, engine: NaiveEngine) -> bool:
        """Play all sessions; say whether every roll found its lots."""
        engine.run()
        for before, part in pairwise(self.parts):
            engine.carry_on(part.rows, **self._begin_of(part))
            is_rolled = before.contract != part.contract
            if is_rolled and engine.roll(part.others, self.first_moment(part)):
                return False
            engine.run()
        return True

    def _begin_of(self, part: Part) -> dict[str, Any]:
        last_ns = max(each.ts for each in events_of(part.rows, self.config)[0])
        return {
            "hours": (
                part.session.open_ns,
                self.parts[-1].session.close_ns - self.config.flatten_seconds * SECOND,
                max(last_ns, part.session.close_ns),  # rows go on, or a snapshot comes late
            ),
            "phases": part.phases,
        }

    def first_moment(self, part: Part) -> int:
        """Return when both contracts can be traded first, by playing both; 0 where never."""
        both = (part.rows, part.others)
        events = [(e.ts, n, e) for n in (0, 1) for e in events_of(both[n], self.config)[0]]
        by_order = self.feed == "mbo"
        books: list[Any] = [NaiveBook() if by_order else LevelBook(self.depth) for _ in both]
        trusted = [False, False]
        events.sort(key=lambda each: each[:2])
        for i, (now, n, each) in enumerate(events):
            for row in each.rows:
                books[n].apply(row)
            trusted[n] = each.rows[-1].trusted
            is_last = i + 1 == len(events) or events[i + 1][0] > now
            is_quoted = all(book.levels(side) for book in books for side in "AB")
            is_open = [phase for start, phase in part.phases if start <= now][-1:] == [2]
            if is_last and is_quoted and all(trusted) and is_open:
                return now
        return 0


def of_next(ticks: Table) -> Table:
    """Return rows as those of the next contract."""
    return ticks.with_columns(
        ticks["instrument_id"] + np.uint32(1), ticks["symbol"].str.replace("H", "M")
    )


KINDS: dict[str, dict[str, Any]] = {
    "one": {"feeds": ["mbo"]},
    "one, by price": {"feeds": BY_PRICE},
    "carried": {"feeds": ["mbo"], "days": (2, 3), "n_events": (30, 80)},
    "carried, by price": {"feeds": BY_PRICE, "days": (2, 3), "n_events": (30, 80)},
    "rolled": {"feeds": ["mbo"], "days": (2, 3), "n_events": (30, 60), "rolls": True},
    "rolled, by price": {"feeds": BY_PRICE, "days": (2, 3), "n_events": (30, 60), "rolls": True},
}


def cases(kind: str) -> st.SearchStrategy[Case]:
    """Draw runs of one of `KINDS`."""
    return seeds().map(lambda seed: case_of(kind, seed))


def case_of(kind: str, seed: int) -> Case:
    """Return one run of one of `KINDS`."""
    return random_case(seed, **KINDS[kind])


def random_case(
    seed: int,
    feeds: Sequence[str],
    *,
    days: tuple[int, int] = (1, 1),
    n_events: tuple[int, int] = (60, 160),
    rolls: bool = False,
) -> Case:
    """Return a run over so many days of so many events; several are carried, where asked rolled."""
    roll = Random(seed)
    feed, depth, wild = roll.choice(feeds), roll.randint(2, 4), roll.random() < 0.5
    n_days, is_prompt = roll.randint(*days), roll.random() < 0.3
    parts, levels = list[Part](), None
    closed_ns = START_NS - SECOND
    for number in range(n_days):
        start_ns = closed_ns + (roll.choice([0, SECOND, 3_600 * SECOND]) if parts else SECOND)
        both = [
            random_rows(roll.getrandbits(32), roll.randint(*n_events), wild=wild, start_ns=start_ns)
            for _ in range(2 if rolls else 1)
        ]
        for rows in both if is_prompt else ():
            _make_prompt(rows, start_ns)
        day = random_session(roll, number, closed_ns, both, is_cut=n_days == 1)
        made = [feed_of(rows, feed, depth) for rows in both]
        if not all(rows for _, rows, _ in made):  # a session without a trade is no tbbo
            return random_case(seed + 1, feeds, days=days, n_events=n_events, rolls=rolls)
        tables = [of_next(ticks) if n else ticks for n, (ticks, _, _) in enumerate(made)]
        contract = int(rolls and number > 0)
        parts.append(Part(day, concat(tables), made[contract][1], made[contract - 1][1], contract))
        levels, closed_ns = made[0][2], day.close_ns
    config = replace(random_config(roll), carry=n_days > 1)
    if is_prompt:
        config = replace(config, latency=random_prompt_latency(roll))
    return Case(seed, parts, feed, levels, random_actor(roll), config)


def _make_prompt(rows: list[Row], start_ns: int) -> None:
    """Let events share moments, and be received at once: what we send can arrive with one."""
    for row in rows:
        if row.flags & SNAPSHOT:
            row.ts_recv = max(row.ts_recv - row.ts_recv % GRID, start_ns)
        else:
            row.ts_event = row.ts_recv = max(row.ts_event - row.ts_event % GRID, start_ns)


def random_session(
    roll: Random, number: int, closed_ns: int, both: list[list[Row]], *, is_cut: bool
) -> Session:
    """Return hours around rows: some before the open, some behind the close, a halt between."""
    times = [row.ts_event for rows in both for row in rows if not row.flags & SNAPSHOT]
    open_ns = min(times) + roll.choice([0, 0, 500 * MILLI])
    last_ns = max(times) - (roll.choice([0, 0, 0, 1]) * SECOND if is_cut else 0)
    close_ns = max(last_ns, open_ns) + roll.choice([1, 30 * MILLI, 2 * SECOND])
    third_ns = (close_ns - open_ns) // 3
    halt = (open_ns + third_ns, open_ns + third_ns + min(third_ns, SECOND))
    halts = roll.choice([(), (), (halt,)]) if third_ns > MILLI else ()
    day = date(2023, 11, 14) + timedelta(days=number)
    pre_open_ns = (closed_ns + open_ns) // 2
    return Session(day, day, closed_ns, pre_open_ns, open_ns, close_ns, halts)


def random_actor(roll: Random) -> Any:
    """Return a monkey, and what it is called for."""
    actor = monkey(
        seed=roll.randint(1, 10**6), act_every=roll.randint(1, 5), reach=roll.randint(1, 3),
        max_lots=roll.choice([3, 9]), nonsense=roll.random() < 0.2,
        mood=roll.randint(ANYTHING, BRACKETS),
    )  # fmt: skip
    return replace(actor, on_book=roll.random() < 0.7, on_response=roll.random() < 0.5)


def assert_same(fast: BacktestResult, slow: NaiveEngine | None) -> None:
    """Compare every order, fill and refusal."""
    assert slow is not None
    orders = fast.orders.drop("average_price", "symbol").rows()
    assert orders == [order.row(TICK) for order in slow.orders]
    columns = ["order_id", "ts_exchange", "ts_local", "price", "size", "liquidity"]
    fills = fast.fills.select(*columns, "position_after").rows()
    assert fills == [fill.row(TICK) for fill in slow.fills]
    assert fast.equity["cash"][-1] == slow.cash
    refused = {
        name.removeprefix("n_refused_"): count
        for name, count in fast.metrics.items()
        if name.startswith("n_refused_") and count
    }
    assert refused == slow.refused
    assert fast.metrics["killed_ns"] == slow.killed
