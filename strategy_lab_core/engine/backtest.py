"""One strategy on one session of one instrument: `backtest`, the engine's Python face.

Chooses instrument and session, builds the tape, runs the pass, and hands back tables, figures and
every assumption that flatters the result. Many parameter sets on one pass are in `sweep`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from strategy_lab_core.book.validate import validate
from strategy_lab_core.data.calendar import Session, phase_intervals
from strategy_lab_core.data.columns import Table
from strategy_lab_core.data.instruments import MONEY_SCALE, Instrument, Product
from strategy_lab_core.engine.assumptions import assumptions_of
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.results import equity_table, fills_table, metrics_of, orders_table
from strategy_lab_core.engine.run import Costs, Outcome, RunnableStrategy, run_pass
from strategy_lab_core.engine.selection import select
from strategy_lab_core.engine.state import OrderKind
from strategy_lab_core.engine.tape import SessionTape, session_tape
from strategy_lab_core.errors import DataError, InstrumentError
from strategy_lab_core.types import PRICE_SCALE

__all__ = ["BacktestResult", "Progress", "Stage", "backtest", "costs_of", "prepare", "result_of"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """What came out of one run; prices in 1e-9, money in 1e-6 of the currency, times in ns UTC.

    Attributes
    ----------
    orders, fills, equity
        Every order's life, every fill in exchange order, the account at fills and on a grid.
    metrics
        Figures by name; money ends in `_e6`.
    assumptions
        Sentences: what makes the result better than reality would be.
    flags
        "partial" where the rows do not reach from open to close; "open_position" where the
        session did not end flat (valued at the far side then); "killed" where the loss limit
        ended it early.
    instrument, session
        What it ran on.
    config, strategy, parameters
        What it ran with.
    """

    orders: Table
    fills: Table
    equity: Table
    metrics: dict[str, int | float]
    assumptions: tuple[str, ...]
    flags: tuple[str, ...]
    instrument: Instrument
    session: Session
    config: BacktestConfig
    strategy: str
    parameters: dict[str, float]


@dataclass(frozen=True, slots=True)
class Stage:
    """A session made ready to run on.

    Attributes
    ----------
    tape
        Its rows and the book that it begins with; each pass needs a copy.
    instrument, session
        What was chosen, and `choice` why.
    """

    tape: SessionTape
    instrument: Instrument
    session: Session
    choice: str


def costs_of(instrument: Instrument, config: BacktestConfig) -> Costs:
    """Return the money of an instrument, exact, in units of 1 / money scale, and its order types.

    A tick must be worth an even number of units: the mid has half ticks.
    """
    scale = instrument.product.money_scale
    worth = instrument.tick_size * instrument.multiplier * scale
    tick_value, rest = divmod(worth, PRICE_SCALE * PRICE_SCALE)
    if rest or tick_value % 2:
        raise InstrumentError(
            f"a tick of {instrument.symbol} is worth {worth / PRICE_SCALE**2:g}, which must be "
            f"an even number of 1/{scale} {instrument.product.currency}"
        )
    own, product = config.fees, instrument.product
    maker = product.fee_maker if own.maker_e6 is None else own.maker_e6
    taker = product.fee_taker if own.taker_e6 is None else own.taker_e6
    kinds = frozenset(OrderKind)
    if not config.market_orders.simulate_unsupported:
        kinds = frozenset(OrderKind[name.upper()] for name in product.order_types)
    fee_maker, fee_taker = maker * scale // MONEY_SCALE, taker * scale // MONEY_SCALE
    max_loss = (config.limits.max_loss_e6 or 0) * scale // MONEY_SCALE
    return Costs(tick_value, fee_maker, fee_taker, kinds, max_loss)


def backtest(
    ticks: Table,
    strategy: RunnableStrategy,
    config: BacktestConfig | None = None,
    *,
    on_progress: Progress | None = None,
    session: Session | None = None,
    instrument: Instrument | str | None = None,
    seed: Table | None = None,
    status: Table | None = None,
    products: Mapping[str, Product] | None = None,
) -> BacktestResult:
    """Simulate one strategy on one session, flat to flat.

    Parameters
    ----------
    ticks
        Rows of one session, any number of instruments, validated here where they are not. Their
        schema decides how much of the queue is known: `mbo` (L3), `mbp-10` and depth differences
        (L2: `config.queue`), `mbp-1` and `tbbo` (L1).
    strategy
        Compiled strategy with its parameter values.
    config
        Latency, fees, limits, queue model; by default those of `BacktestConfig()`.
    on_progress
        Called with rows done and rows in all, the first time when the pass begins.
    session, instrument
        By default the session of the rows, and of several outrights the one that expires first
        after it: name the contract that a roll rule gives (`data.rolls`).
    seed
        Orders alive before the first row, in priority order.
    status
        `status` rows: they give the phases instead of the calendar.
    products
        Products by root where the package's own table is not meant.

    Returns
    -------
    Tables, figures and assumptions. The same inputs give the same bytes.

    Raises
    ------
    SimulationError
        The strategy raised; the message says what, and when.
    """
    config = config or BacktestConfig()
    stage = prepare(
        ticks,
        config,
        session=session,
        instrument=instrument,
        seed=seed,
        status=status,
        products=products,
    )
    costs = costs_of(stage.instrument, config)
    total = len(stage.tape.tape.event_ns)
    on_rows = _reporter(on_progress, total)
    outcome = run_pass(stage.tape, [strategy], [config], [costs], on_rows=on_rows)
    if on_progress is not None:
        on_progress(total, total)
    if outcome.errors:
        raise outcome.errors[0]
    return result_of(stage, outcome, 0, strategy, config)


def _reporter(on_progress: Progress | None, total: int) -> Callable[[int], None] | None:
    if on_progress is None:
        return None
    return lambda done: on_progress(done, total)


def prepare(
    ticks: Table,
    config: BacktestConfig,
    *,
    session: Session | None = None,
    instrument: Instrument | str | None = None,
    seed: Table | None = None,
    status: Table | None = None,
    products: Mapping[str, Product] | None = None,
) -> Stage:
    """Choose instrument and session, and build the tape; the parameters are those of `backtest`."""
    chosen = select(ticks, session=session, instrument=instrument, products=products)
    instrument_id = chosen.instrument.instrument_id
    phases = phase_intervals(chosen.session, status, instrument_id=instrument_id)
    rows = chosen.ticks
    if "book_state" not in rows.columns:
        known = {instrument_id: chosen.instrument}
        rows = validate(rows, instruments=known, phases=phases, seed=seed).valid
    tape = session_tape(
        rows,
        chosen.session,
        phases,
        tick_size=chosen.instrument.tick_size,
        latency=config.latency,
        seed=seed,
    )
    if not tape.is_complete and not config.allow_partial:
        raise DataError(
            f"the session {chosen.session.key} is partial, its rows do not reach from open to "
            "close; set allow_partial to run on it anyway"
        )
    return Stage(tape, chosen.instrument, chosen.session, chosen.reason)


def result_of(
    stage: Stage, outcome: Outcome, k: int, strategy: RunnableStrategy, config: BacktestConfig
) -> BacktestResult:
    """Return what came out of set `k` of a pass, which ran `strategy` with `config`."""
    tape, sets = stage.tape, outcome.sets
    costs = costs_of(stage.instrument, config)
    metrics = metrics_of(sets, k, costs.tick_value)
    return BacktestResult(
        orders=orders_table(sets, k, tape.tick_size),
        fills=fills_table(sets, k, tape.tick_size),
        equity=equity_table(sets, k, costs.tick_value),
        metrics=metrics,
        assumptions=assumptions_of(
            config,
            choice=stage.choice,
            repair_ns=tape.repair_ns,
            maker_e6=costs.maker,
            taker_e6=costs.taker,
            window=tape.window,
        ),
        flags=_flags(tape, metrics),
        instrument=stage.instrument,
        session=stage.session,
        config=config,
        strategy=strategy.name,
        parameters=strategy.parameters,
    )


def _flags(tape: SessionTape, metrics: Mapping[str, int | float]) -> tuple[str, ...]:
    found = {
        "partial": not tape.is_complete,
        "open_position": metrics["final_position"] != 0,
        "killed": metrics["killed_ns"] != 0,
    }
    return tuple(name for name, is_so in found.items() if is_so)
