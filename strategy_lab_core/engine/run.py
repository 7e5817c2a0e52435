"""One pass over a tape: arrays made, the kernel run, arrays grown where it asks for room.

Knows arrays and the kernel only; which rows, instrument and session is decided in `backtest`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Protocol

import numba
import numpy as np

from strategy_lab_core._jit import HOT_KERNEL, JIT_DISABLED
from strategy_lab_core.engine import simulator
from strategy_lab_core.engine.carry import held_after
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.feed import End, Seen, quiet_feed
from strategy_lab_core.engine.latency import LatencyModel
from strategy_lab_core.engine.market import market_of
from strategy_lab_core.engine.orders import sample
from strategy_lab_core.engine.own_levels import drop_resting
from strategy_lab_core.engine.queue import QueueModel
from strategy_lab_core.engine.recorded import World, start_cursor
from strategy_lab_core.engine.rolling import Roll, Rolled, roll_over
from strategy_lab_core.engine.rules import headroom, line_of, rules_of
from strategy_lab_core.engine.sheets import (
    STRATEGY_SIGNATURE,
    Sheets,
    StrategyFunction,
    Wake,
    blank_sheets,
)
from strategy_lab_core.engine.state import (
    NEVER,
    NO_ASK,
    NO_BID,
    Cursor,
    Near,
    OrderKind,
    Sets,
    fresh_sets,
    with_room,
)
from strategy_lab_core.engine.tape import SessionTape
from strategy_lab_core.engine.used import with_used_room
from strategy_lab_core.engine.written import Written
from strategy_lab_core.errors import SimulationError
from strategy_lab_core.types import NS_PER_SECOND, Float1D, Int2D, Records

__all__ = ["Costs", "Outcome", "RunnableStrategy", "run_pass"]


MAX_POSITION = 100_000  # lots: no limit of its own
ROWS_A_TURN = 1 << 18  # between two calls of `on_rows`, and two chances to interrupt


class RunnableStrategy(Protocol):
    """What the engine needs to know of a strategy (`strategies.strategy.Strategy` is one)."""

    @property
    def name(self) -> str:
        """Name for messages."""

    @property
    def function(self) -> StrategyFunction:
        """Compiled function of the one signature."""

    @property
    def on_book(self) -> bool:
        """Whether it is called when the book that it sees changes."""

    @property
    def on_response(self) -> bool:
        """Whether it is called when a response to its orders arrives."""

    @property
    def timer_ns(self) -> int:
        """Spacing of its timer, 0 for none."""

    @property
    def n_ints(self) -> int:
        """Integers it keeps."""

    @property
    def n_floats(self) -> int:
        """Floats it keeps."""

    @property
    def parameters(self) -> dict[str, float]:
        """Its parameters by name."""

    def encode(self) -> Float1D:
        """Return its parameters as kernels read them."""


class Costs(NamedTuple):
    """One instrument: a tick and fees per lot and the loss limit in its money unit, order types.

    `max_position` is the largest that its margin leaves, in lots.
    """

    tick_value: int
    maker: int
    taker: int
    order_kinds: frozenset[OrderKind] = frozenset(OrderKind)
    max_loss: int = 0
    max_position: int = MAX_POSITION


@dataclass(frozen=True, slots=True)
class Outcome:
    """The arrays at the end of a pass, and why sets were stopped, by their place."""

    world: World
    sets: Sets
    sheets: Sheets
    written: Written
    errors: Mapping[int, SimulationError]
    rolled: Rolled | None = None  # how the sets got into this session's contract

    def orders(self, k: int) -> Records:
        """Return the orders of a set that are over, as `state.ORDER` (shape: orders)."""
        return self.written.rows(self.sets, "orders", k)

    def fills(self, k: int) -> Records:
        """Return the fills of a set, as `state.FILL` (shape: fills)."""
        return self.written.rows(self.sets, "fills", k)

    def samples(self, k: int) -> Records:
        """Return the samples of a set's account, as `state.SAMPLE` (shape: samples)."""
        return self.written.rows(self.sets, "samples", k)


def run_pass(
    session: SessionTape,
    strategies: Sequence[RunnableStrategy],
    configs: Sequence[BacktestConfig],
    costs: Sequence[Costs],
    *,
    keeps_orders: bool = True,
    on_rows: Callable[[int], None] | None = None,
    before: Outcome | None = None,
    roll: Roll | None = None,
    flatten_ns: int = 0,
) -> Outcome:
    """Run parameter sets over a tape, which is used up: its book ends where the session ends.

    Parameters
    ----------
    session
        The tape.
    strategies
        One for each set: the same function with other parameters.
    configs, costs
        One for each set; they agree in what all sets share (`config.SHARED`).
    keeps_orders
        Whether every order is written down; without, memory does not grow with them.
    on_rows
        Called now and then with the number of rows that are done, from this thread.
    before
        Of a carried run, how the session before ended, with the same sets; it is used up.
    roll
        Of a carried run, how positions get into this session's contract; until then nothing is
        done.
    flatten_ns
        When a carried run ends flat, which may be in a later session; 0: when this session does.

    A set whose strategy raises takes no further part; the others are not disturbed.
    """
    first, strategy = configs[0], strategies[0]
    errors: dict[int, SimulationError]
    flatten_ns = flatten_ns or session.session.close_ns - first.flatten_seconds * NS_PER_SECOND
    world = World(
        tape=session.tape,
        market=market_of(session.book.state, session.level_tick, session.window),
        feed=quiet_feed(session.in_flight),
        cursor=start_cursor(
            end_ns=session.end_ns,
            flatten_ns=flatten_ns,
            calls=_calls(strategy),
        ),
    )
    rules, line = _rules(strategy, configs, costs)
    if session.window == 1:  # a single level is too little for a guess
        rules["queue_model"] = QueueModel.RISK_AVERSE
    world.cursor[Cursor.TELLS] = int(strategy.on_book or rules["max_loss"].max() > 0)
    world.cursor[Cursor.FOLLOWS_FEED] = int((rules["latency_model"] == LatencyModel.FEED).any())
    room = max(headroom(config) for config in configs)
    world.cursor[Cursor.HEADROOM] = room
    if before is None:
        sets, errors = fresh_sets(rules, line, room, keeps_orders=keeps_orders), {}
        sheets, written = _sheets(strategies, configs), Written(len(configs))
        sets.totals["reacts"] = (rules["max_loss"] > 0) | strategy.on_response
        _sample_all(sets, session, world)
    else:
        errors = dict(before.errors)
        held = held_after(before.world, before.sets, before.sheets)
        sets = held.into(world.cursor, session.window)._replace(rules=rules, line=line)
        sheets, written = held.sheets, before.written
    begin_ns, rolled = 0, None
    ready = _Pass(session, strategy, world, sets, sheets, written, errors, room)
    if roll is not None:
        rolled, begin_ns = ready.roll_over(roll), roll.at_ns
    _set_clocks(ready.sets, session, strategy, first, flatten_ns, begin_ns)
    ready.play(on_rows)
    ready.make_room(max(room, ready.sets.orders.shape[1]))  # for the orders of all slots
    for k in range(len(configs)):
        simulator.finish(ready.world, ready.sets, k)
    return Outcome(ready.world, ready.sets, sheets, written, errors, rolled)


@dataclass(slots=True)
class _Pass:
    """The arrays of a pass in progress, made longer where the kernel asks for room."""

    session: SessionTape
    strategy: RunnableStrategy
    world: World
    sets: Sets
    sheets: Sheets
    written: Written
    errors: dict[int, SimulationError]
    room: int
    kernel: Callable[..., int] | None = None  # for arrays of these types, however long they are

    def make_room(self, room: int) -> None:
        """Have at least `room` rows left in every array of every set."""
        self.written.make_room(self.sets, room)
        self.sets = with_used_room(with_room(self.sets, room), room)

    def play(self, on_rows: Callable[[int], None] | None) -> None:
        """Run to the end of the session."""
        n_rows = len(self.session.tape.event_ns)
        pause = n_rows if on_rows is None else 0
        while self._advance(pause) == simulator.Status.PAUSED and on_rows is not None:
            on_rows(int(self.world.cursor[Cursor.ROW]))
            pause += ROWS_A_TURN

    def roll_over(self, roll: Roll) -> Rolled:
        """Let the market go on to the moment of the roll, with every set asleep, and roll."""
        cursor, changed = self.world.cursor, [Cursor.CALLS, Cursor.TELLS, Cursor.END_NS]
        awake = cursor[changed]
        cursor[changed] = 0, 0, roll.at_ns
        cursor[Cursor.LAST_TICK] = 0  # the old contract's
        for name in ("next_sample_ns", "next_flatten_ns", "next_timer_ns"):
            self.sets.totals[name] = NEVER
        self._advance(len(self.session.tape.event_ns))
        cursor[changed] = awake
        self.make_room(self.room + 2 * int(np.abs(self.sets.totals["position"]).max()))
        market = self.world.market
        return roll_over(roll, market, self.sets, self.written, cursor, self.errors)

    def _advance(self, pause: int) -> int:
        """Run up to a row, or to the end where that is nearer; return the kernel's `Status`."""
        while True:
            arguments = (self.world, self.sets, self.sheets, self.strategy.function, pause)
            self.kernel = self.kernel or _kernel(arguments)
            try:
                status = int(self.kernel(*arguments))
            except Exception as error:  # whatever a strategy raises: the set ends, not the pass
                k = int(self.world.cursor[Cursor.ACTIVE])
                if k in self.errors:
                    raise  # not a strategy's: this one is not called any more
                self.errors[k] = _stop(self.world, self.sets, k, self.strategy.name, error)
                continue
            if status == simulator.Status.ARRAYS_FULL:
                self.make_room(self.room)
            elif status == simulator.Status.BOOK_FULL:
                book = self.session.book
                book.reserve(2 * book.capacity)
                grown = market_of(book.state, self.session.level_tick, self.session.window)
                self.world = self.world._replace(market=grown)
            else:
                return status


def _rules(
    strategy: RunnableStrategy, configs: Sequence[BacktestConfig], costs: Sequence[Costs]
) -> tuple[Records, Int2D]:
    """Return the kernels' form of the configurations (shape: sets), and the pass's `line`."""
    line, curves_at = line_of(configs)
    rules = [
        rules_of(
            config,
            tick_value=money.tick_value,
            maker_fee=money.maker,
            taker_fee=money.taker,
            order_kinds=money.order_kinds,
            max_loss=money.max_loss,
            timer_ns=strategy.timer_ns,
            curve_at=curve_at,
        )
        for config, money, curve_at in zip(configs, costs, curves_at, strict=True)
    ]
    made = np.concatenate(rules)
    made["max_position"] = np.minimum(made["max_position"], [each.max_position for each in costs])
    return made, line


def _sample_all(sets: Sets, session: SessionTape, world: World) -> None:
    for k in range(len(sets.totals)):
        sample(sets, k, int(session.tape.event_ns[0]), world.cursor)


def _sheets(strategies: Sequence[RunnableStrategy], configs: Sequence[BacktestConfig]) -> Sheets:
    return blank_sheets(
        np.stack([each.encode() for each in strategies]),
        n_ints=strategies[0].n_ints,
        n_floats=strategies[0].n_floats,
        max_open_orders=max(config.limits.max_open_orders for config in configs) + 1,
    )


def _calls(strategy: RunnableStrategy) -> int:
    """Return a bit for each `Wake` that a strategy is called for."""
    on_book, on_response = int(strategy.on_book), int(strategy.on_response)
    return on_book << Wake.BOOK | on_response << Wake.RESPONSE | 1 << Wake.TIMER


def _stop(world: World, sets: Sets, k: int, name: str, error: Exception) -> SimulationError:
    """Take a set out of the pass, and return why."""
    sets.totals[k]["is_stopped"] = 1
    drop_resting(sets, k)
    sets.totals[k]["stops"] = 0
    sets.near[Near.BEST_BID, k], sets.near[Near.BEST_ASK, k] = NO_BID, NO_ASK
    sets.totals[k]["buy_stop"], sets.totals[k]["sell_stop"] = NO_ASK, NO_BID
    seen_ns = int(world.feed.ends[End.SEEN, Seen.LOCAL_NS])
    stopped = SimulationError(
        f"strategy {name!r} raised {error!r} on the book that it saw at {seen_ns} ns "
        f"({np.datetime64(seen_ns, 'ns')} UTC)"
    )
    stopped.__cause__ = error
    return stopped


_KERNELS: dict[Any, Callable[..., int]] = {}  # by the layout of their arguments


def _kernel(arguments: tuple[Any, ...]) -> Callable[..., int]:
    kernel: Callable[..., int] = simulator.advance
    if JIT_DISABLED:
        return kernel
    layout = _layout(arguments)
    if layout not in _KERNELS:
        _KERNELS[layout] = _compiled(_signature(arguments))
    return _KERNELS[layout]


def _layout(value: Any) -> Any:
    """Return what decides the type that Numba sees, which takes milliseconds to ask for."""
    if isinstance(value, tuple):
        return (type(value), *map(_layout, value))
    if isinstance(value, np.ndarray):
        flags = value.flags
        return value.dtype, value.ndim, flags.c_contiguous, flags.aligned, flags.writeable
    return type(value)


def _signature(arguments: tuple[Any, ...]) -> Any:
    kinds = [numba.typeof(argument) for argument in arguments]  # type: ignore[no-untyped-call]
    kinds[3] = numba.types.FunctionType(STRATEGY_SIGNATURE)
    return numba.types.int64(*kinds)


@cache
def _compiled(signature: Any) -> Any:
    # Only with its signature given is a function that takes a function cached on disk.
    return numba.njit(signature, **HOT_KERNEL)(simulator.advance)


def _set_clocks(
    sets: Sets,
    session: SessionTape,
    strategy: RunnableStrategy,
    config: BacktestConfig,
    flatten_ns: int,
    begin_ns: int,
) -> None:
    first_ns = max(int(session.tape.event_ns[0]), begin_ns)
    spacing = config.sample_seconds * NS_PER_SECOND
    sets.totals["next_sample_ns"] = -(-first_ns // spacing) * spacing
    # A set that was killed in a session before goes on closing its position.
    is_killed = sets.totals["killed_ns"] > 0
    ending_ns = np.where(is_killed, session.session.open_ns, flatten_ns)
    sets.totals["next_flatten_ns"] = np.maximum(ending_ns, begin_ns)
    sets.totals["next_timer_ns"] = _first_timer_ns(session, strategy.timer_ns, begin_ns)


def _first_timer_ns(session: SessionTape, timer_ns: int, begin_ns: int) -> int:
    """Return the first tick of the timer, counted from the open, at which a book was seen."""
    if timer_ns == 0:
        return NEVER
    seen_ns = max(int(session.tape.local_ns[0]), begin_ns)
    ticks = -(-(seen_ns - session.session.open_ns) // timer_ns)
    return session.session.open_ns + max(ticks, 0) * timer_ns
