"""One pass over a tape: arrays made, the kernel run, arrays grown where it asks for room.

Knows arrays and the kernel only; which rows, instrument and session is decided in `backtest`.
"""

from functools import cache
from typing import Any, NamedTuple, Protocol

import numba

from strategy_lab_core._jit import JIT_DISABLED
from strategy_lab_core.engine import simulator
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.feed import End, Seen, quiet_feed
from strategy_lab_core.engine.market import market_of
from strategy_lab_core.engine.orders import sample
from strategy_lab_core.engine.recorded import World, start_cursor
from strategy_lab_core.engine.rules import headroom, rules_of
from strategy_lab_core.engine.sheets import STRATEGY_SIGNATURE, StrategyFunction, blank_sheets
from strategy_lab_core.engine.state import NEVER, Sets, fresh_sets, with_room
from strategy_lab_core.engine.tape import SessionTape
from strategy_lab_core.engine.used import with_used_room
from strategy_lab_core.errors import SimulationError
from strategy_lab_core.types import NS_PER_SECOND, Float1D

__all__ = ["Costs", "Outcome", "RunnableStrategy", "run_pass"]


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
    """Money of one instrument: value of a tick and fees, per lot, in the money unit."""

    tick_value: int
    maker: int
    taker: int


class Outcome(NamedTuple):
    """The arrays at the end of a pass."""

    world: World
    sets: Sets


def run_pass(
    session: SessionTape, strategy: RunnableStrategy, config: BacktestConfig, costs: Costs
) -> Outcome:
    """Run one strategy over a tape, which is used up: its book ends where the session ends."""
    flatten_ns = session.session.close_ns - config.flatten_seconds * NS_PER_SECOND
    world = World(
        tape=session.tape,
        market=market_of(session.book.state, session.level_tick),
        feed=quiet_feed(session.in_flight),
        cursor=start_cursor(
            end_ns=session.end_ns, flatten_ns=flatten_ns, call_on_book=strategy.on_book
        ),
    )
    rules = rules_of(
        config,
        tick_value=costs.tick_value,
        maker_fee=costs.maker,
        taker_fee=costs.taker,
        timer_ns=strategy.timer_ns,
    )
    room = headroom(config)
    sets = fresh_sets(rules, room)
    sheets = blank_sheets(
        strategy.encode().reshape(1, -1),
        n_ints=strategy.n_ints,
        n_floats=strategy.n_floats,
        max_open_orders=config.limits.max_open_orders + 1,  # and the flattening order
    )
    _set_clocks(sets, session, strategy, config, flatten_ns)
    sample(sets, 0, int(session.tape.event_ns[0]), world.cursor)
    status = -1
    while status != simulator.Status.DONE:
        arguments = (world, sets, sheets, strategy.function, 0, room)
        status = _advance(strategy.name, arguments)
        if status == simulator.Status.ARRAYS_FULL:
            sets = with_used_room(with_room(sets, room), room)
        elif status == simulator.Status.BOOK_FULL:
            session.book.reserve(2 * session.book.live_orders)
            world = world._replace(market=market_of(session.book.state, session.level_tick))
    simulator.finish(world, sets, 0)
    return Outcome(world, sets)


def _advance(name: str, arguments: tuple[Any, ...]) -> int:
    """Run the kernel until it returns; an error in the strategy is told with its name."""
    advance = simulator.advance if JIT_DISABLED else _compiled(_signature(arguments))
    try:
        return int(advance(*arguments))
    except Exception as error:
        seen_ns = int(arguments[0].feed.ends[End.SEEN, Seen.LOCAL_NS])
        raise SimulationError(
            f"strategy {name!r} raised {error!r} on the book that it saw at {seen_ns} ns"
        ) from error


def _signature(arguments: tuple[Any, ...]) -> Any:
    kinds = [numba.typeof(argument) for argument in arguments]  # type: ignore[no-untyped-call]
    kinds[3] = numba.types.FunctionType(STRATEGY_SIGNATURE)
    return numba.types.int64(*kinds)


@cache
def _compiled(signature: Any) -> Any:
    # Only with its signature given is a function that takes a function cached on disk. The options
    # are those of `_jit.hot_kernel`.
    options: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
    return numba.njit(signature, **options)(simulator.advance)


def _set_clocks(
    sets: Sets,
    session: SessionTape,
    strategy: RunnableStrategy,
    config: BacktestConfig,
    flatten_ns: int,
) -> None:
    first_ns = int(session.tape.event_ns[0])
    spacing = config.sample_seconds * NS_PER_SECOND
    sets.totals["next_sample_ns"] = -(-first_ns // spacing) * spacing
    sets.totals["next_flatten_ns"] = flatten_ns
    sets.totals["next_timer_ns"] = _first_timer_ns(session, strategy.timer_ns)


def _first_timer_ns(session: SessionTape, timer_ns: int) -> int:
    """Return the first tick of the timer, counted from the open, at which a book was seen."""
    if timer_ns == 0:
        return NEVER
    ticks = -(-(int(session.tape.local_ns[0]) - session.session.open_ns) // timer_ns)
    return session.session.open_ns + max(ticks, 0) * timer_ns
